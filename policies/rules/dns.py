"""Rules for DNS: the names that customers configure have to resolve to the ingress."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import Field

from engine.dns_hosts import HOSTS
from engine.tokens import ADDRESS, RECORD_SET, RECORD_SETS, SERVICE, STACK
from engine.values import leaves
from policies.declared import UNKNOWN, Declared, items
from policies.rule import Finding, Options, ResourceRule, StackRule, Unjudged, Violation
from policies.rules.ingress import addresses, is_load_balancer, protocols

IN_A_POLICY = re.compile(r"(\.rrdatas\[\d+\]|\.externalEndpoints\[\d+\]|\.ipAddress)$")


class Ttl(Options):
    """Lower limits of TTLs."""

    least_seconds: Annotated[int, Field(ge=1)] = Field(
        max(each.least_ttl for each in HOSTS.values()), description="minimum that Gandi accepts"
    )
    cloud_dns_least_seconds: int = Field(
        1, ge=1, description="minimum at Cloud DNS, which accepts any; with 0 every call would need a query"
    )


class Elsewhere(Options):
    """Only for a stack of role `global`: its names resolve to ingresses of regions' stacks."""

    other_stacks: bool = Field(
        False,
        description="true: names resolve to addresses of other stacks, which the program checks instead of this rule",
    )


class UdpNames(Options):
    """The names of a UDP ingress."""

    labels: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        ("sip", "sip-udp"), description="first labels of the names, same as warp-edge:dns.names.primary and udp"
    )


class PrimaryName(Elsewhere):
    """The name that customers configure."""

    label: str = Field("sip", description="first label of the name, same as warp-edge:dns.names.primary")


def _ttl(record: Declared, options: Ttl) -> Iterator[Finding]:
    seconds = record.at("ttl")
    least = options.cloud_dns_least_seconds if record.type == RECORD_SET else options.least_seconds
    if seconds is UNKNOWN:
        yield Unjudged("ttl")
    elif not isinstance(seconds, int | float) or seconds < least:
        given = f"{seconds:g} s" if isinstance(seconds, int | float) else "left out"
        yield Violation(f"TTL is {given}, the minimum is {least} s")


def _srv_target(record: Declared, stack: Sequence[Declared], options: Elsewhere) -> Iterator[Finding]:
    kind, data = record.at("type"), _data(record)
    if UNKNOWN in (kind, data):
        yield Unjudged("rrdatas")
    if kind != "SRV" or data is UNKNOWN:
        return
    # `_sip._udp.ringer.tel.` -> `ringer.tel.`
    service = record.at("name")
    domain = "" if service is UNKNOWN else _full(".".join(_full(service).split(".")[2:]))
    for value in items(data):
        if value is UNKNOWN:
            yield Unjudged("rrdatas")
            continue
        target = _full(str(value).split()[-1])
        if target == ".":  # RFC 2782: the service is explicitly not available
            continue
        if options.other_stacks:
            yield Unjudged(f"its target {target} is another stack's name")
            continue
        # While a zone is moved it has two hosts, and each has to be complete.
        yield from _there(target, domain, [each for each in stack if each.type == record.type])


def _there(target: str, domain: str, records: Sequence[Declared]) -> Iterator[Finding]:
    found = {each.at("type") for each in records if _full(each.at("name")) == target}
    if {"A", "AAAA"} & found:
        return
    if "CNAME" in found:
        yield Violation(f"its target {target} is an alias, which RFC 2782 forbids")
    elif UNKNOWN in found or any(each.at("name") is UNKNOWN for each in records):
        yield Unjudged(f"whether {target} has an address")
    elif domain and (target == domain or target.endswith(f".{domain}")):
        yield Violation(f"its target {target} has no address record")
    else:
        yield Unjudged(f"its target {target} is in a zone that this stack does not manage")


def _primary_name(subject: Declared, stack: Sequence[Declared], options: PrimaryName) -> Iterator[Finding]:
    """Checked for every record, and for the stack itself in case the record is missing."""
    balancers = [each for each in stack if each.type == SERVICE and is_load_balancer(each) is not False]
    udp = [each for each in balancers if {"UDP", UNKNOWN} & protocols(each)]
    if subject.type == STACK:
        hosts = {each.type for each in stack} & RECORD_SETS
        for host in sorted(hosts) or [""] if udp else ():
            records = [each for each in stack if each.type == host]
            yield from _has_primary(records, options, " at every host of the zone" if len(hosts) > 1 else "")
    elif _is_primary(subject, options.label) and options.other_stacks:
        yield Unjudged("the UDP ingress is another stack's")
    elif _is_primary(subject, options.label):
        answers = [address for each in udp for address in addresses(each, stack)]
        yield from _is_one_of(_data(subject), answers)


