"""`python -m verify --only dns` over real sockets: a correct server, and every kind of faulty one."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdataset
import dns.rrset
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from dns.dnssectypes import Algorithm

from inventory.outputs import with_digest
from local_cloud.dns_server import DnsServer, RecordData, ZoneData
from tests.promises import ANNOUNCED, NAME_SERVERS, NAT, RETIRED, TCP, UDP, ZONE, outputs
from tests.sandbox.zone_server import Zone, serving
from verify import caa
from verify.__main__ import main
from verify.servers import Place, Server

Json = dict[str, Any]
Run = Callable[..., tuple[int, Json]]


def zone(**options: Any) -> Zone:
    """The live edge's zone, as its name servers answer it."""
    answers = {key: list(data) for key, data in ZONE.items()}
    return Zone(answers | {("ringer.tel", "NS"): [f"{name}." for name in NAME_SERVERS]}, **options)


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit status and JSON of `--only dns` with one server as resolver and, by default, as authority."""

    def verified(
        port: int, *options: str, promised: Json | None = None, authority: int | None = None
    ) -> tuple[int, Json]:
        file = tmp_path / "outputs.json"
        file.write_text(json.dumps(promised or outputs()))
        places = ["--resolver", f"127.0.0.1:{port}"]
        if authority != 0:
            places += ["--authority", f"127.0.0.1:{authority or port}"]
        status = main(["--outputs", str(file), "--only", "dns", "--json", *places, *options])
        return status, json.loads(capsys.readouterr().out)

    return verified


def broken(report: Json) -> dict[tuple[str, str], str]:
    """Check and server of everything broken -> finding."""
    return {
        (each["what"], each["where"].split()[0]): each["found"]
        for each in report["findings"]
        if each["verdict"] == "broken"
    }


def test_the_sandboxs_own_name_server_keeps_the_promise_it_was_given(run: Run) -> None:
    soa = "ns-cloud-a1.googledomains.com. cloud-dns-hostmaster.google.com. 7 21600 3600 259200 300"
    sets = [RecordData(f"{name}.", type_, 300, tuple(data)) for (name, type_), data in zone().answers.items()]
    data = ZoneData("ringer.tel.", (RecordData("ringer.tel.", "SOA", 21600, (soa,)), *sets))
    server = DnsServer("127.0.0.1", 0, lambda: [data])
    server.start()
    try:
        status, report = run(server.port, "--retired", "old.ringer.tel")
        relevant = asyncio.run(_caa_of("sip.ringer.tel", server.port))
    finally:
        server.stop()
    # Neither name has any; it is no resolver, and refuses what is above its zone.
    assert (relevant.owner, relevant.problem) == ("tel", "it answers REFUSED")
    assert (status, broken(report), report["holds"]) == (0, {}, True)
    # Six record sets, four that must not exist and a retired name, at two servers; the delegation and the parent's DS.
    assert report["counts"] == {"broken": 0, "warning": 0, "unchecked": 0, "holds": 24}


SIX = "2001:db8::10"


@pytest.mark.parametrize(
    ("answered", "finding"),
    [([SIX], ""), ([], f"nothing; missing: {SIX}"), (["2001:db8::66"], "2001:db8::66, which is not in the inventory")],
)
def test_an_ipv6_address_that_is_promised_is_answered_and_no_other(run: Run, answered: list[str], finding: str) -> None:
    promised = outputs()
    inventory, six = promised["ipInventory"], {"address": SIX, "name": "kamailio-sip-udp-ip-ipv6"}
    (udp,) = [each for each in inventory["addresses"] if each["name"] == "kamailio-sip-udp-ip"]
    promised["ipInventory"] = with_digest(inventory | {"addresses": [*inventory["addresses"], udp | six]})
    promised["dns"]["records"].append({"name": "sip.ringer.tel", "type": "AAAA", "ttl": 300, "data": [SIX]})
    serves = zone()
    serves.answers["sip.ringer.tel", "AAAA"] = answered
    with serving(serves) as port:
        status, report = run(port, promised=promised)
    assert status == (3 if finding else 0)
    judged = [each["found"] for each in report["findings"] if each["what"] == "sip.ringer.tel AAAA"]
    assert len(judged) == 2
    assert all(finding in each for each in judged)


async def _caa_of(name: str, port: int) -> caa.Relevant:
    return await caa.Lookup(Server("the sandbox's", (Place("127.0.0.1", port),))).of(name)


@pytest.mark.parametrize(
    ("spoil", "finding"),
    [
        (lambda z: None, ""),
        (lambda z: z.rcodes.update({("old.ringer.tel", "A"): "NXDOMAIN"}), ""),
        (lambda z: z.answers.update({("old.ringer.tel", "A"): ["192.0.2.66"]}), ""),
        (lambda z: z.answers.update({("old.ringer.tel", "A"): [UDP]}), f"it still leads to {UDP}, active"),
        (lambda z: z.answers.update({("old.ringer.tel", "A"): [RETIRED]}), f"it still leads to {RETIRED}, retired"),
        (lambda z: z.aliases.update({"old.ringer.tel": "SIP.ringer.tel."}), "it still leads to sip.ringer.tel"),
        (
            lambda z: z.answers.update({("_sip._udp.old.ringer.tel", "SRV"): ["10 50 5060 sip-udp.ringer.tel."]}),
            "it still leads to sip-udp.ringer.tel",
        ),
        (lambda z: z.silent.update({("old.ringer.tel", "A")}), "no answer in time"),
    ],
)
def test_a_name_that_was_given_up_leads_to_no_address_or_name_of_ours(
    run: Run, spoil: Callable[[Zone], object], finding: str
) -> None:
    left = zone()
    spoil(left)
    with serving(left) as port:
        status, report = run(port, "--retired", "OLD.ringer.tel.")
    judged = {
        each["where"].split()[0]: each for each in report["findings"] if each["what"] == "old.ringer.tel (retired)"
    }
    assert set(judged) == {"resolver", "authority"}
    for each in judged.values():
        assert (each["verdict"] == "broken", finding in each["found"]) == (bool(finding), True)
    assert status == (3 if finding else 0)


def test_a_retired_name_has_to_be_a_name(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(9, "--retired", "a..b")
    assert ended.value.code == 2
    assert "--retired: 'a..b' is not a DNS name" in capsys.readouterr().err


def test_every_record_set_is_asked_at_the_resolver_and_at_the_authority_by_itself(run: Run) -> None:
    right, lagging = zone(), zone()
    lagging.answers["sip.ringer.tel", "A"] = [RETIRED]
    with serving(right) as resolver, serving(lagging) as authority:
        status, report = run(resolver, authority=authority)
    assert status == 3
    assert set(ZONE) <= {key for key, _ in right.asked} & {key for key, _ in lagging.asked}
    ((what, found),) = broken(report).items()
    assert what == ("sip.ringer.tel A", "authority")
    assert f"{RETIRED}, which is retired" in found


@pytest.mark.parametrize(
    ("spoil", "what", "finding"),
    [
        (lambda z: z.answers.update({("sip.ringer.tel", "A"): ["192.0.2.66"]}), "sip.ringer.tel A", "not in"
        " the inventory"),
        (lambda z: z.answers.update({("sip.ringer.tel", "A"): [ANNOUNCED]}), "sip.ringer.tel A", "which is announced"),
        (lambda z: z.answers.update({("sip.ringer.tel", "A"): [UDP, NAT[1]]}), "sip.ringer.tel A", "(Vendor egress)"),
        (lambda z: z.answers.update({("sip-tcp.ringer.tel", "A"): [UDP]}), "sip-tcp.ringer.tel A", f"missing: {TCP}"),
        (lambda z: z.answers.pop(("sip-tcp.ringer.tel", "A")), "sip-tcp.ringer.tel A", f"missing: {TCP}"),
        (lambda z: z.answers.pop(("_sip._udp.ringer.tel", "SRV")), "_sip._udp.ringer.tel SRV", "nothing; missing: 10"),
        (
            lambda z: z.answers["_sip._tcp.ringer.tel", "SRV"].append("5 0 5060 evil.example."),
            "_sip._tcp.ringer.tel SRV",
            "unexpected: 5 0 5060 evil.example.",
        ),
        (lambda z: z.answers.update({("sip.ringer.tel", "AAAA"): ["2001:db8::1"]}), "sip.ringer.tel AAAA", "db8::1"),
        (
            lambda z: z.answers.update({("ringer.tel", "NAPTR"): ['1 1 "s" "SIP+D2U" "" _sip._udp.evil.example.']}),
            "ringer.tel NAPTR",
            "unexpected",
        ),
        (lambda z: z.aliases.update({"sip-udp.ringer.tel": "web.ringer.tel."}), "sip-udp.ringer.tel A", "an alias of"),
        (lambda z: z.rcodes.update({("sip.ringer.tel", "A"): "SERVFAIL"}), "sip.ringer.tel A", "it answers SERVFAIL"),
        (lambda z: z.rcodes.update({("sip.ringer.tel", "A"): "REFUSED"}), "sip.ringer.tel A", "it answers REFUSED"),
    ],
)  # fmt: skip
def test_a_server_with_another_answer_is_named_with_it(
    run: Run, spoil: Callable[[Zone], object], what: str, finding: str
) -> None:
    lying = zone()
    spoil(lying)
    with serving(lying) as port:
        status, report = run(port)
    assert status == 3
    found = broken(report)
    assert finding in found[what, "resolver"]
    assert finding in found[what, "authority"]
    assert {name for name, _ in found} <= {what, what.replace(" A", " AAAA")}
    assert all(each["remedy"] for each in report["findings"] if each["verdict"] == "broken")


def test_a_ttl_below_what_hosts_accept_and_an_answer_without_authority_are_the_authoritys_fault(run: Run) -> None:
    with serving(zone(ttl=60)) as port:
        status, report = run(port)
    assert status == 3
    assert {where for _, where in broken(report)} == {"authority"}
    assert "TTL 60 s instead of 300 s" in broken(report)["sip.ringer.tel A", "authority"]
    with serving(zone(authoritative=False)) as port:
        status, report = run(port)
    assert status == 3
    assert {where for _, where in broken(report)} == {"authority"}


def test_an_answer_cut_short_is_asked_for_again_over_tcp(run: Run) -> None:
    cut = zone(short=True)
    with serving(cut) as port:
        status, report = run(port)
    assert (status, broken(report)) == (0, {})
    assert {udp for _, udp in cut.asked} == {True, False}


def test_one_set_without_an_answer_does_not_hide_the_others(run: Run) -> None:
    with serving(zone(silent={("sip.ringer.tel", "A")})) as port:
        began = time.monotonic()
        status, report = run(port)
    assert status == 3
    assert broken(report) == dict.fromkeys(
        (("sip.ringer.tel A", "resolver"), ("sip.ringer.tel A", "authority")), "no answer in time"
    )
    assert time.monotonic() - began < 30


def test_a_server_that_never_answers_ends_with_the_time_that_was_given(run: Run) -> None:
    with serving(zone(silent={("*", "*")})) as port:
        began = time.monotonic()
        status, report = run(port, "--timeout", "1")
    assert time.monotonic() - began < 30
    assert status == 3
    assert set(broken(report).values()) == {"no answer in time"}
    assert {each["what"] for each in report["findings"]} >= {f"{name} {type_}" for name, type_ in ZONE}


@pytest.mark.parametrize("noise", [b"", b"\xff" * 500, b"\x84\x00\x00\x01\xff\xff\x00\x00\x00\x00" + b"\xc0\x0c" * 200])
def test_noise_instead_of_answers_is_no_answer(run: Run, noise: bytes) -> None:
    with serving(zone(noise=noise or b"\0")) as port:
        status, report = run(port, "--timeout", "2")
    assert status == 3
    assert all("no answer" in found for found in broken(report).values())


def test_without_a_server_there_is_no_answer(run: Run) -> None:
    with serving(zone()) as port:
        pass
    status, report = run(port, "--timeout", "2")
    assert status == 3
    assert all(found.startswith("no answer") for found in broken(report).values())


def test_a_target_that_leads_nowhere_is_found_where_it_is_not_ours(run: Run) -> None:
    promised = outputs()
    promised["dns"]["records"][3]["data"] = ["10 50 5060 gone.example.net."]
    dangling = zone()
    dangling.answers["_sip._udp.ringer.tel", "SRV"] = ["10 50 5060 gone.example.net."]
    with serving(dangling) as port:
        status, report = run(port, promised=promised)
        assert (status, broken(report)) == (
            3,
            {("gone.example.net (SRV target)", "resolver"): "nothing: the target has no address"},
        )
        dangling.answers["gone.example.net", "A"] = ["192.0.2.1"]
        assert run(port, promised=promised)[0] == 0
        dangling.aliases["gone.example.net"] = "elsewhere.example.net."
        assert "an alias" in broken(run(port, promised=promised)[1])["gone.example.net (SRV target)", "resolver"]


def test_the_delegation_gives_the_servers_and_one_without_an_address_is_named(run: Run) -> None:
    """Without --authority: the name servers' own addresses and port 53, on which no server of this test listens."""
    asking = zone()
    asking.answers[NAME_SERVERS[0], "A"] = ["127.93.0.53"]
    with serving(asking) as port:
        status, report = run(port, "--timeout", "20", authority=0)
    assert status == 3
    found = broken(report)
    assert found[f"name server {NAME_SERVERS[1]}", "resolver"] == "no address"
    assert {where for _, where in found} == {"resolver", NAME_SERVERS[0]}
    assert len([what for what, where in found if where == NAME_SERVERS[0]]) == 10


