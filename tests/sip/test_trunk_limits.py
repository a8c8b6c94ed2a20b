"""Limits of trunks, enforced by a real Kamailio from a real database: calls a second and calls at a time."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kamailio.reloader.proxy import BUSY
from kamailio.reloader.rpc import Refused
from local_cloud.postgres import PostgresServer
from sandbox.acl import Acl, migrated
from sandbox.sip_phone import Phone, contact
from sandbox.sip_proxy import SipProxy
from tests.sip.conftest import NETWORK, filled
from tests.sip.edge import UNKNOWN, Edge, seconds_until
from tests.sip.sipp import calls_at_a_rate
from tests.sip.test_start import LONGEST, away, with_snapshot
from verify.sip import Answer

BOTH = "#!define WARP_CALLS_PER_SECOND\n#!define WARP_CONCURRENT_CALLS\n"
TRANSPORTS = ("udp", "tcp", "tls")
ENDLESS = 1_000_000


@dataclasses.dataclass(frozen=True)
class Counting(SipProxy):
    """What comes to the limits and what passes them, in each second of the proxy's own clock: $Ts is one for a message.
    So for ACKs, by Call-ID. And a callee who can be busy, or unknown: then the proxy answers without a transaction."""

    def _configuration(self, folder: Path) -> str:
        names = ("came", "passed", "came_acks", "passed_acks")
        tables = "".join(f'modparam("htable", "htable", "{name}=>size=8;initval=0")\n' for name in names)

        def counted(name: str) -> str:
            return (
                f"    if (method == INVITE) {{ $var(n) = $shtinc({name}=>$Ts); }}\n"
                f"    if (method == ACK) {{ $var(n) = $shtinc({name}_acks=>$ci); }}\n"
            )

        text = super()._configuration(folder).replace("\nrequest_route {", f"\n{tables}\nrequest_route {{", 1)
        callee = '        append_to_reply("X-WARP-BAN: $hdr(X-WARP-BAN)'
        busy = '        if ($hdr(X-Callee) == "busy") { sl_send_reply("486", "Busy Here"); exit; }\n'
        text = text.replace(callee, busy + callee)
        call = "    route(WARP_TRUNK_LIMITS);\n"
        nobody = '    if ($hdr(X-Callee) == "none" && method == INVITE) { sl_send_reply("404", "Not Found"); exit; }\n'
        return text.replace(call, counted("came") + call + counted("passed") + nobody)


@pytest.fixture(scope="module")
def limits_acl(server: PostgresServer) -> Acl:
    return filled(migrated(server, "limits"))


@pytest.fixture(scope="module")
def limited(limits_acl: Acl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """The proxy that most tests call through; each has a trunk of its own."""
    proxy = Counting(
        tmp_path_factory.mktemp("limited"), f"{NETWORK}.60", f"{NETWORK}.61", limits_acl.database, protection=BOTH
    )
    proxy.start()
    yield Edge(proxy)
    proxy.stop()


def asked(edge: Edge, *call: Any) -> Any:
    """The answer, when the reloader's call is done. (A number has to be one: Kamailio takes "5" for 0.)"""
    while True:
        try:
            return edge.proxy.rpc(10).call(*call)
        except Refused as refused:
            if BUSY not in str(refused):
                raise


def items(edge: Edge, table: str) -> dict[str, int | str]:
    return {item["name"]: item["value"] for entry in asked(edge, "htable.dump", table) or () for item in entry["slot"]}


def trunk(acl: Acl, edge: Edge, name: str, source: str, a_second: int, at_a_time: int) -> None:
    acl.do(
        "INSERT INTO accounts.trunk_groups (ban, name, calls_per_second, concurrent_calls) VALUES ('ACME', %s, %s, %s)",
        name, a_second, at_a_time,
    )  # fmt: skip
    acl.add("ACME", name, source)
    seconds_until(lambda: edge.status(source.split("/")[0]) == 200, LONGEST)


def change(acl: Acl, name: str, **columns: int) -> None:
    for column, value in columns.items():
        if column == "calls_per_second":
            acl.do("UPDATE accounts.trunk_groups SET calls_per_second = %s WHERE name = %s", value, name)
        else:
            acl.do("UPDATE accounts.trunk_groups SET concurrent_calls = %s WHERE name = %s", value, name)


