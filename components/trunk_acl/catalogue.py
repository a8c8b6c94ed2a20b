"""What the schema consists of, as PostgreSQL itself tells it, and how to put back what somebody changed by hand.

After every migration the catalogue is recorded beside the registry, in the same transaction. Drift is the difference
between that record and the catalogue of today. What can be said again (functions, views, constraints, indexes,
triggers, grants, comments, owners) is repaired from the record; what holds rows is not: there the reason is reported.
What no migration makes (rules, inheritance, row security and the like) differs by being there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

import psycopg

from components.trunk_acl.lock import Connection
from refusal import Refusal

_QUERY = Path(__file__).with_name("catalogue.sql").read_text(encoding="utf-8")

# What has to be there before what.
ORDER = (
    "schema", "table", "inheritance", "unlogged table", "row security", "policy", "replica identity",
    "sequence options", "column", "operator", "function", "view", "option", "rule", "constraint", "index", "trigger",
    "rows", "default privilege", "grant", "comment",
)  # fmt: skip
# Not recorded, and taken away: neither rows nor code are lost with it.
TAKEN_AWAY = (
    "inheritance", "unlogged table", "row security", "replica identity", "sequence options", "option",
    "default privilege", "grant",
)  # fmt: skip
# Not recorded, and for a person to judge. Indexes that are not unique and comments change nothing.
REFUSED = ("column", "policy", "operator", "function", "rule", "constraint", "trigger")
_OWNER = re.compile(r'owner ("(?:[^"]|"")+"|[^\s:]+)')
SERVER = "server PostgreSQL"
PASSES = 3  # what is made anew has lost its comment and its grants: they come in the next pass

# The registry of reserved ranges is data, and the safety of the ACL hangs on it.
_RESERVED = """
SELECT 'rows', 'trunk_acl.reserved_ranges', list, format('DELETE FROM trunk_acl.reserved_ranges;'
    ' INSERT INTO trunk_acl.reserved_ranges'
    ' SELECT * FROM jsonb_populate_recordset(NULL::trunk_acl.reserved_ranges, %L)', list), '', 0
FROM (SELECT coalesce(jsonb_agg(to_jsonb(r) ORDER BY range), '[]')::text FROM trunk_acl.reserved_ranges AS r)
    AS ranges (list)
