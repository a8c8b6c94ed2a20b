"""`python -m verify --only sip` and `--only tls` over real sockets: correct servers, and every kind of faulty one."""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from inventory.outputs import with_digest
from tests.promises import outputs
from tests.sandbox.sip_servers import Behaviour, Servers, answer, servers
from tests.sandbox.zone_server import Zone, serving
from verify.__main__ import main
from verify.endpoint_checks import _looking, _options
from verify.finding import Judgement, Verdict
from verify.sip import Peer

Json = dict[str, Any]
Run = Callable[..., tuple[int, Json]]
NAMES = ("sip-tcp.ringer.tel", "ringer.tel")


@pytest.fixture
def loopback() -> Iterator[Servers]:
    with servers() as made:
        yield made


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def run(loopback: Servers, authority: trustme.CA, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit status and JSON of a run against the servers of this test; other ports refuse."""
    (tmp_path / "ca.pem").write_bytes(authority.cert_pem.bytes())

    def verified(
        *options: str,
        sip: int = 9,
        sips: int = 9,
        nat: tuple[str, ...] = (),
        more: Sequence[Json] = (),
        zone: Zone | None = None,
    ) -> tuple[int, Json]:
        place = loopback.network
        promised = outputs(f"{place}.1", f"{place}.2", nat, ports={"sip": sip, "sips": sips})
        inventory = promised["ipInventory"]
        promised["ipInventory"] = with_digest({**inventory, "endpoints": [*inventory["endpoints"], *more]})
        (tmp_path / "outputs.json").write_text(json.dumps(promised))
        usual = ["--outputs", str(tmp_path / "outputs.json"), "--json", "--ca", str(tmp_path / "ca.pem")]
        with serving(zone or Zone({})) as resolver:
            status = main(
                [*usual, *(options if "--resolver" in options else ["--resolver", f"127.0.0.1:{resolver}", *options])]
            )
        return status, json.loads(capsys.readouterr().out)

    return verified


def found(report: Json) -> dict[str, tuple[str, str]]:
    """Check -> verdict and finding."""
    return {each["what"]: (each["verdict"], each["found"]) for each in report["findings"]}


def context(authority: trustme.CA, *names: str, **options: Any) -> ssl.SSLContext:
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names, **options).configure_cert(made)
    return made


def everything(loopback: Servers, behaviour: Behaviour, tls: ssl.SSLContext) -> dict[str, int]:
    port = loopback.udp(behaviour)
    loopback.tcp(behaviour, port=port)
    return {"sip": port, "sips": loopback.tcp(behaviour, tls=tls)}


def test_every_endpoint_is_queried_over_its_transport_and_time_and_server_are_reported(
    run: Run, loopback: Servers, authority: trustme.CA
) -> None:
    ports = everything(loopback, answer, context(authority, *NAMES))
    status, report = run("--only", "sip", "--only", "tls", "--source", "127.0.0.5", **ports)
    assert status == 0
    finding = found(report)
    for what in ("OPTIONS UDP (primary)", "OPTIONS TCP (secondary)", "OPTIONS TLS (tls)"):
        assert finding[what] == ("holds", "200, serves this source, Server: test")
    assert all(finding[f"certificate for {name}"][0] == "holds" for name in NAMES)
    asked = [each for each in report["findings"] if each["part"] == "sip"]
    assert all(0 < each["milliseconds"] < 5000 for each in asked)
    (over_udp,) = (text for text, _ in loopback.came)
    assert "Via: SIP/2.0/UDP 127.0.0.5;branch=z9hG4bK" in over_udp


@pytest.mark.parametrize(("first", "status"), [("SIP/2.0 403 Forbidden", 0), ("SIP/2.0 503 Service Unavailable", 3)])
def test_a_refusal_proves_life_and_503_breaks_the_promise(run: Run, loopback: Servers, first: str, status: int) -> None:
    port = loopback.udp(lambda request: answer(request, first))
    loopback.tcp(lambda request: answer(request, first), port=port)
    _, report = run("--only", "sip", sip=port, sips=port)
    assert found(report)["OPTIONS UDP (primary)"][0] == ("broken" if status else "holds")
    assert first.split()[1] in found(report)["OPTIONS TCP (secondary)"][1]


def test_a_dedicated_address_need_not_serve_the_source_of_this_check(run: Run, loopback: Servers) -> None:
    refusing = loopback.udp(lambda request: answer(request, "SIP/2.0 403 Forbidden"))
    own = {"role": "dedicated", "server": f"{loopback.network}.1", "address": f"{loopback.network}.1"}
    ways = [own | {"port": refusing, "transport": "UDP", "customer": "100001"}]
    ways.append(ways[0] | {"port": 9, "transport": "TLS", "role": "silent"})
    status, report = run("--only", "sip", "--only", "tls", "--expect", "200", more=ways)
    finding = found(report)
    assert finding["OPTIONS UDP (dedicated)"][0] == "holds"
    assert finding["OPTIONS TLS (silent)"][0] == "broken"
    assert status == 3
    place = f"{loopback.network}.1:9"
    about = [each["what"] for each in report["findings"] if each["where"] == place and each["part"] == "tls"]
    assert about == ["certificate for ringer.tel"], "no authority certifies the address for its name"


def test_a_lost_datagram_is_sent_again_after_half_a_second_then_a_second(run: Run, loopback: Servers) -> None:
    """RFC 3261, section 17.1.2.2: T1, then twice T1."""
    number = itertools.count()
    port = loopback.udp(lambda request: answer(request) if next(number) == 2 else None)
    _, report = run("--only", "sip", sip=port)
    assert found(report)["OPTIONS UDP (primary)"][0] == "holds"
    (first, a), (second, b), (third, c) = loopback.came
    assert first == second == third
    assert b - a == pytest.approx(0.5, abs=0.2)
    assert c - b == pytest.approx(1.0, abs=0.2)


def test_provisional_answers_and_answers_to_others_are_passed_over(run: Run, loopback: Servers) -> None:
    def first_the_wrong_ones(request: str) -> bytes:
        other = answer(request.replace("branch=z9hG4bK", "branch=z9hG4bKother"), "SIP/2.0 404 Not Found")
        trying = answer(request, "SIP/2.0 100 Trying")
        return (
            other.replace(b"Content-Length: 0", b"Content-Length: 4") + b"body" + trying + b"\r\n\r\n" + answer(request)
        )

    port = loopback.tcp(first_the_wrong_ones)
    _, report = run("--only", "sip", sip=port)
    assert found(report)["OPTIONS TCP (secondary)"] == ("holds", "200, serves this source, Server: test")


def test_a_request_of_the_servers_own_before_its_answer_is_passed_over(run: Run, loopback: Servers) -> None:
    ping = (
        b"OPTIONS sip:probe@192.0.2.1;transport=tcp SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.9;branch=z9hG4bKping\r\n"
        b"CSeq: 1 OPTIONS\r\nContent-Length: 4\r\n\r\nping"
    )
    port = loopback.tcp(lambda request: ping + answer(request))
    _, report = run("--only", "sip", sip=port)
    assert found(report)["OPTIONS TCP (secondary)"] == ("holds", "200, serves this source, Server: test")


@pytest.mark.parametrize(
    ("behaviour", "finding"),
    [
        (lambda request: b"x" * 4096, "an answer whose head is longer than 16384 bytes"),
        (lambda request: b"SIP/2.0 200 OK\r\n" + b"A: b\r\n" * 99, "an answer whose head is longer than 16384 bytes"),
        (lambda request: b"\r\n\r\n", "no answer within"),
        (lambda request: b"HTTP/1.1 400 Bad\x1b[2J Request\r\n\r\n", "not SIP: 'HTTP/1.1 400 Bad"),
        (lambda request: b"\x16\x03\x01\xff\xff\r\n\r\n", "not SIP: "),
        (lambda request: answer(request, more="Content-Length: 99999999999\r\n"), "too large a body"),
        (lambda request: answer(request, more="Content-Length: -1\r\n"), "too large a body"),
        (lambda request: answer(request.replace("CSeq: 1", "CSeq: 7")), "the connection was closed without an answer"),
        (lambda request: b"", "the connection was closed without an answer"),
        (lambda request: None, "no answer within 8 s"),
    ],
)  # fmt: skip
def test_a_connection_without_a_proper_answer_is_reported_within_bounds(
    run: Run, loopback: Servers, behaviour: Behaviour, finding: str
) -> None:
    if "body" in finding:
        right = behaviour
        behaviour = lambda request: right(request).replace(b"200 OK", b"100 Trying")  # type: ignore[union-attr]  # noqa: E731
    port = loopback.tcp(behaviour)
    began = time.monotonic()
    status, report = run("--only", "sip", sip=port)
    assert time.monotonic() - began < 30
    assert status == 3
    verdict, text = found(report)["OPTIONS TCP (secondary)"]
    assert verdict == "broken"
    assert finding in text
    assert text.isprintable()


def test_what_a_server_writes_reaches_no_terminal(
    loopback: Servers, run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    evil = "Server: \x1b]0;owned\x07\x1b[31m[bold red]x[/nothing]\u202e\x9b2J" + "y" * 5000 + "\r\n"
    port = loopback.udp(lambda request: answer(request, more=evil))
    _, report = run("--only", "sip", sip=port)
    finding = found(report)["OPTIONS UDP (primary)"][1]
    assert "[bold red]x[/nothing]" in finding
    assert finding.isprintable()
    assert len(finding) < 400
    main(["--outputs", str(tmp_path / "outputs.json"), "--only", "sip"])
    table = capsys.readouterr().out
    assert "red]x[/nothing]" in table
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(table)


@pytest.mark.parametrize(
    ("names", "options", "verdict", "finding"),
    [
        (NAMES, {}, "holds", "days left"),
        (("elsewhere.example",), {}, "broken", "elsewhere.example; until "),
        (("*.ringer.tel",), {}, "broken", "SIP allows no wildcards"),
        (NAMES, {"not_after": -1}, "broken", "expired on "),
        (NAMES, {"not_after": 3}, "warning", "it expires within 14 days"),
    ],
)
def test_the_certificate_has_the_names_that_clients_set_out_for_and_lasts(
    run: Run, loopback: Servers, authority: trustme.CA, names: tuple[str, ...], options: dict[str, int], verdict: str,
    finding: str,
) -> None:  # fmt: skip
    now = datetime.now(UTC)
    dated = {key: now + timedelta(days=days) for key, days in options.items()}
    if dated:
        dated["not_before"] = now - timedelta(days=30)
    port = loopback.tcp(answer, tls=context(authority, *names, **dated))
    status, report = run("--only", "tls", sips=port)
    assert status == (3 if verdict == "broken" else 0)
    judged = found(report)["certificate for sip-tcp.ringer.tel"]
    assert judged[0] == verdict
    assert finding in judged[1]


def test_an_untrusted_authority_is_reported_together_with_the_names(run: Run, loopback: Servers) -> None:
    port = loopback.tcp(answer, tls=context(trustme.CA(), *NAMES))
    status, report = run("--only", "tls", sips=port)
    assert status == 3
    verdict, text = found(report)["certificate for ringer.tel"]
    assert verdict == "broken"
    assert text.startswith("sip-tcp.ringer.tel, ringer.tel; until ")
    assert "not trusted: unable to get local issuer certificate" in text


def test_a_name_that_is_missing_for_the_domain_alone_is_named(
    run: Run, loopback: Servers, authority: trustme.CA
) -> None:
    """A client that follows the SRV record of ringer.tel compares with ringer.tel (RFC 5922, section 4)."""
    port = loopback.tcp(answer, tls=context(authority, "sip-tcp.ringer.tel"))
    status, report = run("--only", "tls", sips=port)
    assert status == 3
    assert found(report)["certificate for sip-tcp.ringer.tel"][0] == "holds"
    assert "not for ringer.tel" in found(report)["certificate for ringer.tel"][1]


# CAA: the CA of these certificates has the organisation `trustme v...`.


@pytest.mark.parametrize(
    ("records", "organisation", "verdict", "finding"),
    [
        ({}, "Let's Encrypt", "holds", "no CAA record: any CA may issue"),
        ({"ringer.tel": ['0 issue "letsencrypt.org"']}, "Let's Encrypt", "holds", "ringer.tel: 0 issue"),
        (
            {"ringer.tel": ['0 issue "letsencrypt.org; accounturi=https://a.example/1; validationmethods=dns-01"']},
            "Let's Encrypt",
            "holds",
            "accounturi",
        ),
        ({"ringer.tel": ['0 issue "digicert.com"']}, "Let's Encrypt", "broken", "Let's Encrypt, may not issue"),
        ({"ringer.tel": ['0 issue ";"']}, "trustme", "broken", "no CA may issue"),
        ({"ringer.tel": ['0 issue "not a domain!"']}, "Let's Encrypt", "broken", "no CA may issue"),
        ({"ringer.tel": ['0 issuewild ";"', '0 iodef "mailto:a@b.example"']}, "Let's Encrypt", "holds", "iodef"),
        ({"ringer.tel": ['128 tbs "x"', '0 issue "letsencrypt.org"']}, "Let's Encrypt", "broken", "critical property"),
        ({"ringer.tel": ['0 issue "example.com"']}, "trustme", "unchecked", "is not one whose domains are known"),
        # The nearest set counts, and no other.
        (
            {"sip-tcp.ringer.tel": ['0 issue "pki.goog"'], "ringer.tel": ['0 issue "letsencrypt.org"']},
            "Let's Encrypt",
            "broken",
            "sip-tcp.ringer.tel: 0 issue",
        ),
        ({"tel": ['0 issue "pki.goog"']}, "Google Trust Services", "holds", "tel: 0 issue"),
    ],
)
def test_the_ca_in_use_may_issue_by_the_nearest_caa_records(
    run: Run, loopback: Servers, tmp_path: Path, records: dict[str, list[str]], organisation: str, verdict: str,
    finding: str,
) -> None:  # fmt: skip
    authority = trustme.CA(organization_name=organisation)
    (tmp_path / "this-ca.pem").write_bytes(authority.cert_pem.bytes())
    port = loopback.tcp(answer, tls=context(authority, *NAMES))
    zone = Zone({(name, "CAA"): data for name, data in records.items()})
    status, report = run("--only", "tls", "--ca", str(tmp_path / "this-ca.pem"), sips=port, zone=zone)
    judged = found(report)["CAA of sip-tcp.ringer.tel"]
    assert judged[0] == verdict
    assert finding in judged[1]
    assert status == (3 if verdict == "broken" else 0)
    above = [f"{'.'.join(labels)}" for labels in (["sip-tcp", "ringer", "tel"], ["ringer", "tel"], ["tel"])]
    asked = [name for (name, kind), _ in zone.asked if kind == "CAA"]
    nearest = next((number for number, name in enumerate(above) if name in records), len(above) - 1)
    assert set(above[: nearest + 1]) <= set(asked) <= set(above)


def test_a_caa_lookup_that_fails_is_a_warning_and_an_alias_has_the_records_of_its_target(
    run: Run, loopback: Servers, authority: trustme.CA
) -> None:
    port = loopback.tcp(answer, tls=context(authority, *NAMES))
    failing = Zone({}, rcodes={("sip-tcp.ringer.tel", "CAA"): "SERVFAIL"})
    status, report = run("--only", "tls", sips=port, zone=failing)
    assert found(report)["CAA of sip-tcp.ringer.tel"] == ("warning", "CAA of sip-tcp.ringer.tel: it answers SERVFAIL")
    assert found(report)["CAA of ringer.tel"][0] == "holds"
    assert status == 0
    alias = Zone({("edge.example", "CAA"): ['0 issue ";"']}, aliases={"sip-tcp.ringer.tel": "edge.example."})
    status, report = run("--only", "tls", sips=port, zone=alias)
    assert found(report)["CAA of sip-tcp.ringer.tel"] == ("broken", 'sip-tcp.ringer.tel: 0 issue ";"; no CA may issue')
    assert status == 3


def test_plain_text_on_the_tls_port_is_no_tls(run: Run, loopback: Servers) -> None:
    port = loopback.tcp(lambda request: b"SIP/2.0 400 Bad Request\r\n\r\n")
    status, report = run("--only", "tls", "--only", "sip", sips=port)
    assert status == 3
    assert found(report)["certificate for ringer.tel"][1].startswith("no TLS: ")
    assert found(report)["OPTIONS TLS (tls)"][1].startswith("no TLS: ")


def test_an_egress_address_that_answers_like_an_ingress_one_breaks_the_promise(run: Run, loopback: Servers) -> None:
    loopback.udp(answer, last=3, port=5060)
    loopback.tcp(lambda request: b"SSH-2.0-x\r\n\r\n", last=4, port=5060)
    loopback.tcp(lambda request: None, last=5, port=5060)
    status, report = run("--only", "sip", nat=tuple(f"{loopback.network}.{last}" for last in (3, 4, 5)))
    assert status == 3
    finding = {
        (each["what"], each["where"].split(":")[0][-1]): each["found"]
        for each in report["findings"]
        if "egress" in each["what"] and each["verdict"] == "broken"
    }
    assert finding == {
        ("silence UDP (egress)", "3"): "it answers 200 to OPTIONS",
        ("silence TCP (egress)", "4"): "something listens: not SIP: 'SSH-2.0-x'",
        ("silence TCP (egress)", "5"): "something listens: connected, and no answer within 4 s",
    }
    holding = [each for each in report["findings"] if "egress" in each["what"] and each["verdict"] == "holds"]
    assert len(holding) == 3


def test_what_this_machine_cannot_reach_at_all_is_unchecked_and_not_broken() -> None:
    """For instance IPv6 from a machine without it, simulated here by an address that is not configured."""

    async def look() -> Judgement:
        return await _options(Peer("198.51.100.1", 5060, "udp", "198.51.100.2"), "sip.ringer.tel", 0)

    judgement = asyncio.run(_reached(look))
    assert judgement.verdict is Verdict.UNCHECKED
    assert judgement.found == "not from this machine: Cannot assign requested address"
    assert judgement.remedy


async def _reached(look: Callable[[], Awaitable[Judgement]]) -> Judgement:
    return await _looking(look)()


def test_with_everything_hanging_the_run_ends_in_time_and_nothing_is_left_out(run: Run, loopback: Servers) -> None:
    port = loopback.udp(lambda request: None)
    loopback.tcp(lambda request: None, port=port)
    hanging = loopback.tcp(lambda request: None)
    began = time.monotonic()
    silent = ("--resolver", f"{loopback.network}.1:{port}", "--authority", f"{loopback.network}.1:{port}")
    status, report = run("--timeout", "1.5", *silent, sip=port, sips=hanging)
    assert time.monotonic() - began < 30
    assert status == 3
    late = [each for each in report["findings"] if each["found"] == "no answer in time"]
    assert len(late) == len(report["findings"])
    assert {each["part"] for each in late} == {"dns", "sip", "tls"}
