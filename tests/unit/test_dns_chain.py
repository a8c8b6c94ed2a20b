"""The DNSSEC chain before CAA records, at a real name server on loopback that tells what each test wants."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pulumi
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from components import dns_chain
from tests.stacks import changed, written_config
from tests.unit.recording import declare
from tests.unit.test_global_stack import declare_global, record_sets
from tests.unit.tls import ACCOUNT, AT_CLOUD_DNS, with_tls

ZONE = dns.name.from_text("ringer.tel.")
KEY, OTHER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
DNSKEY = dns.dnssec.make_dnskey(KEY.public_key(), "ECDSAP256SHA256", flags=257)
DS = dns.dnssec.make_ds(ZONE, DNSKEY, "SHA256")
SOA = dns.rrset.from_text(ZONE, 300, "IN", "SOA", "ns.ringer.tel. noc.ringer.tel. 1 2 3 4 5")


class Server:
    """A resolver of one zone."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.signed_by, self.parent, self.validates, self.resolves = KEY, [DS], False, True
        self.asked: list[str] = []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.socket.getsockname()[1]}"

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self.socket.getsockname())
        self.thread.join()
        self.socket.close()

    def _serve(self) -> None:
        while True:
            wire, peer = self.socket.recvfrom(4096)
            if not wire:
                return
            self.socket.sendto(self._answer(dns.message.from_wire(wire)).to_wire(), peer)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        (question,) = query.question
        self.asked.append(dns.rdatatype.to_text(question.rdtype))
        answer = dns.message.make_response(query, recursion_available=self.resolves)
        if self.validates and self.signed_by is not KEY and not query.flags & dns.flags.CD:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif question.rdtype == dns.rdatatype.SOA and question.name == ZONE:
            answer.answer += self._with_signature(SOA)
        elif question.rdtype == dns.rdatatype.SOA:
            answer.authority.append(SOA)
        elif question.rdtype == dns.rdatatype.DNSKEY:
            answer.answer += self._with_signature(dns.rrset.from_rdata(ZONE, 300, DNSKEY))
        elif self.parent:
            answer.answer.append(dns.rrset.from_rdata(ZONE, 300, *self.parent))
        return answer

    def _with_signature(self, found: dns.rrset.RRset) -> list[dns.rrset.RRset]:
        now = datetime.now(UTC)
        signature = dns.dnssec.sign(
            found, self.signed_by, ZONE, DNSKEY, inception=now - timedelta(hours=1), expiration=now + timedelta(hours=1)
        )
        return [found, dns.rrset.from_rdata(ZONE, 300, signature)]


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def test_a_chain_that_is_whole_is_not_worth_a_word(server: Server) -> None:
    assert dns_chain.look("ringer.tel", [server.place]) == ""
    assert set(server.asked) == {"SOA", "DS", "DNSKEY"}


def test_a_domain_inside_a_zone_is_judged_by_the_zone(server: Server) -> None:
    assert dns_chain.look("voice.ringer.tel", [server.place]) == ""
    server.signed_by = OTHER
    with pytest.raises(pulumi.RunError, match="the signature of ringer"):
        dns_chain.look("voice.ringer.tel", [server.place])


def test_a_zone_that_nobody_expects_to_be_signed_is_whole(server: Server) -> None:
    server.parent = []
    assert dns_chain.look("ringer.tel", [server.place]) == ""
    assert "DNSKEY" not in server.asked


def test_a_ds_of_another_key_breaks_it(server: Server) -> None:
    server.parent = [dns.dnssec.make_ds(ZONE, dns.dnssec.make_dnskey(OTHER.public_key(), "ECDSAP256SHA256"), "SHA256")]
    with pytest.raises(pulumi.RunError, match=r"the parent has DS \d+, and no key of the zone fits; no CA issues"):
        dns_chain.look("ringer.tel", [server.place])


@pytest.mark.parametrize("validates", [False, True])
def test_a_wrong_signature_breaks_it_whether_the_resolver_looks_or_not(server: Server, validates: bool) -> None:
    server.signed_by, server.validates = OTHER, validates
    with pytest.raises(pulumi.RunError, match="is broken"):
        dns_chain.look("ringer.tel", [server.place])