def invite(edge: Edge, source: str, transport: str = "udp") -> Answer:
    return edge.ask(source, "INVITE", transport, contact(source))


def claimed(edge: Edge, source: str, *, routed: bool = True) -> int:
    """Status of a new call that claims to be inside one."""
    with Phone(edge.place("udp"), source) as phone:
        phone.text = re.sub(r"^(To: .*)\r$", r"\1;tag=claimed\r", phone.text, flags=re.MULTILINE)
        if routed:
            host, port = edge.place("udp")
            phone.text = phone.text.replace("\r\nTo: ", f"\r\nRoute: <sip:{host}:{port};lr>\r\nTo: ")
        return phone.call()


def from_the_other_end(phone: Phone, edge: Edge, source: str, method: str, number: int) -> int:
    """Status of a request inside this call that its callee sends, from there."""
    text = phone.within(method, number)
    (ours,), (theirs,) = (re.findall(rf"^{name}: (.*)\r$", text, re.MULTILINE) for name in ("From", "To"))
    text = text.replace(f"From: {ours}\r", f"From: {theirs}\r").replace(f"To: {theirs}\r", f"To: {ours}\r")
    with Phone(edge.place("udp"), source) as other:
        other.send(text)
        return int(other.final(f"{number} {method}").split()[1])


def in_each_second(edge: Edge, before: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, tuple[int, int]]:
    """How many calls came, and how many passed, since then."""
    came, passed = items(edge, "came"), items(edge, "passed")
    return {
        second: (number, int(passed.get(second, 0)) - before[1].get(second, 0))
        for second, count in came.items()
        if (number := int(count) - before[0].get(second, 0))
    }


def test_as_many_calls_a_second_as_the_trunk_has_and_no_more(limits_acl: Acl, limited: Edge, tmp_path: Path) -> None:
    """At twice the limit. A machine that is too slow for 200 calls a second gets a lower limit."""
    trunk(limits_acl, limited, "fast", "127.0.60.1", ENDLESS, ENDLESS)
    calls = 1000
    for most in (200, 100, 50, 25):
        change(limits_acl, "fast", calls_per_second=most)
        seconds_until(lambda: items(limited, "trunk_limits")["fast|ACME"] == f"{most}|{ENDLESS}", LONGEST)  # noqa: B023
        before = items(limited, "came"), items(limited, "passed")
        calls_at_a_rate(tmp_path, limited.place("udp"), "127.0.60.1", 2 * most, calls)
        seconds = in_each_second(limited, before)
        refused = int(items(limited, "warp_limited").get("callsPerSecond|fast|ACME", 0))
        if refused:
            break
    assert refused, seconds
    # What sipp repeats comes again and is no call; a repetition that overtakes its call may count.
    assert calls <= refused + sum(passed for _, passed in seconds.values()) <= 1.05 * calls
    assert max(passed for _, passed in seconds.values()) == most, seconds
    assert refused <= sum(came - most for came, _ in seconds.values() if came > most), seconds


def test_calls_a_second_are_counted_across_transports_and_workers(limits_acl: Acl, limited: Edge) -> None:
    most = 1
    trunk(limits_acl, limited, "mixed", "127.0.61.0/24", most, ENDLESS)
    before = items(limited, "came"), items(limited, "passed")
    answers: list[Answer] = []
    # However slow the machine is: until two calls came within a second of the proxy's clock.
    while len(answers) < 30 or ({answer.status for answer in answers} == {200} and len(answers) < 240):
        answers.append(invite(limited, f"127.0.61.{len(answers)}", TRANSPORTS[len(answers) % 3]))
    seconds = in_each_second(limited, before)
    assert all(passed == min(came, most) for came, passed in seconds.values()), seconds
    assert {answer.status for answer in answers} == {200, 503}
    assert {answer.headers.get("retry-after") for answer in answers} == {None, "1"}
    assert all(("retry-after" in answer.headers) == (answer.status == 503) for answer in answers)