"""


@dataclass(frozen=True)
class Thing:
    """One object, grant or comment. `create` and `drop`: SQL, empty where there is none; `place`: order of birth."""

    kind: str
    identity: str
    definition: str
    create: str
    drop: str
    place: int

    @property
    def name(self) -> str:
        """As a person would call it."""
        return f"{self.kind} {self.identity}"


def read(connection: Connection) -> dict[str, Thing]:
    """Everything of ours that the database has now, by name."""
    rows = connection.execute(_QUERY.encode()).fetchall()
    rows.append(("server", "PostgreSQL", str(connection.info.server_version // 10_000), "", "", 0))
    if connection.execute("SELECT to_regclass('trunk_acl.reserved_ranges')").fetchone() != (None,):
        rows += connection.execute(_RESERVED.encode()).fetchall()
    return {thing.name: thing for thing in (Thing(*row) for row in rows)}


def refuse_strangers(connection: Connection) -> None:
    """Raise `Refusal` when something stands where the migrations will build that they did not make.

    Only for a database without a registry: the schema may have been made by hand before.
    """
    found = sorted(thing.identity for thing in read(connection).values() if thing.kind in ("table", "view", "function"))
    if found:
        raise Refusal(
            f"{found[0]} is there already and was not made by these migrations"
            + (f" (nor {', '.join(found[1:])})" if found[1:] else ""),
            "move it out of the way with its rows, and copy them back afterwards: docs/trunk-acl.md, 'Existing tables'",
        )


def record(connection: Connection) -> None:
    """Write down the catalogue as it is; in the transaction of the migration that made it so."""
    connection.execute("DELETE FROM trunk_acl.catalogue")
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO trunk_acl.catalogue (kind, identity, definition, creation, removal, place)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            [astuple(thing) for thing in read(connection).values()],
        )


def recorded(connection: Connection) -> dict[str, Thing]:
    """The catalogue as the last migration left it, by name."""
    rows = connection.execute("SELECT kind, identity, definition, creation, removal, place FROM trunk_acl.catalogue")
    return {thing.name: thing for thing in (Thing(*row) for row in rows)}


def differences(before: Mapping[str, Thing], now: Mapping[str, Thing]) -> list[str]:
    """What was changed by hand, one line each. Pure."""
    return [
        *(f"{thing.name} {'was changed' if thing.name in now else 'is gone'}" for thing in _wrong(before, now)),
        *(f"{thing.name} was added" for thing in _extra(before, now)),
    ]


def repair(connection: Connection) -> list[str]:
    """Put back what differs from the record, in one transaction; what differed, one line each.

    Raises `Refusal` where only a person can: rows may be lost, or something unknown was added.
    """
    before = recorded(connection)
    now = read(connection)
    changes = differences(before, now)
    _refuse_what_a_person_must_do(before, now)
    try:
        with connection.transaction():
            for _ in range(PASSES):
                if not differences(before, now):
                    if before and before.get(SERVER) != now.get(SERVER):
                        record(connection)
                    return changes
                _put_back(connection, before, now)
                now = read(connection)
            left = differences(before, now)
            raise Refusal(f"after the repair it still differs: {left[0]}", "put it back yourself")
    except psycopg.Error as error:
        if isinstance(error, psycopg.OperationalError) or not changes:
            raise  # nothing that was changed by hand is in the way: a lost connection, a lock, a timeout
        raise Refusal(
            f"what was changed by hand cannot be put back ({changes[0]}): {error.diag.message_primary or error}",
            "put it back yourself; the definition that it should have is in trunk_acl.catalogue",
        ) from None


def _refuse_what_a_person_must_do(before: Mapping[str, Thing], now: Mapping[str, Thing]) -> None:
    for thing in _wrong(before, now):
        # All that is said of a table is its owner, which can be put back.
        if thing.kind == "column" or (thing.kind == "table" and thing.name not in now):
            found = now[thing.name].definition if thing.name in now else "gone"
            raise Refusal(
                f"{thing.name} was changed by hand: it should be `{thing.definition}` and is `{found}`",
                "rows may be lost: put it back yourself, or restore the database from a backup",
            )
    for thing in _extra(before, now):
        if thing.kind not in TAKEN_AWAY:
            raise Refusal(
                f"{thing.name} was added by hand: `{thing.definition}`",
                "it can change who gets in: drop it, or make it a migration",
            )


def _put_back(connection: Connection, before: Mapping[str, Thing], now: Mapping[str, Thing]) -> None:
    both = [*_wrong(before, now), *_extra(before, now)]
    for statement in (each for thing in sorted(both, key=_birth) for each in _repair(thing, before, now)):
        try:
            connection.execute(statement.encode())
        except psycopg.errors.InsufficientPrivilege as error:
            raise Refusal(
                f"what was changed by hand cannot be put back: {error.diag.message_primary}",
                f"as the owner or a superuser run: {statement}",
            ) from None


def _repair(thing: Thing, before: Mapping[str, Thing], now: Mapping[str, Thing]) -> Iterator[str]:
    was, is_now = before.get(thing.name), now.get(thing.name)
    if was and is_now and (owner := _owner(was)) != _owner(is_now):
        yield f"ALTER {thing.kind} {thing.identity} OWNER TO {owner}"
    if is_now and is_now.drop and thing.drop:
        yield thing.drop
    if was and not (is_now and was.kind in ("schema", "table")):
        yield was.create


def _owner(thing: Thing) -> str:
    found = _OWNER.match(thing.definition)
    return found[1] if found and thing.kind in ("schema", "table", "function", "view") else ""


def _wrong(before: Mapping[str, Thing], now: Mapping[str, Thing]) -> list[Thing]:
    """As it should be: what is gone or different, a table before its columns."""
    # Another major version may word the same thing differently; there, only what is gone can be told.
    same_words = before.get(SERVER) == now.get(SERVER)
    wrong = (
        was
        for name, was in before.items()
        if name != SERVER and (name not in now or (same_words and now[name].definition != was.definition))
    )
    return sorted(wrong, key=_birth)


def _birth(thing: Thing) -> tuple[int, int]:
    return ORDER.index(thing.kind), thing.place


def _extra(before: Mapping[str, Thing], now: Mapping[str, Thing]) -> list[Thing]:
    """What is not recorded, and can change who gets in or what can be written."""
    extra = (thing for name, thing in now.items() if name not in before)
    kinds = (*TAKEN_AWAY, *REFUSED)
    return [each for each in extra if each.kind in kinds or each.definition.startswith("CREATE UNIQUE INDEX ")]