def _has_primary(records: Sequence[Declared], options: PrimaryName, where: str) -> Iterator[Finding]:
    if any(_is_primary(each, options.label) for each in records):
        return
    if any(UNKNOWN in (each.at("name"), each.at("type")) for each in records):
        yield Unjudged(f"whether {options.label} has an A record{where}")
    else:
        yield Violation(f"there is no A record of {options.label}{where}, but a UDP ingress")


def _is_one_of(data: Any, answers: Sequence[Any]) -> Iterator[Finding]:
    if data is UNKNOWN or UNKNOWN in items(data):
        yield Unjudged("rrdatas")
        return
    given = list(items(data))
    if len(given) == 1 and given[0] in answers:
        return
    if len(given) == 1 and UNKNOWN in answers:
        yield Unjudged("the address of the UDP ingress")
    else:
        wanted = ", ".join(map(str, (each for each in answers if each is not UNKNOWN))) or "no address"
        yield Violation(f"it resolves to {', '.join(map(str, given)) or 'nothing'}, the UDP ingress has {wanted}")


def _not_probed(record: Declared, options: UdpNames) -> Iterator[Finding]:
    check = record.at("routingPolicy.healthCheck")
    if UNKNOWN in (record.at("name"), check) and check is not None:
        yield Unjudged("routingPolicy.healthCheck")
    elif check and _full(record.at("name")).split(".")[0] in {label.lower() for label in options.labels}:
        probe = str(check).rsplit("/", 1)[-1]
        yield Violation(f"its policy uses the health check {probe}, which UDP cannot answer")


def _data(record: Declared) -> Any:
    """The data of a record set; with a routing policy, all data that it may answer."""
    plain, policy = record.at("rrdatas"), record.at("routingPolicy")
    if UNKNOWN in (plain, policy):
        return UNKNOWN
    if policy is None:
        return plain
    chosen = [
        value
        for path, value in leaves(policy)
        if IN_A_POLICY.search(path) or (value is UNKNOWN and not path.startswith("healthCheck"))
    ]
    return list(dict.fromkeys([*items(plain), *chosen]))


def _is_primary(record: Declared, label: str) -> bool:
    return record.at("type") == "A" and str(record.at("name")).split(".")[0].lower() == label.lower()


def _full(name: Any) -> str:
    """A name in comparable form: lower case (RFC 4343), with its final dot."""
    return f"{str(name).lower().removesuffix('.')}."


RULES = (
    ResourceRule(
        "dns-ttl",
        "A record set's TTL is accepted by its host",
        "Gandi refuses less than 300 s half way through an update; with a TTL of 0 every call needs a query",
        "set warp-edge:dns.ttlSeconds to 300 or more; less at Cloud DNS only",
        RECORD_SETS,
        options=Ttl,
        check=_ttl,
    ),
    ResourceRule(
        "udp-name-not-probed",
        "No health check decides whether the address of a UDP ingress is answered",
        "Cloud DNS probes that very address with TCP or HTTP, where UDP alone is served: it would look dead while it"
        " serves",
        "give these names no policy, or a geolocation policy of plain data: set warp-edge:routing.udp to fixed or geo",
        frozenset({RECORD_SET}),
        options=UdpNames,
        check=_not_probed,
    ),
    StackRule(
        "srv-target-exists",
        "The target of an SRV record has an address record",
        "clients that follow RFC 3263 look up the SRV record first and then its target",
        "declare an A record for the target, or point the SRV record at a name that has one",
        RECORD_SETS,
        options=Elsewhere,
        reads=RECORD_SETS,
        check=_srv_target,
    ),
    StackRule(
        "sip-name-is-udp-ingress",
        "The A record of the name that customers configure equals the UDP ingress",
        "a client configured with host:5060 skips SRV (RFC 3263) and sends UDP to the A record",
        "use the address of the UDP LoadBalancer, as SipDns does; never enter it manually",
        RECORD_SETS | {STACK},
        options=PrimaryName,
        reads=RECORD_SETS | {SERVICE, ADDRESS},
        check=_primary_name,
    ),
)