def test_calls_at_a_time_are_counted_across_transports_and_one_that_ends_makes_room(
    limits_acl: Acl, limited: Edge
) -> None:
    trunk(limits_acl, limited, "narrow", "127.0.62.1", ENDLESS, 3)
    with Phone(limited.place("udp"), "127.0.62.1") as phone:
        assert phone.call() == 200
        assert [invite(limited, "127.0.62.1", transport).status for transport in ("tcp", "tls")] == [200, 200]
        for transport in TRANSPORTS:
            answer = invite(limited, "127.0.62.1", transport)
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        # What belongs to a call goes through, also where no call would; also without the Route.
        phone.send(phone.within("INVITE", 5, routed=False))
        assert phone.final("5 INVITE").startswith("SIP/2.0 200 ")
        assert limited.status("127.0.62.1") == 200
        phone.hang_up()
    assert invite(limited, "127.0.62.1").status == 200
    assert invite(limited, "127.0.62.1").status == 503
    # Other trunks of the same customer have their own.
    assert invite(limited, "127.0.0.2").status == 200
    assert items(limited, "warp_limited")["concurrentCalls|narrow|ACME"] == 4
    name = f'warp_acl_limited_total{{limit="concurrentCalls",proxy="{NETWORK}.61:9061",trunk="ACME/narrow"}}'
    seconds_until(lambda: limited.metrics().get(name) == 4, LONGEST)


def test_a_call_that_fails_makes_room(limits_acl: Acl, limited: Edge) -> None:
    trunk(limits_acl, limited, "fails", "127.0.66.1", ENDLESS, 1)
    busy = contact("127.0.66.1") + "X-Callee: busy\r\n"
    assert [limited.ask("127.0.66.1", "INVITE", more=busy).status for _ in range(4)] == [486] * 4
    assert [invite(limited, "127.0.66.1").status for _ in range(2)] == [200, 503]


def test_calls_that_are_refused_without_a_transaction_keep_no_call_out(limits_acl: Acl, limited: Edge) -> None:
    trunk(limits_acl, limited, "none", "127.0.68.1", ENDLESS, 3)
    nobody = contact("127.0.68.1") + "X-Callee: none\r\n"
    assert [limited.ask("127.0.68.1", "INVITE", more=nobody).status for _ in range(30)] == [404] * 30
    assert [invite(limited, "127.0.68.1").status for _ in range(3)] == [200] * 3
    assert [limited.ask("127.0.68.1", "INVITE", more=nobody).status for _ in range(3)] == [503] * 3


def test_a_to_tag_and_a_route_let_no_unlisted_source_in(limited: Edge) -> None:
    assert [claimed(limited, UNKNOWN, routed=routed) for routed in (True, False)] == [403, 403]
    assert claimed(limited, "127.0.0.2") == 200


def test_requests_inside_a_call_pass_from_both_ends(limits_acl: Acl, limited: Edge) -> None:
    trunk(limits_acl, limited, "ends", "127.0.69.1", ENDLESS, 1)
    with Phone(limited.place("udp"), "127.0.69.1") as phone:
        assert phone.call() == 200
        phone.send(phone.within("ACK", 1))
        for number, method in enumerate(("INVITE", "UPDATE"), 2):
            phone.send(phone.within(method, number))
            assert phone.final(f"{number} {method}").startswith("SIP/2.0 200 ")
            # The callee's address is not listed.
            assert from_the_other_end(phone, limited, UNKNOWN, method, 10 + number) == 200
        assert limited.status(UNKNOWN) == 403
        assert from_the_other_end(phone, limited, UNKNOWN, "BYE", 20) == 200
    assert [invite(limited, "127.0.69.1").status for _ in range(2)] == [200, 503]


def test_a_to_tag_lets_no_call_past_the_calls_at_a_time(limits_acl: Acl, limited: Edge) -> None:
    trunk(limits_acl, limited, "claims", "127.0.70.1", ENDLESS, 2)
    assert [claimed(limited, "127.0.70.1") for _ in range(5)] == [200, 200, 503, 503, 503]
    # First calls have their number beside it.
    assert [invite(limited, "127.0.70.1").status for _ in range(3)] == [200, 200, 503]


