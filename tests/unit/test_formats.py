"""Every form of the inventory, read by a reader of its own world: the same addresses, and never a word more.

Readers that are no Python library (nft, iptables, Kamailio) are Debian's; where they are missing the tests say so, and
in CI they fail. Asterisk, FreeSWITCH's semantics, the trusted list of CUBE and Compute Engine have no reader to be had
from packages: their forms are checked against the grammar of their documentation, written out here.
"""

from __future__ import annotations

import csv
import functools
import io
import ipaddress
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import botocore.session  # type: ignore[import-untyped]
import cisco_acl
import hcl2
import html5lib
import jsonschema
import pytest
from botocore.validate import ParamValidator  # type: ignore[import-untyped]
from markdown_it import MarkdownIt

from inventory.formats import FORMATS, Audience, Family, NothingToListError, merged
from inventory.published import UnreadableError, json_schema, read
from tests.stacks import ROOT, stack_config
from tests.unit.published import EUROPE, EUROPES_EGRESS, HOSTILE, LIVE, NAT, RETIRED, TCP, UDP, Json, hostile
from tests.unit.recording import declare

VENDORS, CUSTOMERS, EVERYBODY = Audience.VENDORS, Audience.CUSTOMERS, Audience.EVERYBODY


def render(name: str, *documents: Json, to: Audience | None = None, ip: Family | None = None) -> str:
    found = [each for document in documents for each in read(json.dumps(document))]
    return FORMATS[name].select(*merged(found), to, ip)


def tool(name: str) -> str:
    """A Debian program that reads what we write; see tools/debian_packages.py."""
    if found := shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin"):
        return found
    if os.environ.get("CI") == "true":
        pytest.fail(f"{name} is not installed: run tools/bootstrap.py --dev as root")
    pytest.skip(f"{name} is not installed")


def in_own_network(*command: str, given: str) -> subprocess.CompletedProcess[str]:
    """Run in a network namespace of its own, where it can do no harm; people who are not root get a user namespace."""
    alone = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    return subprocess.run([*alone, *command], input=given, capture_output=True, text=True, check=False, timeout=60)


# --- How each world reads its form: text -> the ranges that it lets in. ---

Reader = Callable[[str], list[str]]


def ranges(*addresses: str) -> list[str]:
    return [str(ipaddress.ip_network(each)) for each in addresses]


def read_nftables(*texts: str) -> list[str]:
    """Loaded one after the other into a real kernel, each twice: what stands in its sets then, and no rule beside."""
    nft = tool("nft")
    script = "".join(f"{nft} -f - <<'END OF FILE'\n{text}END OF FILE\n" for text in texts for _ in range(2))
    done = in_own_network("sh", "-e", given=f"{script}{nft} -j list ruleset\n")
    assert done.returncode == 0, done.stderr
    found = []
    for entry in json.loads(done.stdout)["nftables"]:
        assert set(entry) <= {"metainfo", "table", "set"}
        for element in entry.get("set", {}).get("elem", ()):
            found.append(element["elem"]["val"] if isinstance(element, dict) else element)
    return ranges(*found)


RULE = re.compile(
    r'-A WARP-(E|IN)GRESS -[sd] (\S+) -p (udp|tcp) -m \3 --dport \d+ -m comment --comment "[^"\\]*" -j ACCEPT'
)


def read_iptables(text: str, program: str = "iptables-restore") -> list[str]:
    done = in_own_network(tool(program), "--test", "--verbose", "--noflush", given=text)
    assert done.returncode == 0, done.stderr
    rules = [line for line in text.splitlines() if line[:1] not in "#*:" and line != "COMMIT"]
    return ranges(*dict.fromkeys(RULE.fullmatch(line)[2] for line in rules))  # type: ignore[index]


def read_cisco(text: str) -> list[str]:
    commands = [line for line in text.splitlines() if not line.startswith("!")]
    rules = list(cisco_acl.Acl("\n".join(commands), platform="ios").items)
    assert len(rules) == len(commands) - 1, "a line that IOS would refuse"
    aces = [rule for rule in rules if isinstance(rule, cisco_acl.Ace)]
    assert {ace.action for ace in aces} == {"permit"}
    sides = [ace.srcaddr.line if ace.dstaddr.line == "any" else ace.dstaddr.line for ace in aces]
    return ranges(*dict.fromkeys(side.removeprefix("host ") for side in sides))


