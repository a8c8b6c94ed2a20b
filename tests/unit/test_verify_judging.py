"""How `python -m verify` judges answers: of name servers, SIP servers, certificates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import dns.rdata
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from tests.cases import cases
from tests.promises import ANNOUNCED, NAT, RETIRED, UDP, outputs
from verify import answering, certificate, records, sip
from verify.certificate import Certificate
from verify.finding import LONGEST, Judgement, Verdict, one_line
from verify.promise import RecordSet, of
from verify.records import Reply

PROMISE = of(outputs())
SIP_A = next(each for each in PROMISE.records if each.name == "sip.ringer.tel")


def rdata(type_: str, *texts: str) -> frozenset[dns.rdata.Rdata]:
    return frozenset(dns.rdata.from_text("IN", type_, text) for text in texts)


def judged(reply: Reply, expected: RecordSet = SIP_A, *, authority: bool = True) -> Judgement:
    return records.judge(expected, reply, PROMISE.standing, authority=authority)


def a(*addresses: str, ttl: int = 300) -> Reply:
    return Reply(authoritative=True, data=rdata("A", *addresses), ttl=ttl)


def test_the_right_answer_holds() -> None:
    assert judged(a(UDP)) == Judgement(Verdict.HOLDS, UDP)


def test_a_challenge_that_is_delegated_is_an_alias_and_of_the_right_name() -> None:
    name, target = "_acme-challenge.ringer.tel", "ringer.tel.acme.example.net."
    expected = RecordSet(name, "CNAME", rdata("CNAME", target), 300)
    right = Reply(authoritative=True, cname=target, data=rdata("CNAME", target), ttl=300)
    assert judged(right, expected).verdict is Verdict.HOLDS
    wrong = Reply(authoritative=True, cname="x.example.net.", data=rdata("CNAME", "x.example.net."), ttl=300)
    assert judged(wrong, expected).verdict is Verdict.BROKEN


@pytest.mark.parametrize(
    ("reply", "reported", "remedy"),
    [
        (a(UDP, RETIRED), f"{RETIRED}, which is retired", "pulumi up"),
        (a(UDP, ANNOUNCED), f"{ANNOUNCED}, which is announced", "pulumi up"),
        (a(NAT[0]), f"{NAT[0]}, which is active (Vendor egress)", "pulumi up"),
        (a("192.0.2.66"), "192.0.2.66, which is not in the inventory", "pulumi up"),
        (a("192.0.2.66"), f"missing: {UDP}", "pulumi up"),
        (Reply(authoritative=True), f"nothing; missing: {UDP}", "pulumi up"),
        (Reply(rcode="NXDOMAIN", authoritative=True), f"missing: {UDP}", "pulumi up"),
        (Reply(rcode="SERVFAIL"), "it answers SERVFAIL", "check this server's log"),
        (Reply(rcode="REFUSED"), "it answers REFUSED", "check this server's log"),
        (Reply(data=rdata("A", UDP), ttl=300), "not authoritative", "delegation"),
        (Reply(authoritative=True, cname="web.ringer.tel."), "an alias of web.ringer.tel.", "remove the CNAME"),
        (a(UDP, ttl=60), "TTL 60 s instead of 300 s, below 300 s", "pulumi up"),
        (Reply(problem="no answer in time"), "no answer in time", "check that this server runs"),
    ],
)
def test_an_authority_that_says_anything_else_breaks_the_promise(reply: Reply, reported: str, remedy: str) -> None:
    judgement = judged(reply)
    assert judgement.verdict is Verdict.BROKEN
    assert reported in judgement.found
    assert remedy in judgement.remedy


def test_another_ttl_that_hosts_accept_is_a_warning() -> None:
    assert judged(a(UDP, ttl=3600)).verdict is Verdict.WARNING


@pytest.mark.parametrize(
    ("published", "found", "verdict"),
    [
        (3600, 300, Verdict.WARNING),
        (3600, 299, Verdict.BROKEN),
        (30, 30, Verdict.HOLDS),  # at Cloud DNS less can be published
        (30, 29, Verdict.BROKEN),
    ],
)
def test_a_shorter_ttl_than_published_breaks_the_promise_when_it_is_short(
    published: int, found: int, verdict: Verdict
) -> None:
    expected = RecordSet("sip.ringer.tel.", "A", rdata("A", UDP), published)
    assert judged(a(UDP, ttl=found), expected).verdict is verdict


def test_a_resolver_may_have_an_answer_for_less_long_and_without_authority_but_not_for_longer() -> None:
    fresh = Reply(data=rdata("A", UDP), ttl=12)
    assert judged(fresh, authority=False).verdict is Verdict.HOLDS
    assert judged(Reply(data=rdata("A", UDP), ttl=86_400), authority=False).verdict is Verdict.WARNING


def test_a_resolver_with_an_old_copy_is_distinguished_from_a_wrong_server() -> None:
    assert "wait until its cache expires" in judged(a(RETIRED), authority=False).remedy
    assert "wait" not in judged(a(RETIRED)).remedy


def test_names_in_answers_are_compared_without_case() -> None:
    srv = next(each for each in PROMISE.records if each.name == "_sip._udp.ringer.tel")
    answer = Reply(authoritative=True, data=rdata("SRV", "10 50 5060 SIP-UDP.Ringer.TEL."), ttl=300)
    assert judged(answer, srv).verdict is Verdict.HOLDS


def test_an_unpromised_address_of_the_other_family_is_not_ours() -> None:
    absent = next(each for each in PROMISE.absences if each.name == "sip.ringer.tel")
    assert judged(Reply(rcode="NXDOMAIN", authoritative=True), absent).verdict is Verdict.HOLDS
    answer = Reply(authoritative=True, data=rdata("AAAA", "2001:db8::1"), ttl=300)
    assert "unexpected: 2001:db8::1" in judged(answer, absent).found


def test_the_case_of_a_naptr_records_flags_and_service_means_nothing() -> None:
    """RFC 3403, section 4.1."""
    own = '50 50 "{}" "{}" "" _sip._tcp.ringer.tel.'
    expected = RecordSet("ringer.tel", "NAPTR", rdata("NAPTR", own.format("s", "SIP+D2T")), 300)
    for flags, service in (("S", "sip+d2t"), ("s", "Sip+D2T")):
        answer = Reply(authoritative=True, data=rdata("NAPTR", own.format(flags, service)), ttl=300)
        assert judged(answer, expected).verdict is Verdict.HOLDS
    other = Reply(authoritative=True, data=rdata("NAPTR", own.format("a", "SIP+D2T")), ttl=300)
    assert judged(other, expected).verdict is Verdict.BROKEN


def test_naptr_of_other_services_is_the_zone_owners_business_and_that_of_sip_is_not() -> None:
    absent = next(each for each in PROMISE.absences if each.type == "NAPTR")
    enum = '10 50 "u" "E2U+sip" "!^.*$!sip:a@b!" .'
    ours = '10 50 "s" "sip+d2t" "" _sip._tcp.elsewhere.example.'
    assert judged(Reply(authoritative=True, data=rdata("NAPTR", enum), ttl=60), absent).verdict is Verdict.HOLDS
    assert judged(Reply(authoritative=True, data=rdata("NAPTR", ours), ttl=60), absent).verdict is Verdict.BROKEN


@pytest.mark.parametrize(
    ("delegated", "verdict"),
    [({"ns1.x", "ns2.x"}, Verdict.HOLDS), ({"ns1.x"}, Verdict.BROKEN), ({"ns1.x", "ns2.x", "ns.y"}, Verdict.BROKEN),
     ({"ns.y"}, Verdict.WARNING), (set(), Verdict.BROKEN)],
)  # fmt: skip
def test_the_delegation_is_to_our_name_servers_or_elsewhere_and_never_to_both(
    delegated: set[str], verdict: Verdict
) -> None:
    assert records.judge_delegation(Reply(), delegated, frozenset({"ns1.x", "ns2.x"})).verdict is verdict


@pytest.mark.parametrize(
    ("status", "expected", "verdict"),
    [
        (200, 0, Verdict.HOLDS), (403, 0, Verdict.HOLDS), (404, 0, Verdict.HOLDS), (401, 0, Verdict.HOLDS),
        (503, 0, Verdict.BROKEN), (500, 0, Verdict.BROKEN), (603, 0, Verdict.BROKEN),
        (200, 200, Verdict.HOLDS), (403, 200, Verdict.BROKEN), (404, 200, Verdict.BROKEN),
        (403, 403, Verdict.HOLDS), (200, 403, Verdict.BROKEN), (503, 403, Verdict.BROKEN),
    ],
)  # fmt: skip
def test_an_answer_is_judged_by_whom_it_should_serve(status: int, expected: int, verdict: Verdict) -> None:
    judgement = answering.judge(sip.Answer(status, {"server": "x"}, 1.5), expected)
    assert judgement.verdict is verdict
    assert bool(judgement.remedy) == (verdict is Verdict.BROKEN)
    assert (judgement.milliseconds, "Server: x" in judgement.found) == (1.5, True)


@pytest.mark.parametrize(
    ("status", "expected", "word"), [(503, 0, "no complete trunk ACL"), (200, 403, "IP_AUTH"), (403, 200, "reloader")]
)
def test_each_wrong_answer_has_the_remedy_of_its_cause(status: int, expected: int, word: str) -> None:
    assert word in answering.judge(sip.Answer(status, {}), expected).remedy


# Certificates

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def valid(*names: str, days: float = 90, since: float = 30, untrusted: str = "") -> Certificate:
    return Certificate(names, NOW - timedelta(days=since), NOW + timedelta(days=days), untrusted)


@pytest.mark.parametrize(
    ("found", "verdict", "reported"),
    [
        (valid("sip-tcp.ringer.tel", "ringer.tel"), Verdict.HOLDS, "until 2026-05-30 (90 days left)"),
        (valid("RINGER.TEL."), Verdict.HOLDS, "90 days left"),
        (valid("ringer.tel", days=15), Verdict.HOLDS, "15 days left"),
        (valid("ringer.tel", days=13.5), Verdict.WARNING, "it expires within 14 days"),
        (valid("ringer.tel", days=-1), Verdict.BROKEN, "expired on 2026-02-28"),
        (valid("ringer.tel", since=-1), Verdict.BROKEN, "not valid before 2026-03-02"),
        (valid("sip-tcp.ringer.tel"), Verdict.BROKEN, "not for ringer.tel"),
        (valid("ringer.tel.example.net", "xringer.tel"), Verdict.BROKEN, "not for ringer.tel"),
        (valid(), Verdict.BROKEN, "no name"),
        (valid("*.tel"), Verdict.BROKEN, "SIP allows no wildcards: RFC 5922, 7.2"),
        (valid("ringer.tel", untrusted="self-signed certificate"), Verdict.BROKEN, "not trusted: self-signed"),
    ],
)
def test_a_certificate_is_judged_for_the_domain_a_client_set_out_for(
    found: Certificate, verdict: Verdict, reported: str
) -> None:
    judgement = certificate.judge(found, "ringer.tel", NOW, 14, None)
    assert judgement.verdict is verdict
    assert reported in judgement.found


def test_an_expired_certificate_is_reported_once() -> None:
    expired = valid("ringer.tel", days=-1, untrusted="certificate has expired")
    assert "not trusted" not in certificate.judge(expired, "ringer.tel", NOW, 14, None).found


KEY = ec.generate_private_key(ec.SECP256R1())


def der(*names: x509.GeneralName) -> bytes:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ringer.tel")])
    builder = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(KEY.public_key())
        .serial_number(1).not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
    )  # fmt: skip
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


DNS, URI = x509.DNSName, x509.UniformResourceIdentifier


@pytest.mark.parametrize(
    ("names", "speaks_for"),
    [
        ((DNS("a.example"), DNS("b.example")), ("a.example", "b.example")),
        ((URI("sip:ringer.tel"), DNS("a.example")), ("ringer.tel",)),
        ((URI("sip:alice@ringer.tel"), DNS("a.example")), ("a.example",)),
        ((URI("sips:ringer.tel"), URI("https://x.example"), DNS("a.example")), ("a.example",)),
        ((), ()),
    ],
)
def test_sip_uris_without_a_user_come_before_dns_names_and_the_common_name_counts_for_nothing(
    names: tuple[x509.GeneralName, ...], speaks_for: tuple[str, ...]
) -> None:
    """RFC 5922, section 7.1."""
    assert certificate.read(der(*names), "").names == speaks_for


@cases(100, least=100)
@given(st.binary(max_size=200))
def test_no_bytes_make_reading_a_certificate_fail_in_any_other_way(noise: bytes) -> None:
    good = der(DNS("a.example"))
    for wrong in (noise, good[:100] + noise + good[100:], good[: len(noise)]):
        try:
            certificate.read(wrong, "")
        except certificate.UnreadableCertificateError as error:
            assert str(error).isprintable()


# What a SIP server writes

SENT = sip.request("OPTIONS", sip.Peer("192.0.2.1", 5060, "udp", "192.0.2.2"))


def answer(text: str = "SIP/2.0 200 OK", change: Callable[[str], str] = lambda head: head) -> sip.Answer | None:
    via, cseq = (next(line for line in SENT.split("\r\n") if line.startswith(name)) for name in ("Via", "CSeq"))
    return sip.parse(change(f"{text}\r\n{via}\r\n{cseq}\r\nServer: kamailio\r\n").encode())


def test_an_answer_is_read_with_its_headers_folded_compact_and_the_first_of_several() -> None:
    found = sip.parse(b"SIP/2.0 403 Not\r\nv: one\r\nVia: two\r\nServer : a\r\n  b\r\nx\r\n")
    assert found
    assert (found.status, found.headers["via"], found.headers["server"]) == (403, "one", "a b")


@pytest.mark.parametrize("first", ["HTTP/1.1 200 OK", "SIP/2.0 2000 OK", "SIP/2.0 099 x", "SIP/3.0 200 OK", "", "\0"])
def test_what_does_not_begin_like_an_answer_is_none(first: str) -> None:
    assert answer(first) is None


def test_only_an_answer_to_this_very_request_counts() -> None:
    found = answer()
    assert found
    assert sip._answers(found, SENT)
    for old, new in (
        ("z9hG4bK", "z9hG4bKx"),
        ("CSeq: 1 OPTIONS", "CSeq: 1 INVITE"),
        ("CSeq: 1 ", "CSeq: 2 "),
        ("Via", "X"),
    ):
        other = answer(change=lambda head, old=old, new=new: head.replace(old, new))  # type: ignore[misc]
        assert other
        assert not sip._answers(other, SENT)


@cases(100, least=100)
@given(st.binary(max_size=300))
def test_no_bytes_make_parsing_an_answer_fail(noise: bytes) -> None:
    for head in (noise, b"SIP/2.0 200 OK\r\n" + noise):
        found = sip.parse(head)
        assert found is None or not sip._answers(found, SENT)


@cases(100, least=100)
@given(st.text(max_size=1000))
def test_what_others_wrote_is_one_short_printable_line(text: str) -> None:
    reported = one_line(text)
    assert reported.isprintable()
    assert len(reported) <= LONGEST + 3
