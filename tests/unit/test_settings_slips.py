"""Settings that say what has no effect, or what YAML reads otherwise than it was meant: refused with a remedy."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from settings import Settings, SettingsError
from tests.stacks import as_engine_gives_it, changed, stack_config, written_config

CLUSTER, INGRESS, EGRESS, DNS = "warp-edge:cluster", "warp-edge:ingress", "warp-edge:egress", "warp-edge:dns"
DATABASE, LABELS, COST, ACL = "warp-edge:database", "warp-edge:labels", "warp-edge:cost", "warp-edge:trunkAcl"
DAY = date(2026, 1, 1)
A_TIME = "2026-01-01 10:00:00.5 +0200 +0200"  # as Go prints one of a zone without a name
RETIRED = {"address": "192.0.2.1", "purpose": "p", "kind": "NAT", "direction": "outbound"}

# Where in `Pulumi.prod.yaml`, what stands there, and as reported: the key below it, value, problem and remedy.
SLIPS: list[tuple[tuple[str, ...], Any, str, str, str, str]] = [
    # Dates without quotes, where the cloud would get what Go prints
    (
        (DATABASE, "flags"),
        {"x": DAY},
        ".x",
        "'2026-01-01",
        "a date where text is required",
        'quotes, as in "2026-01-31"',
    ),
    ((DATABASE, "flags"), {"x": A_TIME}, ".x", "'2026", "a date where text is required", "put it in quotes"),
    ((LABELS,), {"x": DAY}, ".x", "'2026-01-01", "a date where text is required", "put it in quotes"),
    ((INGRESS, "selector"), {"x": DAY}, ".x", "'2026-01-01", "a date where text is required", "put it in quotes"),
    ((INGRESS, "ipv6Subnetwork"), DAY, "", "'2026-01-01", "a date where text is required", "put it in quotes"),
    ((CLUSTER,), {"access": "kubeconfig", "context": DAY}, ".context", "'2026", "a date where", "put it in quotes"),
    ((EGRESS, "router", "network"), DAY, "", "'2026-01-01", "a date where text is required", "put it in quotes"),
    ((ACL, "trunks"), DAY, "", "'2026-01-01", "a date where text is required", "put it in quotes"),
    (("warp-edge:legacy", "old"), RETIRED | {"purpose": DAY}, ".purpose", "'2026", "a date where", "put it in quotes"),
    # Nothing where something belongs
    ((LABELS,), {"x": None}, ".x", "null", "empty where text is required", "write the text, or remove the key"),
    ((DATABASE, "name"), None, "", "null", "empty where text is required", "write the text, or remove the key"),
    ((EGRESS, "vendorPorts"), [], "", "[]", "at least 1 item needed", "give 1 or more"),
    ((INGRESS, "selector"), {}, "", "{}", "at least 1 item needed", "give 1 or more"),
    ((INGRESS, "ipv6Subnetwork"), "", "", "''", "at least 1 character needed", "give 1 or more"),
    ((CLUSTER,), {"access": "kubeconfig", "context": "c" * 254}, ".context", "'ccc", "too long", "use 253 characters"),
    # Other kinds
    ((EGRESS, "vendorPorts"), 5060, "", "5060", "not a list", "write it as [a, b]"),
    ((COST, "natGib"), float("nan"), "", "nan", "not a number", "write a bare number, such as 12.50"),
    ((COST, "natGib"), float("inf"), "", "inf", "not a number", "write a bare number, such as 12.50"),
    # Domains in other scripts
    ((DNS, "domain"), "münchen.de", "", "'mü", "not a valid name here", "write it as 'xn--mnchen-3ya.de'; write a"),
    ((DNS, "domain"), "straße.de", "", "'stra", "not a valid name here", "write a domain as voice.example.com"),
    ((DNS, "domain"), "example.c0m", "", "'ex", "not a valid name here", "letters only, or an xn-- form"),
    ((DNS, "names"), {"udp": "münchen"}, ".udp", "'mü", "not a valid name here", "write it as 'xn--mnchen-3ya'; use"),
    ((EGRESS, "nat"), "münchen", "", "'mü", "not a valid name here", "use lower-case letters"),
    # Without effect
    (
        (DATABASE, "disk"),
        {"autoresize": False, "limitGb": 50},
        ".limitGb",
        "50",
        "a disk that does not grow",
        "or remove limit",
    ),
    (
        (CLUSTER, "context"),
        "prod",
        "",
        "'prod'",
        "access `gke` does not use a kubeconfig context",
        "remove cluster.context, or",
    ),
    (
        (CLUSTER,),
        {"access": "kubeconfig", "name": "c", "context": "prod"},
        ".name",
        "'c'",
        "access `kubeconfig` does not use the cluster's name",
        "remove cluster.name, or",
    ),
    (
        (ACL, "reach"),
        {"proxyPort": 5433},
        ".proxyPort",
        "5433",
        "access `direct` does not use a proxy",
        "access: proxy",
    ),
    (
        (ACL, "reach"),
        {"access": "connector", "proxyPort": 5433},
        ".proxyPort",
        "5433",
        "access `connector` does not use a proxy",
        "or remove proxyPort",
    ),
]


@pytest.mark.parametrize(("path", "value", "below", "shown", "wrong", "remedy"), SLIPS)
def test_a_slip_is_one_problem_with_a_remedy(
    path: tuple[str, ...], value: Any, below: str, shown: str, wrong: str, remedy: str
) -> None:
    config = changed(stack_config("prod"), (INGRESS, "pinning"), "annotation")
    with pytest.raises(SettingsError) as refused:
        Settings.parse(as_engine_gives_it(changed(config, path, value)))
    (problem,) = refused.value.problems
    assert problem.key == ".".join(path) + below
    assert problem.value.startswith(shown)
    assert wrong in problem.wrong
    assert remedy in problem.remedy


@pytest.mark.parametrize(
    ("key", "path", "value"),
    [
        ("warp-edge:legacy", ("old", "address"), "::ffff:203.0.113.5"),
        ("warp-edge:legacy", ("old", "address"), "::FFFF:203.0.113.5"),
        ("warp-edge:legacy", ("old", "address"), "::ffff:cb00:7105"),
        (INGRESS, ("sourceRanges",), ["::ffff:203.0.113.0/120"]),
    ],
)
def test_no_remedy_gives_a_secret_address_in_its_other_spelling(key: str, path: tuple[str, ...], value: Any) -> None:
    config = changed(stack_config("prod"), ("warp-edge:legacy", "old"), RETIRED)
    config = as_engine_gives_it(changed(config, (key, *path), value))
    with pytest.raises(SettingsError) as plain:
        Settings.parse(config)
    with pytest.raises(SettingsError) as secret:
        Settings.parse(config, (key,))
    assert "203.0.113." in str(plain.value)
    assert "203.0.113." not in str(secret.value)


@pytest.mark.parametrize(("key", "value"), [("maintenance", {"day": 7}), ("backups", {"retained": 7})])
def test_a_replica_has_what_its_owner_has(key: str, value: dict[str, int]) -> None:
    """Even the default is refused if it is given explicitly: it would change nothing."""
    config = {"gcp:project": "p", **stack_config("prod-us-east1")}
    assert written_config("prod-us-east1")[DATABASE]["replicaOf"]
    Settings.parse(as_engine_gives_it(config))
    with pytest.raises(SettingsError) as refused:
        Settings.parse(as_engine_gives_it(changed(config, (DATABASE, key), value)))
    (problem,) = refused.value.problems
    assert problem.key == f"{DATABASE}.{key}"
    assert problem.wrong == f"a replica has no {key} of its own"
    assert f"set database.{key} in the stack organization/warp-edge/prod" in problem.remedy
