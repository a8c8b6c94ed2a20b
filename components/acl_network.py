"""Who may reach whom: NetworkPolicies of the SIP proxies' RPC port and of the reloader, as specs. Pure.

A policy cannot deny. The proxies' admits everything that is not RPC as ranges of ports, and the ports that are known to
have callers one by one as well: a network plugin that does not know `endPort` silently takes only the first port of a
range (github.com/cilium/cilium/issues/28684; Kubernetes' documentation, "Targeting a range of ports"), and must not
close SIP.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pulumi

from components.trunk_acl.schema import POSTGRESQL_PORT
from components.workload import DNS_PORT, PROTOCOLS, Workload, both, pods

Opening = tuple[str, int]  # protocol and port
LAST_PORT = 65535
# Cilium refuses a rule with more (github.com/cilium/cilium/pull/17315).
MOST_PORTS_OF_A_RULE = 40


@dataclass(frozen=True)
class Network:
    """`proxies`: labels of their pods; `rpc`: their port for it; `openings`: their ports that have callers; `reload`:
    that for reloads of the certificate, and `renewer`: labels of the pods that call it."""

    proxies: Mapping[str, str]
    reloader: Workload
    rpc: int
    openings: tuple[Opening, ...]
    reload: int | None = None
    renewer: Mapping[str, str] | None = None

    @property
    def closed(self) -> set[int]:
        """Ports of the proxies that are not everybody's."""
        return {self.rpc} if self.reload is None else {self.rpc, self.reload}


def of_proxies(network: Network) -> dict[str, Any]:
    """Everybody may reach every port but RPC's, which is the reloader's, and that of the certificate's reloads."""
    known = sorted({opening for opening in network.openings if opening[1] not in network.closed})
    renewer = []
    if network.reload is not None and network.renewer is not None:
        renewer = [{"from": [pods(network.renewer)], "ports": [{"protocol": "TCP", "port": network.reload}]}]
    return {
        "podSelector": {"matchLabels": network.proxies},
        "policyTypes": ["Ingress"],
        "ingress": [
            {"from": [pods(network.reloader.chosen)], "ports": both(network.rpc)},
            *renewer,
            {"ports": list(_all_but(network.closed))},
            *(
                {"ports": [{"protocol": protocol, "port": port} for protocol, port in some]}
                for some in (known[at : at + MOST_PORTS_OF_A_RULE] for at in range(0, len(known), MOST_PORTS_OF_A_RULE))
            ),
        ],
    }


def of_reloader(network: Network, database: pulumi.Output[str] | None) -> dict[str, Any]:
    """It answers on its status port, and reaches DNS (wherever the cluster has it), the database's address and the
    proxies. `database` is None for a pod with a database proxy of its own, which reaches Google's APIs as well."""
    if database is None:
        return network.reloader.answers(None)
    return network.reloader.answers(
        [
            {"ports": both(DNS_PORT)},
            {
                "to": [{"ipBlock": {"cidr": database.apply(_only)}}],
                "ports": [{"protocol": "TCP", "port": POSTGRESQL_PORT}],
            },
            {"to": [pods(network.proxies)], "ports": both(network.rpc)},
        ]
    )


def _all_but(closed: Collection[int]) -> Iterator[dict[str, Any]]:
    ends = [0, *sorted(closed), LAST_PORT + 1]
    for protocol in PROTOCOLS:
        for first, last in ((before + 1, after - 1) for before, after in pairwise(ends)):
            if first <= last:
                yield {"protocol": protocol, "port": first, "endPort": last}


def _only(address: str) -> str:
    return str(ipaddress.ip_network(address))
