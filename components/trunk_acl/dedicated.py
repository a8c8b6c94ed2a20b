"""The rows of dedicated addresses that a stack declares: read back, and reconciled.

Rows of another owner (the portal's) are neither read nor touched; they are in the way only where they have the same
address.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.trunk_acl.lock import Connection
from refusal import Refusal

# Name of the reserved address -> its `ban`, `address` and `service`; `active: false` where somebody switched it off.
Rows = Mapping[str, Mapping[str, Any]]


def read(connection: Connection, owner: str) -> dict[str, dict[str, Any]]:
    """The rows that `owner` keeps. One that a second row has the name of is known by its address."""
    rows = connection.execute(
        "SELECT gcp_address_name, ban, host(address), gcp_service_name, active FROM accounts.customer_dedicated_ips"
        " WHERE owner = %s ORDER BY gcp_address_name, id",
        (owner,),
    )
    found: dict[str, dict[str, Any]] = {}
    for name, ban, address, service, active in rows:
        row: dict[str, Any] = {"ban": ban, "address": address, "service": service}
        found[address if name in found else name] = row if active else {**row, "active": False}
    return found


def reconcile(connection: Connection, owner: str, wanted: Rows) -> int:
    """Make the rows of `owner` exactly these, all or nothing; how many were written.

    Raises `Refusal` for an unknown BAN and for an address that somebody else's row has; then nothing is changed.
    """
    rows = [(name, row["ban"], row["address"], row["service"]) for name, row in sorted(wanted.items())]
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(_WANTED)
        with cursor.copy("COPY pg_temp.wanted_dedicated FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        if unknown := cursor.execute(_UNKNOWN).fetchone():
            raise Refusal(
                f"no such customer in accounts.customers: BAN {unknown[0]} of dedicated address {unknown[1]}",
                "create the customer first, or correct ban under warp-edge:dedicated",
            )
        values = {"owner": owner}
        if taken := cursor.execute(_TAKEN, values).fetchone():
            address, name, other, ban = taken
            raise Refusal(
                f"dedicated address {name} ({address}) is in accounts.customer_dedicated_ips already: {other} keeps it"
                f" for BAN {ban}",
                "an address has one keeper: remove that row, or the customer from warp-edge:dedicated",
            )
        # Removals first: an address may move from one name to another in one go.
        return sum(cursor.execute(each, values).rowcount for each in (_REMOVE, _CHANGE, _ADD))


_WANTED = """
CREATE TEMP TABLE wanted_dedicated (name text, ban text, address inet, service text) ON COMMIT DROP
"""
_UNKNOWN = """
SELECT w.ban, w.name FROM pg_temp.wanted_dedicated AS w
WHERE NOT EXISTS (SELECT FROM accounts.customers AS c WHERE c.ban = w.ban) ORDER BY 1, 2 LIMIT 1
"""
_TAKEN = """
SELECT host(d.address), w.name, d.owner, d.ban FROM pg_temp.wanted_dedicated AS w
JOIN accounts.customer_dedicated_ips AS d ON d.address = w.address AND d.owner <> %(owner)s ORDER BY 1 LIMIT 1
"""
_REMOVE = """
DELETE FROM accounts.customer_dedicated_ips AS d
WHERE d.owner = %(owner)s AND NOT EXISTS (SELECT FROM pg_temp.wanted_dedicated AS w WHERE w.address = d.address)
"""
_CHANGE = """
UPDATE accounts.customer_dedicated_ips AS d
SET ban = w.ban, gcp_address_name = w.name, gcp_service_name = w.service, active = true
FROM pg_temp.wanted_dedicated AS w
WHERE d.owner = %(owner)s AND d.address = w.address
    AND (d.ban, d.gcp_address_name, d.gcp_service_name, d.active) <> (w.ban, w.name, w.service, true)
"""
_ADD = """
INSERT INTO accounts.customer_dedicated_ips (ban, address, gcp_address_name, gcp_service_name, owner)
SELECT w.ban, w.address, w.name, w.service, %(owner)s FROM pg_temp.wanted_dedicated AS w
WHERE NOT EXISTS (SELECT FROM accounts.customer_dedicated_ips AS d WHERE d.address = w.address)
"""
