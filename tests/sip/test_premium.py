"""The premium tier as a stack publishes it: two customers with addresses of their own, and sources that no ACL lists.

`ports`: the sockets of the published fragment, one port for each address, as behind kube-proxy. `addresses`: the proxy
listens at the addresses themselves, as in the sandbox.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

import kamailio
from sandbox.acl import Acl
from sandbox.sip_edge import of_stack
from sandbox.sip_probe import ask
from tests.sip.conftest import NETWORK, ProxyMaker
from tests.sip.edge import Edge
from verify.sip import Answer, Peer, request

ACMES_SOURCE, BETAS_SOURCE, UNLISTED = "127.0.0.2", "127.0.6.9", "127.0.99.9"
ACMES_ADDRESS, BETAS_ADDRESS = f"{NETWORK}.201", f"{NETWORK}.202"
ADDRESSES = {"ACME": ACMES_ADDRESS, "BETA": BETAS_ADDRESS}
TARGETS = {"ACME": 15060, "BETA": 15064}


@dataclass(frozen=True)
class Premium:
    """Where callers reach each customer's own address, and the shared one."""

    edge: Edge
    at: dict[str, tuple[str, int]]

    def call(self, source: str, customer: str, transport: str) -> Answer:
        host, port = self.at[customer]
        peer = Peer(host, port, transport, source)
        return ask(request("INVITE", peer), peer)


@pytest.fixture(params=["ports", "addresses"])
def premium(acl: Acl, new_proxy: ProxyMaker, request: pytest.FixtureRequest) -> Iterator[Premium]:
    for ban, address in ADDRESSES.items():
        acl.dedicate(ban, address)
    if request.param == "ports":
        sockets = [
            kamailio.Own(ban, protocol, address, {"sip": 5060}, {"sip": TARGETS[ban]})
            for ban, address in ADDRESSES.items()
            for protocol in ("UDP", "TCP")
        ]
        edge = new_proxy("mtree", dedicated=kamailio.dedicated(sockets), reload=False)
        at = {ban: (edge.proxy.udp_address, TARGETS[ban]) for ban in ADDRESSES}
    else:
        listen = tuple(f"{each}:{address}:5060" for address in ADDRESSES.values() for each in ("udp", "tcp"))
        edge = new_proxy("mtree", also_listen=listen, reload=False)
        at = {ban: (address, 5060) for ban, address in ADDRESSES.items()}
    edge.proxy.start()
    yield Premium(edge, at)
    acl.release(*ADDRESSES.values())


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_source_that_no_acl_lists_is_the_customer_whose_address_it_dials(premium: Premium, transport: str) -> None:
    for customer in ADDRESSES:
        answer = premium.call(UNLISTED, customer, transport)
        assert (answer.status, answer.headers["x-warp-ban"], answer.headers["x-warp-trunk"]) == (
            200, customer, "dedicated",
        )  # fmt: skip
    assert premium.edge.status(UNLISTED) == 403, "at the shared address it is nobody"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_one_customer_cannot_use_the_others_address(premium: Premium, transport: str) -> None:
    for source, own, others in ((ACMES_SOURCE, "ACME", "BETA"), (BETAS_SOURCE, "BETA", "ACME")):
        assert premium.call(source, own, transport).headers["x-warp-ban"] == own
        refused = premium.call(source, others, transport)
        assert refused.status == 403
        assert not any(name.startswith("x-warp") for name in refused.headers)


def test_a_stack_without_dedicated_addresses_needs_no_fragment(acl: Acl, new_proxy: ProxyMaker) -> None:
    """`import_file` passes over a file that is not there."""
    edge = new_proxy("mtree", reload=False)
    assert edge.proxy.start()
    assert edge.status(ACMES_SOURCE) == 200


def test_the_sandbox_listens_at_every_dedicated_address_of_a_stack(acl: Acl, new_proxy: ProxyMaker) -> None:
    def endpoint(transport: str, address: str, port: int, **more: str) -> dict[str, object]:
        return {"transport": transport, "address": address, "server": address, "port": port, **more}

    def address(address: str, protocol: str, *ports: int, status: str = "active", **more: str) -> dict[str, object]:
        return {"address": address, "protocol": protocol, "ports": list(ports), "status": status, **more}

    shared = [
        endpoint("UDP", "127.1.0.1", 5060),
        *(endpoint(transport, "127.1.0.2", port) for transport, port in (("TCP", 5060), ("TLS", 5061), ("WS", 8080))),
        endpoint("UDP", "2001:db8:0:1::", 5060),
        endpoint("TCP", "2001:db8:0:2::", 5060),
    ]
    own = [
        endpoint("UDP", ACMES_ADDRESS, 5060, customer="ACME"),
        endpoint("TLS", BETAS_ADDRESS, 5061, customer="BETA"),
        endpoint("WS", BETAS_ADDRESS, 8080, customer="BETA"),
    ]
    addresses = [
        address("127.1.0.1", "UDP", 5060),
        address(ACMES_ADDRESS, "UDP", 5060, customer="ACME"),
        address(BETAS_ADDRESS, "TCP", 5061, 8080, customer="BETA", status="draining"),
        address("127.1.0.9", "UDP", 5060, customer="BETA", status="retired"),
    ]
    database = acl.database
    proxy = of_stack(
        new_proxy.folder,
        {
            "customerEndpoints": {"endpoints": shared},
            "ipInventory": {"endpoints": shared + own, "addresses": addresses, "domain": "ringer.tel"},
            "database": {"publicAddress": database.host, "port": database.port, "name": database.name, "serverCa": ""},
            "trunkAcl": {"reader": database.user, "readerPassword": database.password},
        },
    )
    assert (proxy.udp_address, proxy.tcp_address) == ("127.1.0.1", "127.1.0.2")
    assert proxy.also_listen == (f"udp:{ACMES_ADDRESS}:5060", f"tls:{BETAS_ADDRESS}:5061")
