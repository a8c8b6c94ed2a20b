"""Ingress: the cluster, and the LoadBalancer Services in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from ipaddress import ip_network
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator
from pydantic import ValidationInfo as Info

from inventory.address import Status
from settings.base import Day, EachOnce, Line, Name, Port, PortName, Range, Seconds, Section, Text
from settings.lifecycle import (
    NoticeOverride,
    after_its_announcement,
    in_order,
    override_shortens_something,
    required_after,
)
from settings.problems import form, refuse, show
from settings.rules import rule


class Cluster(Section):
    """How to reach the cluster of the Services."""

    access: Literal["gke", "kubeconfig"] = Field(
        "gke", description="`gke`: looked up by name, sign-in by gke-gcloud-auth-plugin; `kubeconfig`: a context"
    )
    name: Name | None = Field(None, description="GKE cluster, for access `gke`")
    location: str | None = Field(
        None,
        pattern=form(r"^[a-z]+-[a-z]+[0-9]{1,2}(-[a-z])?$", "write a region as us-central1, a zone as us-central1-b"),
        description="its region or zone; default: the region",
    )
    context: Text | None = Field(
        None, min_length=1, max_length=253, description="context of your kubeconfig, for access `kubeconfig`"
    )

    @rule
    def _gke_needs_a_name(cls, name: str | None, access: str) -> None:
        if access == "gke" and name is None:
            raise refuse("access `gke` needs the cluster's name", "add cluster.name")
        if access == "kubeconfig" and name is not None:
            raise refuse(
                "access `kubeconfig` does not use the cluster's name", "remove cluster.name, or use access: gke"
            )

    @rule
    def _kubeconfig_needs_a_context(cls, context: str | None, access: str) -> None:
        if access == "kubeconfig" and context is None:
            raise refuse("access `kubeconfig` needs a context", "add cluster.context (`kubectl config get-contexts`)")
        if access == "gke" and context is not None:
            raise refuse(
                "access `gke` does not use a kubeconfig context", "remove cluster.context, or use access: kubeconfig"
            )


class Ipv6(Section):
    """The IPv6 address beside a LoadBalancer's IPv4 one, with its own dates: it may have been added later."""

    state: Literal[Status.ANNOUNCED, Status.ACTIVE] = Field(
        Status.ACTIVE,
        description="`announced`: reserved and published, does not answer yet; `active`: the LoadBalancer answers on"
        " it",
    )
    announced_on: Day | None = Field(None, description="when it was announced to customers")
    active_on: Day | None = Field(
        None, description="when it began to answer; while announced: the earliest date on which it will"
    )
    notice_override: NoticeOverride | None = Field(None, description="for less notice than noticeDays")

    @field_validator("active_on")
    @classmethod
    def _active_after_its_announcement(cls, day: date | None, info: Info) -> date | None:
        state = info.data.get("state")
        if state is Status.ACTIVE:
            required_after(day, info, "announced_on")
        if day and state is Status.ANNOUNCED and info.data.get("announced_on", day) is None:
            raise refuse("announced without a date", "add announcedOn: customers count their notice from it")
        return in_order(day, info)

    _notice = field_validator("notice_override")(override_shortens_something)


class ComingIpv6(Ipv6):
    """The IPv6 address beside an announced one: announced as well, with its own dates."""

    state: Literal[Status.ANNOUNCED] = Field(Status.ANNOUNCED, description="same as the address beside it")


class PublicListener(Section):
    """One LoadBalancer Service on one reserved address, for one protocol: `ingress.udp` or `ingress.tcp`."""

    service: Name = Field(description="name of the Service")
    address: Name = Field(description="name of the reserved address, not the IP")
    ports: dict[str, Port] = Field(description="port role to port: `sip`, over TCP also `sips`, `ws`, `wss`")
    announced_on: Day | None = Field(None, description="when the address was announced to customers")
    active_on: Day | None = Field(None, description="when it began to answer")
    notice_override: NoticeOverride | None = Field(None, description="for less notice than noticeDays")
    ipv6: Ipv6 = Field(Ipv6(), description="its IPv6 address, where there is an ipv6Subnetwork")

    _active_after_its_announcement = field_validator("active_on")(after_its_announcement)
    _notice = field_validator("notice_override")(override_shortens_something)

    @rule
    def _ports_are_usable(cls, ports: dict[str, int]) -> None:
        _no_port_twice(ports)
        if unknown := set(ports) - {"sip", "sips", "ws", "wss"}:
            raise refuse(f"unknown port role {show(min(unknown))}", "the roles are sip, sips, ws and wss")
        if "sip" not in ports:
            raise refuse("no port for plain SIP", "add sip: 5060")


class UdpListener(PublicListener):
    """The UDP LoadBalancer: plain SIP only."""

    @rule
    def _udp_carries_plain_sip_only(cls, ports: dict[str, int]) -> None:
        if over_tcp := sorted(set(ports) & {"sips", "ws", "wss"}):
            raise refuse(
                f"{', '.join(over_tcp)} runs over TCP (RFC 3261 section 26.2.1, RFC 7118), not UDP",
                "move it to ingress.tcp.ports",
            )


