"""`python -m inventory render`: the published inventory as a table, and a plain word for everything else."""

from __future__ import annotations

import copy
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from inventory.formats import FORMATS, Audience
from tests.stacks import ROOT
from tests.unit.commands import called
from tests.unit.published import EUROPE, EUROPES_EGRESS, LIVE, NAT, UDP, address, endpoint, signed

ADDRESS: dict[str, Any] = {
    "purpose": "Vendor egress 1",
    "name": "warp-nat-ip-1",
    "address": "34.57.46.26",
    "kind": "NAT",
    "direction": "outbound",
    "protocol": "UDP/TCP",
    "ports": [5060, 5061],
    "region": "us-central1",
    "status": "active",
}
RETIRED = ADDRESS | {"name": "old", "address": "34.58.165.135", "status": "retired", "replacedBy": ["34.57.46.26"]}
INVENTORY: dict[str, Any] = signed({"schema": 1, "region": "us-central1", "addresses": [ADDRESS, RETIRED]})


def render(given: object, *options: str) -> subprocess.CompletedProcess[str]:
    text = given if isinstance(given, str) else json.dumps(signed(given))
    return called("inventory", "render", *options, given=text)


def test_the_table_has_a_row_for_every_address() -> None:
    done = render(INVENTORY)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "us-central1" in lines[0]
    (living,) = [line for line in lines if "warp-nat-ip-1" in line]
    for cell in ("Vendor egress 1", "34.57.46.26", "UDP/TCP 5060", "active"):
        assert cell in living
    (retired,) = [line for line in lines if "34.58.165.135" in line]
    assert "retired" in retired
    assert INVENTORY["digest"] in done.stdout


def test_each_of_several_regions_has_a_heading_above_its_addresses() -> None:
    east = ADDRESS | {"region": "us-east1", "name": "east", "address": "34.57.46.29"}
    lines = render(INVENTORY | {"addresses": [ADDRESS, east]}).stdout.splitlines()
    first, heading, second = (
        next(place for place, line in enumerate(lines) if word in line)
        for word in (ADDRESS["address"], "us-east1", "34.57.46.29")
    )
    assert first < heading < second
    assert sum(line.strip() == "us-central1" for line in lines) == 1
    alone = render(INVENTORY | {"addresses": [ADDRESS]}).stdout
    assert not [line for line in alone.splitlines() if line.strip() == "us-central1"]


def test_json_comes_out_as_it_went_in() -> None:
    assert json.loads(render(INVENTORY, "--format", "json").stdout) == INVENTORY


def test_brackets_in_a_purpose_are_text_and_not_style() -> None:
    done = render(INVENTORY | {"addresses": [ADDRESS | {"purpose": "Vendor [eu] [/x]"}]})
    assert (done.returncode, done.stderr) == (0, "")
    assert "Vendor [eu] [/x]" in done.stdout


@pytest.mark.parametrize(
    "given",
    [
        "",
        "{",
        "null",
        "5",
        "[]",
        '"schema"',
        "[" * 100_000,
        {"schema": 1},
        INVENTORY | {"schema": 2},
        INVENTORY | {"addresses": None},
        INVENTORY | {"addresses": "abc"},
        INVENTORY | {"addresses": [5]},
        INVENTORY | {"region": 5},
        INVENTORY | {"addresses": [ADDRESS | {"status": "unheard of"}]},
        INVENTORY | {"addresses": [ADDRESS | {"status": ["active"]}]},
        INVENTORY | {"addresses": [ADDRESS | {"ports": 5060}]},
        INVENTORY | {"addresses": [ADDRESS | {"address": 5}]},
        INVENTORY | {"addresses": [ADDRESS | {"replacedBy": [5]}]},
        INVENTORY | {"addresses": [ADDRESS | {"address": "34.57.46.26 0.0.0.0"}]},
        INVENTORY | {"addresses": [ADDRESS | {"address": "fe80::1%eth0\nevil"}]},
        INVENTORY | {"addresses": [ADDRESS | {"ports": ["5060"]}]},
        INVENTORY | {"addresses": [ADDRESS | {"ports": []}]},
        INVENTORY | {"addresses": [ADDRESS | {"protocol": "UDP\n"}]},
        INVENTORY | {"addresses": [ADDRESS | {"announcedOn": "soon"}]},
        {"one": INVENTORY, "two": 5},
        [INVENTORY, [INVENTORY]],
    ],
    ids=lambda given: json.dumps(given)[-60:],
)
def test_anything_else_is_refused_in_one_sentence(given: object) -> None:
    done = render(given)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "standard input is not an ipInventory of schema 1\n"
        "  -> pulumi stack output ipInventory --json | python -m inventory render\n"
    )


@pytest.mark.parametrize("edited", ["purpose", "name"])
@pytest.mark.parametrize("command", ["render", "site"])
def test_an_edited_inventory_is_refused(command: str, edited: str, tmp_path: Path) -> None:
    """Its digest would cover contents that were never published."""
    other = INVENTORY | {"addresses": [ADDRESS | {edited: "another"}, RETIRED]}
    more = ["--out", str(tmp_path / "site")] if command == "site" else []
    done = called("inventory", command, *more, given=json.dumps([LIVE, other]))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "standard input: the digest does not match the contents, so it was edited: the inventory of us-central1\n"
        f"  -> take it from the stack: pulumi stack output ipInventory --json | python -m inventory {command}\n"
    )
    assert not list(tmp_path.iterdir())


