"""Who may reach whom: NetworkPolicies of the SIP proxies' RPC port and of the reloader, as specs. Pure.

A policy cannot deny. The proxies' admits everything that is not RPC as ranges of ports, and the ports that are known to
have callers one by one as well: a network plugin that does not know `endPort` silently takes only the first port of a
range (github.com/cilium/cilium/issues/28684; Kubernetes' documentation, "Targeting a range of ports"), and must not
close SIP.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from components.trunk_acl.schema import POSTGRESQL_PORT

Opening = tuple[str, int]  # protocol and port
PROTOCOLS = ("UDP", "TCP")
DNS_PORT, LAST_PORT = 53, 65535
# Cilium refuses a rule with more (github.com/cilium/cilium/pull/17315).
MOST_PORTS_OF_A_RULE = 40


@dataclass(frozen=True)
class Network:
    """`proxies`, `reloader`: labels of their pods; `rpc`, `status`: the port of each; `openings`: ports of the proxies'
    pods that have callers."""

    proxies: Mapping[str, str]
    reloader: Mapping[str, str]
    rpc: int
    status: int
    openings: tuple[Opening, ...]


def of_proxies(network: Network) -> dict[str, Any]:
    """Everybody may reach every port but RPC's, which is the reloader's."""
    known = sorted({opening for opening in network.openings if opening[1] != network.rpc})
    return {
        "podSelector": {"matchLabels": network.proxies},
        "policyTypes": ["Ingress"],
        "ingress": [
            {"from": [_pods(network.reloader)], "ports": _both(network.rpc)},
            {"ports": list(_all_but(network.rpc))},
            *(
                {"ports": [{"protocol": protocol, "port": port} for protocol, port in some]}
                for some in (known[at : at + MOST_PORTS_OF_A_RULE] for at in range(0, len(known), MOST_PORTS_OF_A_RULE))
            ),
        ],
    }


def of_reloader(network: Network, database: pulumi.Output[str] | None) -> dict[str, Any]:
    """It answers on its status port, and reaches DNS (wherever the cluster has it), the database's address and the
    proxies. `database` is None for a pod with a database proxy of its own, which reaches Google's APIs as well."""
    answers = {
        "podSelector": {"matchLabels": network.reloader},
        "ingress": [{"ports": [{"protocol": "TCP", "port": network.status}]}],
    }
    if database is None:
        return answers | {"policyTypes": ["Ingress"]}
    return answers | {
        "policyTypes": ["Ingress", "Egress"],
        "egress": [
            {"ports": _both(DNS_PORT)},
            {
                "to": [{"ipBlock": {"cidr": database.apply(_only)}}],
                "ports": [{"protocol": "TCP", "port": POSTGRESQL_PORT}],
            },
            {"to": [_pods(network.proxies)], "ports": _both(network.rpc)},
        ],
    }


def _pods(labels: Mapping[str, str]) -> dict[str, Any]:
    return {"podSelector": {"matchLabels": labels}}


def _both(port: int) -> list[dict[str, Any]]:
    return [{"protocol": protocol, "port": port} for protocol in PROTOCOLS]


def _all_but(port: int) -> Iterator[dict[str, Any]]:
    for protocol in PROTOCOLS:
        for first, last in ((1, port - 1), (port + 1, LAST_PORT)):
            if first <= last:
                yield {"protocol": protocol, "port": first, "endPort": last}


def _only(address: str) -> str:
    return str(ipaddress.ip_network(address))
