"""Rules about egress, and about what is locked."""

from __future__ import annotations

from typing import Any

import pytest

from engine.tokens import ADDRESS, DATABASE, GLOBAL_ADDRESS, INSTANCE, NAT, SERVICE, ZONE
from policies.declared import UNKNOWN, Declared
from policies.rule import Level
from tests.unit.policies_under_test import refused, resource, rule, silent, unjudged


def nat(**properties: Any) -> Declared:
    return resource(NAT, "egress-nat", **properties)


def slots(count: int) -> Declared:
    return nat(natIps=[f"projects/p/regions/r/addresses/warp-nat-ip-{number}" for number in range(count)])


def test_manual_addresses_only() -> None:
    assert silent("nat-manual-only", nat(natIpAllocateOption="MANUAL_ONLY"))
    assert refused("nat-manual-only", nat(natIpAllocateOption="AUTO_ONLY")) == [
        "egress-nat: natIpAllocateOption is AUTO_ONLY"
    ]
    assert refused("nat-manual-only", nat()) == ["egress-nat: natIpAllocateOption is absent, which means AUTO_ONLY"]
    assert unjudged("nat-manual-only", nat(natIpAllocateOption=UNKNOWN)) == ["egress-nat: natIpAllocateOption"]


def test_the_gateway_logs() -> None:
    assert silent("nat-logging", nat(logConfig={"enable": True, "filter": "ERRORS_ONLY"}))
    for off in (nat(), nat(logConfig={"enable": False, "filter": "ALL"})):
        assert refused("nat-logging", off) == ["egress-nat: logging is off"]
    assert unjudged("nat-logging", nat(logConfig=UNKNOWN)) == ["egress-nat: logConfig.enable"]


def test_production_has_two_active_slots() -> None:
    assert silent("nat-active-slots", slots(2))
    assert refused("nat-active-slots", slots(1)) == ["egress-nat: 1 address is active, the minimum is 2"]
    assert refused("nat-active-slots", nat()) == ["egress-nat: 0 addresses are active, the minimum is 2"]
    assert silent("nat-active-slots", slots(1), production=False)


def test_how_many_slots_is_an_option() -> None:
    assert refused("nat-active-slots", slots(3), minimum=4) == ["egress-nat: 3 addresses are active, the minimum is 4"]


def test_one_address_twice_is_one() -> None:
    assert refused("nat-active-slots", nat(natIps=["a", "a"])) == ["egress-nat: 1 address is active, the minimum is 2"]


def test_addresses_are_counted_before_they_are_known() -> None:
    assert silent("nat-active-slots", nat(natIps=[UNKNOWN, UNKNOWN]))
    assert refused("nat-active-slots", nat(natIps=[UNKNOWN])) == ["egress-nat: 1 address is active, the minimum is 2"]
    for name in ("nat-active-slots", "nat-capacity-headroom"):
        assert unjudged(name, nat(natIps=UNKNOWN)) == ["egress-nat: natIps"]


def test_the_peak_fits_while_one_address_drains() -> None:
    # live-edge.md: 64,512 ports per address, 2 ports a call. Two addresses carry 64,512 calls.
    assert silent("nat-capacity-headroom", slots(3))
    assert silent("nat-capacity-headroom", slots(3), peakCalls=64_512)
    assert refused("nat-capacity-headroom", slots(3), peakCalls=64_513) == [
        "egress-nat: 3 addresses are active: 64,512 calls fit when 1 of them drains, the peak is 64,513"
    ]
    assert refused("nat-capacity-headroom", slots(2)) == [
        "egress-nat: 2 addresses are active: 32,256 calls fit when 1 of them drains, the peak is 64,000"
    ]


def test_the_live_edge_carries_its_planned_capacity_only_without_a_spare() -> None:
    # live-edge.md: 96,768 concurrent calls ("about 96,000").
    assert silent("nat-capacity-headroom", slots(3), peakCalls=96_000, spareSlots=0)
    assert refused("nat-capacity-headroom", slots(3), peakCalls=96_769, spareSlots=0) == [
        "egress-nat: 3 addresses are active: 96,768 calls fit, the peak is 96,769"
    ]
    assert len(refused("nat-capacity-headroom", slots(3), peakCalls=96_000)) == 1


def test_ports_per_call_count() -> None:
    assert len(refused("nat-capacity-headroom", slots(3), portsPerCall=4)) == 1


def test_a_gateway_without_addresses_carries_nothing() -> None:
    assert refused("nat-capacity-headroom", nat(natIps=[]), peakCalls=1) == [
        "egress-nat: 0 addresses are active: 0 calls fit when 1 of them drains, the peak is 1"
    ]


def test_vms_have_ports_for_the_peak() -> None:
    # platform-facts.md: static default 64, dynamic up to 65,536.
    assert refused("nat-ports-per-vm", nat(), vms=9) == [
        "egress-nat: 9 VMs with 64 ports each: 288 calls fit to one vendor's address and port, the peak is 64,000"
    ]
    assert silent("nat-ports-per-vm", nat(minPortsPerVm=16_384.0), vms=9)
    assert silent("nat-ports-per-vm", nat(enableDynamicPortAllocation=True, minPortsPerVm=32), vms=9)
    assert len(refused("nat-ports-per-vm", nat(enableDynamicPortAllocation=True, maxPortsPerVm=1024), vms=9)) == 1
    assert rule("nat-ports-per-vm").level is Level.ADVISORY


def test_ports_per_vm_are_judged_only_if_the_number_of_vms_is_configured() -> None:
    assert silent("nat-ports-per-vm", nat())
    assert unjudged("nat-ports-per-vm", nat(minPortsPerVm=UNKNOWN), vms=9) == ["egress-nat: minPortsPerVm"]
    assert unjudged("nat-ports-per-vm", nat(enableDynamicPortAllocation=UNKNOWN), vms=9)


@pytest.mark.parametrize("token", [ADDRESS, GLOBAL_ADDRESS, NAT, INSTANCE, DATABASE, ZONE])
def test_what_the_outside_relies_on_is_protected(token: str) -> None:
    assert silent("protected", resource(token, "it", protect=True))
    assert refused("protected", resource(token, "it")) == [
        "it: it is not protected: removing it from the program would delete it"
    ]
    assert silent("protected", resource(token, "it"), production=False)


def test_the_rest_need_not_be_protected() -> None:
    assert silent("protected", resource(SERVICE))


def test_both_deletion_locks_are_closed() -> None:
    locked = resource(INSTANCE, "db", deletionProtection=True, settings={"deletionProtectionEnabled": True})
    assert silent("database-deletion-locks", locked)
    opened = resource(INSTANCE, "db", deletionProtection=False, settings={})
    assert refused("database-deletion-locks", opened) == [
        "db: the plugin's deletion lock is off (deletionProtection)",
        "db: the cloud's deletion lock is off (settings.deletionProtectionEnabled)",
    ]
    assert silent("database-deletion-locks", opened, production=False)


def test_an_unknown_lock_does_not_hide_an_open_one() -> None:
    half = resource(INSTANCE, "db", deletionProtection=UNKNOWN, settings={"deletionProtectionEnabled": False})
    assert unjudged("database-deletion-locks", half) == ["db: deletionProtection"]
    assert refused("database-deletion-locks", half) == [
        "db: the cloud's deletion lock is off (settings.deletionProtectionEnabled)"
    ]
