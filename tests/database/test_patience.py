"""An update beside traffic: it waits for open transactions, and delays writers by one short attempt at most."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from benchmarks.trunk_texts import trunks
from components.trunk_acl import entries, migrator, patience
from components.trunk_acl.lock import Connection
from refusal import Refusal
from tests.database.conftest import Happening
from tests.database.servers import CUSTOMERS, USER, Database, wishes
from tests.database.test_migrator import KNOWN, PRODUCTION_LIKE, TOP, migration

FIRST, SECOND = CUSTOMERS[:2]
WRITE = "UPDATE accounts.customers SET name = 'changed' WHERE ban = '100001'"
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'accounts.customers'::regclass"
LONG = 600.0


class Run(threading.Thread):
    """An update in the background."""

    def __init__(self, database: Database) -> None:
        super().__init__(daemon=True)
        self._database, self.report = database, migrator.Report((), ())
        self.start()

    def run(self) -> None:
        self.report = self._database.migrate(wishes(lock_seconds=LONG))


def hold(connection: Connection) -> None:
    connection.execute("INSERT INTO accounts.customers (ban) VALUES ('100099')")


def test_writers_do_not_wait_behind_the_first_update(empty: Database, capfd: pytest.CaptureFixture[str]) -> None:
    empty.do(PRODUCTION_LIKE)
    # A transaction that stays open, such as a long report's.
    with empty.connect(autocommit=False, application_name="billing report") as holder, empty.connect() as writer:
        hold(holder)
        run = Run(empty)
        while not empty.ask(WAITING)[0]:
            assert run.is_alive()
            time.sleep(0.01)
        # Behind an update that waits for as long as it may, this would be ended by the server.
        writer.execute("SET statement_timeout = '60s'")
        writer.execute(WRITE.encode())
        assert run.is_alive()
        assert empty.ask("SELECT to_regclass('accounts.trunk_groups')") == [None]
        said = ""
        while "waits for locks" not in said:
            assert run.is_alive()
            said += capfd.readouterr().err
            time.sleep(0.01)
        pid = holder.info.backend_pid
        holder.commit()
    run.join(60)
    assert len(run.report.applied) == len(KNOWN)
    assert f"migration 0002_trunks.sql waits for locks (1.2 of {LONG:g} s), held by billing report as {USER}" in said
    assert f", process {pid}, since 20" in said
    assert "(accounts.customers" in said
    assert "INSERT" not in said


def test_an_attempt_is_long_enough_for_the_server_to_end_an_autovacuum_in_the_way(acl: Database) -> None:
    with acl.connect() as connection:
        patience.Patience(connection, LONG)
        ((lock, deadlock),) = connection.execute(
            "SELECT max(setting::int) FILTER (WHERE name = 'lock_timeout'),"
            " max(setting::int) FILTER (WHERE name = 'deadlock_timeout') FROM pg_settings WHERE unit = 'ms'"
        ).fetchall()
    assert lock > deadlock > 0


def test_at_the_deadline_the_holders_are_named_and_nothing_is_changed(own: Database) -> None:
    change = migration(TOP + 1, "change", "ALTER TABLE accounts.trunk_ips ADD COLUMN note text")
    with own.connect(autocommit=False, application_name="forgotten") as holder:
        holder.execute("SELECT FROM accounts.trunk_ips")
        with pytest.raises(Refusal) as refused:
            own.migrate(wishes([*KNOWN, change], lock_seconds=0.2))
        told = str(refused.value)
        assert (
            f"the database is busy: migration {change.file} waited 0.2 s for locks; they are held by forgotten" in told
        )
        assert f"as {USER}, process {holder.info.backend_pid}, since 20" in told
        assert "accounts.trunk_ips" in told
        assert "SELECT FROM" not in told
        assert own.ask("SELECT max(version) FROM trunk_acl.migrations") == [TOP]
    assert own.migrate(wishes([*KNOWN, change])).applied == (change.file,)


def test_rows_that_the_update_has_changed_are_not_held_while_it_waits(
    mended: Database, in_the_first_pause: Callable[[Happening], None]
) -> None:
    mended.reconcile(trunks({FIRST: "main IP_ACL 10 calls/s 100 calls\n  34.1.2.0/24"}))
    wanted = {FIRST: "main IP_ACL 20 calls/s 100 calls\n  34.9.0.0/24"}
    other = mended.add_trunk(SECOND, "other")
    with mended.connect("warp_acl_writer", autocommit=False) as portal:
        portal.execute(
            "INSERT INTO accounts.trunk_ips (trunk_group_id, ban, cidr) VALUES (%s, %s, '34.9.0.0/25')", (other, SECOND)
        )

        def others_write() -> None:
            # A row that the update changes before it comes to the range that it has to wait for.
            mended.do(f"UPDATE accounts.trunk_groups SET concurrent_calls = 7 WHERE ban = '{FIRST}'")
            portal.rollback()

        in_the_first_pause(others_write)
        with mended.connect() as connection:
            migrator.migrate(connection, wishes(), lambda: entries.reconcile(connection, "warp-edge", wanted, {}))
    assert mended.owner_of("34.9.0.1") == FIRST
    assert mended.ask(f"SELECT calls_per_second FROM accounts.trunk_groups WHERE ban = '{FIRST}'") == [20]


def test_a_repair_waits_the_same_way(mended: Database, in_the_first_pause: Callable[[Happening], None]) -> None:
    mended.do("DROP INDEX accounts.trunk_ips_by_trunk")
    with mended.connect(autocommit=False) as holder:
        holder.execute("LOCK TABLE accounts.trunk_ips IN ROW EXCLUSIVE MODE")

        def others_write() -> None:
            mended.add_entry(mended.add_trunk(FIRST), "34.1.2.0/24")
            holder.rollback()

        in_the_first_pause(others_write)
        assert "index accounts.trunk_ips_by_trunk is gone" in mended.migrate().repaired
    assert mended.owner_of("34.1.2.3") == FIRST


def test_pauses_grow_and_the_deadline_counts_waiting_only(
    mended: Database, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(patience, "BUSY", (ZeroDivisionError,))
    with mended.connect() as connection, pytest.raises(Refusal, match=r"the work waited 41\.1 s for locks"):
        patience.Patience(connection, 40).run("the work", lambda: 1 / 0)
    assert pauses == [0.5, 1, 2, 4, 8, 8, 8]
    assert len(capfd.readouterr().err.splitlines()) == len(pauses)
