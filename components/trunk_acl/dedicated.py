"""The dedicated addresses that a stack declares, and their rows: read back, and reconciled.

`trunk_acl.dedicated_addresses` lists which addresses may have a row at all, and whose; each stack lists its own. Rows
of another owner (the portal's) are neither read nor touched; they are in the way where they have the same address, and
where they let calls in at an address that is not listed for their customer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.trunk_acl.lock import Connection, Cursor
from refusal import Refusal, some

# Name of the reserved address -> its `ban`, `address`, `service` and, if it is one trunk's, `trunk`; `active: false`
# where somebody switched it off.
Rows = Mapping[str, Mapping[str, Any]]

SHOWN = 5  # rows named in a message


def read(connection: Connection, owner: str) -> dict[str, dict[str, Any]]:
    """The rows that `owner` keeps. One that a second row has the name of is known by its address.

    What differs from `owner`'s list shows as well: `reserved: false` is a row whose address is not in it, and what is
    in it without a row has no `service`.
    """
    rows = connection.execute(_READ, {"owner": owner})
    found: dict[str, dict[str, Any]] = {}
    for name, ban, address, service, trunk, active, reserved in rows:
        row: dict[str, Any] = {"ban": ban, "address": address, "service": service} | ({"trunk": trunk} if trunk else {})
        if service is None:
            del row["service"]
        elif not active:
            row["active"] = False
        found[address if name in found else name] = row if reserved else {**row, "reserved": False}
    return found


def reconcile(connection: Connection, owner: str, wanted: Rows) -> int:
    """Make list and rows of `owner` exactly these, all or nothing; how many rows were written.

    Raises `Refusal` for an unknown BAN or trunk and for an address that has another keeper; then nothing is changed.
    """
    values = {"owner": owner}
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(_WANTED)
        with cursor.copy("COPY pg_temp.wanted_dedicated FROM STDIN") as copy:
            for name, row in sorted(wanted.items()):
                copy.write_row((name, row["ban"], row["address"], row["service"], row.get("trunk")))
        _refuse(cursor, owner, _BEFORE)
        # An address can change its customer: list and row change one after the other.
        cursor.execute("SET CONSTRAINTS accounts.customer_dedicated_ips_reserved DEFERRED")
        # Removals first: an address may move from one name to another in one go.
        written = cursor.execute(_REMOVE, values).rowcount
        for statement in (_UNLIST, _LIST):
            cursor.execute(statement, values)
        written += sum(cursor.execute(each, values).rowcount for each in (_CHANGE, _ADD))
        cursor.execute("SET CONSTRAINTS accounts.customer_dedicated_ips_reserved IMMEDIATE")
        _refuse(cursor, owner, _AFTER)
    return written


def _refuse(cursor: Cursor, owner: str, reasons: tuple[tuple[str, str, str], ...]) -> None:
    """Raise `Refusal` for the first of the queries that finds something."""
    for query, wrong, remedy in reasons:
        if row := cursor.execute(query.encode(), {"owner": owner}).fetchone():
            raise Refusal(wrong.format(*row), remedy.format(*row))


def refuse_unreserved(connection: Connection) -> None:
    """Raise `Refusal` for rows that let calls in at an address that is not listed for their customer: the portal's from
    before the list. After the stack's own rows were written: a revocation does not wait for these."""
    rows = connection.execute(_UNRESERVED).fetchall()
    if not rows:
        return
    shown = [f"{address} ({name}, BAN {ban}, kept by {keeper})" for address, name, ban, keeper in rows]
    addresses = ", ".join(f"'{row[0]}'" for row in rows)
    raise Refusal(
        "accounts.customer_dedicated_ips lets all calls in at addresses that no stack reserves for these customers, or"
        f" that drain: {some(shown, SHOWN)}. Trunks and the stack's own rows are written",
        "if the address is the customer's, put it under warp-edge:dedicated with its ban (docs/dedicated.md) and remove"  # noqa: S608
        " the row; otherwise switch it off: UPDATE accounts.customer_dedicated_ips SET active = false WHERE"
        f" address IN ({addresses})",
    )


