"""The files for SIP servers' tables of peers, on PostgreSQL with the schema of Kamailio's own package."""

from __future__ import annotations

from pathlib import Path

from tests.database.servers import Database
from tests.unit.format_readers import tool
from tests.unit.test_devices import FIRST, SECOND, VENDORS, promised
from tests.unit.test_formats import render

KAMAILIO = Path("/usr/share/kamailio/postgres")
# OpenSIPS' scripts/postgres/permissions-create.sql: Debian has no package of it.
OPENSIPS = """
CREATE TABLE address (
    id SERIAL PRIMARY KEY NOT NULL, grp SMALLINT DEFAULT 0 NOT NULL, ip VARCHAR(50) NOT NULL,
    mask SMALLINT DEFAULT 32 NOT NULL, port SMALLINT DEFAULT 0 NOT NULL, proto VARCHAR(4) DEFAULT 'any' NOT NULL,
    pattern VARCHAR(64) DEFAULT NULL, context_info VARCHAR(32) DEFAULT NULL
)
"""


def as_before(name: str, ip: str) -> str:
    """A row as files before 2026-11-28 wrote it."""
    return f"INSERT INTO address (grp, ip_addr, mask, port, tag) VALUES (1, '{ip}', 32, 0, '{name}')"


def test_kamailios_table_keeps_every_row_that_is_not_ours(empty: Database) -> None:
    tool("kamailio")
    schema = [KAMAILIO / "standard-create.sql", KAMAILIO / "permissions-create.sql"]
    empty.do(*(each.read_text() for each in schema))
    empty.do(
        # Group 1 is the schema's default: the vendor's other carriers are there.
        "INSERT INTO address (ip_addr, tag) VALUES ('203.0.113.90', 'carrier'), ('203.0.113.91', NULL)",
        "INSERT INTO address (grp, ip_addr, tag) VALUES (2, '203.0.113.92', 'another'), (1, '198.51.100.2', 'mine')",
    )
    own = empty.ask("SELECT * FROM address ORDER BY id")
    # The second one was retired since.
    empty.do(as_before("one", "198.51.100.1"), as_before("two", "198.51.100.2"))
    for document in (SECOND, FIRST, FIRST, SECOND):
        empty.do(render("kamailio-sql", document))
        assert empty.ask("SELECT * FROM address ORDER BY id")[: len(own)] == own
        ours = empty.ask("SELECT ip_addr FROM address WHERE tag LIKE 'warp-%' ORDER BY ip_addr")
        assert sorted(ours) == sorted({ip for ip, _, _ in promised(document, VENDORS)})
        assert empty.ask("SELECT count(*) FROM address") == [len(own) + len(ours)]


def test_opensips_table_keeps_every_row_that_is_not_ours(empty: Database) -> None:
    empty.do(
        OPENSIPS,
        "INSERT INTO address (grp, ip, context_info) VALUES (1, '203.0.113.90', 'carrier'), (0, '203.0.113.91', NULL)",
    )
    own = empty.ask("SELECT * FROM address ORDER BY id")
    for document in (FIRST, FIRST, SECOND, SECOND):
        empty.do(render("opensips-sql", document))
        assert empty.ask("SELECT * FROM address ORDER BY id")[: len(own)] == own
        ours = empty.ask("SELECT ip FROM address WHERE context_info LIKE 'warp-egress:%'")
        assert sorted(ours) == sorted({ip for ip, _, _ in promised(document, VENDORS)})
        assert empty.ask("SELECT count(*) FROM address") == [len(own) + len(ours)]