def test_without_an_answer_it_is_advice_and_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_chain, "SECONDS", 0.1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{gone.getsockname()[1]}"
    assert "could not be looked at (127.0.0.1: " in dns_chain.look("ringer.tel", [place])


def test_the_zone_s_own_server_which_has_no_ds_records_is_not_taken_for_a_resolver(server: Server) -> None:
    server.parent, server.resolves = [], False
    assert "127.0.0.1 is no resolver, see tls.resolvers" in dns_chain.look("ringer.tel", [server.place])


def test_the_renewer_s_name_servers_are_not_asked_about_the_chain(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are authoritative; here this machine's resolver is asked, which is another one."""
    asked: list[Sequence[str]] = []

    def look(_: str, resolvers: Sequence[str]) -> str:
        asked.append(resolvers)
        return ""

    monkeypatch.setattr(dns_chain, "look", look)
    declare(with_tls(AT_CLOUD_DNS | {"caa": {"accountUris": [ACCOUNT]}, "nameServers": [server.place]}))
    assert asked == [()]


def test_a_stack_with_caa_records_looks_before_it_declares_anything(server: Server) -> None:
    tls = AT_CLOUD_DNS | {"caa": {"accountUris": [ACCOUNT]}, "resolvers": [server.place]}
    edge = declare(with_tls(tls))
    assert any(each.inputs.get("type") == "CAA" for each in edge.resources)
    server.signed_by = OTHER
    with pytest.raises(pulumi.RunError, match="the DNSSEC chain of ringer"):
        declare(with_tls(tls))


def test_the_preview_says_which_cas_are_locked_out(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    caa: dict[str, list[str]] = {"accountUris": [ACCOUNT]}
    declare(with_tls(AT_CLOUD_DNS | {"caa": caa, "resolvers": [server.place]}))
    assert said == [
        "CAA: no CA but letsencrypt.org can issue certificates, and no CA can issue wildcard certificates for any name"
        " of ringer.tel, the web site's too; list other CAs in tls.caa.others and tls.caa.wildcards"
        " (docs/certificates.md)"
    ]
    said.clear()
    caa |= {"others": ["pki.goog"], "wildcards": ["pki.goog"]}
    declare(with_tls(AT_CLOUD_DNS | {"caa": caa, "resolvers": [server.place]}))
    assert said == []


def test_a_stack_without_caa_records_asks_nobody(server: Server) -> None:
    declare(with_tls(AT_CLOUD_DNS | {"resolvers": [server.place]}))
    assert server.asked == []


def test_the_stack_of_the_shared_names_publishes_and_looks_as_well(server: Server) -> None:
    tls = AT_CLOUD_DNS | {"caa": {"accountUris": [ACCOUNT]}, "resolvers": [server.place]}
    config = changed(written_config("global"), ("warp-edge:tls",), tls)
    edge = declare_global(config)
    (caa,) = [data for (name, type_), data in record_sets(edge).items() if (name, type_) == ("ringer.tel", "CAA")]
    assert caa == [f'0 issue "letsencrypt.org; accounturi={ACCOUNT}; validationmethods=dns-01"', '0 issuewild ";"']
    assert [each["data"] for each in edge.outputs["dns"]["records"] if each["type"] == "CAA"] == [caa]
    server.signed_by = OTHER
    with pytest.raises(pulumi.RunError, match="the DNSSEC chain of ringer"):
        declare_global(config)


def test_a_region_below_the_domain_has_no_caa_record_and_asks_nobody(server: Server) -> None:
    tls = AT_CLOUD_DNS | {"caa": {"accountUris": [ACCOUNT]}, "resolvers": [server.place]}
    config = changed(with_tls(tls), ("warp-edge:dns", "scope"), "region")
    edge = declare(changed(config, ("warp-edge:dns", "zone", "manage"), True))
    assert not [each for each in edge.resources if each.inputs.get("type") == "CAA"]
    assert server.asked == []
