"""Egress: a pool of reserved addresses on one Cloud NAT gateway."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi

from components.sdk.google import Address as ReservedAddress
from components.sdk.google import Router, RouterNat
from engine.record import GatewayUse
from engine.refusal import RefusedError
from engine.tokens import NAT_EGRESS_POOL
from inventory.address import Calls
from inventory.capacity import EgressCapacity
from settings import Settings
from settings.egress import Egress, Slot
from settings.retired import RetiredAddress


class NatEgressPool(pulumi.ComponentResource):
    """`warp:edge:NatEgressPool`: the addresses that vendors whitelist.

    Declares one reserved address per slot, keyed by name and never by position, the Cloud Router (unless another stack
    or team owns it) and the NAT gateway in MANUAL_ONLY mode. A slot's state determines the use of its address:
    announced is reserved only, active is in `nat_ips`, draining is in `drain_nat_ips` (no new connections). It
    deliberately does not manage the VPC network, its subnetworks and whether nodes have external addresses: a node
    with one bypasses the pool.

    `before`: the gateway's addresses after the last update; None: there was no gateway.

    Outputs: `addresses` (IPs by slot name), `capacity` (ports and concurrent calls).
    """

    addresses: Mapping[str, pulumi.Output[str]]
    capacity: pulumi.Output[EgressCapacity]

    def __init__(
        self, name: str, settings: Settings, before: GatewayUse | None, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(NAT_EGRESS_POOL, name, None, opts)
        egress = settings.egress
        refuse_cut(egress, before, settings.retired)
        for line in unannounced(egress, before):
            pulumi.log.warn(line, self)
        reserved = {
            slot: ReservedAddress(
                f"{name}-slot-{slot}",
                {"name": slot, "region": settings.region, "addressType": "EXTERNAL", "labels": settings.labels},
                # Changing a description that was set manually would replace the address.
                pulumi.ResourceOptions(parent=self, protect=settings.protect, ignore_changes=["description"]),
            )
            for slot in egress.slots
        }
        nat = self._gateway(name, settings, reserved)
        self.addresses = {slot: address.address for slot, address in reserved.items()}
        # Without the setting an adopted gateway keeps its minimum of ports, so it is read from the gateway.
        self.capacity = nat.min_ports_per_vm.apply(
            lambda minimum: EgressCapacity(
                active_addresses=len(_carrying(egress, Calls.NEW)),
                ports_per_call=egress.ports_per_call,
                min_ports_per_vm=int(minimum or egress.default_min_ports_per_vm),
            )
        )
        self.register_outputs({"concurrentCalls": self.capacity.apply(lambda capacity: capacity.concurrent_calls)})

    def _gateway(self, name: str, settings: Settings, reserved: Mapping[str, ReservedAddress]) -> RouterNat:
        egress, timeouts = settings.egress, settings.egress.timeouts
        locked = pulumi.ResourceOptions(parent=self, protect=settings.protect)
        router: pulumi.Input[str] = egress.router.name
        if egress.router.manage:
            router = Router(
                f"{name}-router",
                {"name": egress.router.name, "region": settings.region, "network": egress.router.network},
                locked,
            ).name
        return RouterNat(
            f"{name}-nat",
            {
                "name": egress.nat,
                "router": router,
                "region": settings.region,
                "natIpAllocateOption": "MANUAL_ONLY",
                # Self-links: raw addresses answer 404.
                "natIps": [reserved[slot].self_link for slot in _carrying(egress, Calls.NEW)],
                # Always said, also when empty: left out, the plugin keeps the old list and its addresses stay in use.
                "drainNatIps": [reserved[slot].self_link for slot in _carrying(egress, Calls.RUNNING)],
                "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
                "enableDynamicPortAllocation": egress.dynamic_ports,
                "enableEndpointIndependentMapping": egress.endpoint_independent_mapping,
                "minPortsPerVm": egress.min_ports_per_vm,
                "maxPortsPerVm": egress.max_ports_per_vm,
                "udpIdleTimeoutSec": timeouts.udp_idle_seconds,
                "icmpIdleTimeoutSec": timeouts.icmp_idle_seconds,
                "tcpEstablishedIdleTimeoutSec": timeouts.tcp_established_idle_seconds,
                "tcpTransitoryIdleTimeoutSec": timeouts.tcp_transitory_idle_seconds,
                "tcpTimeWaitTimeoutSec": timeouts.tcp_time_wait_seconds,
                "logConfig": {"enable": True, "filter": "ERRORS_ONLY"},
            },
            locked,
        )


def refuse_cut(egress: Egress, before: GatewayUse | None, retired: Mapping[str, RetiredAddress] | None = None) -> None:
    """Refuse changes that would cut calls or cannot work; `before` as in `NatEgressPool`,
    `retired`: retired addresses by name; drained slots are moved there.

    Removing an address from the gateway cuts its connections at once, and the plugin does not object; and a new gateway
    refuses draining addresses (docs.cloud.google.com/nat/docs/set-up-manage-network-address-translation). That the
    last call has ended can only be seen by people, who record it as `retiredOn`.
    """
    slots, retired = egress.slots, retired or {}
    used = before or GatewayUse()
    for name in _carrying(egress, Calls.RUNNING):
        if name not in used.active | used.draining:
            none = "" if before else ": there is none yet, and a new one refuses draining addresses"
            raise RefusedError(
                f"egress slot {name} cannot drain: the gateway does not use it{none}",
                f"set warp-edge:egress.slots.{name}.state to announced, and to active before it can drain",
            )
    kept = set(_carrying(egress, Calls.NEW, Calls.RUNNING))
    for name in sorted(used.active - kept):
        gone = f"set to {slots[name].state}" if name in slots else "retired" if name in retired else "removed"
        raise RefusedError(
            f"egress slot {name} is active and cannot be {gone}: its calls would be cut at once",
            f"set warp-edge:egress.slots.{name}.state to draining, run `pulumi up`, let its calls end, and remove it in"
            " a later update",
        )
    over = set(_carrying(egress, Calls.OVER))
    for name in sorted(used.draining - kept - over):
        _refuse_unfinished_drain(name, slots.get(name), retired.get(name))


def _refuse_unfinished_drain(name: str, slot: Slot | None, retired: RetiredAddress | None) -> None:
    """Refuse to take a draining address out of the gateway when nobody says that its calls have ended."""
    if slot:
        raise RefusedError(
            f"egress slot {name} drains and cannot be set to {slot.state}: its last calls would be cut",
            f"set warp-edge:egress.slots.{name}.state to active to call it back, or retire it when its calls have ended"
            " (docs/addresses.md)",
        )
    if retired and retired.drained_on and retired.retired_on:
        return
    raise RefusedError(
        f"egress slot {name} is still draining and cannot be {'retired' if retired else 'removed'}: it is not"
        " recorded that its calls have ended",
        f"when `gcloud compute routers get-nat-mapping-info` no longer shows it, put {name} under warp-edge:legacy with"
        " drainedOn (when it began to drain), retiredOn (a later day) and replacedBy; until then keep the slot",
    )


def unannounced(egress: Egress, before: GatewayUse | None) -> list[str]:
    """Warnings about slots without announcement dates, one line each: their notice period cannot be checked."""
    used = before.active | before.draining if before else set(egress.slots)
    lines = []
    for name, slot in egress.slots.items():
        if slot.announced_on:
            continue
        key = f"warp-edge:egress.slots.{name}.announcedOn"
        if slot.state.state.calls is Calls.NOT_YET:
            lines.append(f"egress slot {name} is {slot.state} and does not say since when: add {key}")
        elif name not in used:
            lines.append(f"egress slot {name} becomes active without a date of its announcement: add {key}")
    return lines


def _carrying(egress: Egress, *calls: Calls) -> list[str]:
    """The slots that carry these calls: they are in the gateway when they carry any."""
    return [name for name, slot in egress.slots.items() if slot.state.state.calls in calls]
