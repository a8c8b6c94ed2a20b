"""Gets a connection to the trunk ACL's database: direct with TLS, through a proxy on this machine, or by the connector.

A database that does not take connections yet is waited for, up to a deadline; one that says no is not.
"""

from __future__ import annotations

import getpass
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import psycopg

from components.trunk_acl.errors import TrunkAclError
from components.trunk_acl.lock import Connection

PROXY_HOST = "127.0.0.1"
ATTEMPT_SECONDS = 10
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 8.0
# A server that answers FATAL has made up its mind, but for these (PostgreSQL's own words, and its poolers').
PASSING = ("starting up", "shutting down", "recovery", "too many", "remaining connection slots", "not yet accepting")


@dataclass(frozen=True)
class Target:
    """Where the database is and who signs in. `instance`: `project:region:instance`; `ca`: PEM of its authority."""

    access: Literal["direct", "proxy", "connector"]
    host: str
    port: int
    instance: str
    database: str
    user: str
    private: bool
    iam: bool
    deadline_seconds: float
    ca: str = ""
    password: str | None = field(default=None, repr=False)

    @property
    def where(self) -> str:
        """For people; says no secret."""
        by = {"direct": f"{self.host}:{self.port}", "proxy": f"the proxy at {PROXY_HOST}:{self.port}"}
        return f"database {self.database} at {by.get(self.access, self.instance)} as {self.user}"


@contextmanager
def connected(target: Target) -> Iterator[Connection]:
    """A connection in autocommit. Raises `TrunkAclError` when there is none by the deadline, or the server says no."""
    with ExitStack() as stack:
        attempt = _attempt(target, stack)
        deadline, pause = time.monotonic() + target.deadline_seconds, FIRST_PAUSE
        while True:
            try:
                connection = attempt()
                break
            except Exception as error:  # the connector's own errors have no common base
                reason = " ".join(str(error).split())
                if _final(reason) or time.monotonic() + pause > deadline:
                    raise _told(target, reason) from None
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        with connection:
            yield connection


def _final(reason: str) -> bool:
    return "FATAL:" in reason and not any(words in reason for words in PASSING)


def _told(target: Target, reason: str) -> TrunkAclError:
    remedy = {
        "direct": "is the address reachable from here (authorised networks, VPC)? Or use trunkAcl.reach.access: proxy",
        "proxy": f"start it: cloud-sql-proxy --port {target.port} {target.instance}",
        "connector": "sign in with `gcloud auth application-default login`; the Cloud SQL Client role is needed",
    }[target.access]
    if _final(reason):
        remedy = "the server answers and refuses: look at the user, its password and the database's name"
    return TrunkAclError(f"cannot connect to {target.where}: {reason}", remedy)


def _attempt(target: Target, stack: ExitStack) -> Any:
    if target.access == "connector":
        return _by_connector(target, stack)
    parameters: dict[str, Any] = {
        "host": target.host,
        "port": target.port,
        "sslmode": "verify-ca",
    }
    if target.access == "proxy":
        # The proxy encrypts; its own port is on this machine alone.
        parameters = {"host": PROXY_HOST, "port": target.port, "sslmode": "disable"}
    elif target.ca:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="warp-acl-"))
        authority = Path(folder) / "server-ca.pem"
        authority.write_text(target.ca, encoding="utf-8")
        parameters["sslrootcert"] = str(authority)
    else:
        parameters["sslmode"] = "require"
    return lambda: psycopg.connect(
        dbname=target.database,
        user=target.user,
        password=target.password,
        autocommit=True,
        connect_timeout=ATTEMPT_SECONDS,
        application_name=application_name(),
        # What the environment of whoever runs us could change.
        gssencmode="disable",
        target_session_attrs="any",
        options="",
        **parameters,
    )


def _by_connector(target: Target, stack: ExitStack) -> Any:
    """docs: github.com/GoogleCloudPlatform/cloud-sql-python-connector; psycopg since its 1.22."""
    # Imported here: it brings Google's authentication libraries, which no other way needs.
    from google.cloud.sql.connector import Connector, IPTypes  # noqa: PLC0415

    connector = stack.enter_context(Connector(refresh_strategy="lazy", enable_iam_auth=target.iam))
    # The connector ends its connections at the server's address without naming TLS: it has encrypted already.
    parameters = {"password": target.password} if target.password and not target.iam else {}
    return lambda: connector.connect(
        target.instance,
        "psycopg",
        user=target.user,
        db=target.database,
        ip_type=IPTypes.PRIVATE if target.private else IPTypes.PUBLIC,
        autocommit=True,
        application_name=application_name(),
        **parameters,
    )


def application_name() -> str:
    """Who works on the database, as the lock's message and the audit trail tell it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in containers
        user = str(os.getuid())
    return f"warp-edge pulumi ({user}@{socket.gethostname()})"[:63]
