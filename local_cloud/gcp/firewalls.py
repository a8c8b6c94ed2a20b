"""VPC firewall rules, as Compute Engine validates them. Nothing is filtered: the cloud's networks are loopback.

Rules: docs.cloud.google.com/firewall/docs/using-firewalls.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from local_cloud.cloud import Transaction
from local_cloud.errors import CheckFailure, google_error, google_text
from local_cloud.gcp.rules import born, check_name, find_network
from local_cloud.links import relative, same_link, self_link
from local_cloud.resource_type import ResourceType
from local_cloud.shapes import Shape
from local_cloud.values import Props

FIREWALL: Final = "gcp:compute/firewall:Firewall"
_PROTOCOLS: Final = ("tcp", "udp", "icmp", "esp", "ah", "sctp", "ipip", "all")
_WITH_PORTS: Final = ("tcp", "udp", "sctp", "6", "17", "132")


class Firewall(ResourceType):
    """A rule that allows or denies."""

    token = FIREWALL
    noun = "Firewall"
    key_format = "projects/{project}/global/firewalls/{name}"
    import_formats = ("{project}/{name}", "{name}")
    shape = Shape.parse(
        """
        root: name!+ network*@ allows<> deletionPolicy~% denies<> description destinationRanges<>~
            direction:INGRESS|EGRESS!~ disabled:bool enableLogging:bool~ logConfig{} params{}! priority:int=1000
            project!~ sourceRanges<> sourceServiceAccounts<> sourceTags<> targetServiceAccounts<> targetTags<>
            creationTimestamp^ selfLink^
        allows: protocol* ports[]
        denies: protocol* ports[]
        logConfig: metadata:EXCLUDE_ALL_METADATA|INCLUDE_ALL_METADATA*
        params: resourceManagerTags{}
        """
    )

    def check(self, inputs: Props) -> list[CheckFailure]:
        given = [name for name in ("allows", "denies") if inputs.get(name) is not None]
        if len(given) == 1:
            return check_name(inputs)
        wanted = "one" if not given else "only one"
        return [*check_name(inputs), CheckFailure("allows", f"{wanted} of `allow,deny` must be specified")]

    def judge(self, planned: Props) -> list[CheckFailure]:
        return [
            CheckFailure(
                field, google_text(400, f"Invalid value for field 'resource.{field}': '{value}'. {why}", "invalid")
            )
            for field, value, why in _problems(planned)
        ]

    def make(self, tx: Transaction, planned: Props) -> Props:
        network = find_network(tx, planned["network"], planned["project"])
        if network is None:
            raise google_error(404, f"The resource '{relative(planned['network'])}' was not found", "notFound")
        body = {**planned, **born(tx, self.key(planned)), "network": self_link(network[0])}
        body["direction"] = planned.get("direction") or "INGRESS"
        sources = ("sourceRanges", "sourceTags", "sourceServiceAccounts")
        if body["direction"] == "INGRESS" and not any(planned.get(name) for name in sources):
            body["sourceRanges"] = ["0.0.0.0/0"]
        if body["direction"] == "EGRESS" and not planned.get("destinationRanges"):
            body["destinationRanges"] = ["0.0.0.0/0"]
        return body

    def change(self, tx: Transaction, body: Props, planned: Props) -> Props:
        if not same_link(body["network"], planned["network"]):
            message = f"Invalid value for field 'resource.network': '{planned['network']}'. Network cannot be changed."
            raise google_error(400, message, "invalid")
        return {**body, **planned, "network": body["network"]}


def _problems(planned: Props) -> Iterator[tuple[str, object, str]]:
    if not 0 <= planned["priority"] <= 65535:
        yield "priority", planned["priority"], "Must be between 0 and 65535"
    for kind, field in (("allows", "allowed"), ("denies", "denied")):
        for index, one in enumerate(planned.get(kind) or []):
            protocol, ports = str(one["protocol"]).lower(), one.get("ports") or []
            numbered = protocol.isdigit() and int(protocol) <= 255
            if protocol not in _PROTOCOLS and not numbered:
                yield f"{field}[{index}].IPProtocol", one["protocol"], "Must be a protocol's name or number"
            if ports and protocol not in _WITH_PORTS:
                yield f"{field}[{index}].ports", ",".join(ports), f"Ports are not for the protocol {protocol}"
            for port in ports:
                low, _, high = str(port).partition("-")
                if not re.fullmatch(r"\d+(-\d+)?", str(port)) or not 0 <= int(low) <= int(high or low) <= 65535:
                    yield f"{field}[{index}].ports", port, "Must be a port or a range of ports"
    for name in ("sourceRanges", "destinationRanges"):
        versions = set()
        for text in planned.get(name) or []:
            try:
                versions.add(ipaddress.ip_network(text).version)
            except ValueError:
                yield name, text, "Must be an address range in CIDR notation"
        if len(versions) > 1:
            yield name, ",".join(planned[name]), "A rule holds IPv4 or IPv6 ranges, not both"
    if (planned.get("direction") or "INGRESS") == "EGRESS" and (
        planned.get("sourceTags") or planned.get("sourceRanges")
    ):
        yield "sourceRanges", "", "Sources are for rules of the direction INGRESS"
