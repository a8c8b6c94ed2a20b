"""Rules for exposure: only the SIP ports are open to the whole Internet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Annotated, Any

from pydantic import Field

from engine.tokens import FIREWALL, FIREWALL_POLICY_RULES, SERVICE
from policies.declared import UNKNOWN, Declared, at, items
from policies.rule import Finding, Options, ResourceRule, Unjudged, Violation
from policies.rules.ingress import of_load_balancers

# The widest range that a registry allocates to one network; wider ones are large parts of the Internet.
WIDEST = {4: 8, 6: 16}
Port = Annotated[int, Field(ge=1, le=65_535)]


class OpenPorts(Options):
    """Ports that customers use. Defaults as on the live edge: SIP, SIP over TLS, SIP over WebSocket with and without
    TLS."""

    udp: tuple[Port, ...] = Field((5060,), description="ports that may be open to the world over UDP")
    tcp: tuple[Port, ...] = Field((5060, 5061, 8080, 8443), description="the same over TCP")

    def opens(self, protocol: str, ports: str) -> bool:
        """Whether a port, or every port of a range like `5060-5061`, may be open."""
        allowed = {"udp": self.udp, "17": self.udp, "tcp": self.tcp, "6": self.tcp}.get(protocol.lower(), ())
        first, _, last = ports.partition("-")
        if not first.isdigit() or not (last or first).isdigit():
            return False
        return all(port in allowed for port in range(int(first), min(int(last or first), 65_536) + 1))


def is_the_world(value: Any) -> bool:
    """Whether a range is as good as the whole Internet. An invalid range is not judged here: the cloud refuses it."""
    try:
        network = ip_network(str(value).strip(), strict=False)
    except ValueError:
        return False
    return network.prefixlen < WIDEST[network.version]


def _open_to_the_world(resource: Declared, options: OpenPorts) -> Iterator[Finding]:
    if resource.type == SERVICE:
        yield from _service(resource, options)
    elif resource.type == FIREWALL:
        yield from _firewall(resource, options)
    else:
        yield from _policy_rule(resource, options)


def _firewall(rule: Declared, options: OpenPorts) -> Iterator[Finding]:
    """docs.cloud.google.com/firewall/docs/firewalls: the default direction is INGRESS, the default source any
    address."""
    if rule.at("direction") == "EGRESS" or rule.at("disabled") is True or rule.at("allows") is None:
        return
    ranges = rule.at("sourceRanges")
    named = [rule.at("sourceTags"), rule.at("sourceServiceAccounts")]
    if ranges is None and not any(named):
        ranges = ["0.0.0.0/0"]
    opened = [(at(each, "protocol"), at(each, "ports")) for each in _list(rule.at("allows"))]
    yield from _judge(ranges, opened, "sourceRanges", "allows", options)


def _policy_rule(rule: Declared, options: OpenPorts) -> Iterator[Finding]:
    if rule.at("direction") == "EGRESS" or rule.at("disabled") is True:
        return
    if rule.at("action") not in ("allow", UNKNOWN):
        return
    opened = [(at(each, "ipProtocol"), at(each, "ports")) for each in _list(rule.at("match.layer4Configs"))]
    yield from _judge(rule.at("match.srcIpRanges"), opened, "match.srcIpRanges", "match.layer4Configs", options)


@of_load_balancers
def _service(service: Declared, options: OpenPorts) -> Iterator[Finding]:
    """GKE creates firewall rules for LoadBalancer Services; without source ranges they are open to the world."""
    ranges = service.at("spec.loadBalancerSourceRanges") or ["0.0.0.0/0"]
    opened = [
        (UNKNOWN if port is UNKNOWN else at(port, "protocol") or "TCP", [at(port, "port")])
        for port in _list(service.at("spec.ports"))
    ]
    yield from _judge(ranges, opened, "spec.loadBalancerSourceRanges", "spec.ports", options)


def _judge(
    ranges: Any, opened: Sequence[tuple[Any, Any]], where_ranges: str, where_ports: str, options: OpenPorts
) -> Iterator[Finding]:
    world = [each for each in items(ranges) if each is not UNKNOWN and is_the_world(each)]
    if not world:
        if ranges is UNKNOWN or UNKNOWN in items(ranges):
            yield Unjudged(where_ranges)
        return
    for protocol, ports in opened:
        if UNKNOWN in (protocol, ports):
            yield Unjudged(where_ports)
            continue
        if not items(ports):
            yield Violation(f"{world[0]} reaches every port over {protocol}")
        for port in items(ports):
            shown = f"{port:g}" if isinstance(port, float) else str(port)
            if port is UNKNOWN:
                yield Unjudged(where_ports)
            elif not options.opens(str(protocol), shown):
                yield Violation(f"{world[0]} reaches {str(protocol).upper()} {shown}")


def _list(value: Any) -> Sequence[Mapping[str, Any] | Any]:
    return [UNKNOWN] if value is UNKNOWN else items(value)


RULES = (
    ResourceRule(
        "open-to-the-world",
        "The world reaches the SIP ports and nothing else",
        "any other open port is found and attacked within the hour",
        "name the source ranges that need it, or remove the port; the SIP ports are the rule's options udp and tcp",
        frozenset({FIREWALL, SERVICE}) | FIREWALL_POLICY_RULES,
        options=OpenPorts,
        check=_open_to_the_world,
    ),
)
