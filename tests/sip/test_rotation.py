"""New credentials for Kamailio and reloader, step by step as docs/trunk-acl.md has it: no proxy misses a change."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import psycopg
import pytest

from components.trunk_acl import migrations, migrator, roles
from components.trunk_acl.logins import READER, SECOND_READER
from kamailio.reloader.rpc import Rpc, RpcError
from sandbox.acl import READER_PASSWORD, Acl
from sandbox.sip_proxy import Database, SipProxy
from tests.sip.conftest import ProxyMaker
from tests.sip.edge import KNOWN, UNKNOWN, Edge, seconds_until
from tests.sip.reloaders import Reloader
from tests.sip.test_outages import RELOADS, reloaded
from tests.sip.test_reloading import assert_harmless
from tests.sip.test_two_reloaders import TAKEN_OVER, assert_changes_arrive

NEW_PASSWORD = "secondpassword"


class Rotated(Acl):
    """The same, as it is read with the new credentials."""

    @property
    def database(self) -> Database:
        return dataclasses.replace(super().database, user=SECOND_READER, password=NEW_PASSWORD)


@pytest.fixture
def ended() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def rotating(own_acl: Acl) -> Iterator[Acl]:
    """Roles are of the whole server: as before for the other tests."""
    yield own_acl
    update(own_acl, READER_PASSWORD, None)


def update(acl: Acl, first: str | None, second: str | None) -> None:
    """The roles as `pulumi up` leaves them."""
    both = [roles.second_reader(second), roles.reader(first, (SECOND_READER,)), roles.writer(None, ())]
    with acl.connection() as connection:
        migrator.migrate(connection, migrator.Wishes(migrations.load(), both, create_customers=True))


def cut(acl: Acl, role: str) -> None:
    """Every connection, as a restart of the server does: what comes back has to sign in."""
    acl.do(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND usename = %s AND pid <> pg_backend_pid()",
        role,
    )


def connected(database: Database) -> psycopg.Connection[Any]:
    return psycopg.connect(
        host=database.host, port=database.port, dbname=database.name, user=database.user, password=database.password,
        sslmode="require",
    )  # fmt: skip


def signs_in(database: Database) -> bool:
    try:
        with connected(database):
            return True
    except psycopg.OperationalError:
        return False


def test_no_proxy_misses_a_change_while_credentials_are_changed(
    rotating: Acl, table: str, new_proxy: ProxyMaker, ended: ExitStack
) -> None:
    acl, rotated = rotating, Rotated(rotating.server, rotating.name)
    old = new_proxy(table, acl, reload=False)
    old.proxy.start()
    reloaders = [started(old, 0, acl.database, ended)]
    seconds_until(lambda: reloaders[0].leads, 20)
    with old.watched() as watch:
        # 1. `rotation` is raised: `pulumi up` changes the roles, then the Secret, then the reloaders, one by one.
        update(acl, READER_PASSWORD, NEW_PASSWORD)
        assert_changes_arrive(acl, old)
        reloaders.append(started(old, 1, rotated.database, ended))
        seconds_until(lambda: reloaders[1].ready and reloaders[1].stands_by, 20)
        reloaders[0].stop()
        seconds_until(lambda: reloaders[1].leads, TAKEN_OVER)
        # The proxies still have the old credentials, and need them for every connection that they open.
        cut(acl, READER)
        assert_changes_arrive(acl, old, TAKEN_OVER)
        # 2. They are restarted, one by one.
        rolled = new_proxy(table, rotated, reload=False)
        rolled.proxy.start()
        assert (rolled.status(KNOWN), rolled.status(UNKNOWN)) == (200, 403)
        started(rolled, 2, rotated.database, ended)
        assert_changes_arrive(acl, rolled, TAKEN_OVER)
        assert_changes_arrive(acl, old)
        # 3. `keepPrevious: false`.
        update(acl, None, NEW_PASSWORD)
        assert signs_in(rotated.database)
        assert not signs_in(acl.database)
        assert_changes_arrive(acl, rolled)
        # A proxy that was forgotten keeps its table and says so; the reloader's alert names it.
        cut(acl, READER)
        seconds_until(lambda: not reloaded(old, RELOADS[table][0]), TAKEN_OVER)
    assert_harmless(watch)


def test_no_proxy_misses_a_change_while_the_rpc_token_is_changed(
    own_acl: Acl, table: str, new_proxy: ProxyMaker, ended: ExitStack
) -> None:
    acl, new = own_acl, "f" * 32
    proxy = new_proxy(table, acl, reload=False)
    proxy.proxy.start()
    old = proxy.proxy.rpc()._token
    reloaders = [started(proxy, 0, acl.database, ended)]
    seconds_until(lambda: reloaders[0].leads, 20)
    with proxy.watched() as watch:
        # 1. `pulumi up` has replaced the Secret, and then the reloaders; the proxies still have the old token.
        reloaders.append(started(proxy, 1, acl.database, ended, (new, old)))
        assert_changes_arrive(acl, proxy)
        reloaders[0].stop()
        seconds_until(lambda: reloaders[1].leads and reloaders[1].ready, TAKEN_OVER)
        assert_changes_arrive(acl, proxy)
        # 2. The proxies are restarted, one by one.
        rolled = new_proxy(table, acl, reload=False)
        with patch("sandbox.sip_proxy.secrets.token_urlsafe", lambda _: new):
            rolled.proxy.start()
        assert rolled.proxy.rpc()._token == new
        reloaders[1].stop()
        reloaders.append(started(proxy, 2, acl.database, ended, (new, old), rolled.proxy))
        seconds_until(lambda: reloaders[2].leads and reloaders[2].ready, TAKEN_OVER)
        for each in (rolled, proxy):
            assert_changes_arrive(acl, each)
        with pytest.raises(RpcError, match="refuses the token"):
            Rpc(rolled.proxy.tcp_address, rolled.proxy.rpc_port, old, 5).call("core.uptime")
    assert_harmless(watch)


def started(
    edge: Edge,
    number: int,
    database: Database,
    ended: ExitStack,
    tokens: tuple[str, str] | None = None,
    *beside: SipProxy,
) -> Reloader:
    reloader = Reloader(edge.proxy, number, database, tokens, beside)
    ended.callback(reloader.stop)
    return reloader.started()


def test_the_second_login_reads_what_the_first_does_and_nothing_else(rotating: Acl) -> None:
    update(rotating, READER_PASSWORD, NEW_PASSWORD)
    database = Rotated(rotating.server, rotating.name).database
    with connected(database) as second:
        assert second.execute("SELECT count(*) FROM acl_hosts").fetchone()
        assert second.execute("SHOW search_path").fetchone() == ("kamailio",)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            second.execute("SELECT FROM accounts.trunk_ips")
