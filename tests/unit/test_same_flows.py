"""Everything that an audience reads or loads opens the same (address, protocol, port) set."""

from __future__ import annotations

import json
import re
from typing import Any

import feedparser  # type: ignore[import-untyped]
import pytest

from inventory.formats import Audience
from inventory.formats.flows import opened
from inventory.reading import read
from tests.unit.published import EUROPE, LIVE, Json, signed
from tests.unit.state_goldens import EVERYTHING, stood_up
from tests.unit.test_devices import CUSTOMERS, FIRST, SECOND, VENDORS, promised
from tests.unit.test_formats import render
from tests.unit.test_sheets import cells, html_page, markdown_page
from tests.unit.test_site import site

Flows = set[tuple[str, str, int]]
DOCUMENTS = {"live": LIVE, "europe": EUROPE, "first": FIRST, "second": SECOND}


def flows(address: str, protocols: str, ports: str) -> Flows:
    """`UDP/TCP`, `5060, 5061`."""
    return {(address, each.lower(), int(port)) for each in protocols.split("/") for port in ports.split(", ")}


def of_sheet(page: Any, first_cell: str) -> Flows:
    """The table whose head begins with this word: its first three columns."""
    found, inside = Flows(), False
    for row in cells(page):
        if row[0] in ("Address", "To", "From", "Region"):
            inside = row[0] == first_cell
        elif inside and len(row) > 2 and re.fullmatch(r"(UDP|TCP)(/TCP)?", row[1]):
            found |= flows(*row[:3])
    return found


def of_page(page: Any, caption: str) -> Flows:
    """The tables with this word in the caption: an address, and `SIP UDP/TCP 5060`."""
    found = Flows()
    for table in page.iter("table"):
        if caption in "".join(table.find("caption").itertext()):
            for row in table.find("tbody").iter("tr"):
                told = re.search(r"SIP ([A-Z/]+) ([\d, ]+)", "".join(row.itertext()))
                assert told
                found |= flows(row.find(".//code").text, told[1], told[2].strip())
    return found


def of_feed(text: bytes, direction: str) -> Flows:
    """What entries of living addresses say: `192.0.2.1, region R, UDP/TCP 5060, PURPOSE`."""
    found = Flows()
    for entry in feedparser.parse(text).entries:
        told = re.search(r": (\S+), region \S+, ([A-Z/]+) ([\d, ]+), (Vendor|Customer)", entry.content[0].value)
        assert told
        if told[4] == direction and not entry.title.startswith("Retired"):
            found |= flows(told[1], told[2], told[3])
    return found


def of_ranges(document: Json, service: str) -> Flows:
    return {
        (str(each.get("ip_prefix") or each["ipv6_prefix"]).partition("/")[0], protocol.lower(), port)
        for key in ("prefixes", "ipv6_prefixes")
        for each in document[key]
        if each["service"] == service
        for protocol in each["protocol"].split("/")
        for port in each["ports"]
    }


def of_rules(document: Json, to: Audience) -> Flows:
    """The elements of the sets of nftables."""
    text = render("nftables", document, to=to)
    return {(ip, protocol, int(port)) for ip, protocol, port in re.findall(r"^  (\S+) \. (\w+) \. (\d+) ", text, re.M)}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_customers_open_the_same_whatever_they_read(document: Json) -> None:
    expected = promised(document, CUSTOMERS)
    assert expected
    files = site(document)
    assert of_rules(document, CUSTOMERS) == expected
    assert of_sheet(html_page(render("customer-sheet-html", document)), "To") == expected
    assert of_sheet(markdown_page(render("customer-sheet", document)), "To") == expected
    assert of_sheet(html_page(render("customer-guide", document)), "To") == expected
    assert of_page(html_page(files["index.html"].decode()), "Your firewall, outbound") == expected
    assert of_ranges(json.loads(files["ip-ranges.json"]), "INGRESS") == expected
    # The feed has events: of each address that had one, the same.
    told = of_feed(files["feed.xml"], "Customer")
    assert told == {flow for flow in expected if flow[0] in {ip for ip, _, _ in told}}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_vendors_open_the_same_whatever_they_read(document: Json) -> None:
    expected = promised(document, VENDORS)
    files = site(document)
    assert of_rules(document, VENDORS) == expected
    assert of_page(html_page(files["index.html"].decode()), "Our egress") == expected
    assert of_ranges(json.loads(files["ip-ranges.json"]), "EGRESS") == expected
    told = of_feed(files["feed.xml"], "Vendor")
    assert told == {flow for flow in expected if flow[0] in {ip for ip, _, _ in told}}


def test_the_outputs_open_what_the_rules_open() -> None:
    """Of a stack with everything: IPv6, announced addresses of both protocols, dedicated ones (of no public list)."""
    outputs = stood_up(EVERYTHING).outputs
    inventory = signed(outputs["ipInventory"])
    everybodys = signed(inventory | {"addresses": [a for a in inventory["addresses"] if "customer" not in a]})
    expected = promised(everybodys, CUSTOMERS)
    outbound = outputs["customerEndpoints"]["firewall"]["outbound"]
    assert {(each["to"], p.lower(), each["port"]) for each in outbound for p in each["protocols"]} == expected
    assert of_rules(everybodys, CUSTOMERS) == expected
    text = outputs["customerEndpoints"]["text"]
    for ip, _, port in [flow for flow in expected if flow[1] == "udp"]:
        socket = f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
        announced = rf"{re.escape(ip)} will answer .*; open your firewall to it now: UDP/TCP {port}"
        assert f"UDP/TCP to {socket}" in text or re.search(announced, text)
    inbound = outputs["customerEndpoints"]["firewall"]["inbound"]
    assert {each["from"].partition("/")[0] for each in inbound} == {ip for ip, _, _ in promised(everybodys, VENDORS)}


def test_the_rule_has_one_source() -> None:
    for document in DOCUMENTS.values():
        for inventory in read(json.dumps(document)):
            assert [opened(each) for each in inventory.addresses] == [each.opened for each in inventory.addresses]