def read_cube(text: str) -> list[str]:
    """`voice service voip`, `ip address trusted list`, then lines `ipv4 ADDRESS MASK` (Cisco IOS Voice Command
    Reference, "ip address trusted list")."""
    comment, service, trusted, *entries, end = text.splitlines()
    assert (comment[:2], service, trusted, end) == ("! ", "voice service voip", " ip address trusted list", "!")
    found = [re.fullmatch(r"  ipv4 (\S+) (\S+)", line) for line in entries]
    return ranges(*(f"{each[1]}/{each[2]}" for each in found if each or pytest.fail(text)))


KAMAILIO = """
debug=0
log_stderror=yes
children=1
disable_tcp=yes
listen=udp:127.0.0.1:{port}
mpath="{modules}"
loadmodule "xlog.so"
loadmodule "permissions.so"
modparam("permissions", "address_file", "{file}")
request_route {{ exit; }}
event_route[core:worker-one-init] {{
{checks}
  xlog("L_ALERT", "END\\n");
}}
"""
CHECK = '  if (allow_address("1", "{0}", "40000")) {{ xlog("L_ALERT", "LETS-IN {0}\\n"); }}'


def read_kamailio(text: str, folder: Path, asked: list[str]) -> list[str]:
    """A real Kamailio on the file: which of `asked` it takes for ours, from an arbitrary source port."""
    (modules,) = list(Path("/usr/lib").glob("*/kamailio/modules")) if tool("kamailio") else []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file, config = folder / "address.list", folder / "kamailio.cfg"
    file.write_text(text)
    checks = "\n".join(CHECK.format(address) for address in asked)
    config.write_text(KAMAILIO.format(port=port, modules=modules, file=file, checks=checks))
    command = [tool("kamailio"), "-f", str(config), "-DD", "-E", "-Y", str(folder), "-m", "16", "-M", "4"]
    log = folder / "log"
    with log.open("w") as said, subprocess.Popen(command, stdout=said, stderr=said) as server:
        try:
            deadline = time.monotonic() + 30
            while "END" not in log.read_text() and server.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            server.terminate()
            server.wait(30)
    told = log.read_text()
    assert "END" in told, told
    assert "parse" not in told, told
    return ranges(*re.findall(r"LETS-IN (\S+)", told))


def read_kamailio_sql(text: str) -> list[str]:
    """The table as kamailio's own scripts make it (permissions-create.sql), with yesterday's row in it."""
    base = sqlite3.connect(":memory:")
    base.execute(
        "CREATE TABLE address (id INTEGER PRIMARY KEY NOT NULL, grp INTEGER DEFAULT 1 NOT NULL,"
        " ip_addr VARCHAR(50) NOT NULL, mask INTEGER DEFAULT 32 NOT NULL, port SMALLINT DEFAULT 0 NOT NULL,"
        " tag VARCHAR(64))"
    )
    base.execute("INSERT INTO address (grp, ip_addr) VALUES (1, '203.0.113.99'), (2, '203.0.113.98')")
    base.executescript(text)
    rows = base.execute("SELECT grp, ip_addr, mask, port, tag FROM address ORDER BY id").fetchall()
    base.close()
    assert rows[0][:2] == (2, "203.0.113.98"), "another group is not ours"
    for group, _, _, port, tag in rows[1:]:
        assert (group, port) == (1, 0)
        assert re.fullmatch(r"[A-Za-z0-9-]{1,64}", tag)
    return ranges(*(f"{ip}/{mask}" for _, ip, mask, _, _ in rows[1:]))


def read_asterisk(text: str) -> list[str]:
    """One section, `key=value`, `;` starts a comment (docs.asterisk.org, "res_pjsip_endpoint_identifier_ip")."""
    found = []
    stripped = [line.partition(";")[0].strip() for line in text.splitlines()]
    head, kind, endpoint, *matches = [line for line in stripped if line]
    assert re.fullmatch(r"\[warp-(egress|ingress|edge)\]", head)
    assert (kind, endpoint) == ("type=identify", "endpoint=warp")
    for line in matches:
        key, _, value = line.partition("=")
        assert key == "match"
        found.append(value)
    return ranges(*found)


