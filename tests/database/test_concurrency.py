"""Several at once: runs of the program, and writers of rows."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, ip_network
from typing import Any

import psycopg

from benchmarks.trunk_texts import texts
from components.trunk_acl import migrations
from tests.database import processes
from tests.database.servers import CUSTOMERS, Database
from tests.database.test_kills import NEW
from tests.database.test_provider import props_of

RUNS = 8
KNOWN = migrations.load()


def test_eight_runs_at_once_apply_each_migration_exactly_once(empty: Database) -> None:
    """Each is a whole `create` of the provider, in a process of its own."""
    rows = texts(NEW)
    barrier = processes.CONTEXT.Barrier(RUNS)
    ends = processes.all_of(processes.applied, [(props_of(empty, trunks=rows), barrier)] * RUNS)
    assert [end for end in ends if not isinstance(end, dict)] == []
    assert {end["trunks"][CUSTOMERS[0]] for end in ends} == {rows[CUSTOMERS[0]]}
    applied = empty.ask("SELECT version, name FROM trunk_acl.migrations ORDER BY applied_at")
    assert applied == [(each.version, each.name) for each in KNOWN]
    # Written once by the first, and found to be as wanted by the seven others.
    assert empty.ask("SELECT relation, operation, count(*) FROM accounts.trunk_acl_audit GROUP BY 1, 2 ORDER BY 1") == [
        ("trunk_groups", "INSERT", 3),
        ("trunk_ips", "INSERT", 6),
    ]
    assert empty.drift() == []


WRITERS, ATTEMPTS = 8, 80
# Two answers that ask to try again, and are none to the question.
AGAIN = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)


def write(acl: Database, number: int) -> tuple[int, int]:
    """One writer's random inserts, changes and removals for its customer; how many were taken and refused."""
    chance = random.Random(number)
    ban = CUSTOMERS[number]
    taken = refused = 0
    with acl.connect("warp_acl_writer") as connection:
        (row,) = connection.execute("SELECT id FROM accounts.trunk_groups WHERE ban = %s", (ban,)).fetchall()
        for _ in range(ATTEMPTS):
            try:
                with connection.transaction():
                    for _ in range(chance.randint(1, 3)):
                        change(connection, chance, ban, row[0])
                taken += 1
            except (psycopg.errors.ExclusionViolation, psycopg.errors.UniqueViolation):
                refused += 1
            except AGAIN:
                pass
    return taken, refused


def change(connection: Any, chance: random.Random, ban: str, trunk: int) -> None:
    length = chance.choice((20, 22, 24, 25, 26, 28, 30, 32))
    start = int(IPv4Address("34.0.0.0")) + (chance.getrandbits(14) >> (32 - length) << (32 - length))
    range_ = f"{IPv4Address(start)}/{length}"
    draw = chance.random()
    if draw < 0.7:
        connection.execute(
            # Not the portal's, which a trigger refuses first: the constraint alone decides.
            "INSERT INTO accounts.trunk_ips (trunk_group_id, ban, cidr, owner) VALUES (%s, %s, %s, 'a-stack')",
            (trunk, ban, range_),
        )
    elif draw < 0.85:
        connection.execute(
            "UPDATE accounts.trunk_ips SET cidr = %s"
            " WHERE id = (SELECT max(id) FROM accounts.trunk_ips WHERE ban = %s)",
            (range_, ban),
        )
    else:
        connection.execute(
            "DELETE FROM accounts.trunk_ips WHERE id = (SELECT min(id) FROM accounts.trunk_ips WHERE ban = %s)", (ban,)
        )


def overlaps(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Pairs of ranges of different customers that share an address; by comparing all with all."""
    networks = [(ip_network(text), ban) for text, ban in rows]
    return [
        (f"{first} {ban}", f"{second} {other}")
        for place, (first, ban) in enumerate(networks)
        for second, other in networks[place + 1 :]
        if ban != other and first.overlaps(second)
    ]


def test_random_writers_at_once_never_bring_about_an_overlap_between_customers(acl: Database) -> None:
    for ban in CUSTOMERS[:WRITERS]:
        acl.add_trunk(ban)
    with ThreadPoolExecutor(WRITERS) as writers:
        results = list(writers.map(lambda number: write(acl, number), range(WRITERS)))
    rows = acl.ask("SELECT cidr::text, ban FROM accounts.trunk_ips")
    assert overlaps(rows) == []
    assert len({ban for _, ban in rows}) > 1
    assert sum(taken for taken, _ in results) > 50
    assert sum(refused for _, refused in results) > 50


def test_the_same_writers_without_the_rule_do_make_overlaps(own: Database) -> None:
    """That the test above can fail."""
    own.do("ALTER TABLE accounts.trunk_ips DROP CONSTRAINT trunk_ips_one_customer")
    for ban in CUSTOMERS[:2]:
        own.add_trunk(ban)
    for number in range(2):
        write(own, number)
    assert overlaps(own.ask("SELECT cidr::text, ban FROM accounts.trunk_ips")) != []
