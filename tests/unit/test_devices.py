"""What outsiders load into their devices, loaded as the file's head says: twice, with an address retired in between.

The three proofs of docs/formats.md. Twice: what the device lets in is what the inventory has, what is retired is gone
and what is not ours is as it was. To the letter: the head, done as it says, works on a device that drops by default.
Complete: every address of the audience is there, in the file or in the one that it names.
"""

from __future__ import annotations

import ipaddress
import json
import re
import sqlite3
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import cisco_acl
import pytest

from inventory.formats import FORMATS, Audience, Family, NothingToListError
from inventory.site.files import FORMS
from tests.unit.device_models import Cube, Device, Flow, Junos, RouterOs, asa, commented, cube, router
from tests.unit.firewall_probe import KNOWN, MACHINE, probe, run, run_steps
from tests.unit.format_readers import ranges, read_asterisk, read_kamailio, tool
from tests.unit.published import Json, address, signed
from tests.unit.test_formats import render
from tests.unit.test_sheets import cells, html_page
from tests.unit.test_site import site

VENDORS, CUSTOMERS = Audience.VENDORS, Audience.CUSTOMERS
SIDES = (VENDORS, CUSTOMERS)
ANYBODY = (*SIDES, Audience.EVERYBODY)


def inventory(*addresses: Json) -> Json:
    found: Json = signed({"schema": 1, "region": "us-central1", "addresses": list(addresses)})
    return found


def ingress(name: str, ip: str, status: str = "active", protocol: str = "UDP", **more: Any) -> Json:
    return address(name, ip, "inbound", status, protocol=protocol, **more)


TLS = [5060, 5061, 8080, 8443]
FIRST = inventory(
    ingress("udp", "192.0.2.10"),
    ingress("udp-ipv6", "2001:db8:1::10"),
    ingress("tcp", "192.0.2.20", protocol="TCP", ports=TLS),
    ingress("tcp-ipv6", "2001:db8:1::20", protocol="TCP", ports=TLS),
    ingress("tcp-withdrawn", "192.0.2.29", "announced", protocol="TCP", ports=TLS),
    address("one", "198.51.100.1"),
    address("two", "198.51.100.2"),
    address("one-ipv6", "2001:db8::1"),
    address("two-ipv6", "2001:db8::2"),
    address("withdrawn", "198.51.100.9", status="announced"),
)
# One retired, one announced, of each kind; one that was announced is gone without a trace.
SECOND = inventory(
    ingress("udp", "192.0.2.10", "retired", replacedBy=["192.0.2.11"]),
    ingress("udp-new", "192.0.2.11"),
    ingress("udp-ipv6", "2001:db8:1::10"),
    ingress("tcp", "192.0.2.20", protocol="TCP", ports=TLS),
    ingress("tcp-ipv6", "2001:db8:1::20", "retired", protocol="TCP", ports=TLS),
    ingress("tcp-ipv6-new", "2001:db8:1::21", protocol="TCP", ports=TLS),
    address("one", "198.51.100.1", status="draining"),
    address("two", "198.51.100.2", status="retired", replacedBy=["198.51.100.3"]),
    address("three", "198.51.100.3", status="announced"),
    address("one-ipv6", "2001:db8::1"),
    address("two-ipv6", "2001:db8::2", status="retired"),
    address("three-ipv6", "2001:db8::3", status="announced"),
)
# All that customers reach over TCP alone, and all IPv6, is retired, with nothing in its place.
THIRD = inventory(
    *(
        each | ({"status": "retired"} if ":" in each["address"] or each["protocol"] == "TCP" else {})
        for each in SECOND["addresses"]
    )
)
NAMES = {"first": FIRST, "second": SECOND, "third": THIRD}


BOTH = "UDP/TCP"


def promised(document: Json, to: Audience, family: Family | None = None) -> set[Flow]:
    """What the inventory says: of a UDP address to which customers send, TCP too (RFC 3261, section 18.1.1)."""
    directions = {VENDORS: ("outbound",), CUSTOMERS: ("inbound",)}.get(to, ("outbound", "inbound"))
    return {
        (each["address"], protocol.lower(), port)
        for each in document["addresses"]
        if each["direction"] in directions and each["status"] != "retired"
        and family in (None, 6 if ":" in each["address"] else 4)
        for inward_udp in [(each["direction"], each["protocol"]) == ("inbound", "UDP")]
        for protocol in (BOTH if inward_udp else each["protocol"]).split("/")
        for port in each["ports"]
    }  # fmt: skip


