"""A stack's promise, from its outputs alone: the inventory, and the record sets that resolve to it.

The program wrote the outputs, but they may have been edited on the way, so they are read as untrusted input: invalid
fields are refused by name. Whether the promise holds is checked elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, TypeVar

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from dns.rdtypes.ANY.DS import DS
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA
from dns.rdtypes.IN.SRV import SRV

from engine.values import NOTHING, WHOLE, missing_values
from inventory.address import Direction, Status
from inventory.endpoint import Endpoint
from inventory.reading import Published, PublishedDns, PublishedRecord, ReachableInventory, WrongFieldError
from refusal import Refusal
from verify.finding import one_line

ADDRESS_TYPES = ("A", "AAAA")
SERVICES = ("_sip._udp", "_sip._tcp", "_sips._tcp")
T = TypeVar("T", bound=Published)


@dataclass(frozen=True)
class RecordSet:
    """What a name server has to answer: exactly this data. Empty data: no record of that type may exist.

    `one_of`: alternatives of a host that chooses for each query; then it has to answer exactly one of them.
    """

    name: str
    type: str
    data: frozenset[dns.rdata.Rdata] = frozenset()
    ttl: int = 0
    one_of: frozenset[dns.rdata.Rdata] = frozenset()

    @property
    def what(self) -> str:
        """Name and type, for reports."""
        return f"{self.name} {self.type}"

    @property
    def expected(self) -> str:
        """The expected data, for reports."""
        if len(self.one_of) > 1:
            return f"one of {texts(self.one_of)}"
        return texts(self.may_be) or "nothing"

    @property
    def may_be(self) -> frozenset[dns.rdata.Rdata]:
        """All data that is allowed in an answer."""
        return self.one_of or self.data


@dataclass(frozen=True)
class Promise:
    """A stack's promise. `base`: the parent of its names; `standing`: every address of the inventory to a text such as
    `active (...)`."""

    domain: str
    base: str
    endpoints: tuple[Endpoint, ...]
    egress: tuple[str, ...]
    standing: Mapping[str, str]
    active_ingress: frozenset[str]
    records: tuple[RecordSet, ...]
    name_servers: frozenset[str]
    ds_records: frozenset[DS]

    @property
    def absences(self) -> tuple[RecordSet, ...]:
        """Record sets that would mislead clients if they existed: the other family of our names, other SIP services."""
        present = {(each.name, each.type) for each in self.records}
        names = dict.fromkeys(each.name for each in self.records if each.type in ADDRESS_TYPES)
        services = [f"{service}.{self.base}" for service in SERVICES]
        wanted = [(name, type_) for name in names for type_ in ADDRESS_TYPES]
        wanted += [(service, "SRV") for service in services] + [(self.base, "NAPTR")]
        return tuple(RecordSet(name, type_) for name, type_ in wanted if (name, type_) not in present)

    @property
    def names(self) -> frozenset[str]:
        """Our names that have an address."""
        return frozenset(each.name for each in self.records if each.type in ADDRESS_TYPES)

    @property
    def foreign_targets(self) -> tuple[str, ...]:
        """SRV targets without a record set in this promise."""
        targets = [
            data.target.to_text(omit_final_dot=True).lower()
            for each in self.records
            for data in sorted(each.data)
            if isinstance(data, SRV)
        ]
        return tuple(name for name in dict.fromkeys(targets) if name not in self.names)

    def contradictions(self) -> Iterator[str]:
        """Contradictions inside the outputs, with which no answer could be right."""
        for each in self.records:
            if each.type in ADDRESS_TYPES:
                for address in sorted(address_of(data) for data in each.may_be):
                    if address not in self.active_ingress:
                        yield f"{each.what} resolves to {address}, which is {self.standing.get(address, 'not listed')}"
            if each.one_of and not each.data <= each.one_of:
                yield f"{each.what} is {texts(each.data)}, not one of: {texts(each.one_of)}"
        for way in self.endpoints:
            if way.nameless:
                continue
            family = "AAAA" if ":" in way.address else "A"
            sets = [each for each in self.records if (each.name, each.type) == (way.server.lower(), family)]
            if way.address not in {address_of(data) for each in sets for data in each.may_be}:
                name = f"endpoint {one_line(way.role)}: {one_line(way.server)} {family}"
                yield f"{name} does not resolve to {way.address}"


def address_of(data: dns.rdata.Rdata) -> str:
    """The address of an A or AAAA record, as in the inventory; empty for other types."""
    return str(ip_address(data.address)) if isinstance(data, A | AAAA) else ""


def texts(data: frozenset[dns.rdata.Rdata]) -> str:
    """Record data in presentation format (RFC 1035, section 5), sorted."""
    return ", ".join(sorted(each.to_text() for each in data))


def read(text: str) -> Promise:
    """The promise in `pulumi stack output --json`. Raises `Refusal` if it has none."""
    try:
        outputs = json.loads(text)
    except (ValueError, RecursionError):
        raise _no_outputs("it is not JSON") from None
    if not isinstance(outputs, dict):
        raise _no_outputs("it is not an object")
    return of(outputs)


def of(outputs: Mapping[str, Any]) -> Promise:
    """The promise in a stack's outputs. Raises `Refusal` if they have none."""
    if not outputs:
        raise Refusal(NOTHING, WHOLE)
    if wrong := missing_values({name: outputs.get(name) for name in ("ipInventory", "dns")}):
        raise Refusal(wrong, WHOLE)
    for name in ("ipInventory", "dns"):
        if not isinstance(outputs.get(name), dict):
            raise _no_outputs(f"there is no output {name}")
    zone = outputs["dns"]
    if "records" not in zone:
        raise Refusal(
            "output dns has no `records`: it was written by an older version",
            "run `pulumi up`, which changes only outputs",
        )
    inventory, published = (
        _model(ReachableInventory, "ipInventory", outputs["ipInventory"]),
        _model(PublishedDns, "dns", zone),
    )
    if inventory.edited:
        raise Refusal(
            "output ipInventory: its digest does not match its contents, so it was edited",
            "take it from the stack: pulumi stack output --json",
        )
    known = inventory.addresses
    active = [each for each in known if each.direction is Direction.INBOUND and each.status is Status.ACTIVE]
    return Promise(
        domain=published.domain.lower(),
        base=(published.base or published.domain).lower(),
        endpoints=inventory.endpoints,
        egress=tuple(each.address for each in known if each.direction is Direction.OUTBOUND and each.published),
        standing={each.address: f"{each.status} ({one_line(each.purpose)})" for each in known},
        active_ingress=frozenset(each.address for each in active),
        records=tuple(_record_set(each) for each in published.records),
        name_servers=frozenset(_name(each) for each in published.name_servers),
        ds_records=frozenset(_ds(each) for each in published.ds_records),
    )


