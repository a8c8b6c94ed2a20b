"""Trunk files together: what several trunks claim, the message of all problems, and many entries."""

from __future__ import annotations

import time
from ipaddress import ip_network
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as some

from benchmarks.trunk_texts import trunks
from components.trunk_acl.trunk_files import LISTED, TrunkFilesError, read
from settings.trunk_acl import Limits
from tests.cases import cases, size
from tests.unit.test_trunk_files import GOOD, item, one, refused, write

# --- between trunks ---------------------------------------------------------------------------------------------------

BETWEEN = {
    "a trunk twice": (item() + item(ranges="[]"), 6, "100234", "trunk main stands already in trunks/a.yaml:1"),
    "a range twice": (
        item() + item(trunk="u"), 10, "100234", "34.1.0.0/24 stands already in trunks/a.yaml:5",
    ),
    "two customers": (
        item() + item(ban='"2"'), 10, "2", "34.1.0.0/24 stands already in trunks/a.yaml:5",
    ),
    "inside another's": (
        item() + item(ban='"2"', ranges="[34.1.0.128/25]"), 10, "2",
        "34.1.0.128/25 overlaps 34.1.0.0/24 of BAN 100234 in trunks/a.yaml:5",
    ),
    "around another's": (
        item(ranges="[34.1.0.7]") + item(ban='"2"', ranges="[34.1.0.0/24]"), 5, "100234",
        "34.1.0.7/32 overlaps 34.1.0.0/24 of BAN 2 in trunks/a.yaml:10",
    ),
    "switched off": (
        item(ranges="[{range: 34.1.0.0/24, active: false}]") + item(ban='"2"', ranges="[34.1.0.7]"), 10, "2",
        "34.1.0.7/32 overlaps 34.1.0.0/24 of BAN 100234 in trunks/a.yaml:5",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BETWEEN)
def test_what_two_trunks_claim_is_reported_with_both_places(tmp_path: Path, case: str) -> None:
    content, line, ban, words = BETWEEN[case]
    assert one(tmp_path, content) == (line, ban, words)


@cases(100, least=60)
@given(
    some.lists(
        some.tuples(some.sampled_from("ABC"), some.integers(0, 255), some.sampled_from([24, 26, 28, 30, 32])),
        min_size=1, max_size=12, unique_by=lambda one: (one[1] >> (32 - one[2]), one[2]),
    )
)  # fmt: skip
def test_an_overlap_of_two_customers_is_found_wherever_it_is(
    tmp_path_factory: pytest.TempPathFactory, claims: list[tuple[str, int, int]]
) -> None:
    """The oracle compares all with all."""
    made = [
        (ban, ip_network(((34 << 24) | (host >> (32 - length) << (32 - length)), length)))
        for ban, host, length in claims
    ]
    content = "".join(
        item(ban=ban, trunk=f"t{place}", ranges=f"[{range_}]") for place, (ban, range_) in enumerate(made)
    )
    clash = any(
        first.overlaps(second)
        for place, (ban, first) in enumerate(made)
        for other, second in made[place + 1 :]
        if ban != other
    )
    folder = write(tmp_path_factory.mktemp("clash"), a=content)
    if not clash:
        read(folder, Limits())
        return
    with pytest.raises(TrunkFilesError) as failed:
        read(folder, Limits())
    assert all(" overlaps " in problem.reason for problem in failed.value.problems)


# --- the message ------------------------------------------------------------------------------------------------------


def test_all_problems_of_all_files_are_reported_in_the_order_of_files_and_lines(tmp_path: Path) -> None:
    bad = item(ban="1") + item(trunk="X") + item(trunk="y", ranges="[10.0.0.0/24, 34.0.0.0/8]")
    problems = refused(tmp_path, b=item(ban="2") + item(trunk="Z"), a=bad, c="nothing")
    assert [(each.file, each.line) for each in problems] == [
        *(("trunks/a.yaml", line) for line in (1, 7, 15, 15)),
        *(("trunks/b.yaml", line) for line in (1, 7)),
        ("trunks/c.yaml", 1),
    ]


def test_a_message_says_that_nothing_was_changed_and_ends_after_so_many(tmp_path: Path) -> None:
    ranges = "\n".join(f"    - 10.0.{number}.0/24" for number in range(LISTED + 5))
    with pytest.raises(TrunkFilesError) as failed:
        read(write(tmp_path, a=item(ranges=f"\n{ranges}")), Limits())
    lines = str(failed.value).split("\n")
    assert lines[0] == f"{LISTED + 5} entries of the trunk files cannot be used; nothing was changed"
    assert lines[1].startswith("  trunks/a.yaml:6: BAN 100234: 10.0.0.0/24 is in 10.0.0.0/8")
    assert lines[-1] == "  and 5 more"
    assert len(lines) == LISTED + 2


# --- size -------------------------------------------------------------------------------------------------------------


SQUARE = (
    60  # a square of ten times as much is a hundred times; what grows evenly was never more than 40, on a busy machine
)


def processor_seconds(folder: Path) -> float:
    began = time.process_time()
    read(folder, Limits())
    return time.process_time() - began


def ranges_of(count: int) -> str:
    return "\n".join(f"    - 34.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in range(count))


def test_ten_times_as_many_entries_take_about_ten_times_as_long(tmp_path: Path) -> None:
    """Of the processor's time, so that a busy machine is none of its business; a square would be a hundred times."""
    few, many = tmp_path / "few", tmp_path / "many"
    entries = size(100_000)
    for folder, count in ((few, entries // 10), (many, entries)):
        folder.mkdir()
        write(folder, a=item(ranges="\n" + ranges_of(count)))
    once, ten_times = (min(processor_seconds(each / "trunks") for _ in range(3)) for each in (few, many))
    assert ten_times < SQUARE * once


def test_a_hundred_thousand_keys_in_one_trunk_take_no_square_either(tmp_path: Path) -> None:
    def seconds(name: str, count: int) -> float:
        (tmp_path / name).mkdir()
        keys = "".join(f"  k{number}: 1\n" for number in range(count)) + "  k0: 1\n"
        folder = write(tmp_path / name, a=item(more=keys))

        def once() -> float:
            began = time.process_time()
            with pytest.raises(TrunkFilesError, match="'k0' is given twice"):
                read(folder, Limits())
            return time.process_time() - began

        return min(once() for _ in range(3))

    keys = size(100_000)
    assert seconds("many", keys) < SQUARE * seconds("few", keys // 10)


def test_what_the_reader_takes_is_what_pyyaml_takes(tmp_path: Path) -> None:
    """The same trunks by another way: the loader's own construction of values."""
    plain = yaml.safe_load(GOOD)
    found = trunks(read(write(tmp_path, a=GOOD), Limits()).customers)
    assert [(each["ban"], each["trunk"], each["callsPerSecond"]) for each in plain] == [
        (each.ban, each.name, each.calls_per_second) for each in found
    ]
