"""The reloader's settings, and the proxies that a name stands for."""

from __future__ import annotations

from typing import Any

import pytest

from kamailio.reloader import service
from kamailio.reloader.database import DatabaseDown, Views
from kamailio.reloader.environment import Endpoint, SettingError, Settings

ENVIRONMENT = {
    "WARP_ACL_DB_URL": "postgres://warp_acl_reader:secretpassword@db:5432/warp",
    "WARP_ACL_RPC_TOKEN": "secrettoken",
    "WARP_ACL_PROXIES": "kamailio-acl.warp-core:9061",
}


# Settings


@pytest.mark.parametrize("name", list(ENVIRONMENT))
def test_a_missing_variable_is_named_with_its_remedy(name: str) -> None:
    with pytest.raises(SettingError, match=f"{name} is not set; "):
        Settings.read(ENVIRONMENT | {name: " "})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WARP_ACL_TABLE", "redis"),
        ("WARP_ACL_PROXIES", "a:0"),
        ("WARP_ACL_PROXIES", "a,,b"),
        ("WARP_ACL_PROXIES", "a:http"),
        ("WARP_ACL_PROXIES", ":9061"),
        ("WARP_ACL_STATUS_LISTEN", ":"),
        ("WARP_ACL_FULL_SECONDS", "0"),
        ("WARP_ACL_FULL_SECONDS", "nan"),
        ("WARP_ACL_WATCH_SECONDS", "soon"),
        ("WARP_ACL_POLL_SECONDS", "-1"),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"{name} "):
        Settings.read(ENVIRONMENT | {name: value})


def test_proxies_may_be_many_and_have_a_usual_port() -> None:
    settings = Settings.read(ENVIRONMENT | {"WARP_ACL_PROXIES": "one, two:1,[2001:db8::1]:2"})
    assert settings.proxies == (Endpoint("one", 9061), Endpoint("two", 1), Endpoint("2001:db8::1", 2))
    other = Settings.read(ENVIRONMENT | {"WARP_ACL_PROXIES": "one,two:1", "WARP_ACL_RPC_PORT": "9070"})
    assert other.proxies == (Endpoint("one", 9070), Endpoint("two", 1))


def test_secrets_are_in_no_representation() -> None:
    assert "secret" not in repr(Settings.read(ENVIRONMENT))


def test_a_database_that_is_not_there_is_reported_without_the_password() -> None:
    with pytest.raises(DatabaseDown) as down:
        Views("postgres://warp_acl_reader:secretpassword@127.0.0.1:9/warp").counts()
    assert "127.0.0.1" in str(down.value)
    assert "secretpassword" not in str(down.value)


# Proxies' addresses


def test_every_address_of_a_name_is_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        if host == "gone":
            raise OSError("no such name")
        return [(0, 0, 0, "", (address, port)) for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1")]

    monkeypatch.setattr("kamailio.reloader.service.socket.getaddrinfo", answers)
    both = {Endpoint("192.0.2.1", 9061), Endpoint("192.0.2.2", 9061)}
    assert service.resolve([Endpoint("pods", 9061)]) == (both, True)
    assert service.resolve([Endpoint("pods", 9061), Endpoint("gone", 9061)]) == (both, False)
