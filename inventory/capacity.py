"""Call capacity of the egress pool.

64,512 ports per address and protocol: 65,536 less the 1,024 well-known ones. A VM gets a power of two of ports, at
least its minimum and at most 57,344 from one address (docs.cloud.google.com/nat/docs/ports-and-addresses;
`minPortsPerVm` in docs.cloud.google.com/compute/docs/reference/rest/v1/routers).
"""

from __future__ import annotations

from dataclasses import dataclass

PORTS_PER_ADDRESS = 64_512
PORTS_OF_ONE_VM = 57_344


@dataclass(frozen=True)
class EgressCapacity:
    """Capacity of the active slots of one gateway; announced and draining slots take no new calls."""

    active_addresses: int
    ports_per_call: int
    min_ports_per_vm: int

    @property
    def ports(self) -> int:
        """Source ports of all active addresses, each for UDP and for TCP."""
        return self.active_addresses * PORTS_PER_ADDRESS

    @property
    def concurrent_calls(self) -> int:
        """Concurrent calls, with `ports_per_call` ports each."""
        return self.ports // self.ports_per_call

    @property
    def vms(self) -> int:
        """VMs that can have their minimum of ports at the same time; further ones get none and drop packets."""
        granted = min(1 << (self.min_ports_per_vm - 1).bit_length(), PORTS_OF_ONE_VM)
        return self.active_addresses * (PORTS_PER_ADDRESS // granted)
