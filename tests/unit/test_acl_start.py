"""A proxy's start without the database: what a snapshot is, whose it is, and when the reloader has none."""

from __future__ import annotations

import os
import re
import stat
import time
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamailio.gate import QUERY, Database
from kamailio.reloader.database import DatabaseDown
from kamailio.reloader.environment import Endpoint, SettingError, Settings
from kamailio.reloader.snapshot import TAKEN, Keeper
from kamailio.reloader.status import Status, serve
from kamailio.snapshot import Part, Snapshot, Unusable, _read, fetch, seal, unseal
from kamailio.start import main
from tests.cases import cases
from tests.unit.test_reloader_settings import ENVIRONMENT

PART = Part(("key_name", "key_value"), (1043, 1043), zlib.compress(b"192.0.2.1\tmain|ACME\n"))
SNAPSHOT = Snapshot(1_000_000, 1_086_400, {"acl_hosts": PART, "dedicated": Part((), (), zlib.compress(b""))})
SEALED = seal(SNAPSHOT, "token")


# The format


def test_what_is_sealed_is_unsealed() -> None:
    assert unseal(SEALED, "token", 1_000_000) == SNAPSHOT


def test_one_that_is_too_old_is_read_all_the_same() -> None:
    """Kamailio answers 503 by its time, also when that comes later."""
    assert unseal(SEALED, "token", SNAPSHOT.until + 1) == SNAPSHOT


@cases(200, least=100)
@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
def test_no_byte_of_it_can_be_altered(place: int, difference: int) -> None:
    altered = SEALED[:place] + bytes([SEALED[place] ^ difference]) + SEALED[place + 1 :]
    with pytest.raises(Unusable):
        unseal(altered, "token", 1_000_000)


@cases(100, least=50)
@given(st.integers(0, len(SEALED) - 1))
def test_no_part_of_it_is_taken_for_the_whole(length: int) -> None:
    with pytest.raises(Unusable):
        unseal(SEALED[:length], "token", 1_000_000)


@pytest.mark.parametrize("token", ["", "other", "token "])
def test_another_token_is_refused(token: str) -> None:
    with pytest.raises(Unusable, match="another RPC token"):
        unseal(SEALED, token, 1_000_000)
    with pytest.raises(Unusable):
        unseal(seal(SNAPSHOT, ""), "", 1_000_000)


def test_one_from_the_future_is_refused() -> None:
    with pytest.raises(Unusable, match="from the future"):
        unseal(SEALED, "token", SNAPSHOT.taken - 3600)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=r"snapshot: .*No such file"):
        fetch(str(tmp_path / "snapshot"), "token")


class Reloader:
    """What one reloader serves."""

    def __init__(self, sealed: bytes | None, changed: int) -> None:
        self.changed, self._sealed = changed, sealed

    def read(self) -> bytes | None:
        return self._sealed


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        (Reloader(SEALED, 0), Reloader(None, 0), ""),
        (Reloader(SEALED, SNAPSHOT.taken), Reloader(None, SNAPSHOT.taken), ""),
        (Reloader(SEALED, 0), Reloader(None, SNAPSHOT.taken + 1), "as another reloader knows"),
        (Reloader(None, 0), Reloader(None, 0), "404 no snapshot"),
        (Reloader(SEALED[:-1], 0), Reloader(SEALED, 0), ""),
    ],
)
def test_of_two_reloaders_the_one_that_heard_of_a_change_is_believed(
    one: Reloader, other: Reloader, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = f"127.9.{os.getpid() % 250}.1", f"127.9.{os.getpid() % 250}.2"
    servers = [
        serve(Status(), Endpoint(host, 0), "token", each) for host, each in zip(hosts, (one, other), strict=True)
    ]
    monkeypatch.setattr(
        "kamailio.snapshot._places",
        lambda _, token: [
            (host, partial(_read, host, server.server_address[1], "/snapshot", token))
            for host, server in zip(hosts, servers, strict=True)
        ],
    )
    try:
        if reason:
            with pytest.raises(Unusable, match=reason):
                fetch("http://reloader:9062/snapshot", "token")
        else:
            assert fetch("http://reloader:9062/snapshot", "token") == SNAPSHOT
        with pytest.raises(Unusable, match="403 the reloader's WARP_ACL_RPC_TOKEN is another one"):
            fetch("http://reloader:9062/snapshot", "other")
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


# The database, as Kamailio reads the URL


@pytest.mark.parametrize(
    ("url", "more", "read"),
    [
        ("postgres://reader:pw@10.0.0.5:5432/warp", {}, ("10.0.0.5", 5432, "reader", "postgres://reader:pw@/warp")),
        ("postgres://odd:p@ss/w:rd@10.0.0.5/warp", {}, ("10.0.0.5", 5432, "odd", "postgres://odd:p@ss/w:rd@/warp")),
        ("postgres://reader:pw@[fd00::1]:6432/warp", {}, ("fd00::1", 6432, "reader", "postgres://reader:pw@/warp")),
        ("postgres://127.0.0.1:5432/warp", {"PGUSER": "a@b.iam"}, ("127.0.0.1", 5432, "a@b.iam", "postgres:///warp")),
        ("postgres://reader:pw@/warp", {"PGHOST": "db", "PGPORT": "1"}, ("db", 1, "reader", "postgres://reader:pw@/warp")),
    ],
)  # fmt: skip
def test_the_url_is_read_as_kamailio_reads_it(url: str, more: dict[str, str], read: tuple[object, ...]) -> None:
    found = Database.read({"WARP_ACL_DB_URL": url, **more})
    assert found
    assert (found.host, found.port, found.user, found.kept) == read


@pytest.mark.parametrize("url", ["", "postgres://reader:pw@/warp", "postgres://r:p@one,two/warp", "text:///etc"])
def test_what_cannot_be_stood_in_front_of_is_left_to_kamailio(url: str) -> None:
    assert Database.read({"WARP_ACL_DB_URL": url}) is None


def test_without_a_command_it_says_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], {}) == 2
    assert main(["no-such-kamailio"], {}) == 127
    assert "warp-edge start: no-such-kamailio: No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "query",
    [
        b"select key_name,key_type,value_type,key_value from acl_hosts  order by key_name\0",
        b"select tprefix,tvalue from acl_prefixes \0",
        b"select grp,ip_addr,mask,port,tag from address \0",
        b"select table_version from version where table_name='address'\0",
    ],
)
def test_kamailios_queries_are_understood(query: bytes) -> None:
    assert QUERY.fullmatch(query)


