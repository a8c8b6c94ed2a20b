"""Changes by hand that a definition does not show: each is reported, then put back or refused with reason and remedy.

Those that a definition shows are in test_drift.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from refusal import Refusal
from tests.database.servers import CUSTOMERS, Database

FIRST = CUSTOMERS[0]


@dataclass(frozen=True)
class Change:
    """`seen`: a line of drift. `refused`: what the update says, which otherwise repairs. `undo`: what is left to do."""

    statements: Sequence[str]
    seen: str
    refused: str = ""
    undo: Sequence[str] = ()
    superuser: bool = False


CHANGES = {
    # Roles
    "a member": Change(
        ["GRANT warp_acl_reader TO mallory"], "mallory is a member of warp_acl_reader, but not in trunkAcl.signIn"
    ),
    "members of members": Change(
        [
            "GRANT warp_acl_writer TO mallory WITH ADMIN OPTION",
            "GRANT mallory TO warp",
            "SET ROLE mallory",
            "GRANT warp_acl_writer TO eve",
            "RESET ROLE",
            "REVOKE mallory FROM warp",
        ],
        "eve is a member of warp_acl_writer, but not in trunkAcl.signIn",
    ),
    "a membership of the role": Change(
        ["GRANT mallory TO warp_acl_writer"],
        "role warp_acl_writer has more rights than it should: it is a member of mallory",
    ),
    "a right of the role": Change(
        ["ALTER ROLE warp_acl_reader CREATEDB"], "role warp_acl_reader has more rights than it should: CREATEDB"
    ),
    "replication": Change(
        ["ALTER ROLE warp_acl_reader REPLICATION"],
        "role warp_acl_reader has more rights than it should: REPLICATION",
        r"(?s)REPLICATION.*as a superuser, .* run: ALTER ROLE \"warp_acl_reader\" NOREPLICATION",
        ["ALTER ROLE warp_acl_reader NOREPLICATION"],
        superuser=True,
    ),
    "no sign-in": Change(["ALTER ROLE warp_acl_writer NOLOGIN"], "role warp_acl_writer may not sign in"),
    "an end of the password": Change(
        ["ALTER ROLE warp_acl_reader VALID UNTIL '2099-01-01'"], "role warp_acl_reader has a password that expires"
    ),
    "a limit of connections": Change(
        ["ALTER ROLE warp_acl_reader CONNECTION LIMIT 0"], "role warp_acl_reader has a connection limit"
    ),
    "no inheritance of rights": Change(
        ["ALTER ROLE warp_acl_writer NOINHERIT"], "role warp_acl_writer inherits no rights"
    ),
    "another search_path": Change(
        ["ALTER ROLE warp_acl_reader SET search_path = public"], "role warp_acl_reader has another search_path"
    ),
    "a setting of the role": Change(
        ["ALTER ROLE warp_acl_reader SET statement_timeout = '1ms'"],
        "role warp_acl_reader has a setting of its own: statement_timeout",
    ),
    "a setting in this database": Change(
        ["ALTER ROLE warp_acl_writer IN DATABASE shared SET search_path = public"],
        "role warp_acl_writer has another search_path in database shared",
    ),
    "the comment of a role": Change(
        ["COMMENT ON ROLE warp_acl_reader IS NULL"], "comment of role warp_acl_reader was changed"
    ),
    # Tables
    "a rule": Change(
        ["CREATE RULE mine AS ON DELETE TO accounts.trunk_ips DO INSTEAD NOTHING"],
        "rule mine ON accounts.trunk_ips was added",
        r"rule mine ON accounts\.trunk_ips was added by hand(?s:.*)drop it",
        ["DROP RULE mine ON accounts.trunk_ips"],
    ),
    "a child with entries of its own": Change(
        ["CREATE TABLE accounts.mine () INHERITS (accounts.trunk_ips)"],
        "inheritance accounts.mine FROM accounts.trunk_ips was added",
        undo=["DROP TABLE accounts.mine"],
    ),
    "a partition of another table": Change(
        [
            "CREATE TABLE accounts.mine (LIKE trunk_acl.reserved_ranges) PARTITION BY LIST (range)",
            "ALTER TABLE accounts.mine ATTACH PARTITION trunk_acl.reserved_ranges DEFAULT",
        ],
        "inheritance trunk_acl.reserved_ranges FROM accounts.mine was added",
        undo=["DROP TABLE accounts.mine"],
    ),
    "row security": Change(
        ["ALTER TABLE accounts.trunk_ips ENABLE ROW LEVEL SECURITY"], "row security ON accounts.trunk_ips was added"
    ),
    "row security of the owner": Change(
        ["ALTER TABLE accounts.trunk_ips FORCE ROW LEVEL SECURITY"], "row security ON accounts.trunk_ips was added"
    ),
    "a policy": Change(
        ["CREATE POLICY mine ON accounts.trunk_ips USING (true)"],
        "policy mine ON accounts.trunk_ips was added",
        r"policy mine ON accounts\.trunk_ips was added by hand: `permissive USING \(true\)",
        ["DROP POLICY mine ON accounts.trunk_ips"],
    ),
    "a table that is lost in a crash": Change(
        ["ALTER TABLE accounts.trunk_ips SET UNLOGGED"], "unlogged table accounts.trunk_ips was added"
    ),
    "a replica identity": Change(
        ["ALTER TABLE accounts.trunk_ips REPLICA IDENTITY NOTHING"], "replica identity OF accounts.trunk_ips was added"
    ),
    "keys that end": Change(
        ["ALTER TABLE accounts.trunk_ips ALTER id SET MAXVALUE 99999 SET CYCLE"],
        "sequence options OF accounts.trunk_ips_id_seq was added",
    ),
    "the owner of a table": Change(
        [
            "GRANT CREATE ON SCHEMA accounts TO cloudsqlsuperuser",
            "ALTER TABLE accounts.customer_dedicated_ips OWNER TO cloudsqlsuperuser",
        ],
        "table accounts.customer_dedicated_ips was changed",
        undo=["REVOKE CREATE ON SCHEMA accounts FROM cloudsqlsuperuser"],
    ),
    "an owner that is not ours": Change(
        ["GRANT CREATE ON SCHEMA accounts TO mallory", "ALTER TABLE accounts.trunk_ips OWNER TO mallory"],
        "table accounts.trunk_ips was changed",
        r"(?s)must be owner of table trunk_ips.*as the owner or a superuser run: ALTER table accounts\.trunk_ips OWNER",
        [
            "ALTER TABLE accounts.trunk_ips OWNER TO warp",
            "REVOKE CREATE ON SCHEMA accounts FROM mallory",
        ],
        superuser=True,
    ),
    "an added column": Change(
        ["ALTER TABLE accounts.trunk_ips ADD mine text NOT NULL DEFAULT ''"],
        "column accounts.trunk_ips.mine was added",
        r"column accounts\.trunk_ips\.mine was added by hand: `text NOT NULL DEFAULT ''",
        ["ALTER TABLE accounts.trunk_ips DROP mine"],
    ),
    "a default": Change(
        ["ALTER TABLE accounts.trunk_ips ALTER active SET DEFAULT false"],
        "column accounts.trunk_ips.active was changed",
        r"it should be `boolean NOT NULL DEFAULT true` and is `boolean NOT NULL DEFAULT false`",
        ["ALTER TABLE accounts.trunk_ips ALTER active SET DEFAULT true"],
    ),
    "a collation": Change(
        ['ALTER TABLE accounts.trunk_acl_audit ALTER application TYPE text COLLATE "C"'],
        "column accounts.trunk_acl_audit.application was changed",
        r'and is `text NOT NULL DEFAULT .* COLLATE "C"`',
        ["ALTER TABLE accounts.trunk_acl_audit ALTER application TYPE text"],
    ),
    "an added unique index": Change(
        ["CREATE UNIQUE INDEX mine ON accounts.trunk_ips (ban)"],
        "index accounts.mine was added",
        r"index accounts\.mine was added by hand: `CREATE UNIQUE INDEX mine",
        ["DROP INDEX accounts.mine"],
    ),
    "foreign keys that are not enforced": Change(
        ["ALTER TABLE accounts.trunk_ips DISABLE TRIGGER ALL"],
        "constraint trunk_ips_of_a_trunk ON accounts.trunk_ips was changed",
        superuser=True,
    ),
    # Views and functions
    "a view with its reader's rights": Change(
        ["ALTER VIEW kamailio.entries SET (security_invoker = true)"],
        "option security_invoker=true OF VIEW kamailio.entries was added",
    ),
    "a view as a barrier": Change(
        ["ALTER VIEW kamailio.address SET (security_barrier = true)"],
        "option security_barrier=true OF VIEW kamailio.address was added",
    ),
    "the owner of a schema": Change(
        ["ALTER SCHEMA kamailio OWNER TO cloudsqlsuperuser"], "schema kamailio was changed"
    ),
    "the owner of a function": Change(
        [
            "GRANT CREATE ON SCHEMA kamailio TO cloudsqlsuperuser",
            "ALTER FUNCTION kamailio.key(inet) OWNER TO cloudsqlsuperuser",
        ],
        "function kamailio.key(inet) was changed",
    ),
    "the owner of a view": Change(
        [
            "GRANT CREATE ON SCHEMA kamailio TO cloudsqlsuperuser",
            "ALTER VIEW kamailio.version OWNER TO cloudsqlsuperuser",
        ],
        "view kamailio.version was changed",
    ),
    "a function with the caller's rights": Change(
        ["ALTER FUNCTION accounts.get_customer_by_source_ip(inet) SECURITY INVOKER"],
        "function accounts.get_customer_by_source_ip(inet) was changed",
    ),
    "a function that is called instead": Change(
        ["CREATE FUNCTION trunk_acl.announce(varchar) RETURNS void LANGUAGE sql AS ''"],
        "function trunk_acl.announce(character varying) was added",
        r"function trunk_acl\.announce\(character varying\) was added by hand",
        ["DROP FUNCTION trunk_acl.announce(varchar)"],
    ),
    "an operator": Change(
        ["CREATE OPERATOR trunk_acl.=== (FUNCTION = network_eq, LEFTARG = inet, RIGHTARG = inet)"],
        "operator trunk_acl.===(inet,inet) was added",
        r"operator trunk_acl\.===\(inet,inet\) was added by hand",
        ["DROP OPERATOR trunk_acl.=== (inet, inet)"],
    ),
    # Grants
    "a grant that was granted on": Change(
        ["GRANT SELECT ON accounts.trunk_ips TO mallory WITH GRANT OPTION"],
        "grant SELECT ON TABLE accounts.trunk_ips TO mallory was added",
    ),
    "a sequence": Change(
        ["GRANT USAGE ON SEQUENCE accounts.trunk_ips_id_seq TO warp_acl_reader"],
        "grant USAGE ON SEQUENCE accounts.trunk_ips_id_seq TO warp_acl_reader was added",
    ),
    "rights on what is made later": Change(
        ["ALTER DEFAULT PRIVILEGES IN SCHEMA kamailio GRANT SELECT ON TABLES TO mallory"],
        "default privilege SELECT ON TABLES IN SCHEMA kamailio TO mallory was added",
    ),
    "rights on all that is made later": Change(
        ["ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO mallory"],
        "default privilege EXECUTE ON FUNCTIONS TO mallory was added",
    ),
}


@pytest.fixture
def others(mended: Database) -> Iterator[Database]:
    """The shared database, with two roles that are none of ours; gone at the end with whatever they got."""
    mended.do("CREATE ROLE mallory", "CREATE ROLE eve")
    yield mended
    mended.as_superuser("DROP OWNED BY mallory, eve", "DROP ROLE mallory, eve")


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_by_hand_is_reported_and_put_back_or_refused(others: Database, change: str) -> None:
    this = CHANGES[change]
    do = others.as_superuser if this.superuser else others.do
    do(*this.statements)
    found = others.drift()
    assert this.seen in found
    if this.refused:
        with pytest.raises(Refusal, match=this.refused):
            others.migrate()
        assert others.drift() == found
        do(*this.undo)
    else:
        others.migrate()
        assert others.drift() == []
        others.do(*this.undo)
    assert others.drift() == []
    others.add_entry(others.add_trunk(FIRST), "34.1.2.0/24")
    assert others.owner_of("34.1.2.3") == FIRST


def test_most_of_them_are_put_back() -> None:
    """A refusal stops revocations, too: it is for what only a person can judge."""
    assert len(CHANGES) > 27
    assert sum(bool(each.refused) for each in CHANGES.values()) < len(CHANGES) / 3