# --- The sheet. ---


@pytest.mark.parametrize("document", NAMES.values(), ids=NAMES)
def test_the_sheets_say_what_the_rules_open(document: Json) -> None:
    rows = cells(html_page(render("customer-sheet-html", document)))
    heads = [number for number, row in enumerate(rows) if row[0] in ("To", "From")]
    opened = {
        (row[0], protocol.lower(), int(port))
        for row in rows[heads[0] + 1 : heads[1]]
        for protocol in row[1].split("/")
        for port in row[2].split(", ")
    }
    assert opened == promised(document, CUSTOMERS)
    page = html_page(render("vendor-sheet-html", document))
    (protocols, port) = re.search(r"inbound SIP \((\S+) (\d+)\)", "".join(page.itertext())).groups()  # type: ignore[union-attr]
    rows = cells(page)
    first, *further = [number for number, row in enumerate(rows) if row[0] == "Address"]
    listed = [row[0] for row in rows[first + 1 : [*further, len(rows)][0]]]
    assert {(ip, p.lower(), int(port)) for ip in listed for p in protocols.split("/")} == promised(document, VENDORS)


# --- Linux: a real kernel, real packets, a firewall that drops by default in both directions. ---

NFT_OWN = """
table inet filter {
  chain input {
    type filter hook input priority 0; policy INPUT;
    ct state established accept
    ip saddr KNOWN4 accept
    ip6 saddr KNOWN6 accept
  }
  chain output {
    type filter hook output priority 0; policy OUTPUT;
    ct state established accept
    ip saddr KNOWN4 accept
    ip6 saddr KNOWN6 accept
  }
}
"""
IPTABLES_OWN = """*filter
:INPUT INPUT [0:0]
:FORWARD DROP [0:0]
:OUTPUT OUTPUT [0:0]
-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A INPUT -s KNOWN -j ACCEPT
-A OUTPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A OUTPUT -s KNOWN -j ACCEPT
COMMIT
"""


def nft_own(to: Audience) -> str:
    """Vendors filter what comes in, customers what goes out: the other end of each packet is on the same machine."""
    drop, accept = ("INPUT", "OUTPUT") if to is VENDORS else ("OUTPUT", "INPUT")
    text = NFT_OWN.replace("KNOWN4", KNOWN[4]).replace("KNOWN6", KNOWN[6])
    return text.replace(f"policy {drop}", "policy drop").replace(f"policy {accept}", "policy accept")


def iptables_own(to: Audience, family: Family) -> str:
    drop, accept = ("INPUT", "OUTPUT") if to is VENDORS else ("OUTPUT", "INPUT")
    text = IPTABLES_OWN.replace("KNOWN", KNOWN[family])
    return text.replace(f":{drop} {drop}", f":{drop} DROP").replace(f":{accept} {accept}", f":{accept} ACCEPT")


def probes(to: Audience, found: Sequence[Flow]) -> list[Json]:
    return [
        probe(ip, MACHINE[6 if ":" in ip else 4], protocol, port)
        if to is VENDORS
        else probe(MACHINE[6 if ":" in ip else 4], ip, protocol, port)
        for ip, protocol, port in found
    ]


def wished(to: Audience, family: Family | None = None) -> list[Flow]:
    """Everything that either inventory opens, and what neither does: another port, another address."""
    both = promised(FIRST, to, family) | promised(SECOND, to, family)
    outside = {(ip, protocol, 5062) for ip, protocol, _ in both}
    return sorted(both | outside | ({("192.0.2.77", "udp", 5060)} if family != 6 else set()))


def loaded_twice(
    name: str, to: Audience, family: Family | None, own: Json, load: str, once: str, listed: str
) -> tuple[list[set[Flow]], list[str]]:
    """What arrives before and after each load, and all rules at each time."""
    tool("ip")
    asked = wished(to, family)
    first, second, third = (render(name, document, to=to, ip=family) for document in (FIRST, SECOND, THIRD))
    steps = [
        own, run(listed), *probes(to, asked),
        run(load, first), run(once), run(listed), *probes(to, asked),
        run(load, second), run(listed), *probes(to, asked),
        run(load, third), run(listed), *probes(to, asked),
    ]  # fmt: skip
    results = run_steps(*steps)
    bools = iter([each for each in results if isinstance(each, bool)])
    arrived = [{flow for flow in asked if next(bools)} for _ in range(4)]
    listings = [each for step, each in zip(steps, results, strict=True) if step == run(listed)]
    return arrived, listings


