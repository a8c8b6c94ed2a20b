"""The results of earlier updates, of this stack and of others, read from the engine's state before anything is
declared.

Only the program can refuse to take an address out of use while calls run on it, so it has to know what is in use; and
a review needs the previous trunks to see what changes. The record is the state, so it is also right after a crash and
after an adoption.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.output import contains_unknowns

from engine.refusal import RefusedError
from engine.tokens import (
    ACL_ENFORCEMENT,
    ADDRESS,
    DEDICATED_INGRESS,
    NAT,
    RECORD_SETS,
    SERVICE,
    SIP_INGRESS,
    TRUNK_ACL,
    logical_name,
    within,
)
from engine.values import TARGETED, WHOLE


@dataclass(frozen=True)
class GatewayUse:
    """Names of the addresses that a gateway uses."""

    active: Set[str] = frozenset()
    draining: Set[str] = frozenset()


@dataclass(frozen=True)
class DedicatedUse:
    """A dedicated address after the last update. `ban`: customer of its row, None without a row; `names`: the names
    that resolve to it."""

    ban: str | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    """`gateway`: what the NAT gateway used; `serving`: names of the shared addresses at which LoadBalancers answered;
    `trunks`: BAN to trunks' text; `dedicated`: name of each dedicated address to its names and row; `rotation`: how
    often the reader's credentials were changed; `admitted`: logical name of each shared LoadBalancer to its source
    ranges, empty where it admits all; `token`: how often the RPC token was changed. None: there was none.
    """

    gateway: GatewayUse | None = None
    serving: frozenset[str] = frozenset()
    trunks: Mapping[str, str] | None = None
    dedicated: Mapping[str, DedicatedUse] = field(default_factory=dict)
    rotation: int | None = None
    admitted: Mapping[str, frozenset[str]] = field(default_factory=dict)
    token: int | None = None


def last_update() -> Record:
    """The record of this stack's last update."""
    stack = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    # Built into the engine; the Node SDK's `listResourceOutputs` uses the same call.
    found = _read(
        "pulumi:pulumi:readStackResourceOutputs",
        {"stackName": stack},
        "the state of this stack cannot be read",
        "check that `pulumi stack export` works: backend, sign-in, and the stack's passphrase or key",
    )
    by_urn: Mapping[str, Any] = {urn: each for urn, each in found.items() if each}
    resources = by_urn.values()
    gateways = [
        GatewayUse(_names(outputs.get("natIps")), _names(outputs.get("drainNatIps")))
        for outputs in _outputs_of(resources, NAT)
    ]
    acl = next(iter(_outputs_of(resources, TRUNK_ACL)), None)
    dedicated = _dedicated(by_urn)
    serving = _serving(resources) - dedicated.keys()
    # Left out of the state where there was no rotation.
    rotation = None if acl is None else int((acl.get("signIn") or {}).get("rotation", 0))
    trunks, admitted = acl.get("trunks") if acl else None, _admitted(by_urn)
    return Record(gateways[0] if gateways else None, serving, trunks, dedicated, rotation, admitted, _token(by_urn))


@dataclass(frozen=True)
class OwnersReader:
    """The role that reads the trunk ACL, created by another stack."""

    reader: pulumi.Output[str]
    reader_password: pulumi.Output[str]


def owners_reader(stack: str) -> OwnersReader:
    """The reader role of the trunk ACL that `stack` applies and of which this stack has a read replica."""
    acl = outputs_of(stack, ("trunkAcl",))["trunkAcl"]
    reader, password = (acl.get(key) if isinstance(acl, Mapping) else None for key in ("reader", "readerPassword"))
    if not isinstance(reader, str) or not isinstance(password, str) or not re.fullmatch(r"[a-z_]+", reader):
        raise RefusedError(
            f"stack {stack} has no reader role for the trunk ACL in its outputs",
            f"set trunkAcl.manage: true there and run `pulumi up` of {stack}, or correct database.replicaOf.stack",
        )
    return OwnersReader(pulumi.Output.from_input(reader), pulumi.Output.secret(password))


