"""The premium tier: the destination is looked at first. What a socket advertises stands for the address dialled."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.acl import Acl
from tests.sip.conftest import SAID
from tests.sip.edge import KNOWN, SOON, UNKNOWN, Edge, seconds_until

BETA_SOURCE = "127.0.6.9"
PORTS = {said.removeprefix("advertise ").removesuffix(":5060").strip("[]"): 5070 + n for n, said in enumerate(SAID)}
PORT = PORTS["34.1.2.3"]


@pytest.fixture
def dedicated(acl: Acl, edge: Edge) -> Iterator[None]:
    """34.1.2.3 is BETA's."""
    acl.dedicate("BETA", "34.1.2.3")
    seconds_until(lambda: edge.status(UNKNOWN, PORT) == 200, SOON)
    yield
    acl.release("34.1.2.3")
    seconds_until(lambda: edge.status(UNKNOWN, PORT) == 403, SOON)


def test_a_source_without_an_entry_is_the_owners(edge: Edge, dedicated: None) -> None:
    answer = edge.ask(UNKNOWN, "INVITE", port=PORT)
    assert (answer.status, answer.headers["x-warp-ban"], answer.headers["x-warp-trunk"]) == (200, "BETA", "dedicated")


def test_an_entry_of_the_owners_gives_the_trunk(edge: Edge, dedicated: None) -> None:
    answer = edge.ask(BETA_SOURCE, port=PORT)
    assert (answer.status, answer.headers["x-warp-ban"], answer.headers["x-warp-trunk"]) == (200, "BETA", "both")


def test_an_address_of_a_trunk_gives_that_trunk_whatever_the_source_is_of(
    acl: Acl, edge: Edge, dedicated: None
) -> None:
    acl.trunk("BETA", "by-address")
    acl.do("UPDATE accounts.customer_dedicated_ips SET trunk = 'by-address' WHERE address = '34.1.2.3'")
    try:
        seconds_until(lambda: edge.ask(UNKNOWN, port=PORT).headers["x-warp-trunk"] == "by-address", SOON)
        answer = edge.ask(BETA_SOURCE, port=PORT)
        assert (answer.headers["x-warp-ban"], answer.headers["x-warp-trunk"]) == ("BETA", "by-address")
        assert edge.ask(BETA_SOURCE).headers["x-warp-trunk"] == "both", "elsewhere it is its own trunk's"
        assert edge.status(KNOWN, PORT) == 403
        acl.do("UPDATE accounts.trunk_groups SET active = false WHERE ban = 'BETA' AND name = 'by-address'")
        seconds_until(lambda: edge.status(UNKNOWN, PORT) == 403, SOON)
    finally:
        acl.do("UPDATE accounts.customer_dedicated_ips SET trunk = NULL WHERE address = '34.1.2.3'")
        acl.do("DELETE FROM accounts.trunk_groups WHERE ban = 'BETA' AND name = 'by-address'")


def test_another_customer_is_refused_there(edge: Edge, dedicated: None) -> None:
    answer = edge.ask(KNOWN, port=PORT)
    assert answer.status == 403
    assert not any(name.startswith("x-warp") for name in answer.headers)


def test_other_addresses_go_by_source_as_before(edge: Edge, dedicated: None) -> None:
    assert (edge.status(KNOWN), edge.status(BETA_SOURCE), edge.status(UNKNOWN)) == (200, 200, 403)
    assert edge.ask(KNOWN).headers["x-warp-ban"] == "ACME"


def test_an_address_whose_customer_is_switched_off_is_nobodys(acl: Acl, edge: Edge) -> None:
    acl.dedicate("GONE", "34.1.2.3")
    try:
        assert edge.status(UNKNOWN, PORT) == 403
    finally:
        acl.release("34.1.2.3")


@pytest.mark.parametrize("address", [one for one in PORTS if ":" in one])
def test_an_ipv6_address_is_known_in_every_form(acl: Acl, edge: Edge, address: str) -> None:
    assert edge.status(UNKNOWN, PORTS[address]) == 403
    acl.dedicate("BETA", address)
    try:
        seconds_until(lambda: edge.status(UNKNOWN, PORTS[address]) == 200, SOON)
        others = [port for one, port in PORTS.items() if one != address]
        assert {edge.status(UNKNOWN, port) for port in others} == {403}
    finally:
        acl.release(address)
    seconds_until(lambda: edge.status(UNKNOWN, PORTS[address]) == 403, SOON)
