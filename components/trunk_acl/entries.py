"""The rows that trunk files declare: read back, and reconciled in one transaction.

Rows of another owner (the portal's) are neither read nor touched; they are in the way only where a range overlaps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_network

import psycopg

from components.trunk_acl.lock import Connection, Cursor
from components.trunk_acl.places import of_range, of_trunk
from refusal import Refusal, some
from trunk_removal import Allowed, Removal, removal, unconfirmed
from trunk_text import by_trunk, header

_Where = Callable[[str, str], str]  # range and BAN -> ` (trunks/a.yaml:9)`; empty where it is in no file


@dataclass(frozen=True)
class Reconciled:
    """Rows that were written; trunks and their entries together."""

    added: int
    changed: int
    removed: int


def read(connection: Connection, owner: str, bans: Sequence[str] | None = None) -> dict[str, str]:
    """BAN -> the text of the trunks that `owner` keeps; all, or those of these customers."""
    found = dict[str, list[tuple[str, str]]]()
    for ban, name, auth_type, calls_per_second, concurrent_calls, active, entries in connection.execute(
        _READ, {"owner": owner, "bans": bans}
    ):
        first = header(name, auth_type, calls_per_second, concurrent_calls, active=active)
        # PostgreSQL writes the end of some IPv6 addresses as IPv4, `::ffff:0.0.0.0/96`.
        ranges = _IPV4_AT_THE_END.sub(lambda match: str(ip_network(match[0])), entries or "")
        found.setdefault(ban, []).append((name, f"{first}{ranges}"))
    return {ban: "\n".join(text for _, text in sorted(found[ban])) for ban in sorted(found)}


def reconcile(
    connection: Connection,
    owner: str,
    wanted: Mapping[str, str],
    places: Mapping[str, str],
    allowed: Allowed | None = None,
) -> Reconciled:
    """Make the rows of `owner` exactly these, all or nothing.

    `wanted`: BAN -> text of its trunks (`trunk_text.py`). `places`: where all is declared (`places.py`), for
    errors. `allowed`: what may be removed, None for anything. Raises `Refusal` for more than that, for an unknown BAN,
    for a range that the database refuses, and for a trunk that cannot go because others keep entries in it; then
    nothing is changed.
    """
    with connection.transaction(), connection.cursor() as cursor:
        _copy(cursor, wanted)
        # After a large load and before autovacuum comes by, the planner would still think that the tables are empty.
        cursor.execute("ANALYZE accounts.trunk_groups, accounts.trunk_ips")
        _refuse_unknown_customers(cursor, places)
        if allowed and (words := unconfirmed(_removal(connection, owner, wanted), allowed)):
            raise Refusal(*words)
        values, where = {"owner": owner}, partial(_where, places, wanted)
        _refuse_shared_trunks(cursor, owner)
        # Removals first: a range may move from one trunk or customer to another in one go.
        removed = cursor.execute(_REMOVE_ENTRIES, values).rowcount + cursor.execute(_REMOVE_TRUNKS, values).rowcount
        changed = cursor.execute(_CHANGE_TRUNKS, values).rowcount + cursor.execute(_CHANGE_ENTRIES, values).rowcount
        try:
            with connection.transaction():  # so that the other trunk can still be asked for
                added = cursor.execute(_ADD_TRUNKS, values).rowcount + cursor.execute(_ADD_ENTRIES, values).rowcount
        except psycopg.errors.ExclusionViolation as error:
            raise Refusal(
                _overlap(cursor, error, where), "a range has one customer: take it from the other first"
            ) from None
        except psycopg.errors.CheckViolation as error:
            raise Refusal(_unfit(error, where), error.diag.message_hint or "correct the trunk file") from None
        except psycopg.errors.UniqueViolation as error:
            wrong = _taken(cursor, error, places, where)
            raise Refusal(wrong, "the portal keeps it: remove it there, or from the trunk file") from None
    return Reconciled(added, changed, removed)


def set_limits(connection: Connection, widest_ipv4: int, widest_ipv6: int, allowed: Iterable[str]) -> None:
    """Have the database refuse what is wider, and what is reserved unless inside `allowed`.

    Raises `Refusal` when an entry that is there would not be accepted any more; then nothing is changed.
    """
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO trunk_acl.limits AS now (widest_ipv4, widest_ipv6) VALUES (%(four)s, %(six)s)"
            " ON CONFLICT (only_row) DO UPDATE SET widest_ipv4 = %(four)s, widest_ipv6 = %(six)s"
            " WHERE (now.widest_ipv4, now.widest_ipv6) <> (%(four)s, %(six)s)",
            {"four": widest_ipv4, "six": widest_ipv6},
        )
        changed = cursor.rowcount
        ranges = list(allowed)
        cursor.execute("DELETE FROM trunk_acl.allowed_ranges WHERE range <> ALL (%s::cidr[])", (ranges,))
        changed += cursor.rowcount
        cursor.execute(
            "INSERT INTO trunk_acl.allowed_ranges SELECT unnest(%s::cidr[]) ON CONFLICT DO NOTHING", (ranges,)
        )
        if not changed:  # more allowed than before makes nothing unfit
            return
        unfit = cursor.execute(
            "SELECT ban, trunk_acl.unfit(cidr) FROM accounts.trunk_ips WHERE trunk_acl.unfit(cidr) IS NOT NULL"
            " ORDER BY cidr LIMIT 1"
        ).fetchone()
        if unfit:
            raise Refusal(
                f"the limits would refuse an entry that is there: BAN {unfit[0]}, {unfit[1]}",
                "remove such entries first, or keep trunkAcl.limits as they were",
            )


def limits(connection: Connection) -> tuple[int, int, list[str]]:
    """Widest IPv4 and IPv6 prefix, and the reserved ranges that are allowed, sorted."""
    row = connection.execute(
        "SELECT widest_ipv4, widest_ipv6, ARRAY(SELECT range::text FROM trunk_acl.allowed_ranges ORDER BY range)"
        " FROM trunk_acl.limits"
    ).fetchone()
    return row or (0, 0, [])


def _copy(cursor: Cursor, wanted: Mapping[str, str]) -> None:
    cursor.execute(_WANTED)
    with cursor.copy("COPY pg_temp.wanted_trunks FROM STDIN") as copy:
        for trunk, _ in by_trunk(wanted):
            copy.write_row(
                (trunk.ban, trunk.name, trunk.auth_type, trunk.calls_per_second, trunk.concurrent_calls, trunk.active)
            )
    with cursor.copy("COPY pg_temp.wanted_entries FROM STDIN") as copy:
        for trunk, entries in by_trunk(wanted):
            for range_, active in entries:
                copy.write_row((trunk.ban, trunk.name, range_, active))
    cursor.execute("ANALYZE pg_temp.wanted_trunks, pg_temp.wanted_entries")


def _removal(connection: Connection, owner: str, wanted: Mapping[str, str]) -> Removal:
    """Counted in the rows that are there: the state knows of none after it was lost, or after a run that was killed."""
    losing = [str(ban) for (ban,) in connection.execute(_LOSING, {"owner": owner})]
    if not losing:
        return Removal(0, 0, (), ())
    row = connection.execute(_LIVE, {"owner": owner}).fetchone()
    found = removal(read(connection, owner, losing), {ban: wanted[ban] for ban in losing if ban in wanted})
    return replace(found, total=row[0] if row else 0)


def _refuse_unknown_customers(cursor: Cursor, places: Mapping[str, str]) -> None:
    rows = cursor.execute(
        "SELECT DISTINCT w.ban FROM pg_temp.wanted_trunks AS w"
        " WHERE NOT EXISTS (SELECT FROM accounts.customers AS c WHERE c.ban = w.ban) ORDER BY 1"
    ).fetchall()
    if rows:
        listed = [f"{ban} ({places.get(str(ban), 'in no file')})" for (ban,) in rows]
        raise Refusal(
            f"no such customer in accounts.customers: BAN {some(listed, 5)}",
            "create the customer first, or correct the BAN in the trunk file",
        )


def _refuse_shared_trunks(cursor: Cursor, owner: str) -> None:
    """A trunk that leaves the files while others' entries are in it: those would have no trunk any more."""
    rows = cursor.execute(_SHARED, {"owner": owner}).fetchall()
    if rows:
        listed = "; ".join(
            f"trunk {name} of BAN {ban}: {ranges} ({keepers})" for ban, name, ranges, keepers in rows[:5]
        )
        more = f"; and {len(rows) - 5} more trunks" if len(rows) > 5 else ""
        raise Refusal(
            f"trunks leave the trunk files, but others keep entries in them: {listed}{more}",
            "remove these entries first, where they are kept; or keep the trunk in its file, with `ranges: []` (and"
            " `active: false` to switch it off with all its entries)",
        )


