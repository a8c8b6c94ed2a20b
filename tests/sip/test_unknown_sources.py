"""Sources that are refused: a few answers over UDP, then none, and none that is much longer than the request."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from local_cloud.postgres import PostgresServer
from sandbox.acl import Acl, migrated
from sandbox.sip_proxy import SipProxy
from tests.sip.conftest import NETWORK, filled
from tests.sip.edge import KNOWN, UNKNOWN, Edge, seconds_until
from tests.sip.test_start import LONGEST
from tests.sip.test_trunk_limits import asked, items
from verify.sip import Peer, request

ANSWERS = 5
SETTINGS = f'#!define WARP_UNKNOWN_ANSWERS {ANSWERS}\n#!substdef "!WARP_UNKNOWN_SECONDS!3600!g"\n'
OWNED = 5070
# As short as a request can be: RFC 3261, 7.3.3 (compact names) and 8.1.1 (what it must have).
SHORTEST = "OPTIONS sip:a SIP/2.0\r\nv:SIP/2.0/UDP a;rport\r\nf:<sip:a>\r\nt:<sip:a>\r\ni:a\r\nCSeq:1 OPTIONS\r\n"


@pytest.fixture(scope="module")
def quiet(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    acl = filled(migrated(server, "unknown"))
    acl.dedicate("BETA", "34.1.2.3")
    proxy = SipProxy(
        tmp_path_factory.mktemp("quiet"),
        f"{NETWORK}.70",
        f"{NETWORK}.71",
        acl.database,
        protection=SETTINGS,
        also_listen=(f"udp:{NETWORK}.70:{OWNED} advertise 34.1.2.3:5060",),
    )
    proxy.start()
    yield Edge(proxy)
    proxy.stop()


def counted(edge: Edge, *names: str) -> list[int]:
    found = asked(edge, "stats.fetchn", *(f"warp_acl_{name}" for name in names))
    return [int(found[f"script.warp_acl_{name}"]) for name in names]


def send(edge: Edge, source: str, text: str, port: int = 0) -> bytes:
    """The answer, or nothing where the proxy has decided not to answer."""
    host, usual_port = edge.place("udp")
    kinds = "rejected", "no_table", "silenced"
    before = counted(edge, *kinds)
    with socket.socket(type=socket.SOCK_DGRAM) as ours:
        ours.bind((source, 0))
        ours.settimeout(20)
        ours.sendto(text.encode(), (host, port or usual_port))
        seconds_until(lambda: counted(edge, *kinds) != before, LONGEST)
        now = counted(edge, *kinds)
        assert sum(now) == sum(before) + 1
        return b"" if now[-1] > before[-1] else ours.recv(65535)


def usual(edge: Edge, source: str) -> str:
    return request("OPTIONS", Peer(*edge.place("udp"), "udp", source))


def test_an_unknown_source_is_answered_a_few_times_and_then_no_more(quiet: Edge) -> None:
    answers = [send(quiet, UNKNOWN, usual(quiet, UNKNOWN)) for _ in range(2 * ANSWERS)]
    assert all(answer.startswith(b"SIP/2.0 403 ") for answer in answers[:ANSWERS])
    assert answers[ANSWERS:] == [b""] * ANSWERS
    # Another one has its own.
    assert send(quiet, "127.0.99.10", usual(quiet, "127.0.99.10")).startswith(b"SIP/2.0 403 ")
    log = quiet.proxy.log_file.read_text()
    assert 1 <= log.count("warp-edge ACL: no answer to ") <= ANSWERS
    seconds_until(lambda: (quiet.metric("warp_acl_silenced_total") or 0) >= ANSWERS, LONGEST)


def test_a_customer_is_answered_always(quiet: Edge) -> None:
    assert [quiet.status(KNOWN) for _ in range(3 * ANSWERS)] == [200] * 3 * ANSWERS


def test_a_customer_is_answered_a_few_times_at_the_address_of_another(quiet: Edge) -> None:
    """Who forges a customer's address there would send him the answers."""
    answers = [send(quiet, KNOWN, usual(quiet, KNOWN), OWNED) for _ in range(2 * ANSWERS)]
    assert all(answer.startswith(b"SIP/2.0 403 ") for answer in answers[:ANSWERS])
    assert answers[ANSWERS:] == [b""] * ANSWERS
    assert quiet.status(KNOWN) == 200
    # Another one, in too few bytes.
    assert send(quiet, "127.0.1.5", f"{SHORTEST}\r\n", OWNED) == b""
    assert send(quiet, "127.0.1.5", usual(quiet, "127.0.1.5"), OWNED).startswith(b"SIP/2.0 403 ")


