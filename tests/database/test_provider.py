"""The dynamic provider as the engine calls it, on a real database."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trustme
from pulumi.dynamic import ConfigureRequest

from benchmarks.trunk_texts import texts
from components.trunk_acl import migrations
from components.trunk_acl.provider import TrunkAclProvider
from refusal import Refusal
from tests.database.servers import (
    CUSTOMERS,
    PASSWORD,
    READER_PASSWORD,
    USER,
    WRITER_PASSWORD,
    Database,
    Server,
)
from tests.database.test_entries import trunk

FIRST, SECOND = CUSTOMERS[:2]
SECRETS = (PASSWORD, READER_PASSWORD, WRITER_PASSWORD)
PROVIDER = TrunkAclProvider()
Props = dict[str, Any]


def props_of(database: Database, **changed: Any) -> dict[str, Any]:
    """What the component gives, as the engine hands it on."""
    props: dict[str, Any] = {
        "instance": "project:region:warp-db",
        "database": database.name,
        "host": database.server.host,
        "user": USER,
        "password": PASSWORD,
        "serverCa": database.server.server_ca,
        "reach": {
            "access": "direct", "port": float(database.server.port), "private": False, "iam": False,
            "deadlineSeconds": 10.0, "lockSeconds": 30.0, "statementSeconds": 60.0,
        },
        "migrations": {each.file: each.sha256 for each in migrations.load()},
        "createCustomers": True,
        "signIn": {"readers": [], "writers": []},
        "readerPassword": READER_PASSWORD,
        "writerPassword": WRITER_PASSWORD,
        "limits": {"widestIpv4": 20.0, "widestIpv6": 40.0, "allowReserved": []},
        "owner": "warp-edge",
        "trunks": texts([trunk(FIRST, "main", "34.1.0.0/24")]),
        "places": {FIRST: "trunks/a.yaml:1"},
    }  # fmt: skip
    return {**props, **changed}


def reaching(props: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {**props, "reach": {**props["reach"], **changed}}


class Calls:
    """The engine's calls, with outputs that are always there."""

    @staticmethod
    def create(props: Props) -> tuple[str, Props]:
        made = PROVIDER.create(copy.deepcopy(props))
        assert made.outs is not None
        return made.id, made.outs

    @staticmethod
    def read(id_: str, outs: Props) -> Props:
        found = PROVIDER.read(id_, copy.deepcopy(outs))
        assert found.id == id_
        assert found.outs is not None
        return found.outs

    @staticmethod
    def update(id_: str, olds: Props, news: Props) -> Props:
        found = PROVIDER.update(id_, olds, copy.deepcopy(news))
        assert found.outs is not None
        return found.outs


# --- the life of the resource -----------------------------------------------------------------------------------------


def test_created_read_changed_and_let_go(empty: Database) -> None:
    props = props_of(empty)
    id_, outs = Calls.create(props)
    assert id_ == f"project:region:warp-db/{empty.name}"
    assert outs == {**props, "drift": []}
    assert empty.owner_of("34.1.0.9") == FIRST

    # What is read is what was written: no change.
    assert Calls.read(id_, outs) == outs
    assert PROVIDER.diff(id_, outs, props).changes is False

    news = {
        **props,
        "trunks": texts([trunk(FIRST, "main", "34.2.0.0/24"), trunk(SECOND, "main", "34.3.0.0/24")]),
        "limits": {"widestIpv4": 24.0, "widestIpv6": 40.0, "allowReserved": ["127.0.0.0/8"]},
    }
    assert PROVIDER.diff(id_, outs, news).changes is True
    updated = Calls.update(id_, outs, news)
    assert updated == {**news, "drift": []}
    assert [empty.owner_of(each) for each in ("34.1.0.9", "34.2.0.9", "34.3.0.9")] == [None, FIRST, SECOND]
    assert empty.ask("SELECT trunk_acl.unfit('34.0.0.0/23'), trunk_acl.unfit('127.0.0.0/24')") == [
        ("34.0.0.0/23 is wider than /24", None)
    ]
    assert Calls.read(id_, updated) == updated

    PROVIDER.delete(id_, updated)
    assert empty.owner_of("34.2.0.9") == FIRST
    assert empty.drift() == []


