"""The ordered SQL files of the schema, and which of them a database still needs. Pure: touches no database."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from refusal import Refusal

FOLDER = Path(__file__).with_name("sql")
_BACK = "put the file back as it was; a change of the schema is a new file with the next number"
_FILE = re.compile(r"(?P<version>\d{4})_(?P<name>[a-z][a-z0-9_]*)\.sql")


@dataclass(frozen=True)
class Applied:
    """One row of the database's registry. `sha256` is of the file's bytes, in hexadecimal."""

    version: int
    name: str
    sha256: str

    @property
    def file(self) -> str:
        """The file's name."""
        return f"{self.version:04}_{self.name}.sql"


@dataclass(frozen=True)
class Migration(Applied):
    """One SQL file."""

    sql: str


def load(folder: Path = FOLDER) -> tuple[Migration, ...]:
    """The migrations in `folder`, in order. Raises `Refusal` when they are not numbered 1, 2, 3 and so on."""
    found = []
    for file in sorted(folder.glob("*.sql")):
        match = _FILE.fullmatch(file.name)
        if not match:
            raise Refusal(f"{file.name} is no migration's name", "name it as 0007_what_it_does.sql")
        content = file.read_bytes()
        found.append(
            Migration(int(match["version"]), match["name"], hashlib.sha256(content).hexdigest(), content.decode())
        )
    for place, migration in enumerate(found, start=1):
        if migration.version != place:
            raise Refusal(
                f"{migration.file} stands where {place:04}_ belongs", "number migrations without gap and without twins"
            )
    return tuple(found)


def pending(known: Sequence[Migration], applied: Sequence[Applied]) -> tuple[Migration, ...]:
    """What is left to apply, in order.

    Raises `Refusal` when what is applied is not the beginning of what is known: a file that was edited, renamed,
    taken away or put in between, or a database that a newer program has been at.
    """
    by_version: Mapping[int, Migration] = {migration.version: migration for migration in known}
    newest = known[-1].version if known else 0
    for row in applied:
        file = by_version.get(row.version)
        if row.version > newest:
            raise Refusal(
                f"the database is newer than the program: it has migration {row.file}, the program ends at {newest:04}",
                "run the program's newer version",
            )
        if file is None or file.name != row.name:
            here = f"; here {row.version:04} is {file.file}" if file else ""
            raise Refusal(f"the database has migration {row.file}, which is not here{here}", _BACK)
        if file.sha256 != row.sha256:
            raise Refusal(
                f"migration {row.file} was edited after it was applied (SHA-256 {row.sha256[:12]} then,"
                f" {file.sha256[:12]} now)",
                _BACK,
            )
    versions = [row.version for row in applied]
    if versions != list(range(1, len(versions) + 1)):
        missing = min(set(range(1, max(versions) + 1)) - set(versions))
        raise Refusal(
            f"the database's registry lacks migration {missing:04}, although later ones are there",
            "trunk_acl.migrations was changed by hand: restore the row, or the database from a backup",
        )
    return tuple(known[len(versions) :])