@pytest.mark.parametrize(
    ("delegated", "verdict"),
    [(["ns1.gandi.example."], "warning"), (["ns1.gandi.example.", f"{NAME_SERVERS[0]}."], "broken")],
)
def test_a_zone_that_is_not_live_is_a_warning_and_a_mixed_delegation_breaks_the_promise(
    run: Run, delegated: list[str], verdict: str
) -> None:
    other = zone()
    other.answers["ringer.tel", "NS"] = delegated
    with serving(other) as port:
        status, report = run(port)
    assert status == (3 if verdict == "broken" else 0)
    assert [each["verdict"] for each in report["findings"] if each["what"] == "ringer.tel NS"] == [verdict]


def test_contradictory_outputs_are_reported_before_any_query(run: Run) -> None:
    promised = outputs()
    promised["dns"]["records"][0]["data"] = [RETIRED]
    agreeing = zone()
    agreeing.answers["sip.ringer.tel", "A"] = [RETIRED]
    with serving(agreeing) as port:
        status, report = run(port, promised=promised)
    assert status == 3
    assert "which is retired" in report["findings"][0]["found"]


# Signatures


class Signed:
    """A zone key, its DS, and every set signed with it, in wire format as the server sends it."""

    def __init__(self) -> None:
        self.origin = dns.name.from_text("ringer.tel.")
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.key = dns.dnssec.make_dnskey(self.private.public_key(), Algorithm.ECDSAP256SHA256, flags=257)
        self.ds = dns.dnssec.make_ds(self.origin, self.key, "SHA256")

    def sign(self, served: Zone) -> Zone:
        keys = dns.rrset.from_rdata(self.origin, 300, self.key)
        served.wire["ringer.tel", "DNSKEY"] = [(48, self.key.to_wire() or b""), (46, self.signature(keys))]
        for name, type_ in ZONE:
            served.wire[name, type_] = [
                (46, self.signature(dns.rrset.from_text(f"{name}.", 300, "IN", type_, *ZONE[name, type_])))
            ]
        return served

    def signature(self, found: dns.rrset.RRset) -> bytes:
        signed = dns.dnssec.sign(found, self.private, self.origin, self.key, lifetime=3600)
        return signed.to_wire() or b""


