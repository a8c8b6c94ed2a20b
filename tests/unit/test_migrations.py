"""The migration files and what a database still needs: pure, no database."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from components.trunk_acl.migrations import FOLDER, Applied, Migration, load, pending
from refusal import Refusal


def migration(version: int, name: str = "step", sha256: str = "") -> Migration:
    return Migration(version, name, sha256 or f"{version:064x}", f"-- {version}")


def applied(*migrations: Migration) -> list[Applied]:
    return [Applied(each.version, each.name, each.sha256) for each in migrations]


FIVE = tuple(migration(number) for number in range(1, 6))


def test_the_program_s_own_files_are_numbered_and_hashed_by_their_bytes() -> None:
    known = load()
    assert [each.version for each in known] == list(range(1, len(known) + 1))
    for each in known:
        content = (FOLDER / each.file).read_bytes()
        assert each.sha256 == hashlib.sha256(content).hexdigest()
        assert each.sql.encode() == content


@pytest.mark.parametrize(
    "statement", ["DROP TABLE", "DROP SCHEMA", "DROP COLUMN", "TRUNCATE ACCOUNTS", "BEGIN;", "COMMIT"]
)
def test_no_file_drops_anything_or_ends_its_own_transaction(statement: str) -> None:
    for each in load():
        code = "\n".join(line.partition("--")[0] for line in each.sql.upper().splitlines())
        assert statement not in code, each.file


def test_files_are_loaded_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("0003_c.sql", "0001_a.sql", "0002_b2_x.sql"):
        (tmp_path / name).write_text(f"-- {name} ü", encoding="utf-8")
    (tmp_path / "README.md").touch()
    assert [each.file for each in load(tmp_path)] == ["0001_a.sql", "0002_b2_x.sql", "0003_c.sql"]
    assert load(tmp_path)[0].sql == "-- 0001_a.sql ü"


def test_an_empty_folder_has_no_migrations(tmp_path: Path) -> None:
    assert load(tmp_path) == ()


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["0002_a.sql"], r"0002_a\.sql stands where 0001_ belongs"),
        (["0001_a.sql", "0003_c.sql"], r"0003_c\.sql stands where 0002_ belongs"),
        (["0001_a.sql", "0001_b.sql"], r"0001_b\.sql stands where 0002_ belongs"),
        (["1_a.sql"], r"1_a\.sql is no migration's name"),
        (["0001_A.sql"], "is no migration's name"),
        (["0001-a.sql"], "is no migration's name"),
        (["0001_a.sql", "notes.sql"], r"notes\.sql is no migration's name"),
    ],
)
def test_a_gap_a_duplicate_or_a_stray_file_is_refused_by_name(tmp_path: Path, names: list[str], words: str) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(Refusal, match=words):
        load(tmp_path)


def test_a_byte_more_is_another_hash(tmp_path: Path) -> None:
    file = tmp_path / "0001_a.sql"
    file.write_bytes(b"SELECT 1;\n")
    before = load(tmp_path)[0].sha256
    file.write_bytes(b"SELECT 1;\r\n")
    assert load(tmp_path)[0].sha256 != before


@given(some.integers(0, 5))
def test_what_is_left_is_what_comes_after_what_is_applied(count: int) -> None:
    assert pending(FIVE, applied(*FIVE[:count])) == FIVE[count:]


EDITED = dataclasses.replace(FIVE[1], sha256="f" * 64)
RENAMED = dataclasses.replace(FIVE[1], name="other")


@pytest.mark.parametrize(
    ("known", "rows", "words"),
    [
        (
            FIVE,
            applied(FIVE[0], EDITED),
            r"0002_step\.sql was edited after it was applied \(SHA-256 f{12} then, 0{12} now\)",
        ),
        (
            FIVE,
            applied(FIVE[0], RENAMED),
            r"has migration 0002_other\.sql, which is not here; here 0002 is 0002_step\.sql",
        ),
        (FIVE[:4], applied(*FIVE), "newer than the program"),
        ((), applied(FIVE[0]), "newer than the program"),
        (FIVE, applied(FIVE[0], FIVE[2]), "registry lacks migration 0002"),
        (FIVE, applied(FIVE[1]), "registry lacks migration 0001"),
        (FIVE, [Applied(0, "zero", "0" * 64), *applied(FIVE[0])], r"0000_zero\.sql, which is not here"),
        (FIVE, [Applied(-1, "x", "0" * 64)], "which is not here"),
    ],
)
def test_a_past_that_is_not_the_beginning_of_the_program_is_refused(
    known: tuple[Migration, ...], rows: list[Applied], words: str
) -> None:
    with pytest.raises(Refusal, match=words) as refused:
        pending(known, rows)
    assert "\n  -> " in str(refused.value)


@given(some.data())
def test_any_single_change_of_the_past_is_noticed(data: some.DataObject) -> None:
    count = data.draw(some.integers(2, 5))
    place = data.draw(some.integers(0, count - 1))
    rows = applied(*FIVE[:count])
    match data.draw(some.sampled_from(["edit", "rename", "renumber", "remove"])):
        case "edit":
            rows[place] = dataclasses.replace(rows[place], sha256="e" * 64)
        case "rename":
            rows[place] = dataclasses.replace(rows[place], name="other")
        case "renumber":
            rows[place] = dataclasses.replace(rows[place], version=data.draw(some.integers(6, 99)))
        case _ if place < count - 1:  # without the last row it is an older database, which is fine
            del rows[place]
        case _:
            return
    with pytest.raises(Refusal):
        pending(FIVE, rows)