def test_the_table_shows_since_when_and_what_comes_next() -> None:
    coming = {"status": "announced", "announcedOn": "2026-01-01", "activeOn": "2026-02-01"}
    leaving = {"name": "b", "status": "draining", "drainedOn": "2026-03-01", "replacedBy": ["34.57.46.27"]}
    document = INVENTORY | {"addresses": [ADDRESS | coming, ADDRESS | leaving | {"address": "34.57.46.28"}]}
    words = " ".join(render(document).stdout.split())
    assert "announced" in words
    for reported in ("2026-01-01", "2026-02-01", "2026-03-01", "34.57.46.27"):
        assert reported in words


def test_a_terminal_obeys_nothing_in_a_purpose() -> None:
    assert "\x1b" not in render(INVENTORY | {"addresses": [ADDRESS | {"purpose": "\x1b[31mred\x07"}]}).stdout


EVERY_EGRESS = [*NAT, *EUROPES_EGRESS, "2001:db8::5"]


@pytest.mark.parametrize(
    "given",
    [
        [LIVE, EUROPE],
        {"prod": LIVE, "eu": EUROPE},
        [{"ipInventory": LIVE, "vendorWhitelist": {"schema": 1}}, EUROPE],
        {"prod": {"ipInventory": LIVE, "dns": {}}, "eu": {"ipInventory": EUROPE}},
    ],
    ids=["a list", "an object", "all outputs of a stack", "all outputs of several"],
)
def test_several_inventories_on_standard_input_are_one(given: object) -> None:
    assert render(given, "--format", "addresses").stdout.splitlines() == EVERY_EGRESS


def test_several_files_are_one(tmp_path: Path) -> None:
    for name, document in (("a.json", LIVE), ("b.json", EUROPE)):
        (tmp_path / name).write_text(json.dumps(document))
    done = render("", "--format", "addresses", str(tmp_path / "a.json"), str(tmp_path / "b.json"))
    assert (done.stdout.splitlines(), done.stderr) == (EVERY_EGRESS, "")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_bytes(b"\xff")
    for name, wrong in (("none.json", "No such file or directory"), ("bad.json", "is not an ipInventory of schema 1")):
        done = render("", str(tmp_path / name))
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(str(tmp_path / name))
        assert wrong in done.stderr


def test_whom_a_list_is_for_can_be_chosen() -> None:
    assert render(LIVE, "--format", "addresses").stdout.splitlines() == NAT
    chosen = render(LIVE, "--format", "addresses", "--for", "customers").stdout.splitlines()
    assert chosen == ["34.44.183.87", "34.55.182.145"]
    table = render(LIVE, "--for", "customers").stdout
    assert "kamailio-sip-udp-ip" in table
    assert "warp-nat-ip-1" not in table


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (("--format", "addresses", "--ip", "6"), "no IPv6 address in use for vendors"),
        (("--format", "iptables", "--for", "everybody"), "iptables is not for everybody"),
    ],
)
def test_what_cannot_be_listed_is_said_in_one_sentence(options: tuple[str, ...], wrong: str) -> None:
    done = render(LIVE, *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(wrong)
    assert "\n  -> choose with --for and --ip" in done.stderr


def test_help_and_docs_list_every_format() -> None:
    reported = render("", "--help").stdout
    page = (ROOT / "docs" / "formats.md").read_text()
    for name, form in FORMATS.items():
        assert f"  {name} " in reported
        assert f"| `{name}` |" in page
        assert form.about in reported


# --- dedicated addresses: shown to their customer only ---------------------------------------------------------------

OWN_ADDRESSES = {"100001": "198.51.100.1", "100002": "198.51.100.2"}


def with_dedicated() -> dict[str, Any]:
    given = copy.deepcopy(LIVE)
    for ban, ip in OWN_ADDRESSES.items():
        given["addresses"].append(address(f"sip-{ban}-ip", ip, "inbound", customer=ban))
        given["endpoints"].append(endpoint("dedicated", ip, ip, 5060, "UDP") | {"customer": ban})
    return given


CUSTOMERS_FORMATS = sorted(name for name, each in FORMATS.items() if Audience.CUSTOMERS in each.audiences)


@pytest.mark.parametrize("name", ["table", *sorted(FORMATS)])
def test_no_dedicated_address_is_public(name: str) -> None:
    audiences = FORMATS[name].audiences if name in FORMATS else (Audience.EVERYBODY,)
    for audience in audiences:
        done = render(with_dedicated(), "--format", name, "--for", audience)
        assert done.returncode == 0, done.stderr
        assert "198.51.100." not in done.stdout
        assert not [ban for ban in OWN_ADDRESSES if ban in done.stdout]


@pytest.mark.parametrize("name", ["table", *CUSTOMERS_FORMATS])
def test_a_customer_gets_its_own_and_no_other_customers(name: str) -> None:
    done = render(with_dedicated(), "--format", name, "--for", "customers", "--customer", "100001")
    assert done.returncode == 0, done.stderr
    assert "198.51.100.1" in done.stdout
    assert "198.51.100.2" not in done.stdout
    assert UDP in done.stdout, "the shared ones are everybody's"


def test_what_was_left_out_of_the_json_is_not_in_its_digest_either() -> None:
    reported = json.loads(render(with_dedicated(), "--format", "json", "--customer", "100002").stdout)
    rest = {key: value for key, value in reported.items() if key != "digest"}
    canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert reported["digest"] == f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def test_a_customer_without_a_dedicated_address_gets_an_error() -> None:
    done = render(with_dedicated(), "--customer", "100009")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("no dedicated address of BAN 100009\n  -> ")