def command_in_head(text: str) -> str:
    (found,) = commented(text, "#")
    return found


@pytest.mark.parametrize("to", SIDES)
def test_nftables_opens_the_devices_own_table_to_packets(to: Audience) -> None:
    tool("nft")
    once = command_in_head(render("nftables", FIRST, to=to))
    assert once == command_in_head(render("nftables", SECOND, to=to))
    own = run("nft -f -", nft_own(to))
    arrived, listings = loaded_twice("nftables", to, None, own, "nft -f -", once, "nft -j list ruleset")
    assert arrived == [set(), *(promised(document, to) for document in (FIRST, SECOND, THIRD))]
    others = [others_of_nft(each) for each in listings]
    assert others == [others[0]] * 4 != [[]] * 4


def others_of_nft(listing: str) -> list[Json]:
    """All that is not ours; handles count up with every rule of the table."""
    found = []
    for entry in json.loads(listing)["nftables"]:
        ((kind, each),) = entry.items()
        if "warp" not in json.dumps(each):
            found.append({kind: {key: value for key, value in each.items() if key != "handle"}})
    return found


@pytest.mark.parametrize("to", SIDES)
def test_nftables_is_included_at_boot_as_its_head_says(to: Audience) -> None:
    """`include` below `flush ruleset`, above the table, which has the jump."""
    tool("nft")
    tool("ip")
    hook, text = ("input" if to is VENDORS else "output"), render("nftables", SECOND, to=to)
    jump = command_in_head(text).partition(f" {hook} ")[2]
    table = nft_own(to).replace("policy drop;", f"policy drop; {jump}")
    files = {"warp.nft": text, "nftables.conf": f'flush ruleset\ninclude "warp.nft"\n{table}'}
    # Twice: at boot, and `systemctl reload nftables`.
    script = (
        "folder=$(mktemp -d); trap 'rm -r $folder' EXIT; cd $folder; cat > both"
        "; sed '/^flush ruleset/,$d' both > warp.nft; sed -n '/^flush ruleset/,$p' both > nftables.conf"
        "; nft -I . -f nftables.conf; nft -I . -f nftables.conf"
    )
    asked = wished(to)
    results = run_steps(run(script, "".join(files.values())), *probes(to, asked))
    assert {flow for flow, arrived in zip(asked, results[1:], strict=True) if arrived} == promised(SECOND, to)


@pytest.mark.parametrize(("to", "family"), list(product(SIDES, (4, 6))))
def test_iptables_opens_the_devices_own_chain_to_packets(to: Audience, family: Family) -> None:
    program = "iptables" if family == 4 else "ip6tables"
    tool(f"{program}-restore")
    text = render("iptables", FIRST, to=to, ip=family)
    other = "iptables-ipv6.rules" if family == 4 else "iptables.rules"
    assert f"# IPv{10 - family} addresses: {other}" in text.splitlines()
    load = re.search(r": (ip6?tables-restore --noflush) FILE", text)
    assert load
    own = run(f"{program}-restore", iptables_own(to, family))
    once, save = command_in_head(text), f"{program}-save"
    arrived, listings = loaded_twice("iptables", to, family, own, load[1], once, save)
    assert arrived == [set(), *(promised(document, to, family) for document in (FIRST, SECOND, THIRD))]
    kept = [[line for line in each.splitlines() if line[:1] == "-" and "WARP" not in line] for each in listings]
    assert kept == [kept[0]] * 4 != [[]] * 4


# --- Devices as models. ---


def evolved(name: str, device: Device, to: Audience, family: Family | None = None) -> None:
    """The first two proofs. What stays is let in after every line that is loaded, once the device's rules are there."""
    others, in_force = device.others(), set[Flow]()
    assert others
    for document in (FIRST, FIRST, SECOND, SECOND, THIRD):
        text, wanted = render(name, document, to=to, ip=family), promised(document, to, family)
        stays = in_force & wanted

        def watch(loading: Device, stays: set[Flow] = stays) -> None:
            assert loading.lets_in() >= stays

        device.watch = watch if in_force else None
        device.load(text)
        if not in_force:
            device.once(text)
        in_force = device.lets_in()
        assert in_force == wanted
        assert device.others() == others