def test_without_tables_an_answer_is_not_much_longer_either(quiet: Edge) -> None:
    asked(quiet, "htable.delete", "dedicated", "loaded")
    try:
        assert send(quiet, KNOWN, f"{SHORTEST}\r\n") == b""
        answers = [send(quiet, KNOWN, usual(quiet, KNOWN)) for _ in range(2 * ANSWERS)]
        assert all(answer.startswith(b"SIP/2.0 503 ") for answer in answers)
        assert all(len(answer) <= 1.5 * len(usual(quiet, KNOWN)) for answer in answers)
    finally:
        asked(quiet, "htable.reload", "dedicated")
    assert quiet.status(KNOWN) == 200


def test_a_connection_is_answered_always(quiet: Edge) -> None:
    """Its source is not forged, and an answer ends it."""
    answers = [quiet.ask("127.0.99.11", transport="tcp").status for _ in range(2 * ANSWERS)]
    assert answers == [403] * 2 * ANSWERS


@pytest.mark.parametrize(
    "more",
    ["", "v:SIP/2.0/UDP b;branch=z9hG4bK1\r\n", "v:SIP/2.0/UDP b\r\nVia: SIP/2.0/UDP c, SIP/2.0/UDP d\r\n"],
    ids=["one hop", "two hops", "four hops"],
)
def test_no_answer_is_longer_than_one_and_a_half_times_the_request(quiet: Edge, more: str) -> None:
    """Forged sources make a proxy send to others: RFC 3261, 26.1.5. From the shortest request there is up."""
    ratios = {}
    for number, padding in enumerate(range(0, 360, 12)):
        text = f"{SHORTEST}{more}X:{'x' * padding}\r\n\r\n"
        source = f"127.20.{len(more)}.{number + 1}"
        if answer := send(quiet, source, text):
            assert answer.startswith(b"SIP/2.0 403 ")
            ratios[len(text)] = len(answer) / len(text)
    assert ratios, "nothing was answered"
    assert max(ratios.values()) <= 1.5, ratios
    assert len(SHORTEST) + 4 not in ratios
    # Not shorter than it has to be either: what is refused could not have been answered.
    assert max(ratios.values()) > 1.2 or more


def test_forged_sources_share_a_bounded_number_of_counters(quiet: Edge) -> None:
    text = usual(quiet, UNKNOWN).encode()
    for number in range(2000):
        with socket.socket(type=socket.SOCK_DGRAM) as ours:
            ours.bind((f"127.21.{number // 250}.{number % 250 + 1}", 0))
            ours.sendto(text, quiet.place("udp"))
    seconds_until(lambda: len(items(quiet, "warp_unknown")) > 500, LONGEST)
    assert all(0 <= int(name.removeprefix("listed|")) < 65536 for name in items(quiet, "warp_unknown"))


def test_silence_ends_with_its_time(own_acl: Acl, tmp_path_factory: pytest.TempPathFactory) -> None:
    proxy = SipProxy(
        tmp_path_factory.mktemp("soon"),
        f"{NETWORK}.72",
        f"{NETWORK}.73",
        own_acl.database,
        protection='#!define WARP_UNKNOWN_ANSWERS 1\n#!substdef "!WARP_UNKNOWN_SECONDS!1!g"\n',
        reload=False,
    )
    with contextlib.ExitStack() as stack:
        stack.callback(proxy.stop)
        proxy.start()
        edge = Edge(proxy)
        seconds_until(lambda: not send(edge, UNKNOWN, usual(edge, UNKNOWN)), LONGEST)
        # It goes on asking meanwhile.
        seconds_until(lambda: bool(send(edge, UNKNOWN, usual(edge, UNKNOWN))), LONGEST)
