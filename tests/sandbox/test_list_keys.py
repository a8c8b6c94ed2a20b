"""Keyed lists of Kubernetes objects, compared with Kubernetes' OpenAPI document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]

from engine import leaves as product
from local_cloud.kubernetes.apply import duplicates, leaves
from local_cloud.kubernetes.list_keys import LIST_KEYS
from local_cloud.kubernetes.policies import POD_MONITORING
from local_cloud.kubernetes.schema import KINDS

DOCUMENT = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / "v1.33.0-local" / "_definitions.json"
KEYS = "x-kubernetes-list-map-keys"
Place = tuple[str, str]  # the enclosing field of a list, and its name


def published() -> tuple[dict[Place, tuple[str, ...]], set[Place]]:
    """Keyed and other lists of every implemented kind, without status, which the cluster writes."""
    definitions: dict[str, Any] = json.loads(DOCUMENT.read_text())["$defs"]
    # A custom resource is not in it; the one that there is has no keyed lists.
    own = [token for token in KINDS if token != POD_MONITORING]
    todo = [(f"io.k8s.api.{kind}", "") for kind in map(definition_of, own)]
    seen, keyed, others = set[Place](), dict[Place, tuple[str, ...]](), set[Place]()
    while todo:
        here = todo.pop()
        if here in seen:
            continue
        seen.add(here)
        definition, parent = here
        for name, field in (definitions[definition].get("properties") or {}).items():
            if KEYS in field:
                assert keyed.setdefault((parent, name), tuple(field[KEYS])) == tuple(field[KEYS])
            elif "items" in field:
                others.add((parent, name))
            for inner in (field, field.get("items") or {}, field.get("additionalProperties") or {}):
                for reference in (
                    (inner, *inner.get("allOf", ())) if isinstance(inner, dict) and name != "status" else ()
                ):
                    if "$ref" in reference:
                        todo.append((reference["$ref"].rpartition("/")[2], name))
    return keyed, others


def definition_of(token: str) -> str:
    """`kubernetes:rbac.authorization.k8s.io/v1:Role` is `rbac.v1.Role` there."""
    group, version, kind = token.replace("/", ":").split(":")[1:]
    return f"{group.partition('.')[0]}.{version}.{kind}"


def test_the_table_is_what_kubernetes_publishes() -> None:
    keyed, others = published()
    assert len(keyed) > 20
    assert dict(LIST_KEYS) == keyed
    assert not LIST_KEYS.keys() & others


def test_the_programs_own_table_says_nothing_else() -> None:
    """The program's table has names only; both tables are handwritten, and the local cloud uses its own."""
    for name, all_keys in product.LIST_KEYS.items():
        published_keys = {keys for (_, each), keys in LIST_KEYS.items() if each == name}
        assert set(all_keys) <= published_keys, name


def test_a_list_of_the_same_name_elsewhere_is_one_value() -> None:
    policy = {"spec": {"ingress": [{"ports": [{"port": 5060}, {"port": 5060}]}], "podSelector": {}}}
    assert duplicates(policy) == []
    account = {"imagePullSecrets": [{"name": "a"}, {"name": "a"}], "secrets": [{"name": "b"}]}
    assert set(leaves(account)) == {("f:imagePullSecrets",), ("f:secrets", 'k:{"name": "b"}', "f:name")}
    pod = {"spec": {"template": {"spec": {"containers": [{"name": "c", "ports": [{"containerPort": 1}]}]}}}}
    (port,) = (path for path in leaves(pod) if path[-1] == "f:containerPort")
    assert port[-2] == 'k:{"containerPort": 1, "protocol": "TCP"}'
