"""Gets a connection to the trunk ACL's database: direct with TLS, through a proxy on this machine, or by the connector.

A database that does not take connections yet is waited for, up to a deadline; one that says no is not.
"""

from __future__ import annotations

import asyncio
import getpass
import logging
import os
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import psycopg

from components.trunk_acl.lock import Connection
from refusal import Refusal

PROXY_HOST = "127.0.0.1"
ATTEMPT_SECONDS = 10
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 8.0
# A server that answers FATAL has made up its mind, but for the passing states (PostgreSQL's own words, and its
# poolers'); another authority than the instance's does not become the right one by waiting (OpenSSL's words).
WRONG_AUTHORITY = "certificate verify failed"
REFUSED = ("FATAL:", "no password supplied", WRONG_AUTHORITY)
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
    """A connection in autocommit. Raises `Refusal` when there is none by the deadline, or the server says no."""
    if target.access == "direct" and not target.host:
        # libpq would take an empty host for this machine's own server, and wait for that.
        kind, other = ("private", "public") if target.private else ("public", "private")
        raise _no_more(target, f"it has no {kind} address", f"set trunkAcl.reach.address: {other}")
    with ExitStack() as stack:
        deadline, pause = time.monotonic() + target.deadline_seconds, FIRST_PAUSE
        attempt, reason = _attempt(target, stack, deadline), ""
        while True:
            try:
                connection = attempt()
                break
            except Refusal:
                raise
            except Exception as error:  # the connector's own errors have no common base
                # An attempt that the deadline cut off knows less than the one before.
                reason = reason if reason and isinstance(error, TimeoutError) else " ".join(str(error).split())
                if _final(reason) or time.monotonic() + pause > deadline:
                    raise _told(target, reason) from None
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        with connection:
            yield connection


def _final(reason: str) -> bool:
    return any(words in reason for words in REFUSED) and not any(words in reason for words in PASSING)


def _told(target: Target, reason: str) -> Refusal:
    remedy = {
        "direct": "is the address reachable from here (authorised networks, VPC)? Or use trunkAcl.reach.access: proxy",
        "proxy": f"start it: cloud-sql-proxy --port {target.port} {target.instance}",
        "connector": "sign in with `gcloud auth application-default login`; the Cloud SQL Client role is needed",
    }[target.access]
    if WRONG_AUTHORITY in reason:
        remedy = PRETENDER
    elif _final(reason):
        remedy = "the server answers and refuses: look at the user, its password and the database's name"
    return Refusal(f"cannot connect to {target.where}: {reason}", remedy)


def _attempt(target: Target, stack: ExitStack, deadline: float) -> Callable[[], Connection]:
    if target.access == "connector":
        return _by_connector(target, deadline)
    parameters: dict[str, Any] = {"host": target.host, "port": target.port, "sslmode": "verify-ca"}
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
        connect_timeout=ATTEMPT_SECONDS,
        hostaddr="",  # PGHOSTADDR would lead elsewhere
        **_every_session(),
        **parameters,
    )


def _every_session() -> dict[str, Any]:
    return {
        "autocommit": True,
        "application_name": application_name(),
        # What the environment of whoever runs us could change.
        "gssencmode": "disable",
        "target_session_attrs": "any",
        "options": "",
    }


def _by_connector(target: Target, deadline: float) -> Callable[[], Connection]:
    """github.com/GoogleCloudPlatform/cloud-sql-python-connector; psycopg since its 1.22."""
    # One try is enough: a metadata server is near and answers at once. google-auth reads this when it is imported.
    os.environ.setdefault("GCE_METADATA_DETECT_RETRIES", "1")
    logging.getLogger("google.auth").setLevel(logging.ERROR)
    # Imported here: it brings Google's libraries (0.7 s), which no other way needs.
    import google.auth  # noqa: PLC0415
    from aiohttp import ClientResponseError  # noqa: PLC0415
    from google.auth.exceptions import DefaultCredentialsError, RefreshError  # noqa: PLC0415
    from google.cloud.sql.connector import Connector, IPTypes  # noqa: PLC0415
    from google.cloud.sql.connector.exceptions import CloudSQLIPTypeError  # noqa: PLC0415

    async def connect() -> Connection:
        credentials, _ = google.auth.default()
        # For the answer to one question: it connects by a thread of its own, which needs neither loop nor connector.
        async with Connector(
            loop=asyncio.get_running_loop(),
            refresh_strategy="lazy",
            credentials=credentials,
            # The connector asks the environment only; people's own credentials name one as well.
            quota_project=getattr(credentials, "quota_project_id", None),
            enable_iam_auth=target.iam,
            ip_type=IPTypes.PRIVATE if target.private else IPTypes.PUBLIC,
            timeout=ATTEMPT_SECONDS,
        ) as connector:
            connection: Connection = await connector.connect_async(
                target.instance,
                "psycopg",
                user=target.user,
                password=None if target.iam else target.password,
                db=target.database,
                **_every_session(),
            )
            return connection

    def attempt() -> Connection:
        try:
            return _within(deadline - time.monotonic(), lambda: asyncio.run(connect()))
        except DefaultCredentialsError as error:
            raise _no_more(target, "this machine has no Google credentials", SIGN_IN, error) from None
        except RefreshError as error:
            if error.retryable:
                raise
            raise _no_more(target, "Google refuses the credentials of this machine", SIGN_IN, error) from None
        except ClientResponseError as error:
            if error.status not in REFUSALS:
                raise
            raise _no_more(target, "Google refuses", ROLE, error.message) from None
        except ssl.SSLCertVerificationError as error:
            raise _no_more(target, "who answers is not the instance", PRETENDER, error.verify_message) from None
        except ValueError as error:  # a name without region, or with another
            raise _no_more(target, "the name is not the instance's", ROLE, error) from None
        except CloudSQLIPTypeError:
            kind, other = ("private", "public") if target.private else ("public", "private")
            raise _no_more(target, f"it has no {kind} address", f"set trunkAcl.reach.address: {other}") from None

    return attempt


SIGN_IN = "sign in with `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS"
ROLE = "is the instance's name right, has the account the role Cloud SQL Client, is sqladmin.googleapis.com enabled?"
PRETENDER = "what stands between here and Google? If the instance's authority was just changed, run again"
REFUSALS = (400, 401, 403, 404)


def _no_more(target: Target, what: str, remedy: str, words: object = "") -> Refusal:
    """What trying again does not change."""
    told = " ".join(str(words).split())
    return Refusal(f"cannot connect to {target.where}: {what}{f': {told}' if told else ''}", remedy)


def _within(seconds: float, work: Callable[[], Connection]) -> Connection:
    """The connector opens its socket without a bound, where nothing can interrupt it: late work is left behind."""
    outcome: Future[Connection] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except Exception as error:
            outcome.set_exception(error)

    threading.Thread(target=run, name="cloud-sql-connector", daemon=True).start()
    try:
        return outcome.result(max(seconds, 0))
    except TimeoutError:
        if outcome.done():
            raise
        outcome.add_done_callback(lambda late: None if late.exception() else late.result().close())
        raise TimeoutError("no answer in time") from None


def application_name() -> str:
    """Who works on the database, as the lock's message and the audit trail tell it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in containers
        user = str(os.getuid())
    return f"warp-edge pulumi ({user}@{socket.gethostname()})"[:63]
