"""Who keeps rows: a stack whose `trunkAcl.owner` changes takes its rows along, and one that stops keeping trunks leaves
none behind. Rows that no file declares any more would go on letting calls in, and be nobody's to revoke."""

from __future__ import annotations

from components.trunk_acl.lock import Connection
from refusal import Refusal

# In the words of the messages.
_TABLES = {
    "trunks": "accounts.trunk_groups",
    "entries": "accounts.trunk_ips",
    "dedicated addresses": "accounts.customer_dedicated_ips",
    "reserved addresses": "trunk_acl.dedicated_addresses",
}


def hand_over(connection: Connection, before: str, now: str) -> int:
    """Make the rows of `before`, this stack's owner until now, those of `now`; how many they were.

    Raises `Refusal` where both have rows: `now` is another stack's, and its rows would be removed as this one's.
    """
    old, new = _count(connection, before), _count(connection, now)
    if before == now or not any(old.values()):
        return 0
    if any(new.values()):
        raise Refusal(
            f"trunkAcl.owner changes from {before} to {now}, and both have rows in the database: {before} has"
            f" {_words(old)}; {now} has {_words(new)}, which this update would remove",
            f"choose an owner that no stack has, or keep {before}. If {now} is no stack any more, give its rows back"
            f" first: {_sql(now, before)}",
        )
    with connection.transaction():
        for table in _TABLES.values():
            connection.execute(f"UPDATE {table} SET owner = %s WHERE owner = %s".encode(), (now, before))  # noqa: S608
    return sum(old.values())


def refuse_left_trunks(connection: Connection, owner: str) -> None:
    """Where no trunk files are configured, `owner` keeps neither trunks nor entries. Raises `Refusal` with both
    ways."""
    left = {what: count for what, count in _count(connection, owner).items() if what in ("trunks", "entries")}
    if any(left.values()):
        raise Refusal(
            f"trunkAcl.trunks is not set, but {_words(left)} of trunk files are in the database (owner {owner}): they"
            " would go on letting calls in, and nothing would keep them",
            "set trunkAcl.trunks again (a file with `[]` removes them); or, if the portal is to keep them from now on: "
            + _sql(owner, "portal", tuple(left)),
        )


def refuse_others(connection: Connection, owner: str) -> None:
    """Where the cloud's firewall admits only the customers of the trunk files, others keep no trunks and entries.
    Raises `Refusal` with their counts. After the files' own rows were written: a revocation does not wait for this."""
    if words := others(connection, owner):
        raise Refusal(
            f"ingress.admit is customers, but the database has rows that are not in the trunk files: {words}; the"
            " firewall would drop their callers in silence, and is left as it was",
            "move these rows to the trunk files, or set ingress.admit: everybody",
        )


def others(connection: Connection, owner: str) -> str:
    """Who else keeps trunks and entries, and how many: `portal: 1 trunk, 2 entries`; empty if there is none."""
    rows = connection.execute(_OTHERS, {"owner": owner}).fetchall()
    return "; ".join(
        f"{other}: " + ", ".join(f"{n} {what if n == 1 else plural}" for n, what, plural in _named(trunks, entries))
        for other, trunks, entries in rows
    )


def _named(trunks: int, entries: int) -> list[tuple[int, str, str]]:
    return [each for each in ((trunks, "trunk", "trunks"), (entries, "entry", "entries")) if each[0]]


_OTHERS = """
SELECT owner, sum(trunks)::bigint, sum(entries)::bigint FROM (
    SELECT owner, 1 AS trunks, 0 AS entries FROM accounts.trunk_groups WHERE owner <> %(owner)s
    UNION ALL SELECT owner, 0, 1 FROM accounts.trunk_ips WHERE owner <> %(owner)s
) AS kept GROUP BY owner ORDER BY owner
"""


def _count(connection: Connection, owner: str) -> dict[str, int]:
    counts = ", ".join(f"(SELECT count(*) FROM {table} WHERE owner = %(owner)s)" for table in _TABLES.values())  # noqa: S608
    row = connection.execute(f"SELECT {counts}".encode(), {"owner": owner}).fetchone()
    return dict(zip(_TABLES, row or (), strict=True))


def _words(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def _sql(owner: str, other: str, tables: tuple[str, ...] = tuple(_TABLES)) -> str:
    return "; ".join(f"UPDATE {_TABLES[each]} SET owner = '{other}' WHERE owner = '{owner}'" for each in tables)  # noqa: S608