@pytest.mark.parametrize("to", SIDES)
def test_ios_replaces_its_groups_without_a_gap(to: Audience) -> None:
    evolved("cisco-acl", router(), to, 4)
    evolved("cisco-acl", router("ipv6 access-list"), to, 6)
    assert "! IPv6 addresses: cisco-acl-ipv6.txt" in render("cisco-acl", FIRST, to=to).splitlines()
    for text in (render("cisco-acl", FIRST, to=to), render("cisco-acl", SECOND, to=to)):
        lines = commented(text, "!")
        assert len(cisco_acl.Acl("\n".join(["ip access-list extended OUTSIDE", *lines]), platform="ios").items) == len(
            lines
        )


@pytest.mark.parametrize("ports", [[*range(10000, 10006), last] for last in (9, 99, 999, 9999)])
def test_a_name_is_as_long_as_every_device_allows_or_the_form_says_why_there_is_none(ports: list[int]) -> None:
    """IOS and ASA: 64 characters; Compute Engine: 63 (checked by its reader)."""
    document = inventory(ingress("six", "2001:db8:1::10", protocol="TCP", ports=ports))
    for name in ("cisco-acl", "cisco-asa", "gcp-firewall"):
        try:
            text = render(name, document, to=CUSTOMERS, ip=6)
        except NothingToListError as refused:
            assert "more ports than the name of a group can hold" in str(refused)
            continue
        names = re.findall(r"(?i)\bWARP-INGRESS-[\w-]+", text)
        assert names
        assert max(map(len, names)) <= (63 if name == "gcp-firewall" else 64)


@pytest.mark.parametrize("to", SIDES)
def test_asa_replaces_its_groups_without_a_gap(to: Audience) -> None:
    evolved("cisco-asa", asa(), to)


@pytest.mark.parametrize("to", SIDES)
def test_routeros_replaces_its_lists_without_a_gap(to: Audience) -> None:
    evolved("mikrotik", RouterOs(), to)


@pytest.mark.parametrize("to", SIDES)
def test_junos_replaces_its_prefix_lists(to: Audience) -> None:
    evolved("juniper", Junos(), to)


@pytest.mark.parametrize("to", ANYBODY)
def test_cube_trusts_what_is_ours_and_no_more_what_was(to: Audience) -> None:
    device = cube()
    assert isinstance(device, Cube)
    own = device.trusted()
    # The list cannot be replaced. What was announced and withdrawn goes once it is published as retired.
    withdrawn = {ip for ip, _, _ in promised(FIRST, to, 4)} - {each["address"] for each in SECOND["addresses"]}
    for document, left in ((FIRST, set[str]()), (FIRST, set[str]()), (SECOND, withdrawn), (SECOND, withdrawn)):
        device.load(render("cube", document, to=to))
        trusted = {f"ipv4 {ip} 255.255.255.255" for ip in {ip for ip, _, _ in promised(document, to, 4)} | left}
        assert device.trusted() == own | trusted
    gone = [each | {"status": "retired"} for each in FIRST["addresses"] if each["address"] in withdrawn]
    device.load(render("cube", inventory(*SECOND["addresses"], *gone), to=to))
    assert device.trusted() == own | {f"ipv4 {ip} 255.255.255.255" for ip, _, _ in promised(SECOND, to, 4)}
    assert "show ip address trusted list" in render("cube", SECOND, to=to)
    six = {ip for ip, _, _ in promised(SECOND, to, 6)}
    assert set(commented(render("cube", SECOND, to=to), "!")) == six, "the list has IPv4 only"


def accepted(to: Audience, document: Json) -> set[str]:
    return {ip for ip, _, _ in promised(document, to)}