def test_a_to_tag_lets_no_call_past_the_calls_a_second(limits_acl: Acl, limited: Edge) -> None:
    most = 4
    trunk(limits_acl, limited, "hasty", "127.0.71.1", most, ENDLESS)
    before = items(limited, "came"), items(limited, "passed")
    answers = [claimed(limited, "127.0.71.1") for _ in range(30)]
    seconds = in_each_second(limited, before)
    assert all(passed == min(came, most) for came, passed in seconds.values()), seconds
    assert set(answers) == {200, 503}


def test_where_no_dialogs_are_kept_a_to_tag_lets_nothing_past_either(own_acl: Acl, tmp_path: Path) -> None:
    change(own_acl, "main", calls_per_second=1)
    settings = "#!define WARP_CALLS_PER_SECOND\n"
    proxy = SipProxy(
        tmp_path / "sip", f"{NETWORK}.66", f"{NETWORK}.67", own_acl.database, protection=settings, reload=False
    )
    try:
        proxy.start()
        edge = Edge(proxy)
        assert claimed(edge, UNKNOWN) == 403
        seconds_until(lambda: claimed(edge, "127.0.0.2") == 503, LONGEST)
    finally:
        proxy.stop()


def test_calls_are_counted_again_where_their_number_is_too_large(limits_acl: Acl, limited: Edge) -> None:
    trunk(limits_acl, limited, "drift", "127.0.67.1", ENDLESS, 3)
    assert invite(limited, "127.0.67.1").status == 200
    asked(limited, "htable.seti", "warp_calls", "drift|ACME", 1000)
    assert [invite(limited, "127.0.67.1").status for _ in range(3)] == [200, 200, 503]
    assert items(limited, "warp_calls")["drift|ACME"] == 3


def test_a_call_that_is_repeated_counts_once(limits_acl: Acl, limited: Edge) -> None:
    trunk(limits_acl, limited, "again", "127.0.63.1", ENDLESS, 2)
    change(limits_acl, "again", calls_per_second=1)
    seconds_until(lambda: items(limited, "trunk_limits")["again|ACME"] == "1|2", LONGEST)
    with Phone(limited.place("udp"), "127.0.63.1") as phone:
        assert phone.call() == 200
        for _ in range(5):
            assert phone.call() == 200
    assert asked(limited, "dlg.profile_get_size", "warp_calls", "again|ACME") == 1
    assert not [name for name in items(limited, "warp_limited") if "again" in name]


def test_a_refused_call_that_is_repeated_gets_the_same_answer(limits_acl: Acl, limited: Edge) -> None:
    trunk(limits_acl, limited, "full", "127.0.64.1", ENDLESS, 1)
    with Phone(limited.place("udp"), "127.0.64.1") as first, Phone(limited.place("udp"), "127.0.64.1") as second:
        assert first.call() == 200
        assert second.call() == 503
        first.hang_up()
        assert second.call() == 503
        assert items(limited, "warp_limited")["concurrentCalls|full|ACME"] == 1
        # Its ACK ends its transaction, which would repeat it, and the script; another one goes through.
        (to,) = re.findall(r"^To: (.*)\r$", second.answer, re.MULTILINE)
        ack = re.sub(r"^To: .*\r$", f"To: {to}\r", second.text.replace("INVITE", "ACK"), flags=re.MULTILINE)
        second.send(ack)
        second.send(ack.replace("Call-ID: ", "Call-ID: x").replace("branch=z9hG4bK", "branch=z9hG4bKx"))
        (name,) = re.findall(r"^Call-ID: (.*)\r$", ack, re.MULTILINE)
        seconds_until(lambda: {name, f"x{name}"} <= items(limited, "came_acks").keys(), LONGEST)
        seconds_until(lambda: f"x{name}" in items(limited, "passed_acks"), LONGEST)
        assert name not in items(limited, "passed_acks")