def test_created_again_on_what_is_there_takes_it_over(empty: Database) -> None:
    """After a state that was lost, or a run that was killed before the engine noted the end."""
    props = props_of(empty)
    first = Calls.create(props)
    before = empty.ask("SELECT id, created_at FROM accounts.trunk_ips")
    assert Calls.create(props) == first
    assert empty.ask("SELECT id, created_at FROM accounts.trunk_ips") == before


def test_created_again_without_its_customers_is_refused_although_no_state_knows_of_them(empty: Database) -> None:
    Calls.create(props_of(empty))
    for trunks in ({}, texts([trunk(SECOND, "main", "34.3.0.0/24")])):
        with pytest.raises(Refusal, match=f"1 of 1 entries would be removed, of BAN {FIRST}; entirely removed: BAN"):
            Calls.create(props_of(empty, trunks=trunks))
        with pytest.raises(Refusal, match="would be removed"):
            Calls.update("id", props_of(empty), props_of(empty, trunks=trunks))
    assert empty.owner_of("34.1.0.9") == FIRST
    removals = {"customers": 0.0, "percent": 10.0, "confirmed": {"entries": 1.0, "bans": [FIRST]}}
    Calls.update("id", props_of(empty), props_of(empty, trunks={}, removals=removals))
    assert empty.owner_of("34.1.0.9") is None
    assert PROVIDER.diff("id", props_of(empty), props_of(empty, removals=removals)).changes is False


def test_without_trunk_files_the_rows_are_the_portal_s_alone(empty: Database) -> None:
    props = {key: value for key, value in props_of(empty, places={}).items() if key != "trunks"}  # null is left out
    id_, outs = Calls.create(props)
    empty.do(f"INSERT INTO accounts.customers (ban) VALUES ('{FIRST}')")
    empty.add_entry(empty.add_trunk(), "34.1.0.0/24")
    assert Calls.read(id_, outs) == outs
    Calls.update(id_, outs, props)
    assert empty.owner_of("34.1.0.1") == FIRST


# --- drift ------------------------------------------------------------------------------------------------------------

BY_HAND = {
    "DROP INDEX accounts.trunk_ips_by_trunk": "drift",
    "REVOKE SELECT ON kamailio.address FROM warp_acl_reader": "drift",
    "DELETE FROM accounts.trunk_ips": "trunks",
    "UPDATE accounts.trunk_groups SET calls_per_second = 99": "trunks",
    "UPDATE trunk_acl.limits SET widest_ipv4 = 8": "limits",
    "INSERT INTO trunk_acl.allowed_ranges VALUES ('10.0.0.0/8')": "limits",
    "DELETE FROM trunk_acl.limits": "limits",
}


def test_what_was_changed_by_hand_is_read_is_a_change_and_is_put_back(empty: Database) -> None:
    props = props_of(empty)
    id_, outs = Calls.create(props)
    for statement, key in BY_HAND.items():
        empty.do(statement)
        found = Calls.read(id_, outs)
        assert {name for name in found if found[name] != outs[name]} == {key}, statement
        diff = PROVIDER.diff(id_, found, props)
        assert (diff.changes, diff.replaces) == (True, [])
        assert Calls.update(id_, found, props) == outs
        assert Calls.read(id_, outs) == outs, statement


def test_reading_a_database_that_lacks_migrations_says_so(empty: Database) -> None:
    found = Calls.read("id", props_of(empty))
    known = migrations.load()
    assert found["drift"][: len(known)] == [f"migration {each.file} is not applied" for each in known]
    assert empty.ask("SELECT to_regnamespace('trunk_acl')") == [None]


@pytest.fixture
def read_only(empty: Database) -> Iterator[Database]:
    PROVIDER.create(props_of(empty))
    empty.do(f"ALTER DATABASE {empty.name} SET default_transaction_read_only = on")
    yield empty
    empty.do(
        "SET default_transaction_read_only = off", f"ALTER DATABASE {empty.name} RESET default_transaction_read_only"
    )


def test_reading_and_comparing_never_write(read_only: Database) -> None:
    props = props_of(read_only)
    found = Calls.read("id", props)
    assert found["drift"] == []
    assert PROVIDER.diff("id", found, {**props, "owner": "another"}).changes is True
    with pytest.raises(Refusal, match="read-only transaction"):
        PROVIDER.update("id", props, {**props, "trunks": {}})