def _overlap(cursor: Cursor, error: psycopg.Error, where: _Where) -> str:
    """`Key (cidr, ban)=(a, x) conflicts with existing key (cidr, ban)=(b, y).`"""
    keys = [part.partition(")")[0] for part in (error.diag.message_detail or "").split("=(")[1:]]
    if len(keys) != 2:
        return error.diag.message_primary or str(error)
    (range_, ban), (other, other_ban) = (key.split(", ") for key in keys)
    return f"BAN {ban}{where(range_, ban)}: {range_} overlaps {other} of BAN {other_ban}{_keeper(cursor, other)}"


def _unfit(error: psycopg.Error, where: _Where) -> str:
    """The primary message says why, `range refused: a is ...`, and the detail `BAN x`."""
    who, why = error.diag.message_detail or "", error.diag.message_primary or ""
    range_ = why.removeprefix("range refused: ").partition(" ")[0]
    return f"{who}{where(range_, who.removeprefix('BAN '))}: {why}"


def _taken(cursor: Cursor, error: psycopg.Error, places: Mapping[str, str], where: _Where) -> str:
    """`Key (cidr)=(a) already exists.` or `Key (ban, name)=(x, y) already exists.`"""
    what = (error.diag.message_detail or error.diag.message_primary or "").removeprefix("Key ").rstrip(".")
    first, _, trunk = what.partition("=(")[2].partition(")")[0].partition(", ")
    wrong = f"a row that trunk files do not keep is in the way: {what}"
    if not trunk:
        return f"{wrong}{where(first, '')}{_keeper(cursor, first)}"
    place = of_trunk(places, first, trunk)
    return f"{wrong} ({place})" if place else wrong