def outputs_of(stack: str, names: Sequence[str]) -> Mapping[str, Any]:
    """These outputs of another stack, `organization/project/stack`; None for one that does not exist.

    Not a `StackReference`: its values are known only inside Outputs, too late to refuse before anything is declared,
    and it copies all of that stack's outputs, passwords included, into this stack's state.
    """
    found = _read(
        "pulumi:pulumi:readStackOutputs",
        {"name": stack},
        f"the outputs of stack {stack} cannot be read",
        "`pulumi stack ls --all` shows fully qualified names; it has to be in the same backend as this stack",
    )
    # In a preview the SDK replaces the engine's placeholders by its own objects; in an update it leaves them out, and
    # readers find outputs missing.
    if unknown := [name for name in names if contains_unknowns(found.get(name))]:
        raise RefusedError(
            f"stack {stack}: no value is known for {', '.join(unknown)}: {TARGETED}",
            f"{WHOLE}, of {stack}, then this one again",
        )
    return {name: found.get(name) for name in names}


def _read(call: str, arguments: Mapping[str, str], wrong: str, remedy: str) -> Mapping[str, Any]:
    """The result of an engine call. A failure is refused with the engine's own message."""
    try:
        answer = pulumi.runtime.invoke(call, dict(arguments)).value
    except Exception as error:
        words = str(error)
        raise RefusedError(f"{wrong}: {words.partition(' failed: ')[2] or words}", remedy) from None
    outputs: Mapping[str, Any] = (answer or {}).get("outputs") or {}
    return outputs


def _serving(resources: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Reserved addresses at which a LoadBalancer answers, as reported by the cluster."""
    answering = {
        point.get("ip")
        for service in _outputs_of(resources, SERVICE)
        for point in ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
        if point.get("ip")
    }
    return frozenset(
        address["name"]
        for address in _outputs_of(resources, ADDRESS)
        if address.get("name") and address.get("address") in answering
    )


def _admitted(by_urn: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Of each LoadBalancer of the shared ingress."""
    found = {}
    for urn, each in by_urn.items():
        for outputs in _outputs_of([each], SERVICE) if within(urn, SIP_INGRESS) else ():
            spec = outputs.get("spec") or {}
            if spec.get("type") == "LoadBalancer":
                found[logical_name(urn)] = frozenset[str](spec.get("loadBalancerSourceRanges") or ())
    return found


def _token(by_urn: Mapping[str, Any]) -> int | None:
    """By the names of the tokens in the state: of the last two rotations there is one each."""
    names = (logical_name(urn) for urn in by_urn if within(urn, ACL_ENFORCEMENT))
    found = [re.fullmatch(r"acl-enforcement-token(?:-(\d+))?", name) for name in names]
    return max((int(each[1] or 0) for each in found if each), default=None)


def _dedicated(by_urn: Mapping[str, Any]) -> dict[str, DedicatedUse]:
    """Every dedicated address, with the names that resolve to it and the customer of its row."""
    own = [
        outputs
        for outputs in _outputs_of((each for urn, each in by_urn.items() if within(urn, DEDICATED_INGRESS)), ADDRESS)
        if outputs.get("name")
    ]
    names: dict[str, set[str]] = {}
    for record in (each for token in RECORD_SETS for each in _outputs_of(by_urn.values(), token)):
        for address in record.get("rrdatas") or () if own else ():
            names.setdefault(address, set()).add(str(record.get("name")).rstrip("."))
    rows: dict[str, Any] = {}
    for acl in _outputs_of(by_urn.values(), TRUNK_ACL):
        rows |= acl.get("dedicated") or {}
    return {
        each["name"]: DedicatedUse(
            (rows.get(each["name"]) or {}).get("ban"), tuple(sorted(names.get(each.get("address") or "", ())))
        )
        for each in own
    }


def _outputs_of(resources: Iterable[Mapping[str, Any]], token: str) -> Iterable[dict[str, Any]]:
    return (resource.get("outputs") or {} for resource in resources if resource.get("type") == token)


def _names(self_links: list[str] | None) -> frozenset[str]:
    return frozenset(link.rsplit("/", 1)[-1] for link in self_links or ())
