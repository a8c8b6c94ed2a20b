"""The shell example of docs/formats.md, as it is there: fetch, check, load, verify, from the sandbox's bucket."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from inventory.formats import FORMATS, Audience
from inventory.formats.documents import DOCUMENTS
from inventory.site.files import FORMS
from tests.stacks import ROOT
from tests.unit import firewall_probe, timer_probe
from tests.unit.format_readers import tool
from tests.unit.published import Json, address
from tests.unit.test_devices import FIRST, SECOND, VENDORS, inventory, nft_own, promised
from tests.unit.test_formats import render

LISTED = "nft -j list ruleset"
JUMP = "nft insert rule inet filter input jump warp_egress"
# After the ruleset is gone, the chain has to be there for the line that jumps to it.
JUMP_AGAIN = f"nft add chain inet filter warp_egress; {JUMP}"
# The bucket is on the same machine.
LOOPBACK = "nft insert rule inet filter input ip saddr 127.0.0.1 accept"


def example(folder: Path) -> str:
    """The script on the page; of its two settings, the list's URL is the sandbox's and the folder is ours."""
    (text,) = re.findall(r"^```sh\n(.+?)^```$", (ROOT / "docs" / "formats.md").read_text(), re.DOTALL | re.MULTILINE)
    text, urls = re.subn(r"^url=\S+$", "url=URL", text, flags=re.MULTILINE)
    text, folders = re.subn(r"^folder=\S+$", f"folder={folder}", text, flags=re.MULTILINE)
    assert (urls, folders) == (1, 1)
    assert len(text.splitlines()) <= 20
    return text


def let_in(listing: str) -> set[tuple[str, str, int]]:
    entries = json.loads(listing)["nftables"]
    return {
        tuple(element["elem"]["val"]["concat"]) for entry in entries for element in entry.get("set", {}).get("elem", ())
    }


def unnumbered(listing: str) -> str:
    """Without the handles, which are new with every load."""
    return re.sub(r'"handle": \d+', "", listing)


def rules(listing: str) -> list[str]:
    entries = [entry["rule"] for entry in json.loads(listing)["nftables"] if "rule" in entry]
    return [json.dumps(each["expr"]) for each in entries if "warp_egress" not in json.dumps(each)]


def test_the_example_brings_a_machine_up_to_date_and_keeps_the_last_list_when_anything_is_wrong() -> None:
    tool("nft")
    tool("ip")
    tool("curl")
    script, first, second = example(Path("warp")), render("nftables", FIRST), render("nftables", SECOND)
    text = timer_probe.run(f"cat > own.nft <<'END'\n{nft_own(VENDORS)}END\nnft -f own.nft; {LOOPBACK}")
    again, listed = timer_probe.run(script), timer_probe.run(LISTED)
    # After this line the file is valid for nft, and would leave our chain without a rule.
    no_rules = "flush chain inet filter warp_egress\n"
    results = timer_probe.run_steps(
        text, timer_probe.published(first), again, timer_probe.run(JUMP), again, listed,
        timer_probe.published(second),
        timer_probe.lossy("ip saddr", known_length=True), again, listed,
        timer_probe.lossy(no_rules, known_length=False), again, listed,
        timer_probe.lossy("", known_length=True), again, listed, again,
        timer_probe.published("not available: no address in use for vendors\n"), again, listed,
        timer_probe.published(second.replace("add rule", "add role")), again, listed,
        timer_probe.published(second), timer_probe.run("nft flush chain inet filter warp_egress"), again, listed,
        timer_probe.run(f"nft flush ruleset; nft -f own.nft; {LOOPBACK}; {JUMP_AGAIN}"),
        timer_probe.published(first), timer_probe.lossy("ip saddr", known_length=True), again, listed,
        timer_probe.published(second), timer_probe.lossy("", known_length=True),
        timer_probe.run("rm warp/good.nft"), again,
        timer_probe.run(f"nft flush chain inet filter input; {LOOPBACK}"), again,
    )  # fmt: skip
    ran = iter(results)

    def expect(status: int, error: str = "", answers: tuple[int, ...] = ()) -> Json:
        found: Json = next(ran)
        assert (found["status"], bool(re.search(error, found["error"])), found["answers"]) == (
            status, True, list(answers)), found  # fmt: skip
        return found

    expect(0)
    expect(1, "no jump to warp_egress", (200,))
    expect(0)
    expect(0, "^$", (304,))
    before = expect(0)["out"]
    assert let_in(before) == promised(FIRST, VENDORS)
    expect(1, "no complete download; the last good list is in force", (200,))
    assert unnumbered(expect(0)["out"]) == unnumbered(before)
    expect(1, "not a complete list", (200,))
    assert unnumbered(expect(0)["out"]) == unnumbered(before)
    expect(0, "^$", (200,))
    after = expect(0)["out"]
    assert let_in(after) == promised(SECOND, VENDORS)
    assert rules(after) == rules(before) != []
    expect(0, "^$", (304,))
    for why in ("not a complete list", "nft refuses the new list"):
        expect(1, why, (200,))
        assert let_in(expect(0)["out"]) == promised(SECOND, VENDORS)
    expect(0)
    expect(0, "^$", (304,))
    restored = expect(0)["out"]
    assert restored.count("@warp_egress_v") == 2, "another program emptied the chain"
    expect(0)
    expect(1, "no complete download; the last good list is in force", (200,))
    assert let_in(expect(0)["out"]) == promised(SECOND, VENDORS), "after a restart, with the server away"
    expect(0)
    expect(0, "^$", (200,))
    expect(0)
    expect(1, "no jump to warp_egress", (304,))
    assert next(ran, None) is None


PLAIN = {"addresses", "cidrs", "csv"}
FREE_TEXT = {form.name for form in DOCUMENTS}  # not loaded by programs
LOADED = [(name, to) for name, form in FORMATS.items() if name not in PLAIN | FREE_TEXT for to in form.audiences]


@pytest.mark.parametrize(("name", "to"), LOADED)
def test_a_file_that_ends_too_early_is_seen_by_its_last_line(name: str, to: Audience) -> None:
    ends = inventory(
        *FIRST["addresses"],
        *(address(text, f"198.51.100.{n}", purpose=text) for n, text in enumerate(("]", "}", "End of WARP"), start=50)),
    )
    for document in (FIRST, SECOND, ends):
        lines = render(name, document, to=to).splitlines()
        assert lines.count(lines[-1]) == 1
        closing = lines[-1] in ("]", "}", "</include>")
        assert closing or lines[-1].endswith(f" End of WARP {to.label} addresses")


@pytest.mark.parametrize("name", FORMATS)
def test_the_page_has_a_row_for_each_format_with_its_files_and_audiences(name: str) -> None:
    page = (ROOT / "docs" / "formats.md").read_text()
    (row,) = re.findall(rf"^\| `{name}` \|.*\|$", page, re.MULTILINE)
    cells = row.strip("| ").split(" | ")
    forms = [form for form in FORMS if form.format == name]
    audiences = ", ".join(dict.fromkeys(str(form.audience) for form in forms))
    if len(cells) == 4:  # plain lists and documents
        assert cells[2] == audiences
        return
    files = {form.path.rpartition("/")[2] for form in forms}
    assert (set(re.findall(r"`([^`]+)`", cells[2])), cells[3]) == (files, audiences)


@pytest.mark.parametrize("upto", ["-j ACCEPT\n", "COMMIT"])
def test_iptables_changes_nothing_without_the_end_of_the_file(upto: str) -> None:
    tool("iptables-restore")
    tool("ip")
    first, second = render("iptables", FIRST), render("iptables", SECOND)
    load = "iptables-restore --noflush"
    before, after = firewall_probe.run_steps(
        firewall_probe.run(load, first),
        firewall_probe.run("iptables-save"),
        firewall_probe.run(f"! {load}", second[: second.index(upto)]),
        firewall_probe.run("iptables-save"),
    )[1::2]
    rules = [[line for line in listing.splitlines() if line.startswith("-A")] for listing in (before, after)]
    assert rules[0] == rules[1] != []