def _keeper(cursor: Cursor, range_: str) -> str:
    """The trunk that has this range now: for operators. Empty when it is one of this update's own."""
    row = cursor.execute(
        "SELECT g.name, i.owner FROM accounts.trunk_ips AS i JOIN accounts.trunk_groups AS g ON g.id = i.trunk_group_id"
        " WHERE i.cidr = %s::cidr",
        (range_,),
    ).fetchone()
    return f", trunk {row[0]}, kept by {row[1]}" if row else ""


def _where(places: Mapping[str, str], wanted: Mapping[str, str], range_: str, ban: str) -> str:
    """Of a range as PostgreSQL writes it, or else of its customer."""
    try:
        place = of_range(places, wanted, ip_network(range_)) or of_trunk(places, ban)
    except ValueError:
        place = of_trunk(places, ban)
    return f" ({place})" if place else ""


# cidr sorts as in the texts: by family, then by first address, then by length.
_READ = """
SELECT g.ban, g.name, g.auth_type, g.calls_per_second, g.concurrent_calls, g.active, string_agg(
    E'\\n  ' || i.cidr::text || CASE WHEN i.active THEN '' ELSE ' off' END, '' ORDER BY i.cidr
)
FROM accounts.trunk_groups AS g
LEFT JOIN accounts.trunk_ips AS i ON i.trunk_group_id = g.id AND i.owner = g.owner
WHERE g.owner = %(owner)s AND (%(bans)s::text[] IS NULL OR g.ban = ANY (%(bans)s)) GROUP BY g.id
"""
_IPV4_AT_THE_END = re.compile(r"[0-9a-f:]*:[0-9.]+\.[0-9.]+/[0-9]+")
_WANTED = """
CREATE TEMP TABLE wanted_trunks (
    ban text, name text, auth_type text, calls_per_second integer, concurrent_calls integer, active boolean
) ON COMMIT DROP;
CREATE TEMP TABLE wanted_entries (ban text, trunk text, cidr cidr, active boolean) ON COMMIT DROP;
"""
# Customers with a row that nothing wanted has the like of.
_LOSING = """
SELECT i.ban FROM accounts.trunk_ips AS i WHERE i.owner = %(owner)s AND NOT EXISTS (
    SELECT FROM pg_temp.wanted_entries AS w WHERE w.cidr = i.cidr AND w.ban = i.ban
)
UNION
SELECT g.ban FROM accounts.trunk_groups AS g WHERE g.owner = %(owner)s AND NOT EXISTS (
    SELECT FROM pg_temp.wanted_trunks AS w WHERE w.ban = g.ban
)
"""
_LIVE = """
SELECT count(*) FROM accounts.trunk_ips AS i JOIN accounts.trunk_groups AS g ON g.id = i.trunk_group_id
WHERE i.owner = %(owner)s AND g.owner = i.owner AND i.active AND g.active AND g.auth_type <> 'DIGEST'
"""
_REMOVE_ENTRIES = """
DELETE FROM accounts.trunk_ips AS i USING accounts.trunk_groups AS g
WHERE g.id = i.trunk_group_id AND i.owner = %(owner)s AND NOT EXISTS (
    SELECT FROM pg_temp.wanted_entries AS w WHERE w.cidr = i.cidr AND w.ban = g.ban AND w.trunk = g.name
)
"""
# At most five ranges of each trunk.
_SHARED = """
SELECT g.ban, g.name, array_to_string((array_agg(i.cidr ORDER BY i.cidr))[:5], ', ')
        || CASE WHEN count(*) > 5 THEN format(' and %%s more', count(*) - 5) ELSE '' END,
    string_agg(DISTINCT i.owner, ', ')
FROM accounts.trunk_groups AS g JOIN accounts.trunk_ips AS i ON i.trunk_group_id = g.id AND i.owner <> g.owner
WHERE g.owner = %(owner)s AND NOT EXISTS (
    SELECT FROM pg_temp.wanted_trunks AS w WHERE w.ban = g.ban AND w.name = g.name
)
GROUP BY g.id ORDER BY g.ban, g.name
"""
_REMOVE_TRUNKS = """
DELETE FROM accounts.trunk_groups AS g
WHERE g.owner = %(owner)s AND NOT EXISTS (
    SELECT FROM pg_temp.wanted_trunks AS w WHERE w.ban = g.ban AND w.name = g.name
)
"""
_CHANGE_TRUNKS = """
UPDATE accounts.trunk_groups AS g
SET auth_type = w.auth_type, calls_per_second = w.calls_per_second, concurrent_calls = w.concurrent_calls,
    active = w.active
FROM pg_temp.wanted_trunks AS w
WHERE g.owner = %(owner)s AND w.ban = g.ban AND w.name = g.name
    AND (g.auth_type, g.calls_per_second, g.concurrent_calls, g.active)
        <> (w.auth_type, w.calls_per_second, w.concurrent_calls, w.active)
"""
_CHANGE_ENTRIES = """
UPDATE accounts.trunk_ips AS i SET active = w.active
FROM pg_temp.wanted_entries AS w
WHERE i.owner = %(owner)s AND w.cidr = i.cidr AND w.active <> i.active
"""
_ADD_TRUNKS = """
INSERT INTO accounts.trunk_groups (ban, name, auth_type, calls_per_second, concurrent_calls, active, owner)
SELECT w.ban, w.name, w.auth_type, w.calls_per_second, w.concurrent_calls, w.active, %(owner)s
FROM pg_temp.wanted_trunks AS w
WHERE NOT EXISTS (
    SELECT FROM accounts.trunk_groups AS g WHERE g.owner = %(owner)s AND g.ban = w.ban AND g.name = w.name
)
"""
# Wide ranges first, customers in an order without pattern: the GiST index of the exclusion constraint then fills in a
# tenth of the time that the order of its keys, or customer by customer, takes (docs/benchmarks.md).
_ADD_ENTRIES = """
INSERT INTO accounts.trunk_ips (trunk_group_id, ban, cidr, active, owner)
SELECT g.id, w.ban, w.cidr, w.active, %(owner)s
FROM pg_temp.wanted_entries AS w
JOIN accounts.trunk_groups AS g ON g.ban = w.ban AND g.name = w.trunk AND g.owner = %(owner)s
WHERE NOT EXISTS (SELECT FROM accounts.trunk_ips AS i WHERE i.owner = %(owner)s AND i.cidr = w.cidr)
ORDER BY masklen(w.cidr), hashtext(w.ban)
"""