def read_freeswitch(text: str) -> list[str]:
    """acl.conf.xml: configuration, network-lists, list, node (conf/vanilla/autoload_configs of FreeSWITCH)."""
    root = ElementTree.fromstring(text)
    assert (root.tag, root.get("name")) == ("configuration", "acl.conf")
    (lists,) = root
    (one,) = lists
    assert (lists.tag, one.tag, one.get("default")) == ("network-lists", "list", "deny")
    assert {(node.tag, node.get("type")) for node in one} == {("node", "allow")}
    return ranges(*(str(node.get("cidr")) for node in one))


@functools.cache
def prefix_list_input() -> Any:
    """EC2's own description of the call."""
    model = botocore.session.get_session().get_service_model("ec2")
    return model.operation_model("CreateManagedPrefixList").input_shape


def read_aws(text: str) -> list[str]:
    body = json.loads(text)
    problems = ParamValidator().validate(body, prefix_list_input())
    assert not problems.has_errors(), problems.generate_report()
    known = prefix_list_input().members["Entries"].member.members
    assert all(set(entry) <= set(known) for entry in body["Entries"])
    assert body["MaxEntries"] == len(body["Entries"]) <= 100
    assert all(len(entry["Description"]) <= 255 for entry in body["Entries"])
    found = ranges(*(entry["Cidr"] for entry in body["Entries"]))
    assert {f"IPv{ipaddress.ip_network(each).version}" for each in found} == {body["AddressFamily"]}
    return found


def read_gcp(text: str) -> list[str]:
    """Fields of the resource `firewall` (docs.cloud.google.com/compute/docs/reference/rest/v1/firewalls)."""
    found: list[str] = []
    names = []
    for rule in json.loads(text):
        names.append(rule["name"])
        assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", rule["name"])
        side = {"INGRESS": "sourceRanges", "EGRESS": "destinationRanges"}[rule["direction"]]
        assert set(rule) == {"name", "description", "direction", side, "allowed"}
        assert len(rule["description"]) <= 2048
        for allowed in rule["allowed"]:
            assert set(allowed) == {"IPProtocol", "ports"}
            assert allowed["IPProtocol"] in ("udp", "tcp")
            assert all(1 <= int(port) <= 65535 for port in allowed["ports"])
        found += rule[side]
    assert len(set(names)) == len(names)
    return list(dict.fromkeys(ranges(*found)))


def read_terraform(text: str) -> list[str]:
    (block,) = hcl2.loads(text)["locals"]
    ((name, value),) = [item for item in block.items() if not item[0].startswith("__")]
    assert re.fullmatch(r"warp_(egress|ingress|edge)_cidrs", name)
    return ranges(*(each.strip('"') for each in value))


READERS: dict[str, Reader] = {
    "addresses": lambda text: ranges(*text.splitlines()),
    "cidrs": lambda text: ranges(*text.splitlines()),
    "nftables": read_nftables,
    "iptables": read_iptables,
    "cisco-acl": read_cisco,
    "cube": read_cube,
    "kamailio-sql": read_kamailio_sql,
    "asterisk": read_asterisk,
    "freeswitch": read_freeswitch,
    "aws-prefix-list": read_aws,
    "gcp-firewall": read_gcp,
    "terraform": read_terraform,
}
ONE_FAMILY = [name for name, form in FORMATS.items() if form.one_family]
BOTH_FAMILIES = [name for name in READERS if name not in ONE_FAMILY]


def test_every_format_has_a_reader() -> None:
    people = {"json", "csv", "vendor-sheet", "vendor-sheet-html", "customer-sheet", "customer-sheet-html"}
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
    # Cisco IOS IPv6 Command Reference, "ipv6 access-list": no parser of it to be had.
    head, remark, *rules, end = render("cisco-acl", EUROPE, ip=6).splitlines()[1:]
    assert (head, remark[:8], end) == ("ipv6 access-list WARP-EGRESS-V6", " remark ", "!")
    assert rules == [" permit udp host 2001:db8::5 any eq 5060", " permit tcp host 2001:db8::5 any eq 5060"]


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
    lines = render("iptables", LIVE).splitlines()
    assert lines[2:4] == ["*filter", ":WARP-EGRESS - [0:0]"]
    assert [line.partition(" -m comment")[0] for line in lines[4:6]] == [
        "-A WARP-EGRESS -s 34.57.46.26/32 -p udp -m udp --dport 5060",
        "-A WARP-EGRESS -s 34.57.46.26/32 -p tcp -m tcp --dport 5060",
    ]
    assert " permit udp host 34.57.46.26 any eq 5060" in render("cisco-acl", LIVE).splitlines()
    udp, tcp = json.loads(render("gcp-firewall", LIVE))
    assert (udp["name"], udp["direction"], udp["sourceRanges"]) == ("warp-egress-udp", "INGRESS", ranges(*NAT))
    assert udp["allowed"] == [{"IPProtocol": "udp", "ports": ["5060"]}]
    assert tcp["allowed"] == [{"IPProtocol": "tcp", "ports": ["5060"]}]


