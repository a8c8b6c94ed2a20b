"""Stacks' outputs as `python -m verify` gets them: the live edge, and edges on loopback that tests can ask."""

from __future__ import annotations

from typing import Any

from inventory.address import Address, Direction, Kind, Status
from inventory.outputs import Inventory, record_sets
from plan.names import Listener, Listeners, SipNames, endpoints, records
from settings.dns import SrvWeights

Json = dict[str, Any]

# live-edge.md, "Reserved static addresses" and "Legacy".
UDP, TCP = "34.44.183.87", "34.55.182.145"
NAT = ("34.57.46.26", "35.223.15.88", "136.111.96.47")
RETIRED, RETIRED_NAT = "35.188.144.139", "34.58.165.135"
ANNOUNCED = "203.0.113.7"
NAME_SERVERS = ["ns-cloud-a1.googledomains.com", "ns-cloud-a2.googledomains.com"]

# live-edge.md, "DNS": every record and nothing else.
ZONE: dict[tuple[str, str], list[str]] = {
    ("sip.ringer.tel", "A"): [UDP],
    ("sip-udp.ringer.tel", "A"): [UDP],
    ("sip-tcp.ringer.tel", "A"): [TCP],
    ("_sip._udp.ringer.tel", "SRV"): ["10 50 5060 sip-udp.ringer.tel."],
    ("_sip._tcp.ringer.tel", "SRV"): ["10 50 5060 sip-tcp.ringer.tel."],
    ("_sips._tcp.ringer.tel", "SRV"): ["10 50 5061 sip-tcp.ringer.tel."],
}


def ingress(name: str, address: str, protocol: str, ports: tuple[int, ...], status: Status = Status.ACTIVE) -> Address:
    return Address(
        f"Customer ingress ({protocol})", name, address, Kind.LOAD_BALANCER, Direction.INBOUND, protocol, ports,
        "us-central1", status,
    )  # fmt: skip


def egress(name: str, address: str, status: Status = Status.ACTIVE) -> Address:
    return Address(
        "Vendor egress", name, address, Kind.NAT, Direction.OUTBOUND, "UDP/TCP", (5060,), "us-central1", status
    )


def outputs(
    udp: str = UDP,
    tcp: str = TCP,
    nat: tuple[str, ...] = NAT,
    *,
    ports: dict[str, int] | None = None,
    ds_records: tuple[str, ...] = (),
    naptr: bool = False,
) -> Json:
    """What `pulumi stack output --json` has of an edge on these addresses, as far as it is checked."""
    listening = ports or {"sip": 5060, "sips": 5061}
    names = SipNames("ringer.tel", "sip", "sip-udp", "sip-tcp")
    both = Listeners(names, Listener({"sip": listening["sip"]}, udp), Listener(listening, tcp))
    inventory = Inventory(
        region="us-central1",
        addresses=(
            ingress("kamailio-sip-udp-ip", udp, "UDP", (listening["sip"],)),
            ingress("kamailio-sip-tcp-ip", tcp, "TCP", tuple(listening.values())),
            ingress("kamailio-sip-next-ip", ANNOUNCED, "UDP", (5060,), Status.ANNOUNCED),
            *(egress(f"warp-nat-ip-{number}", address) for number, address in enumerate(nat, start=1)),
            egress("warp-nat-outbound-ip", RETIRED_NAT, Status.RETIRED),
            ingress("sip-ringer-tel-old", RETIRED, "UDP", (5060,), Status.RETIRED),
        ),
        domain="ringer.tel",
        notice_days=30,
        endpoints=tuple(endpoints(both.names, both)),
        records=tuple(records(both, SrvWeights(), naptr=naptr)),
    )
    return {
        "ipInventory": inventory.ip_inventory(),
        "dns": {
            "schema": 1,
            "domain": "ringer.tel",
            "nameServers": [f"{name}." for name in NAME_SERVERS],
            "dsRecords": list(ds_records),
            "records": record_sets(inventory.records, 300),
        },
    }