# The reloader's side


class Announced:
    """A listener: each item is what comes at once; then the database is lost."""

    def __init__(self, *items: list[str]) -> None:
        self._items = iter(items)
        self.checks = 0

    def payloads(self, seconds: float) -> Iterator[str]:
        del seconds
        try:
            yield from next(self._items)
        except StopIteration:
            raise DatabaseDown("gone") from None

    def check(self) -> None:
        self.checks += 1


def keeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Keeper, Status, list[str]]:
    """`events`: what it did, in order."""
    settings = Settings.read({**ENVIRONMENT, "WARP_ACL_SNAPSHOT_FILE": str(tmp_path / "snapshot")})
    status, events = Status(), list[str]()
    made = Keeper(settings, tmp_path / "snapshot", status)

    def read() -> dict[str, Part]:
        events.append(f"read, file {'there' if (tmp_path / 'snapshot').exists() else 'gone'}")
        return dict(SNAPSHOT.parts)

    monkeypatch.setattr(made, "_read", read)
    return made, status, events


def taken(status: Status) -> float:
    return float(re.findall(rf"^{TAKEN} (\S+)$", status.text(), re.M)[0])


def test_a_change_removes_the_file_before_the_views_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, status, events = keeper(tmp_path, monkeypatch)
    monkeypatch.setattr("kamailio.reloader.snapshot.SHARE", 0.0)
    listener: Any = Announced([], ["192.0.2.1/32"], [], [])
    with pytest.raises(DatabaseDown):
        made._keep(listener)
    assert events == ["read, file gone", "read, file gone"]
    assert taken(status) > 0
    assert made.changed > 0


def test_a_change_of_which_the_database_says_no_more_leaves_no_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, status, events = keeper(tmp_path, monkeypatch)
    listener: Any = Announced([], ["192.0.2.1/32"])
    with pytest.raises(DatabaseDown):
        made._keep(listener)
    assert events == ["read, file gone"]
    assert taken(status) == 0
    assert not (tmp_path / "snapshot").exists()


def test_the_file_is_its_owners_alone_and_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, status, _ = keeper(tmp_path, monkeypatch)
    made.take()
    file = tmp_path / "snapshot"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    read = unseal(file.read_bytes(), ENVIRONMENT["WARP_ACL_RPC_TOKEN"], time.time())
    assert read.until - read.taken == 24 * 3600
    assert taken(status) >= read.taken


def test_a_folder_that_takes_no_file_is_reported_and_leaves_no_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made, status, _ = keeper(tmp_path, monkeypatch)
    made.take()
    (tmp_path / "snapshot.new").mkdir()
    made.take()
    assert "no snapshot: " in caplog.text
    assert taken(status) == 0
    assert not (tmp_path / "snapshot").exists()


def test_hours_that_are_no_number_are_refused() -> None:
    with pytest.raises(SettingError, match="WARP_ACL_SNAPSHOT_HOURS is '0'; it must be a number of hours above 0"):
        Settings.read({**ENVIRONMENT, "WARP_ACL_SNAPSHOT_HOURS": "0"})