class InternalListener(Section):
    """The ClusterIP Service for metrics and the like."""

    service: Name = Field(description="name of the Service")
    ports: dict[PortName, Port] = Field(description="port name to TCP port")

    @rule
    def _ports_are_usable(cls, ports: dict[str, int]) -> None:
        _no_port_twice(ports)
        if not ports:
            raise refuse("a Service needs a port", "name one, or leave ingress.internal out")


class AnnouncedIngress(Section):
    """An address that a LoadBalancer will move to, keyed by its name: reserved and published, does not answer yet.

    It becomes active when its name is set as the listener's `address`; the previous address is moved to `legacy`.
    """

    protocol: Literal["UDP", "TCP"] = Field(description="which LoadBalancer will move to it; it keeps its ports")
    purpose: Line | None = Field(
        None, description="as published in the inventory; default: that of the address it replaces"
    )
    announced_on: Day | None = Field(
        None, description="when it was announced to customers; the notice period counts from here"
    )
    active_on: Day | None = Field(None, description="the earliest date on which it will answer")
    notice_override: NoticeOverride | None = Field(None, description="for less notice than noticeDays")
    ipv6: ComingIpv6 = Field(ComingIpv6(), description="the IPv6 address beside it, where there is an ipv6Subnetwork")

    @field_validator("active_on")
    @classmethod
    def _active_after_its_announcement(cls, day: date | None, info: Info) -> date | None:
        if day and info.data.get("announced_on", day) is None:
            raise refuse("announced without a date", "add announcedOn: customers count their notice from it")
        return in_order(day, info)

    _notice = field_validator("notice_override")(override_shortens_something)


def ipv6_name(address: str) -> str:
    """Name of the IPv6 address beside a reserved IPv4 one."""
    return f"{address}-ipv6"


def _no_port_twice(ports: Mapping[str, int]) -> None:
    seen: dict[int, str] = {}
    for role, port in ports.items():
        if port in seen:
            raise refuse(f"port {port} twice, for {show(seen[port])} and {show(role)}", "give each its own port")
        seen[port] = role


