"""Every form of the inventory, read by a reader of its own world: the same addresses, and never a word more."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import jsonschema
import pytest

from inventory.formats import FORMATS, Audience, Family, NothingToListError, merged
from inventory.reading import UnreadableError, json_schema, read
from tests.stacks import ROOT, stack_config
from tests.unit.device_models import router
from tests.unit.format_readers import (
    READERS,
    ranges,
    read_aws,
    read_gcp,
    read_iptables,
    read_kamailio,
    read_nftables,
    reader_of,
)
from tests.unit.published import EUROPE, EUROPES_EGRESS, HOSTILE, LIVE, NAT, RETIRED, TCP, UDP, Json, hostile
from tests.unit.recording import declare

VENDORS, CUSTOMERS, EVERYBODY = Audience.VENDORS, Audience.CUSTOMERS, Audience.EVERYBODY


def render(name: str, *documents: Json, to: Audience | None = None, ip: Family | None = None) -> str:
    found = [each for document in documents for each in read(json.dumps(document))]
    return FORMATS[name].select(merged(found), to, ip)


ONE_FAMILY = [name for name, form in FORMATS.items() if form.one_family]
BOTH_FAMILIES = [name for name in READERS if name not in ONE_FAMILY]


def test_every_format_has_a_reader() -> None:
    people = {"json", "csv", "vendor-sheet", "vendor-sheet-html", "customer-sheet", "customer-sheet-html"}
    people |= {"vendor-guide", "customer-guide"}
    people |= {"vendor-sheet-pdf", "customer-sheet-pdf", "vendor-guide-pdf", "customer-guide-pdf"}
    assert set(READERS) | people | {"kamailio"} == set(FORMATS)


@pytest.mark.parametrize("name", READERS)
def test_vendors_get_the_three_addresses_of_the_live_edge(name: str) -> None:
    assert sorted(READERS[name](render(name, LIVE))) == sorted(ranges(*NAT))


@pytest.mark.parametrize("name", READERS)
def test_customers_get_the_ways_in(name: str) -> None:
    assert sorted(READERS[name](render(name, LIVE, to=CUSTOMERS))) == sorted(ranges(UDP, TCP))


@pytest.mark.parametrize("name", READERS)
def test_announced_and_draining_are_listed_and_retired_are_not(name: str) -> None:
    six = [] if name in ONE_FAMILY else ["2001:db8::5"]
    assert sorted(READERS[name](render(name, EUROPE))) == sorted(ranges(*EUROPES_EGRESS, *six))


@pytest.mark.parametrize("name", READERS)
def test_regions_are_merged_and_the_same_file_twice_counts_once(name: str) -> None:
    found = READERS[name](render(name, LIVE, EUROPE, LIVE, ip=4))
    assert sorted(found) == sorted(ranges(*NAT, *EUROPES_EGRESS))


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:30])
@pytest.mark.parametrize("name", READERS)
def test_free_text_never_becomes_a_rule(name: str, text: str) -> None:
    assert sorted(READERS[name](render(name, hostile(text), ip=4))) == sorted(ranges(*EUROPES_EGRESS))


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("csv", "json")])
def test_no_format_lets_a_control_character_out(name: str) -> None:
    for text in HOSTILE:
        written = render(name, hostile(text))
        assert not [c for c in written if not c.isprintable() and c != "\n"]


def test_ipv6_has_its_own_form_where_a_world_keeps_the_families_apart() -> None:
    assert read_iptables(render("iptables", EUROPE, ip=6), "ip6tables-restore") == ["2001:db8::5/128"]
    assert read_aws(render("aws-prefix-list", EUROPE, ip=6)) == ["2001:db8::5/128"]
    assert read_gcp(render("gcp-firewall", EUROPE, ip=6)) == ["2001:db8::5/128"]
    assert reader_of(lambda: router("ipv6 access-list"))(render("cisco-acl", EUROPE, ip=6)) == ["2001:db8::5/128"]


@pytest.mark.parametrize("name", BOTH_FAMILIES)
def test_a_family_may_be_chosen(name: str) -> None:
    assert READERS[name](render(name, EUROPE, ip=6)) == ["2001:db8::5/128"]


@pytest.mark.parametrize("name", [*READERS, "kamailio", "vendor-sheet", "vendor-sheet-html"])
def test_an_empty_list_is_refused_because_it_would_block_every_call(name: str) -> None:
    with pytest.raises(NothingToListError):
        render(name, LIVE, ip=6)


def test_two_regions_cannot_claim_one_address() -> None:
    moved = EUROPE | {"addresses": [LIVE["addresses"][2] | {"region": "europe-west4"}]}
    with pytest.raises(
        NothingToListError, match=r"34\.57\.46\.26 is in use in two inventories, of us-central1 and eur"
    ):
        render("cidrs", LIVE, moved)


def test_an_address_that_moved_region_is_retired_in_one_and_listed_for_the_other() -> None:
    moved = EUROPE | {"addresses": [LIVE["addresses"][5] | {"status": "active"}]}
    assert RETIRED[0] in render("addresses", LIVE, moved).splitlines()


def test_nftables_forgets_what_is_no_longer_listed() -> None:
    found = read_nftables(render("nftables", LIVE, EUROPE), render("nftables", LIVE))
    assert sorted(found) == sorted(ranges(*NAT))


# --- What rules say beside the address. ---


def test_vendors_rules_match_source_address_and_destination_port() -> None:
    lines = [line for line in render("iptables", LIVE).splitlines() if line[:1] != "#"]
    assert lines[:2] == ["*filter", ":WARP-EGRESS - [0:0]"]
    assert [line.partition(" -m comment")[0] for line in lines[2:4]] == [
        "-A WARP-EGRESS -s 34.57.46.26/32 -p udp -m udp --dport 5060",
        "-A WARP-EGRESS -s 34.57.46.26/32 -p tcp -m tcp --dport 5060",
    ]
    group = "object-group WARP-EGRESS-UDP-5060-TCP-5060"
    assert f"!   permit udp {group} any eq 5060" in render("cisco-acl", LIVE).splitlines()
    (rule,) = json.loads(render("gcp-firewall", LIVE))
    assert (rule["name"], rule["direction"]) == ("warp-egress-udp-5060-tcp-5060", "INGRESS")
    assert rule["sourceRanges"] == ranges(*NAT)
    assert rule["allowed"] == [{"IPProtocol": protocol, "ports": ["5060"]} for protocol in ("udp", "tcp")]


def test_customers_rules_match_destination_address_and_every_port_of_it() -> None:
    lines = [line.partition(" -m comment")[0] for line in render("iptables", LIVE, to=CUSTOMERS).splitlines()]
    assert [line for line in lines if line.startswith("-A")] == [
        f"-A WARP-INGRESS -d {UDP}/32 -p udp -m udp --dport 5060",
        # A large request over UDP may be tried over TCP (RFC 3261, section 18.1.1).
        f"-A WARP-INGRESS -d {UDP}/32 -p tcp -m tcp --dport 5060",
        *(f"-A WARP-INGRESS -d {TCP}/32 -p tcp -m tcp --dport {port}" for port in (5060, 5061, 8080, 8443)),
    ]
    group = "object-group WARP-INGRESS-TCP-5060-5061-8080-8443"
    assert f"!   permit tcp any {group} eq 5061" in render("cisco-acl", LIVE, to=CUSTOMERS).splitlines()
    rules = {rule["name"]: rule for rule in json.loads(render("gcp-firewall", LIVE, to=CUSTOMERS))}
    tcp = rules["warp-ingress-tcp-5060-5061-8080-8443"]
    assert tcp["destinationRanges"] == [f"{TCP}/32"]
    assert tcp["allowed"] == [{"IPProtocol": "tcp", "ports": ["5060", "5061", "8080", "8443"]}]


@pytest.mark.parametrize(
    ("name", "to"),
    [
        ("nftables", EVERYBODY),
        ("iptables", EVERYBODY),
        ("cisco-acl", EVERYBODY),
        ("gcp-firewall", EVERYBODY),
        ("vendor-sheet", CUSTOMERS),
        ("customer-sheet", VENDORS),
        ("json", VENDORS),
    ],
)
def test_a_format_is_refused_to_whom_it_cannot_be_for(name: str, to: Audience) -> None:
    with pytest.raises(NothingToListError, match=f"{name} is not for {to}: it is for "):
        render(name, LIVE, to=to)


def test_kamailio_accepts_our_calls_from_every_port_and_no_others(tmp_path: Path) -> None:
    asked = [*NAT, *EUROPES_EGRESS, "2001:db8::5", *RETIRED, "198.51.100.4", UDP, "34.57.46.27", "2001:db8::6"]
    found = read_kamailio(render("kamailio", LIVE, EUROPE), tmp_path, asked)
    assert sorted(found) == sorted(ranges(*NAT, *EUROPES_EGRESS, "2001:db8::5"))


def test_kamailio_keeps_the_peers_that_are_put_into_the_same_file(tmp_path: Path) -> None:
    """As the head says: `cat OWN FILE`."""
    own = "1 203.0.113.90 32 0 carrier\n2 203.0.113.91 32 0 another\n"
    asked = [*NAT, *RETIRED, "203.0.113.90", "203.0.113.91"]
    found = read_kamailio(own + render("kamailio", LIVE), tmp_path, asked)
    assert sorted(found) == sorted(ranges(*NAT, "203.0.113.90"))


def test_kamailio_reads_no_row_out_of_free_text(tmp_path: Path) -> None:
    for number, text in enumerate(HOSTILE[:4]):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = read_kamailio(render("kamailio", hostile(text)), folder, [*EUROPES_EGRESS, "203.0.113.1", "0.0.0.0"])
        assert sorted(found) == sorted(ranges(*EUROPES_EGRESS))


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:30])
def test_every_row_for_kamailio_is_five_words(text: str) -> None:
    rows = [line for line in render("kamailio", hostile(text), ip=4).splitlines() if not line.startswith("#")]
    found = [re.fullmatch(r"1 (\S+) 32 0 warp-egress:[A-Za-z0-9-]{1,52}", row) for row in rows]
    assert [each[1] for each in found if each or pytest.fail(str(rows))] == EUROPES_EGRESS


def test_aws_takes_a_hundred_entries_and_no_more() -> None:
    many = [LIVE["addresses"][2] | {"address": f"10.0.0.{host}"} for host in range(1, 102)]
    assert len(read_aws(render("aws-prefix-list", LIVE | {"addresses": many[:100]}))) == 100
    with pytest.raises(NothingToListError, match="101 addresses, but AWS accepts 100 in one call"):
        render("aws-prefix-list", LIVE | {"addresses": many})


# --- Lists for people and programs. ---


def csv_rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv_has_every_address_with_what_is_known_of_its_life() -> None:
    rows = {row["address"]: row for row in csv_rows(render("csv", LIVE, EUROPE))}
    assert len(rows) == 14
    assert rows[RETIRED[0]]["replacedBy"] == " ".join(NAT)
    assert rows[TCP]["ports"] == "5060 5061 8080 8443"
    assert rows["198.51.100.1"]["activeOn"] == "2026-01-08"
    assert rows["198.51.100.1"]["noticeOverride"] == "the carrier asked for it"
    assert rows["198.51.100.3"]["drainedOn"] == "2026-02-01"
    assert rows["2001:db8::5"]["cidr"] == "2001:db8::5/128"
    assert {row["direction"] for row in csv_rows(render("csv", LIVE, to=CUSTOMERS))} == {"inbound"}


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:30])
def test_a_spreadsheet_runs_no_formula_and_keeps_its_rows(text: str) -> None:
    rows = csv_rows(render("csv", hostile(text)))
    assert [row["address"] for row in rows] == [each["address"] for each in EUROPE["addresses"]]
    for row in rows:
        assert None not in row
        for cell in row.values():
            assert cell.lstrip()[:1] not in ("=", "+", "-", "@")
            assert cell.isprintable()


def test_json_comes_out_as_it_went_in_and_several_as_a_list() -> None:
    later = LIVE | {"addedLater": {"x": 1}}
    assert json.loads(render("json", later)) == later
    assert json.loads(render("json", later, EUROPE)) == [later, EUROPE]


def test_the_schema_in_the_docs_is_the_one_of_the_reader() -> None:
    written = json.loads((ROOT / "docs" / "ip-inventory.schema.json").read_text())
    assert written == json_schema(), "run: python -m inventory schema > docs/ip-inventory.schema.json"


SCHEMA = json_schema()


@pytest.mark.parametrize("document", [LIVE, EUROPE])
def test_an_inventory_is_valid_by_the_schema(document: Json) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(document, SCHEMA, jsonschema.Draft202012Validator)


def test_what_the_program_publishes_is_what_the_reader_reads() -> None:
    config = stack_config("prod")
    slots = config["warp-edge:egress"]["slots"]
    why = {"noticeOverride": {"reason": "the carrier asked for it"}}
    slots["warp-nat-ip-4"] = {"state": "announced", "announcedOn": "2026-01-01", "activeOn": "2026-01-08"} | why
    published = declare(config).outputs["ipInventory"]
    jsonschema.validate(published, SCHEMA, jsonschema.Draft202012Validator)
    (inventory,) = read(json.dumps(published))
    assert [each.address for each in inventory.addresses] == [each["address"] for each in published["addresses"]]
    assert [way.port for way in inventory.endpoints] == [5060, 5060, 5061, 8080, 8443]
    assert (inventory.domain, inventory.notice_days) == ("ringer.tel", 30)
    assert render("addresses", published).splitlines()[:3] == NAT
    assert "the carrier asked for it" in render("vendor-sheet", published)


@pytest.mark.parametrize(
    "change",
    [{"schema": 2}, {"addresses": [{"address": "192.0.2.1"}]}, {"region": 5}, {"noticeDays": -1}],
    ids=str,
)
def test_the_schema_refuses_what_the_reader_refuses(change: Json) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(LIVE | change, SCHEMA, jsonschema.Draft202012Validator)
    with pytest.raises(UnreadableError):
        read(json.dumps(LIVE | change))