# --- diff: pure, explicit ---------------------------------------------------------------------------------------------

UNREACHABLE = "192.0.2.1"  # RFC 5737: whoever connects, waits


def test_diff_asks_no_database(acl: Database) -> None:
    olds = {**props_of(acl, host=UNREACHABLE), "drift": []}
    news = props_of(acl, host=UNREACHABLE)
    before = copy.deepcopy((olds, news))
    assert PROVIDER.diff("id", olds, news).changes is False
    assert (olds, news) == before


IN_PLACE = (
    "user", "password", "serverCa", "reach", "migrations", "createCustomers", "signIn", "readerPassword",
    "writerPassword", "limits", "owner", "trunks", "host", "dedicated",
)  # fmt: skip


@pytest.mark.parametrize("key", IN_PLACE)
def test_each_input_is_a_change_in_place(acl: Database, key: str) -> None:
    props = props_of(acl)
    diff = PROVIDER.diff("id", {**props, "drift": []}, {**props, key: "other"})
    assert (diff.changes, diff.replaces) == (True, [])


@pytest.mark.parametrize("key", ["instance", "database"])
def test_another_database_is_another_resource(acl: Database, key: str) -> None:
    props = props_of(acl)
    diff = PROVIDER.diff("id", {**props, "drift": []}, {**props, key: "other"})
    assert (diff.changes, diff.replaces) == (True, [key])


def test_a_line_that_moved_in_a_file_and_a_null_that_the_engine_left_out_are_no_change(acl: Database) -> None:
    props = props_of(acl)
    olds = {key: value for key, value in props.items() if key != "readerPassword"}
    news = {**props, "readerPassword": None, "places": {FIRST: "trunks/a.yaml:9"}}
    assert PROVIDER.diff("id", olds, news).changes is False


# --- errors say no secret and hang on no other ------------------------------------------------------------------------


def failures(database: Database) -> dict[str, dict[str, Any]]:
    props = props_of(database)
    other_authority = trustme.CA().cert_pem.bytes().decode()
    return {
        "no customers": {**props, "createCustomers": False},
        "refused": {**props, "password": "wrong-Secret-9"},
        "no such database": {**props, "database": "nowhere"},
        "nobody there": reaching({**props, "host": "127.91.5.250"}, deadlineSeconds=0.5),
        "another authority": reaching({**props, "serverCa": other_authority}, deadlineSeconds=0.5),
        "a bad row": {**props, "trunks": texts([trunk(FIRST, "main", "10.0.0.0/24")])},
        "no such member": {**props, "signIn": {"readers": ["nobody@x.iam"], "writers": []}},
    }


@pytest.mark.parametrize("call", ["create", "update", "read"])
def test_a_failure_is_one_error_without_secrets_and_without_a_chain(empty: Database, call: str) -> None:
    calls: dict[str, Callable[[Props], object]] = {
        "create": PROVIDER.create,
        "update": lambda props: PROVIDER.update("id", {}, props),
        "read": lambda props: PROVIDER.read("id", props),
    }
    for name, props in failures(empty).items():
        if call == "read" and name in ("a bad row", "no customers", "no such member"):
            continue  # nothing that reading refuses
        with pytest.raises(Refusal) as failed:
            calls[call](props)
        told = "".join(traceback.format_exception(failed.value))
        assert told.count("Traceback (most recent call last)") == 1, (name, told)
        assert "\n  -> " in str(failed.value), name
        for secret in (*SECRETS, "wrong-Secret-9"):
            assert secret not in told, name


def test_another_authority_is_told_at_once_and_not_waited_for(empty: Database) -> None:
    other = trustme.CA().cert_pem.bytes().decode()
    began = time.monotonic()
    with pytest.raises(Refusal, match=r"certificate verify failed\n  -> what stands between here and Google"):
        PROVIDER.create(reaching({**props_of(empty), "serverCa": other}, deadlineSeconds=60))
    assert time.monotonic() - began < 30


def test_what_a_reader_is_refused_is_told_in_one_error_too(empty: Database) -> None:
    PROVIDER.create(props_of(empty))
    with pytest.raises(Refusal, match="the database refuses: permission denied for schema trunk_acl") as failed:
        PROVIDER.read("id", {**props_of(empty), "user": "warp_acl_reader", "password": READER_PASSWORD})
    assert "".join(traceback.format_exception(failed.value)).count("Traceback") == 1