class Ingress(Section):
    """Ingress: two reserved addresses, a LoadBalancer Service for each, and the internal Service."""

    namespace: Name = Field("warp-core", description="Kubernetes namespace of the SIP proxy; it must exist")
    selector: dict[str, Text] = Field({"app": "kamailio"}, min_length=1, description="labels of the proxy's pods")
    pinning: Literal["annotation", "loadBalancerIP"] = Field(
        "annotation",
        description="how a Service is pinned to its address: by name in an annotation (new Services), or by"
        " `loadBalancerIP`"
        " (Services on the older target-pool load balancer). Never change it for a live Service: its forwarding rule"
        " would move",
    )
    take_over_fields: bool = Field(
        False, description="take ownership of fields that kubectl set on an adopted Service (`pulumi.com/patchForce`)"
    )
    affinity_seconds: Seconds = Field(
        10_800, description="ClientIP session affinity: a customer stays on one proxy pod"
    )
    address_timeout_seconds: int = Field(
        300, ge=10, le=3600, description="how long `pulumi up` waits for a LoadBalancer's address before it fails"
    )
    source_ranges: Annotated[tuple[Range, ...], EachOnce] = Field(
        (), description="the only sources that the cloud's firewall admits; empty: all, and the trunk ACL alone decides"
    )
    admit: Literal["everybody", "customers"] = Field(
        "everybody",
        description="whom the cloud's firewall lets reach the shared ingress. `everybody`: all, or sourceRanges;"
        " `customers`: the ranges of the trunk files, Google's checkers and admitAlso (docs/protection.md)",
    )
    admit_also: Annotated[tuple[Range, ...], EachOnce] = Field(
        (), description="further ranges that `admit: customers` lets in, such as the machine that runs `verify`"
    )
    admit_at_most: Annotated[int, Field(ge=1, le=5000)] = Field(
        1000,
        description="how many ranges `admit: customers` may make, neighbours joined; Compute Engine takes 5000 in a"
        " firewall rule, and every node filters by each",
    )
    ipv6_subnetwork: Text | None = Field(
        None,
        min_length=1,
        description="dual-stack subnetwork: an IPv6 address is reserved beside each IPv4 one (docs/addresses.md);"
        " absent: IPv4 only",
    )
    udp: UdpListener = Field(description="the UDP LoadBalancer")
    tcp: PublicListener = Field(description="the TCP LoadBalancer")
    announced: dict[Name, AnnouncedIngress] = Field({}, description="announced addresses, at most one per LoadBalancer")
    internal: InternalListener | None = Field(None, description="the internal Service")

    @rule
    def _both_families_are_pinned(cls, ipv6_subnetwork: str | None, pinning: str) -> None:
        if ipv6_subnetwork and pinning == "loadBalancerIP":
            raise refuse(
                "loadBalancerIP pins one address only: the IPv6 address would be published and never answer",
                "use ingress.pinning: annotation, or leave IPv6 out",
            )

    @rule
    def _one_list_of_sources(cls, admit: str, source_ranges: tuple[str, ...]) -> None:
        if admit == "customers" and source_ranges:
            raise refuse(
                "ingress.sourceRanges would be a second list of the only sources",
                "move what is to be admitted beside the customers to ingress.admitAlso, and remove sourceRanges",
            )

    @rule
    def _only_beside_customers(cls, admit_also: tuple[str, ...], admit: str) -> None:
        if admit_also and admit == "everybody":
            raise refuse("everybody is admitted already", "set ingress.admit: customers, or remove admitAlso")

    @rule
    def _every_family_has_a_range(cls, ipv6_subnetwork: str | None, source_ranges: tuple[str, ...]) -> None:
        """GKE takes a family without a range for all of its sources (kubernetes/ingress-gce, `IPv6ServiceSourceRanges`
        in pkg/utils)."""
        given = {ip_network(each).version for each in source_ranges}
        served = {4, 6} if ipv6_subnetwork else {4}
        if given and (open_ := sorted(served - given)):
            raise refuse(
                f"ingress.sourceRanges has no IPv{open_[0]} range: GKE would admit every IPv{open_[0]} source",
                f"add the IPv{open_[0]} ranges to ingress.sourceRanges",
            )

    @rule
    def _udp_and_tcp_are_apart(cls, tcp: PublicListener, udp: PublicListener) -> None:
        if udp.service == tcp.service:
            raise refuse(
                "one Service for UDP and TCP: it stays <pending> forever on GKE before 1.36",
                "give ingress.udp and ingress.tcp a Service each",
            )
        if udp.address == tcp.address:
            raise refuse("one address for UDP and TCP", "reserve an address for each")

    @rule
    def _announced_are_apart(
        cls,
        announced: dict[str, AnnouncedIngress],
        udp: PublicListener | None = None,
        tcp: PublicListener | None = None,
    ) -> None:
        for protocol, listener in (("UDP", udp), ("TCP", tcp)):
            if listener and listener.address in announced:
                raise refuse(f"{listener.address} is both active and announced", "remove it from ingress.announced")
            coming = [name for name, address in announced.items() if address.protocol == protocol]
            if len(coming) > 1:
                raise refuse(
                    f"{' and '.join(sorted(coming)[:2])} are announced for {protocol}: a LoadBalancer can move to one"
                    " only",
                    f"announce one address for {protocol}",
                )

    @field_validator("udp", "tcp", "announced")
    @classmethod
    def _ipv6_has_a_subnetwork(cls, given: Any, info: Info) -> Any:
        beside = given.values() if isinstance(given, Mapping) else (given,)
        said = any("ipv6" in each.model_fields_set for each in beside)
        if said and info.data.get("ipv6_subnetwork", "") is None:
            raise refuse("there is no IPv6 address", "add ingress.ipv6Subnetwork, or remove ipv6")
        names = [*given] if isinstance(given, Mapping) else [given.address]
        if info.data.get("ipv6_subnetwork") and (long := next((n for n in names if len(ipv6_name(n)) > 63), None)):
            raise refuse(f"{ipv6_name(long)} beside {long} has a name of more than 63 letters", "use a shorter name")
        return given

    @property
    def listeners(self) -> Mapping[Literal["UDP", "TCP"], PublicListener]:
        """Both LoadBalancers, by protocol."""
        return {"UDP": self.udp, "TCP": self.tcp}

    def has_ipv6(self, listener: PublicListener) -> bool:
        """Whether it answers on an IPv6 address, not merely announces one."""
        return self.ipv6_subnetwork is not None and listener.ipv6.state is Status.ACTIVE

    @property
    def answering(self) -> set[str]:
        """Names of the reserved addresses at which the LoadBalancers answer."""
        ipv6 = {ipv6_name(each.address) for each in self.listeners.values() if self.has_ipv6(each)}
        return {each.address for each in self.listeners.values()} | ipv6

    @property
    def lives(self) -> Iterator[tuple[str, PublicListener | AnnouncedIngress | Ipv6]]:
        """Every reserved address, with its state and dates."""
        beside: list[tuple[str, PublicListener | AnnouncedIngress]] = [
            *((each.address, each) for each in self.listeners.values()),
            *self.announced.items(),
        ]
        for name, life in beside:
            yield name, life
            if self.ipv6_subnetwork:
                yield ipv6_name(name), life.ipv6

    @property
    def address_names(self) -> set[str]:
        """Names of all reserved addresses, active and announced, those of IPv6 included."""
        return {name for name, _ in self.lives}

    @rule
    def _internal_is_apart(
        cls, internal: InternalListener | None, udp: PublicListener | None = None, tcp: PublicListener | None = None
    ) -> None:
        if internal and any(internal.service == each.service for each in (udp, tcp) if each):
            raise refuse("this Service is already a LoadBalancer", "give ingress.internal a Service of its own")