def test_customers_rules_match_destination_address_and_every_port_of_it() -> None:
    lines = [line.partition(" -m comment")[0] for line in render("iptables", LIVE, to=CUSTOMERS).splitlines()]
    assert [line for line in lines if line.startswith("-A")] == [
        f"-A WARP-INGRESS -d {UDP}/32 -p udp -m udp --dport 5060",
        *(f"-A WARP-INGRESS -d {TCP}/32 -p tcp -m tcp --dport {port}" for port in (5060, 5061, 8080, 8443)),
    ]
    assert f" permit tcp any host {TCP} eq 5061" in render("cisco-acl", LIVE, to=CUSTOMERS).splitlines()
    rules = {rule["name"]: rule for rule in json.loads(render("gcp-firewall", LIVE, to=CUSTOMERS))}
    assert rules["warp-ingress-tcp"]["destinationRanges"] == [f"{TCP}/32"]
    assert rules["warp-ingress-tcp"]["allowed"][0]["ports"] == ["5060", "5061", "8080", "8443"]


@pytest.mark.parametrize(
    ("name", "to"),
    [
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


def test_kamailio_takes_our_calls_from_every_port_and_nobody_elses(tmp_path: Path) -> None:
    asked = [*NAT, *EUROPES_EGRESS, "2001:db8::5", *RETIRED, "198.51.100.4", UDP, "34.57.46.27", "2001:db8::6"]
    found = read_kamailio(render("kamailio", LIVE, EUROPE), tmp_path, asked)
    assert sorted(found) == sorted(ranges(*NAT, *EUROPES_EGRESS, "2001:db8::5"))


def test_kamailio_reads_no_row_out_of_free_text(tmp_path: Path) -> None:
    for number, text in enumerate(HOSTILE[:4]):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = read_kamailio(render("kamailio", hostile(text)), folder, [*EUROPES_EGRESS, "203.0.113.1", "0.0.0.0"])
        assert sorted(found) == sorted(ranges(*EUROPES_EGRESS))


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:30])
def test_every_row_for_kamailio_is_five_words(text: str) -> None:
    rows = [line for line in render("kamailio", hostile(text), ip=4).splitlines() if not line.startswith("#")]
    found = [re.fullmatch(r"1 (\S+) 32 0 [A-Za-z0-9-]{1,60}", row) for row in rows]
    assert [each[1] for each in found if each or pytest.fail(str(rows))] == EUROPES_EGRESS


def test_aws_takes_a_hundred_entries_and_no_more() -> None:
    many = [LIVE["addresses"][2] | {"address": f"10.0.0.{host}"} for host in range(1, 102)]
    assert len(read_aws(render("aws-prefix-list", LIVE | {"addresses": many[:100]}))) == 100
    with pytest.raises(NothingToListError, match="101 addresses, and AWS takes 100 in one call"):
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
    ((_, inventory),) = read(json.dumps(published))
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


# --- Sheets. ---


def html_page(text: str) -> Any:
    """By the parser of the HTML standard, which in strict mode forgives nothing."""
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)


def cells(page: Any) -> list[list[str]]:
    return [["".join(cell.itertext()) for cell in row] for row in page.iter("tr")]


def markdown_page(text: str) -> Any:
    """The page that CommonMark (with tables) makes of it."""
    return html_page(f"<!DOCTYPE html><title>t</title>{MarkdownIt('commonmark').enable('table').render(text)}")


SHEETS: dict[str, Callable[[str], Any]] = {"sheet": markdown_page, "sheet-html": html_page}