def test_an_import_is_refused_with_the_way() -> None:
    with pytest.raises(Refusal, match=r"cannot be imported\n  -> run `pulumi up`"):
        PROVIDER.read("some/id", {})


def test_no_password_is_in_the_server_s_log_whatever_it_logs(server: Server, empty: Database) -> None:
    if server.kind == "production":
        flags = {"log_statement": "all", "log_min_error_statement": "error", "log_connections": "on"}
        server.postgres.configure(require_tls=False, flags=flags)
    try:
        begin = server.postgres.log_file.stat().st_size
        PROVIDER.create(props_of(empty))
        PROVIDER.read("id", props_of(empty))
        with pytest.raises(Refusal):
            PROVIDER.update("id", {}, props_of(empty, trunks=texts([trunk(FIRST, "main", "10.0.0.0/24")])))
        log = server.postgres.log_file.read_bytes()[begin:].decode(errors="replace")
    finally:
        if server.kind == "production":
            server.postgres.configure(require_tls=False, flags={})
    if server.kind == "production":
        assert "ALTER ROLE" in log, "the log has what would show it"
    for secret in SECRETS:
        assert secret not in log


def test_no_password_is_in_the_catalogue_the_activity_or_the_process_s_arguments(
    server: Server, empty: Database
) -> None:
    """Looked at from outside, while a run works."""
    seen: list[str] = []
    done = threading.Event()

    def look() -> None:
        with server.postgres._superuser() as superuser:
            while not done.is_set():
                seen.extend(str(row) for row in superuser.execute("SELECT * FROM pg_stat_activity").fetchall())

    watching = threading.Thread(target=look)
    watching.start()
    script = """
import json, sys
from pathlib import Path
from components.trunk_acl.provider import TrunkAclProvider
props = json.load(sys.stdin)
TrunkAclProvider().create(props)
print("done", Path("/proc/self/cmdline").read_text().replace("\\0", " "), Path("/proc/self/environ").read_text())
"""
    run = subprocess.run(
        [sys.executable, "-c", script], input=json.dumps(props_of(empty)), text=True, capture_output=True,
        cwd=Path(__file__).parents[2], check=False,
    )  # fmt: skip
    done.set()
    watching.join()
    assert run.returncode == 0, run.stderr
    assert any("ALTER ROLE" in text or "trunk_acl" in text for text in seen)
    for secret in SECRETS:
        assert secret not in run.stdout + run.stderr
        assert not any(secret in text for text in seen)


def test_credentials_of_before_and_the_new_ones_are_both_given_to_the_database(empty: Database) -> None:
    props = props_of(empty, signIn={"readers": [], "writers": [], "rotation": 1.0}, secondReaderPassword="thesecondone")
    outputs = PROVIDER.create(props).outs or {}
    assert outputs["secondReaderPassword"] == "thesecondone"
    for role, password in (("warp_acl_reader", READER_PASSWORD), ("warp_acl_reader_b", "thesecondone")):
        with empty.connect(role, password=password) as reader:
            reader.execute("SELECT count(*) FROM acl_hosts")
    # What is null the engine leaves out.
    retired = {key: value for key, value in props.items() if key != "readerPassword"}
    assert PROVIDER.diff("id", outputs, retired).changes
    PROVIDER.update("id", outputs, retired)
    with pytest.raises(psycopg.OperationalError, match=r"not permitted to log in|password authentication failed"):
        empty.connect("warp_acl_reader", password=READER_PASSWORD)
    assert not (PROVIDER.read("id", retired).outs or {}).get("drift")
    PROVIDER.update("id", outputs, props_of(empty))  # roles are the whole server's


def test_the_engine_s_log_is_not_filled_with_tracebacks() -> None:
    PROVIDER.configure(ConfigureRequest({}))  # type: ignore[arg-type]
    assert not logging.getLogger("grpc._server").isEnabledFor(logging.ERROR)


def test_only_the_class_s_name_is_in_the_state() -> None:
    """What the SDK pickles and keeps: a reference, the same whatever the code is."""
    text = pickle.dumps(PROVIDER)
    assert len(text) < 120
    assert b"components.trunk_acl.provider" in text
    assert vars(pickle.loads(text)) == {}