def _no_outputs(wrong: str) -> Refusal:
    return Refusal(f"this is not the outputs of a stack: {wrong}", "pulumi stack output --json > FILE")


def _model(kind: type[T], name: str, value: dict[str, Any]) -> T:
    try:
        return kind.of(value)
    except WrongFieldError as error:
        raise Refusal(
            f"output {name}: {one_line(error.field)} = {one_line(error.value)}: {one_line(error.why)}",
            "take it from the stack: pulumi stack output --json",
        ) from None


def _record_set(each: PublishedRecord) -> RecordSet:
    data = frozenset(_rdata(each.type, text, f"{each.name} {each.type}") for text in each.data)
    one_of = frozenset(_rdata(each.type, text, f"{each.name} {each.type}") for text in each.one_of)
    return RecordSet(each.name.lower(), each.type, data, each.ttl, one_of)


def _rdata(type_: str, text: str, where: str) -> dns.rdata.Rdata:
    try:
        return dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(type_), text)
    except (dns.exception.DNSException, ValueError):
        raise Refusal(
            f"output dns: {where}: {one_line(repr(text))} is not valid data of that type", "see docs/outputs.md, `dns`"
        ) from None


def _ds(text: str) -> DS:
    found = _rdata("DS", text, "dsRecords")
    assert isinstance(found, DS)
    return found


def _name(text: str) -> str:
    try:
        return dns.name.from_text(text).to_text(omit_final_dot=True).lower()
    except (dns.exception.DNSException, ValueError):
        raise Refusal(
            f"output dns: nameServers: {one_line(repr(text))} is not a name", "see docs/outputs.md, `dns`"
        ) from None