@pytest.mark.parametrize("to", ANYBODY)
@pytest.mark.parametrize(("name", "columns"), [("kamailio-sql", "ip_addr, tag"), ("opensips-sql", "ip, context_info")])
def test_a_table_of_peers_keeps_all_that_is_not_ours(name: str, columns: str, to: Audience) -> None:
    """tests/database/test_peer_tables.py has the same on PostgreSQL with Kamailio's own schema."""
    ip, tag = columns.split(", ")
    base = sqlite3.connect(":memory:")
    base.execute(f"CREATE TABLE address (grp INTEGER, {ip} TEXT, mask INTEGER, port INTEGER, {tag} TEXT)")
    # Another carrier in the default group; our address under a name of theirs; a name that only looks like ours.
    own = [
        (1, "203.0.113.90", 32, 0, "carrier"),
        (1, "198.51.100.2", 32, 0, "mine"),
        (1, "203.0.113.91", 32, 0, "warpXegress:a"),
    ]
    base.executemany("INSERT INTO address VALUES (?, ?, ?, ?, ?)", own)
    if name == "kamailio-sql":  # as files before 2026-11-28 wrote them
        before = (
            [(1, each["address"], 32, 0, each["name"]) for each in FIRST["addresses"][5:7]] if to is VENDORS else []
        )
        base.executemany("INSERT INTO address VALUES (?, ?, ?, ?, ?)", before)
    for document in (FIRST, FIRST, SECOND, SECOND):
        base.executescript(render(name, document, to=to))
        rows = base.execute("SELECT * FROM address").fetchall()
        assert [row for row in rows if row in own] == own
        ours = [row for row in rows if row not in own]
        assert sorted(row[1] for row in ours) == sorted(accepted(to, document))
        assert {(row[0], row[2], row[3]) for row in ours} == {(1, 128 if ":" in row[1] else 32, 0) for row in ours}
        assert all(re.fullmatch(rf"warp-{to.label}:[A-Za-z0-9-]+", row[4]) for row in ours)
        assert all(len(row[4]) <= (64 if name == "kamailio-sql" else 32) for row in ours)
    base.close()


@pytest.mark.parametrize("to", ANYBODY)
def test_kamailio_accepts_what_the_inventory_has_after_each_update(to: Audience, tmp_path: Path) -> None:
    """As the head says: the whole file is made anew of the reader's own and ours, and loaded."""
    own, everything = "1 203.0.113.90 32 0 carrier\n", Audience.EVERYBODY
    asked = sorted(accepted(everything, FIRST) | accepted(everything, SECOND) | {"203.0.113.90", "203.0.113.91"})
    for number, document in enumerate((FIRST, SECOND)):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = read_kamailio(own + render("kamailio", document, to=to), folder, asked)
        assert sorted(found) == sorted(ranges(*accepted(to, document), "203.0.113.90"))


@pytest.mark.parametrize("to", ANYBODY)
def test_asterisk_gets_both_families_in_a_file_of_its_own(to: Audience) -> None:
    for document in (FIRST, SECOND):
        text = render("asterisk", document, to=to)
        assert {each.partition("/")[0] for each in read_asterisk(text)} == accepted(to, document)
        assert f"`#include warp-{to.label}.conf`" in text
        # res_pjsip_endpoint_identifier_ip.c, reload_module: the identify sections, and nothing else of pjsip.
        assert "; After each update: asterisk -rx 'module reload res_pjsip_endpoint_identifier_ip.so'" in text


@pytest.mark.parametrize("to", ANYBODY)
@pytest.mark.parametrize("name", ["addresses", "cidrs"])
def test_a_plain_list_is_one_that_firewalls_fetch(name: str, to: Audience) -> None:
    """pfSense and OPNsense (URL table), Palo Alto (external dynamic list of type IP), FortiGate (IP address threat
    feed): one address or range a line, both families, and no other line. They replace the list by what they fetch."""
    for document in (FIRST, SECOND):
        lines = render(name, document, to=to).splitlines()
        assert {str(ipaddress.ip_network(line).network_address) for line in lines} == accepted(to, document)
        assert len(lines) == len(set(lines))


# --- Siblings. ---


WITH_A_SIBLING = [
    (name, to)
    for name, form in FORMATS.items()
    if form.one_family and not form.ipv4_only
    for to in (SIDES if form.customers_too else (VENDORS,))
]


@pytest.mark.parametrize(("name", "to"), WITH_A_SIBLING)
def test_a_form_of_one_family_has_a_file_for_the_other_on_the_site_and_the_page(name: str, to: Audience) -> None:
    files = site(SECOND)
    four, six = [form.path for form in FORMS if (form.format, form.audience) == (name, to)]
    assert six == four.replace(".", "-ipv6.")
    for path, family in ((four, 4), (six, 6)):
        text = files[path].decode()
        for ip, _, _ in promised(SECOND, to):
            assert (ip in text) == (family == (6 if ":" in ip else 4))
        assert f'href="{path}"' in files["index.html"].decode()
    only = [each for each in FIRST["addresses"] if ":" not in each["address"]]
    without = site(inventory(*only))
    assert without[six].decode() == f"not available: no IPv6 address in use for {to}\n"
    assert six.rpartition("/")[2] not in without[four].decode()