def test_a_zone_signed_as_its_parent_says_holds(run: Run) -> None:
    signed = Signed()
    served = signed.sign(zone())
    served.wire["ringer.tel", "DS"] = [(43, signed.ds.to_wire() or b"")]
    with serving(served) as port:
        status, report = run(port, promised=outputs(ds_records=(str(signed.ds),)))
    assert (status, broken(report)) == (0, {})
    assert report["counts"]["warning"] == 0
    (found,) = [each["found"] for each in report["findings"] if each["what"] == "ringer.tel signatures"]
    assert found == "6 record sets, each signed"


@pytest.mark.parametrize("at_parent", [True, False])
def test_a_missing_signature_breaks_the_promise_where_the_parent_says_that_the_zone_is_signed(
    run: Run, at_parent: bool
) -> None:
    signed = Signed()
    served = signed.sign(zone())
    del served.wire["_sip._udp.ringer.tel", "SRV"]
    if at_parent:
        served.wire["ringer.tel", "DS"] = [(43, signed.ds.to_wire() or b"")]
    with serving(served) as port:
        status, report = run(port, promised=outputs(ds_records=(str(signed.ds),)))
    assert status == (3 if at_parent else 0)
    (found,) = [each for each in report["findings"] if each["what"] == "ringer.tel signatures"]
    assert found["verdict"] == ("broken" if at_parent else "warning")
    assert "_sip._udp.ringer.tel SRV: no signature" in found["found"]


