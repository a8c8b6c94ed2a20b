"""The reloader's settings, from the environment alone: errors name the variable, what it holds and what it must be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kamailio.reloader.tables import TABLES, Table

RPC_PORT, STATUS_PORT = "9061", "9062"
EVERYWHERE = "0.0.0.0"  # noqa: S104  # inside a pod: the cluster's probes come from outside it


class SettingError(Exception):
    """A variable that is missing or wrong."""


@dataclass(frozen=True)
class Endpoint:
    """A host, name or address, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Settings:
    """See README.md. Secrets are left out of every representation."""

    database_url: str = field(repr=False)
    token: str = field(repr=False)
    proxies: tuple[Endpoint, ...]
    table: Table
    status: Endpoint
    quiet_seconds: float
    poll_seconds: float
    full_seconds: float
    watch_seconds: float
    reload_seconds: float
    snapshot: Path | None
    snapshot_seconds: float
    token_before: str = field(default="", repr=False)

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """Raises `SettingError` for the first variable that is missing or wrong."""
        table = environment.get("WARP_ACL_TABLE", "mtree")
        if table not in TABLES:
            raise SettingError(f"WARP_ACL_TABLE is {table!r}; it must be one of {', '.join(TABLES)}")
        return cls(
            database_url=needed(environment, "WARP_ACL_DB_URL", "the Secret with the reader's credentials has it"),
            token=needed(environment, "WARP_ACL_RPC_TOKEN", "the Secret of the proxies' RPC token has it"),
            proxies=tuple(
                endpoint("WARP_ACL_PROXIES", one, environment.get("WARP_ACL_RPC_PORT", RPC_PORT))
                for one in needed(environment, "WARP_ACL_PROXIES", "the name of the headless Service").split(",")
            ),
            table=TABLES[table],
            status=endpoint(
                "WARP_ACL_STATUS_LISTEN", environment.get("WARP_ACL_STATUS_LISTEN", EVERYWHERE), STATUS_PORT
            ),
            quiet_seconds=seconds(environment, "WARP_ACL_QUIET_SECONDS", 0.1),
            poll_seconds=seconds(environment, "WARP_ACL_POLL_SECONDS", 2),
            full_seconds=seconds(environment, "WARP_ACL_FULL_SECONDS", 300),
            watch_seconds=seconds(environment, "WARP_ACL_WATCH_SECONDS", 5),
            reload_seconds=seconds(environment, "WARP_ACL_RELOAD_SECONDS", 180),
            snapshot=Path(file) if (file := environment.get("WARP_ACL_SNAPSHOT_FILE", "").strip()) else None,
            snapshot_seconds=3600 * _positive(environment, "WARP_ACL_SNAPSHOT_HOURS", 24, "hours"),
            token_before=environment.get("WARP_ACL_RPC_TOKEN_BEFORE", "").strip(),
        )


def needed(environment: Mapping[str, str], name: str, remedy: str) -> str:
    """A variable that has to be set. Raises `SettingError` with that remedy."""
    value = environment.get(name, "").strip()
    if not value:
        raise SettingError(f"{name} is not set; {remedy}")
    return value


def endpoint(name: str, text: str, usual: str) -> Endpoint:
    """HOST or HOST:PORT of a variable. Raises `SettingError`."""
    host, colon, port = text.strip().rpartition(":")
    if not colon:
        host, port = port, usual
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise SettingError(f"{name} has {text!r} (port {port!r}); it must be HOST or HOST:PORT, with commas between")
    return Endpoint(host.strip("[]"), int(port))


def seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    """Seconds above 0. Raises `SettingError`."""
    return _positive(environment, name, default, "seconds")


def _positive(environment: Mapping[str, str], name: str, default: float, unit: str) -> float:
    text = environment.get(name, str(default))
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 < value < float("inf"):
        raise SettingError(f"{name} is {text!r}; it must be a number of {unit} above 0")
    return value