@pytest.mark.parametrize("form", SHEETS)
def test_the_vendors_sheet_says_what_vendors_are_told(form: str) -> None:
    page = SHEETS[form](render(f"vendor-{form}", LIVE))
    words = " ".join("".join(page.itertext()).split())
    for told in (
        "Whitelist ALL of these addresses",
        "inbound SIP (UDP/TCP 5060)",
        "WARP (ringer.tel), wholesale termination",
        "may be the source of an INVITE",
        *(f"allow from {address}/32" for address in NAT),
    ):
        assert told in words
    assert [row[0] for row in cells(page)] == ["Address", *NAT, "Address", RETIRED[0]]
    assert UDP not in words


@pytest.mark.parametrize("form", SHEETS)
def test_the_customers_sheet_says_what_customers_are_told(form: str) -> None:
    page = SHEETS[form](render(f"customer-{form}", LIVE))
    words = " ".join("".join(page.itertext()).split())
    for told in ("G.711 ulaw, G.711 alaw, G.729", "RFC 2833", "source IP, no credentials"):
        assert told in words
    rows = cells(page)
    assert ["us-central1", "primary", "sip.ringer.tel", f"{UDP}:5060", "UDP"] in rows
    assert ["us-central1", "secondary", "sip-tcp.ringer.tel", f"{TCP}:5060", "TCP"] in rows
    assert ["us-central1", "tls", "sip-tcp.ringer.tel", f"{TCP}:5061", "TLS"] in rows
    assert [UDP, "UDP/TCP", "5060", "us-central1", "active"] in rows
    assert [TCP, "TCP", "5060, 5061, 8080, 8443", "us-central1", "active"] in rows
    assert [row[0] for row in rows if row[0].endswith("/32")] == [f"{address}/32" for address in NAT]
    assert [row for row in rows if row[0] == RETIRED[1]] == [[RETIRED[1], "", UDP]]


@pytest.mark.parametrize("form", SHEETS)
def test_sheets_of_several_regions_tell_what_comes_and_goes(form: str) -> None:
    vendors = SHEETS[form](render(f"vendor-{form}", LIVE, EUROPE))
    rows = {row[0]: row[1:] for row in cells(vendors)}
    assert rows["198.51.100.3"] == [
        "europe-west4",
        "draining",
        "draining since 2026-02-01: accept it until it is retired",
    ]
    assert ["198.51.100.1", "2026-01-01 to 2026-01-08", "the carrier asked for it"] in cells(vendors)
    assert "announced: will be used from 2026-01-08, accept it now" in "".join(vendors.itertext())
    customers = "".join(SHEETS[form](render(f"customer-{form}", LIVE, EUROPE)).itertext())
    assert "192.0.2.2 (UDP 5060) will answer from 2026-02-01; open your firewall to it now" in customers
    assert "sip.eu.ringer.tel" in customers
    assert "sip.ringer.tel" in customers


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:30])
@pytest.mark.parametrize("sheet", ["vendor", "customer"])
@pytest.mark.parametrize("form", SHEETS)
def test_free_text_stays_text_in_a_sheet(form: str, sheet: str, text: str) -> None:
    page = SHEETS[form](render(f"{sheet}-{form}", hostile(text)))
    plain = SHEETS[form](render(f"{sheet}-{form}", EUROPE))
    assert [element.tag for element in page.iter()] == [element.tag for element in plain.iter()]
    assert not [e for e in page.iter() if {"href", "src", "onerror"} & set(e.attrib)]
    region = [row for row in cells(page) if row[0].startswith("198.51.100.2")]
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    assert any(" ".join(cell.split()) == shown for row in region for cell in row)


def test_a_page_needs_nothing_from_elsewhere_and_prints_on_a4() -> None:
    text = render("vendor-sheet-html", LIVE)
    assert not re.findall(r"https?:|url\(|@import|<script|<link|<img", text)
    assert "@page { size: A4;" in text
    assert html_page(text).get("lang") == "en"


def test_an_inventory_of_before_still_gives_sheets() -> None:
    old = {key: value for key, value in LIVE.items() if key not in ("domain", "noticeDays", "endpoints")}
    assert "WARP, wholesale termination" in render("vendor-sheet", old)
    assert ["us-central1", "SIP", UDP, f"{UDP}:5060", "UDP"] in cells(html_page(render("customer-sheet-html", old)))
