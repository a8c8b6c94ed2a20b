"""`components/sdk` declares what the providers' generated classes would: they are the oracle, property by property."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, get_args, get_origin

import pulumi
import pytest
from pulumi import _types

import components.acl_enforcement
import components.cloud_dns.host
import components.database
import components.inventory_site
import components.tls_certificate  # noqa: F401 - all that is declared
from components.sdk.resource import GCP, KUBERNETES, Resource, plugin_version
from tests.stacks import Config, stack_config
from tests.unit.everything import BEFORE, everything
from tests.unit.generated_sdk import generated
from tests.unit.recording import HIDDEN, Declared, Edge, declare, run
from tests.unit.test_global_stack import declare_global
from tests.unit.test_routing import PROBE, routed
from tests.unit.tls import AT_CLOUD_DNS, with_tls

ALL = {each.token: each for each in Resource.__subclasses__()}
# Custom resources: the SDK has one class for all kinds.
CUSTOM = {token for token in ALL if token.startswith("kubernetes:") and "googleapis.com" in token}
OURS = {token: each for token, each in ALL.items() if token not in CUSTOM}
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@cache
def edges() -> tuple[Edge, ...]:
    probed: Config = {"udp": "geo", "tcp": "failover", "probe": PROBE | {"path": "/healthz"}}
    return (
        declare(everything(), before=BEFORE),
        declare(stack_config("prod")),
        declare_global(routed()),
        declare_global(routed(**probed)),
        declare(with_tls(AT_CLOUD_DNS)),
    )


def declared() -> Iterator[Declared]:
    """Every resource of ours, each with other inputs than the others."""
    seen: list[tuple[str, dict[str, Any]]] = []
    for each in (each for edge in edges() for each in edge.resources if each.type in OURS):
        if (each.type, each.inputs) not in seen:
            seen.append((each.type, each.inputs))
            yield each


def of_the_sdk(token: str) -> Any:
    """The generated class of a type; `gcp:compute/address:Address` is in `pulumi_gcp.compute.address`."""
    package, module, name = token.split(":")
    folder, _, file = module.partition("/")
    if package == "kubernetes":
        return generated(f"{KUBERNETES}.{folder.partition('.')[0]}.{file}.{name}", name)
    # An abbreviation in front is one word: iAMMember is in iam_member.
    return generated(f"{GCP}.{folder}.{_WORD.sub('_', file.replace('iAM', 'iam')).lower()}", name)


def arguments_of(token: str) -> Any:
    generated_class = of_the_sdk(token)
    suffix = "InitArgs" if token.startswith("kubernetes:") else "Args"
    return generated(generated_class.__module__, f"{generated_class.__name__}{suffix}")


def test_every_type_of_ours_is_declared_somewhere_here() -> None:
    assert {each.type for each in declared()} == set(OURS)


def test_the_generated_classes_would_have_sent_the_same() -> None:
    """Type, inputs, what of them is secret, secret outputs, and the version of the plugin."""
    ours = list(declared())

    def with_the_sdk() -> None:
        for number, each in enumerate(ours):
            names = _types.input_type_py_to_pulumi_names(arguments_of(each.type))
            python = {theirs: own for own, theirs in names.items()}
            # The generated classes say `kind` and `apiVersion` themselves.
            given = {key: value for key, value in each.inputs.items() if key not in OURS[each.type]._constant}
            of_the_sdk(each.type)(str(number), **{python[key]: value for key, value in given.items()})

    theirs = run(with_the_sdk).resources
    assert len(theirs) == len(ours)
    for mine, other in zip(ours, sorted(theirs, key=lambda each: int(each.name)), strict=True):
        assert sent(mine) == sent(other), mine.name


def test_the_sdks_class_for_custom_resources_would_have_sent_the_same() -> None:
    ours = [each for each in edges()[0].resources if each.type in CUSTOM]
    assert {each.type for each in ours} == CUSTOM

    def with_the_sdk() -> None:
        custom = generated(f"{KUBERNETES}.apiextensions.CustomResource", "CustomResource")
        for number, each in enumerate(ours):
            inputs = each.inputs
            custom(
                str(number),
                api_version=inputs["apiVersion"],
                kind=inputs["kind"],
                metadata=inputs["metadata"],
                spec=inputs["spec"],
            )

    theirs = sorted(run(with_the_sdk).resources, key=lambda each: int(each.name))
    assert [sent(each) for each in ours] == [sent(each) for each in theirs]


def sent(each: Declared) -> tuple[Any, ...]:
    hidden = {key for key, value in each.clear.items() if value == HIDDEN}
    return each.type, each.inputs, hidden, each.secret_outputs, each.plugin


def test_every_property_that_is_said_is_one_of_the_sdk() -> None:
    """At any depth: the SDK itself hands on what it does not know."""
    for each in declared():
        assert list(unknown(each.inputs, arguments_of(each.type))) == [], each.name


def unknown(value: Any, kind: Any, path: str = "") -> Iterator[str]:
    """Paths in `value` that the SDK's type of arguments does not have."""
    kind = _types.unwrap_type(kind)
    if isinstance(value, Mapping) and _types.is_input_type(kind):
        types = _types.input_type_types(kind)
        for key, inner in value.items():
            if key not in types:
                yield f"{path}.{key}"
            else:
                yield from unknown(inner, types[key], f"{path}.{key}")
    elif isinstance(value, list) and get_origin(kind) is not None:
        for inner in value:
            yield from unknown(inner, get_args(kind)[0], f"{path}[]")


def test_an_unknown_property_is_seen_at_any_depth() -> None:
    arguments = arguments_of("kubernetes:core/v1:Service")
    wrong = {"spec": {"ports": [{"port": 1, "target_port": 2}], "loadBalancerIp": ""}, "meta": {}}
    assert list(unknown(wrong, arguments)) == [".spec.ports[].target_port", ".spec.loadBalancerIp", ".meta"]


def test_outputs_are_named_as_the_sdk_names_them() -> None:
    for token, ours in OURS.items():
        names = set(_types.resource_pulumi_to_py_names(of_the_sdk(token)))
        assert set(ours._known) <= names, token


def test_none_is_not_said_at_any_depth() -> None:
    class Nested(Resource, token="gcp:compute/router:Router", package=GCP):
        pass

    edge = run(lambda: Nested("n", {"a": None, "b": {"c": None, "d": [{"e": None, "f": 0}], "g": ""}}))
    assert edge.resources[0].inputs == {"b": {"d": [{"f": 0}], "g": ""}}


def test_an_sdk_that_is_not_installed_is_missing_by_its_name() -> None:
    with pytest.raises(ModuleNotFoundError, match="pulumi_nowhere is not installed"):
        plugin_version("pulumi_nowhere")


def test_options_of_a_resource_are_its_own() -> None:
    """The version is added to what is asked for, and nothing of it is lost."""
    address: Any = OURS["gcp:compute/address:Address"]
    edge = run(lambda: address("a", {"name": "a", "region": "r"}, pulumi.ResourceOptions(protect=True)))
    assert (edge.resources[0].protect, edge.resources[0].plugin[0]) == (True, plugin_version(GCP))