def test_a_changed_limit_is_set_without_a_reload(limits_acl: Acl, limited: Edge) -> None:
    trunk(limits_acl, limited, "grows", "127.0.65.1", ENDLESS, 1)
    assert [invite(limited, "127.0.65.1").status for _ in range(2)] == [200, 503]
    reloads = limited.metric("warp_acl_reloads_total")
    change(limits_acl, "grows", concurrent_calls=2)
    seconds_until(lambda: invite(limited, "127.0.65.1").status == 200, LONGEST)
    assert invite(limited, "127.0.65.1").status == 503
    change(limits_acl, "grows", concurrent_calls=1)
    seconds_until(lambda: items(limited, "trunk_limits")["grows|ACME"] == f"{ENDLESS}|1", LONGEST)
    limits_acl.remove("127.0.65.1")
    limits_acl.do("DELETE FROM accounts.trunk_groups WHERE name = 'grows'")
    seconds_until(lambda: "grows|ACME" not in items(limited, "trunk_limits"), LONGEST)
    assert limited.metric("warp_acl_reloads_total") == reloads
    assert limited.metric("warp_acl_proxy_complete") == 1


def test_a_call_without_a_contact_is_refused_because_it_could_not_be_counted(limited: Edge) -> None:
    assert limited.ask("127.0.0.2", "INVITE").status == 400


def test_settings_divide_a_limit_choose_the_answer_and_end_calls_whose_end_is_not_seen(
    own_acl: Acl, tmp_path: Path
) -> None:
    """Two share a limit of 3: two calls each."""
    settings = BOTH + "#!define WARP_LIMITED_FORBIDDEN\n#!define WARP_PROXIES_SHARE 2\n"
    settings += '#!substdef "!WARP_LONGEST_CALL!1!g"\n'
    proxy = SipProxy(
        tmp_path / "sip", f"{NETWORK}.62", f"{NETWORK}.63", own_acl.database, protection=settings, reload=False
    )
    change(own_acl, "main", calls_per_second=ENDLESS, concurrent_calls=3)
    try:
        proxy.start()
        edge = Edge(proxy)
        # On a slow machine the first may be over before the third.
        seconds_until(lambda: invite(edge, "127.0.0.2").status == 403, LONGEST)
        assert items(edge, "warp_limited") == {"concurrentCalls|main|ACME": 1}
        assert asked(edge, "dlg.profile_get_size", "warp_calls", "main|ACME") <= 2
        seconds_until(lambda: invite(edge, "127.0.0.2").status == 200, LONGEST)
    finally:
        proxy.stop()


def test_a_dedicated_address_of_no_trunk_has_limits_too(own_acl: Acl, tmp_path: Path) -> None:
    own_acl.dedicate("BETA", "34.1.2.3")
    port = 5070
    proxy = SipProxy(
        tmp_path / "sip",
        f"{NETWORK}.68",
        f"{NETWORK}.69",
        own_acl.database,
        protection=BOTH + f'#!substdef "!WARP_DEDICATED_LIMITS!{ENDLESS}|2!g"\n',
        also_listen=(f"udp:{NETWORK}.68:{port} advertise 34.1.2.3:5060",),
        reload=False,
    )
    try:
        proxy.start()
        edge = Edge(proxy)
        sources = (UNKNOWN, "127.0.99.10", "127.0.99.11")
        assert [edge.ask(one, "INVITE", more=contact(one), port=port).status for one in sources] == [200, 200, 503]
        assert items(edge, "warp_limited") == {"concurrentCalls|dedicated|BETA": 1}
    finally:
        proxy.stop()


def test_limits_are_in_the_snapshot(own_acl: Acl, tmp_path: Path) -> None:
    change(own_acl, "main", calls_per_second=ENDLESS, concurrent_calls=1)
    proxy = SipProxy(tmp_path / "sip", f"{NETWORK}.64", f"{NETWORK}.65", own_acl.database, protection=BOTH)
    edge = Edge(proxy)
    try:
        with_snapshot(edge)
        with away(own_acl), Phone(edge.place("udp"), "127.0.0.2") as phone:
            seconds_until(lambda: edge.metric("warp_acl_database_up") == 0, LONGEST)
            assert phone.call() == 200
            proxy.restart_kamailio()
            assert [invite(edge, "127.0.0.2").status for _ in range(2)] == [200, 503]
            # A call from before goes on, and counts once.
            for number in (5, 6):
                phone.send(phone.within("INVITE", number))
                assert phone.final(f"{number} INVITE").startswith("SIP/2.0 200 ")
            assert claimed(edge, "127.0.0.2") == 503
            phone.hang_up()
    finally:
        proxy.stop()