def test_the_host_of_a_zone_that_is_not_live_signs_with_its_own_keys(run: Run) -> None:
    """The parent's DS is theirs then, and what they answer is checked by it."""
    theirs, ours = Signed(), Signed()
    served = theirs.sign(zone())
    served.answers["ringer.tel", "NS"] = ["ns1.gandi.example."]
    served.wire["ringer.tel", "DS"] = [(43, theirs.ds.to_wire() or b"")]
    with serving(served) as port:
        status, report = run(port, promised=outputs(ds_records=(str(ours.ds),)))
    assert (status, broken(report)) == (0, {})
    assert [each["what"] for each in report["findings"] if each["verdict"] == "warning"] == ["ringer.tel NS"]


def test_another_key_and_a_forged_record_are_found_by_their_signatures(run: Run) -> None:
    signed, other = Signed(), Signed()
    served = signed.sign(zone())
    served.wire["ringer.tel", "DS"] = [(43, other.ds.to_wire() or b"")]
    with serving(served) as port:
        found = broken(run(port, promised=outputs(ds_records=(str(signed.ds),)))[1])
    assert "not the zone's keys" in found["ringer.tel DS", "resolver"]
    assert "no key of the zone" in found["ringer.tel signatures", "authority"]
    served = signed.sign(zone())
    served.wire["ringer.tel", "DS"] = [(43, signed.ds.to_wire() or b"")]
    served.answers["sip.ringer.tel", "A"] = ["192.0.2.66"]
    with serving(served) as port:
        found = broken(run(port)[1])
    assert found["ringer.tel signatures", "authority"].startswith("sip.ringer.tel A: ")
