"""The table on narrow terminals: what people copy is whole, names fold, nothing is swallowed."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from inventory.table import ip_inventory_table
from tests.unit.published import LIVE, NAT, RETIRED, address

Json = dict[str, Any]
# As long as an IPv6 address can be, and a port as long as a port can be.
SIX = "2600:1900:4000:8f7d:1234:5678:abcd:ef12"
LONG = "northamerica-northeast1-dedicated-acme-corporation-100001"
DIGEST = f"sha256:{'0123456789abcdef' * 4}"
EVERY_STATE = [
    address("coming", "203.0.113.104", status="announced", announcedOn="2026-03-01", activeOn="2026-04-01"),
    address("leaving", "203.0.113.105", status="draining", drainedOn="2026-02-01", replacedBy=["203.0.113.104"]),
    address("gone", "203.0.113.106", status="retired", retiredOn="2026-01-31", replacedBy=NAT),
    address("here", "203.0.113.107", activeOn="2025-12-31"),
]
DEDICATED = [
    address(LONG, "198.51.100.200", "inbound", ports=[5060, 5061, 15080, 65535], customer="100001"),
    address("dedicated-globex", "198.51.100.201", "inbound", purpose="", customer="100002"),
]
SIXES = [
    address("kamailio-sip-udp-ip-v6", SIX, "inbound", protocol="UDP"),
    address("coming-v6", SIX.replace("ef12", "ef13"), status="announced", announcedOn="2026-03-01"),
    address("gone-v6", SIX.replace("ef12", "ef14"), status="retired", replacedBy=[SIX, SIX.replace("ef12", "ef13")]),
]


def regions(*names: str) -> list[Json]:
    return [each | {"region": name, "name": f"{name}-{each['name']}"} for name in names for each in LIVE["addresses"]]


INVENTORIES: dict[str, list[Json]] = {
    "live": LIVE["addresses"],
    "every state": EVERY_STATE,
    "dedicated": LIVE["addresses"] + DEDICATED,
    "IPv6": LIVE["addresses"] + SIXES,
    "several regions": regions("us-central1", "northamerica-northeast1") + SIXES,
    "all of it": [*LIVE["addresses"], *EVERY_STATE, *DEDICATED, *SIXES],
    "none": [],
}


def printed(addresses: list[Json], width: int) -> list[str]:
    out = io.StringIO()
    region = ", ".join(dict.fromkeys(each["region"] for each in addresses)) or "us-central1"
    inventory = LIVE | {"region": region, "addresses": addresses, "digest": DIGEST}
    Console(file=out, width=width, force_terminal=False).print(ip_inventory_table(inventory))
    return out.getvalue().splitlines()


def pieces(text: str, page: str) -> int:
    """Into how many pieces a text was folded."""
    count = 0
    while text:
        kept = next((text[:length] for length in range(len(text), 0, -1) if text[:length] in page), "")
        assert kept, f"{text} is not there"
        text, count = text[len(kept) :], count + 1
    return count


@pytest.mark.parametrize("width", [200, 120, 80, 60])
@pytest.mark.parametrize("kind", INVENTORIES)
def test_addresses_ports_and_status_are_never_cut(kind: str, width: int) -> None:
    addresses = INVENTORIES[kind]
    lines = printed(addresses, width)
    assert all(len(line) <= width for line in lines)
    page = "\n".join(lines)
    assert "…" not in page
    words = page.replace(",", " ").split()
    for each in addresses:
        own = [line.split() for line in lines if each["address"] in line.replace(",", " ").split()]
        # Its own line, not one of those where it replaces another.
        assert any({each["protocol"], each["status"]} <= {word.rstrip(",") for word in line} for line in own)
        for reported in (*map(str, each["ports"]), *each.get("replacedBy", ())):
            assert reported in words
        for date in ("announcedOn", "activeOn", "drainedOn", "retiredOn"):
            assert each.get(date, "") in page


@pytest.mark.parametrize("width", [120, 80, 60])
@pytest.mark.parametrize("kind", INVENTORIES)
def test_names_and_purposes_fold_and_lose_nothing(kind: str, width: int) -> None:
    page = "\n".join(printed(INVENTORIES[kind], width))
    for each in INVENTORIES[kind]:
        assert pieces(each["name"], page) <= 4
        assert all(word in page for word in (*each["purpose"].split(), each.get("customer", "")))
    assert pieces(DIGEST, page) <= 2


@pytest.mark.parametrize("width", [80, 60])
def test_each_of_several_regions_has_a_heading_in_one_line_above_its_addresses(width: int) -> None:
    lines = [line.strip() for line in printed(regions("us-central1", "northamerica-northeast1"), width)]
    first, second = lines.index("us-central1"), lines.index("northamerica-northeast1")
    found = [place for place, line in enumerate(lines) if NAT[0] in line and "active" in line]
    assert first < found[0] < second < found[1]
    assert sum("Status" in line for line in lines) == 1


def test_on_eighty_columns_an_ipv4_address_and_its_name_are_in_one_line() -> None:
    (line,) = [line for line in printed(LIVE["addresses"], 80) if "warp-nat-ip-3" in line]
    assert NAT[2] in line
    (line,) = [line for line in printed(LIVE["addresses"], 80) if RETIRED[1] in line]
    assert "retired" in line


def test_on_a_terminal_as_narrow_as_an_address_there_is_one_column() -> None:
    lines = [line.rstrip() for line in printed(SIXES, len(SIX))]
    assert SIX in lines
    assert "UDP 5060" in lines
    assert "announced on 2026-03-01" in lines


@pytest.mark.parametrize("width", [80, 60, 30])
def test_markup_and_what_a_terminal_would_obey_are_text_in_every_layout(width: int) -> None:
    hostile = address("[red]x[/]", "192.0.2.1", purpose="Vendor [eu] [/x] \x1b[31m")
    assert {"[red]x[/]", "[eu]", "[/x]", "?[31m"} <= set(" ".join(printed([hostile], width)).split())
