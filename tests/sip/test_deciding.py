"""Whose call is it: by source address, for every transport and method, and by nothing that the sender wrote."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from sandbox.sip_probe import ask
from tests.sip import sipp
from tests.sip.edge import KNOWN, UNKNOWN, Edge
from verify.sip import Peer, request

ACME_MAIN = {"X-WARP-BAN": "ACME", "X-WARP-Trunk": "main"}
ACME_INNER = {"X-WARP-BAN": "ACME", "X-WARP-Trunk": "inner"}
BETA_BOTH = {"X-WARP-BAN": "BETA", "X-WARP-Trunk": "both"}

CASES = {
    "an allowed host": ("127.0.0.2", 200, ACME_MAIN),
    "a host beside it": ("127.0.0.3", 403, {}),
    "an allowed range": ("127.0.1.200", 200, ACME_MAIN),
    "a more specific range of another trunk": ("127.0.1.17", 200, ACME_INNER),
    "the address after that range": ("127.0.1.32", 200, ACME_MAIN),
    "a host inside that range": ("127.0.1.20", 200, ACME_MAIN),
    "the first address of a range that ends inside a digit": ("127.0.8.0", 200, ACME_MAIN),
    "its last address": ("127.0.11.255", 200, ACME_MAIN),
    "the address before it": ("127.0.7.255", 403, {}),
    "the address after it": ("127.0.12.0", 403, {}),
    "a trunk that is DIGEST": ("127.0.4.9", 403, {}),
    "a trunk that is BOTH": ("127.0.6.9", 200, BETA_BOTH),
    "a DIGEST host in a range that is BOTH": ("127.0.6.7", 200, BETA_BOTH),
    "a trunk that is switched off": ("127.0.30.1", 403, {}),
    "a customer who is switched off": ("127.0.7.1", 403, {}),
    "an unknown source": ("127.0.99.9", 403, {}),
}
case = pytest.mark.parametrize(("source", "status", "headers"), CASES.values(), ids=list(CASES))


@case
@pytest.mark.parametrize("method", ["OPTIONS", "INVITE"])
@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_the_source_address_decides(
    edge: Edge, transport: str, method: str, source: str, status: int, headers: dict[str, str]
) -> None:
    answer = edge.ask(source, method, transport)
    assert answer.status == status
    assert {name: answer.headers.get(name.lower()) for name in headers} == headers
    assert headers or not any(name.startswith("x-warp") for name in answer.headers)


@case
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_an_ipv4_caller_is_who_he_is_on_a_socket_of_both_families(
    edge: Edge, transport: str, source: str, status: int, headers: dict[str, str]
) -> None:
    """Such a socket sees him as ::ffff:a.b.c.d."""
    place = Peer("127.0.0.1", edge.both_port, transport, source)
    answer = ask(request("OPTIONS", place), place)
    assert answer.status == status
    assert {name: answer.headers.get(name.lower()) for name in headers} == headers


@pytest.mark.parametrize("method", ["OPTIONS", "INVITE"])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize(
    "name",
    [
        "an allowed host",
        "an allowed range",
        "a more specific range of another trunk",
        "a trunk that is DIGEST",
        "an unknown source",
    ],
)
def test_sipp_places_whole_calls(edge: Edge, transport: str, method: str, name: str, tmp_path: Path) -> None:
    source, status, headers = CASES[name]
    sipp.call(tmp_path, edge.place(transport), transport, source, method, status, headers)


FORGED = {
    "headers of ours": "X-WARP-BAN: ACME\r\nX-WARP-Trunk: main\r\n",
    "an identity": "P-Asserted-Identity: <sip:probe@127.0.0.2>\r\nRemote-Party-ID: <sip:1@127.0.0.2>\r\n",
    "a route through the proxy": "Route: <sip:127.0.0.2;lr>\r\nRecord-Route: <sip:127.0.0.2;lr>\r\n",
    "another hop": "Via: SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bKforged;received=127.0.0.2\r\n",
    "what web proxies say": "X-Forwarded-For: 127.0.0.2\r\nForwarded: for=127.0.0.2\r\n",
    "a token": "Authorization: Bearer x\r\n",
}


@pytest.mark.parametrize("more", FORGED.values(), ids=list(FORGED))
@pytest.mark.parametrize("method", ["INVITE", "REGISTER", "BYE", "CANCEL", "MESSAGE"])
def test_nothing_in_a_message_makes_an_unknown_source_known(edge: Edge, method: str, more: str) -> None:
    assert edge.ask(UNKNOWN, method, more=more).status == 403


def test_a_first_via_that_names_a_customer_makes_an_unknown_source_no_customer(edge: Edge) -> None:
    address, port = edge.place("udp")
    # The answer goes to the Via's address: that is where it is awaited, and the request comes from another one.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as named, socket.socket(type=socket.SOCK_DGRAM) as sender:
        named.bind((KNOWN, 0))
        sender.bind((UNKNOWN, 0))
        sender.settimeout(3)
        text = request("INVITE", Peer(address, port, "udp", KNOWN)).replace(
            f"UDP {KNOWN};", f"UDP {KNOWN}:{named.getsockname()[1]};received={KNOWN};"
        )
        sender.sendto(text.encode(), (address, port))
        assert sender.recv(65535).startswith(b"SIP/2.0 403 ")


def test_a_customer_cannot_say_he_is_another_one(edge: Edge) -> None:
    answer = edge.ask(KNOWN, "INVITE", more="X-WARP-BAN: BETA\r\nX-WARP-Trunk: both\r\n")
    assert (answer.status, answer.headers["x-warp-ban"], answer.headers["x-warp-trunk"]) == (200, "ACME", "main")


def test_an_ack_of_an_unknown_source_is_not_answered(edge: Edge) -> None:
    address, port = edge.place("udp")
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        sender.bind((UNKNOWN, 0))
        sender.settimeout(1)
        for method in ("ACK", "OPTIONS"):
            text = request(method, Peer(address, port, "udp", UNKNOWN))
            sender.sendto(text.encode(), (address, port))
        assert b"OPTIONS" in sender.recv(65535)
        with pytest.raises(TimeoutError):
            sender.recv(65535)


def test_rejections_are_counted_and_logged_once_a_second(edge: Edge) -> None:
    def rejected() -> int:
        return int(edge.proxy.rpc().call("stats.fetchn", "warp_acl_rejected")["script.warp_acl_rejected"])

    def lines() -> int:
        return edge.proxy.log_file.read_text().count("warp-edge ACL: 403 to ")

    counted, logged = rejected(), lines()
    for _ in range(200):
        assert edge.status(UNKNOWN) == 403
    assert rejected() - counted == 200
    assert 1 <= lines() - logged <= 20