_READ = """
SELECT coalesce(d.gcp_address_name, l.name), coalesce(d.ban, l.ban), host(coalesce(d.address, l.address)),
    d.gcp_service_name, d.trunk, d.active, coalesce((l.ban, l.name) = (d.ban, d.gcp_address_name), d.id IS NULL)
FROM (SELECT * FROM accounts.customer_dedicated_ips WHERE owner = %(owner)s) AS d
FULL JOIN (SELECT * FROM trunk_acl.dedicated_addresses WHERE owner = %(owner)s) AS l ON l.address = d.address
ORDER BY 1, d.id
"""
_WANTED = """
CREATE TEMP TABLE wanted_dedicated (name text, ban text, address inet, service text, trunk text) ON COMMIT DROP
"""
# What stands in the way: a query, what is wrong, and the remedy, with the columns of the first row that is found.
_BEFORE = (
    (
        """
SELECT w.ban, w.name FROM pg_temp.wanted_dedicated AS w
WHERE NOT EXISTS (SELECT FROM accounts.customers AS c WHERE c.ban = w.ban) ORDER BY 1, 2 LIMIT 1
        """,
        "no such customer in accounts.customers: BAN {0} of dedicated address {1}",
        "create the customer first, or correct ban under warp-edge:dedicated",
    ),
    (
        """
SELECT host(d.address), w.name, d.owner, d.ban FROM pg_temp.wanted_dedicated AS w
JOIN accounts.customer_dedicated_ips AS d ON d.address = w.address AND d.owner <> %(owner)s ORDER BY 1 LIMIT 1
        """,
        "dedicated address {1} ({0}) is in accounts.customer_dedicated_ips already: {2} keeps it for BAN {3}",
        "an address has one keeper: remove that row, or the customer from warp-edge:dedicated",
    ),
    (
        """
SELECT host(l.address), w.name, l.owner, l.ban FROM pg_temp.wanted_dedicated AS w
JOIN trunk_acl.dedicated_addresses AS l ON l.address = w.address AND l.owner <> %(owner)s ORDER BY 1 LIMIT 1
        """,
        "dedicated address {1} ({0}) is in trunk_acl.dedicated_addresses already: the stack with trunkAcl.owner {2}"
        " reserves it for BAN {3}",
        "remove the customer from warp-edge:dedicated of either stack; if {2} is no stack any more:"
        " DELETE FROM trunk_acl.dedicated_addresses WHERE owner = '{2}'",
    ),
    (
        """
SELECT host(l.address), l.name, d.owner, l.ban FROM trunk_acl.dedicated_addresses AS l
JOIN accounts.customer_dedicated_ips AS d ON d.address = l.address AND d.ban = l.ban AND d.owner <> %(owner)s
WHERE l.owner = %(owner)s AND NOT EXISTS (
    SELECT FROM pg_temp.wanted_dedicated AS w WHERE w.address = l.address AND w.ban = l.ban
) ORDER BY 1 LIMIT 1
        """,
        "dedicated address {1} ({0}) of BAN {3} drains, leaves or changes its customer, but {2} keeps a row for it in"
        " accounts.customer_dedicated_ips",
        "remove that row first: DELETE FROM accounts.customer_dedicated_ips WHERE address = '{0}'",
    ),
)
# Of all rows: the trunks of the files are written already, and the trunk of another's row may have left them.
_AFTER = (
    (
        """
SELECT d.gcp_address_name, host(d.address), d.ban, d.trunk, d.owner FROM accounts.customer_dedicated_ips AS d
WHERE d.trunk IS NOT NULL AND NOT EXISTS (
    SELECT FROM accounts.trunk_groups AS g WHERE g.ban = d.ban AND g.name = d.trunk
) ORDER BY d.address LIMIT 1
        """,
        "dedicated address {0} ({1}), kept by {4}, is of trunk {3}, and BAN {2} has no such trunk",
        "keep the trunk in its file, or correct trunk under warp-edge:dedicated; a row of the portal: there",
    ),
)
_REMOVE = """
DELETE FROM accounts.customer_dedicated_ips AS d
WHERE d.owner = %(owner)s AND NOT EXISTS (SELECT FROM pg_temp.wanted_dedicated AS w WHERE w.address = d.address)
"""
_UNLIST = """
DELETE FROM trunk_acl.dedicated_addresses AS l
WHERE l.owner = %(owner)s AND NOT EXISTS (SELECT FROM pg_temp.wanted_dedicated AS w WHERE w.address = l.address)
"""
_LIST = """
INSERT INTO trunk_acl.dedicated_addresses AS l (address, ban, name, owner)
SELECT w.address, w.ban, w.name, %(owner)s FROM pg_temp.wanted_dedicated AS w
ON CONFLICT (address) DO UPDATE SET ban = EXCLUDED.ban, name = EXCLUDED.name
WHERE (l.ban, l.name) <> (EXCLUDED.ban, EXCLUDED.name)
"""
_CHANGE = """
UPDATE accounts.customer_dedicated_ips AS d
SET ban = w.ban, gcp_address_name = w.name, gcp_service_name = w.service, trunk = w.trunk, active = true
FROM pg_temp.wanted_dedicated AS w
WHERE d.owner = %(owner)s AND d.address = w.address
    AND (d.ban, d.gcp_address_name, d.gcp_service_name, d.trunk, d.active)
        IS DISTINCT FROM (w.ban, w.name, w.service, w.trunk, true)
"""
_ADD = """
INSERT INTO accounts.customer_dedicated_ips (ban, address, gcp_address_name, gcp_service_name, trunk, owner)
SELECT w.ban, w.address, w.name, w.service, w.trunk, %(owner)s FROM pg_temp.wanted_dedicated AS w
WHERE NOT EXISTS (SELECT FROM accounts.customer_dedicated_ips AS d WHERE d.address = w.address)
"""
_UNRESERVED = """
SELECT host(d.address), d.gcp_address_name, d.ban, d.owner FROM accounts.customer_dedicated_ips AS d
WHERE d.active AND NOT EXISTS (
    SELECT FROM trunk_acl.dedicated_addresses AS l WHERE l.address = d.address AND l.ban = d.ban
) ORDER BY d.address
"""
