"""The trunk ACL's database reached by the Cloud SQL Python Connector, as far as that goes without Google.

The library is the real one, and so are its ways: a service account's key file, HTTP, TLS 1.3 with a certificate made
for the run, PostgreSQL. Stood in for: the token server, the two calls of the Cloud SQL Admin API that it makes, and the
instance's own end of the connection on port 3307. Not stood in for: sign-in by IAM, which Google's end does alone; what
the library sends for it is looked at.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import json
import os
import secrets
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.cloud.sql import connector
from google.cloud.sql.connector import Connector
from google.oauth2 import service_account

from components.trunk_acl import reach
from local_cloud.postgres import PostgresServer
from refusal import Refusal

ROOT = Path(__file__).resolve().parents[2]
PUBLIC, PRIVATE = "127.91.7.1", "127.91.7.2"  # of the instance; the library connects to its port 3307
INSTANCE = "warp-test:europe-west1:warp-trunks"
USER, PASSWORD = "warp", secrets.token_hex(8)
ACCOUNT = "deployer@warp-test.iam.gserviceaccount.com"
LOGIN_SCOPE = "https://www.googleapis.com/auth/sqlservice.login"


class Google:
    """The token server and the Admin API: what was asked, and answers that a test may change."""

    def __init__(self, server_ca: str) -> None:
        self.server_ca = server_ca
        self.region = "europe-west1"
        self.addresses = {"PRIMARY": PUBLIC, "PRIVATE": PRIVATE}
        self.refusal: tuple[int, str] | None = None
        self.delay = 0.0
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "clients of the instance")])

    def token(self, form: dict[str, Any]) -> dict[str, Any]:
        claims = form["assertion"][0].split(".")[1]
        scope = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["scope"]
        return {"access_token": f"token for {scope}", "expires_in": 3600, "token_type": "Bearer"}

    def settings(self) -> dict[str, Any]:
        return {
            "kind": "sql#connectSettings",
            "region": self.region,
            "databaseVersion": "POSTGRES_15",
            "backendType": "SECOND_GEN",
            "serverCaCert": {"cert": self.server_ca},
            "ipAddresses": [{"type": kind, "ipAddress": address} for kind, address in self.addresses.items()],
        }

    def certificate(self, asked: dict[str, Any]) -> dict[str, Any]:
        public = serialization.load_pem_public_key(asked["public_key"].encode())
        return {"ephemeralCert": {"cert": self.signed(public, "made for this run")}}

    def signed(self, public: Any, subject: str, *, own: bool = False) -> str:
        """PEM of a certificate of the instance's authority for its clients; `own`: the authority's itself."""
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.name if own else x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)]))
            .issuer_name(self.name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=own, path_length=None), critical=True)
        )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    @property
    def client_authority(self) -> str:
        return self.signed(self.key.public_key(), "", own=True)

    @contextlib.contextmanager
    def served(self) -> Iterator[str]:
        google = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(b"")

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers["Content-Length"])))

            def _answer(self, body: bytes) -> None:
                is_form = self.path == "/token"
                content = parse_qs(body.decode()) if is_form else json.loads(body or b"{}")
                google.asked.append((self.path, dict(self.headers), content))
                project, _, instance = INSTANCE.split(":")
                api = f"/sql/v1beta4/projects/{project}/instances/{instance}"
                answers: dict[str, Callable[[], dict[str, Any]]] = {
                    "/token": lambda: google.token(content),
                    f"{api}/connectSettings": google.settings,
                    f"{api}:generateEphemeralCert": lambda: google.certificate(content),
                }
                time.sleep(0 if is_form else google.delay)
                if google.refusal and not is_form:
                    status, message = google.refusal
                    answer = {"error": {"code": status, "message": message}}
                elif self.path in answers:
                    status, answer = 200, answers[self.path]()
                else:
                    status, answer = 404, {"error": {"code": 404, "message": "The Cloud SQL instance does not exist."}}
                with contextlib.suppress(OSError):  # who asked may have left
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.end_headers()
                    self.wfile.write(json.dumps(answer).encode())

            def log_message(self, *_: Any) -> None:
                """Keep the tests' output for the tests."""

        server = ThreadingHTTPServer((PUBLIC, 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{PUBLIC}:{server.server_port}"
        server.shutdown()
        server.server_close()


@dataclass
class Instance:
    """The end of the connection that runs on the instance: TLS 1.3 for those with a certificate of `authority`."""

    postgres: PostgresServer
    certificate: trustme.LeafCert
    authority: str
    clients: list[str] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    _servers: list[asyncio.Server] = field(default_factory=list)

    @contextlib.contextmanager
    def served(self) -> Iterator[None]:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=self.authority)
        context.verify_mode = ssl.CERT_REQUIRED
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        # On loopback a session ticket can overtake the first message of psycopg, and the connector's proxy, which reads
        # without a timeout, then waits for ever (reach tries again). Over a network the message is always ahead.
        context.num_tickets = 0
        self.certificate.configure_cert(context)
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        for address in (PUBLIC, PRIVATE):
            opening = asyncio.start_server(partial(self._serve, address), address, 3307, ssl=context)
            self._servers.append(asyncio.run_coroutine_threadsafe(opening, loop).result(10))
        yield
        asyncio.run_coroutine_threadsafe(self._end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()

    async def _serve(self, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ((name,),) = (writer.get_extra_info("peercert") or {"subject": ((("", "nobody"),),)})["subject"]
        self.clients.append(f"{name[1]} at {address}")
        with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
            startup = await reader.read(4096)
            self.users.append(startup[8:].split(b"\0")[1].decode())
            from_server, to_server = await asyncio.open_connection(self.postgres.host, self.postgres.port)
            to_server.write(startup)
            await asyncio.gather(self._copy(reader, to_server), self._copy(from_server, writer))
        writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    # What comes in on the instance itself is encrypted no more.
    server = PostgresServer(tmp_path_factory.mktemp("connector") / "data", "127.91.7.3", require_tls=False, flags={})
    server.start()
    server.create_database("warp", "UTF8", "C")
    server.create_user(USER, PASSWORD)
    yield server
    server.destroy()


@dataclass(frozen=True)
class Cloud:
    google: Google
    instance: Instance


@pytest.fixture
def cloud(postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """A machine with a service account's key, and everything that is Google's."""
    authority = trustme.CA()
    google = Google(authority.cert_pem.bytes().decode())
    instance = Instance(postgres, authority.issue_cert(PUBLIC, PRIVATE), google.client_authority)
    with google.served() as url, instance.served():
        key = google.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file = tmp_path / "deployer.json"
        file.write_text(
            json.dumps(
                {
                    "type": "service_account", "project_id": "warp-test", "private_key_id": "1", "client_id": "1",
                    "private_key": key.decode(), "client_email": ACCOUNT, "token_uri": f"{url}/token",
                }
            )
        )  # fmt: skip
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        # All that production does not do: another place for the Admin API, by the library's own option for it.
        monkeypatch.setattr(connector, "Connector", partial(Connector, sqladmin_api_endpoint=url))
        yield Cloud(google, instance)


def target(**changed: Any) -> reach.Target:
    given: dict[str, Any] = {
        "access": "connector", "host": "", "port": 5432, "instance": INSTANCE, "database": "warp", "user": USER,
        "private": False, "iam": False, "deadline_seconds": 30.0, "password": PASSWORD,
    }  # fmt: skip
    return reach.Target(**{**given, **changed})


def refused(**changed: Any) -> tuple[str, float]:
    """The error's text, and after how many seconds it came."""
    began = time.monotonic()
    with pytest.raises(Refusal) as error, reach.connected(target(**changed)):
        pass
    return str(error.value), time.monotonic() - began


def test_the_connector_reaches_the_database_with_a_certificate_made_for_this_run(cloud: Cloud) -> None:
    with reach.connected(target()) as connection:
        row = connection.execute(
            "SELECT current_user, current_database(), current_setting('application_name')"
        ).fetchone()
        assert row == (USER, "warp", reach.application_name())
        assert connection.autocommit
    assert cloud.instance.clients == [f"made for this run at {PUBLIC}"]
    api = [headers["Authorization"] for path, headers, _ in cloud.google.asked if path != "/token"]
    assert len(api) == 2
    assert all(each.startswith("Bearer token for https://www.googleapis.com/auth/sqlservice.admin") for each in api)


def test_calls_are_counted_on_the_project_that_the_credentials_name(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "not-this-one")
    credentials = service_account.Credentials.from_service_account_file(os.environ["GOOGLE_APPLICATION_CREDENTIALS"])  # type: ignore[no-untyped-call]
    monkeypatch.setattr("google.auth.default", lambda: (credentials.with_quota_project("warp-billing"), None))
    with reach.connected(target()) as connection:
        connection.execute("SELECT 1")
    assert {h.get("x-goog-user-project") for path, h, _ in cloud.google.asked if path != "/token"} == {"warp-billing"}


def test_a_long_session_outlives_the_connector(cloud: Cloud) -> None:
    with reach.connected(target()) as connection:
        with (
            connection.cursor() as cursor,
            cursor.copy("COPY (SELECT repeat('x', 1000) FROM generate_series(1, 20000)) TO STDOUT") as copy,
        ):
            assert sum(len(block) for block in copy) == 20_000 * 1001
        with connection.transaction():
            connection.execute("SELECT pg_sleep(2)")
    assert connection.closed


def test_nothing_is_left_behind_when_the_connection_ends(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not below tmp_path: the path of a Unix socket has 107 bytes at most (unix(7)).
    folder = Path(tempfile.mkdtemp(prefix="warp-"))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    before = set(threading.enumerate())
    with reach.connected(target()) as connection:
        connection.execute("SELECT 1")
    deadline = time.monotonic() + 5
    ours = {"cloud-sql-connector", "_accept_and_proxy"}
    while left := [
        each for each in threading.enumerate() if each not in before and any(name in each.name for name in ours)
    ]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
    folder.rmdir()  # only an empty one


def test_the_private_address_is_used_where_the_settings_say_so(cloud: Cloud) -> None:
    with reach.connected(target(private=True)) as connection:
        connection.execute("SELECT 1")
    assert cloud.instance.clients == [f"made for this run at {PRIVATE}"]


def test_an_instance_without_a_private_address_says_so_at_once(cloud: Cloud) -> None:
    del cloud.google.addresses["PRIVATE"]
    text, seconds = refused(private=True)
    assert "it has no private address\n  -> set trunkAcl.reach.address: public" in text
    assert seconds < 5


def test_the_end_on_the_instance_takes_nobody_without_a_certificate(cloud: Cloud) -> None:
    context = ssl.create_default_context(cadata=cloud.google.server_ca)
    with (
        contextlib.suppress(ssl.SSLError, ConnectionError),
        socket.create_connection((PUBLIC, 3307), 5) as plain,
        context.wrap_socket(plain, server_hostname=PUBLIC) as encrypted,
    ):
        assert encrypted.recv(1) == b""
    assert cloud.instance.clients == []


def test_a_server_with_a_certificate_of_another_authority_never_gets_the_password(cloud: Cloud) -> None:
    cloud.google.server_ca = trustme.CA().cert_pem.bytes().decode()
    text, seconds = refused()
    assert "who answers is not the instance" in text
    assert seconds < 5
    assert cloud.instance.users == []


def test_a_wrong_password_is_told_at_once_and_not_repeated(cloud: Cloud) -> None:
    text, seconds = refused(password="wrong-one")
    assert "password authentication failed" in text
    assert "look at the user, its password" in text
    assert "wrong-one" not in text
    assert seconds < 5
    assert len(cloud.instance.users) == 1


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_the_admin_api_refuses_is_told_at_once_in_its_own_words(cloud: Cloud, status: int) -> None:
    cloud.google.refusal = status, "The client is not authorized to make this request."
    text, seconds = refused()
    assert "Google refuses: The client is not authorized to make this request." in text
    assert "Cloud SQL Client" in text
    assert seconds < 5


def test_an_instance_of_another_name_or_region_is_told_at_once(cloud: Cloud) -> None:
    assert "The Cloud SQL instance does not exist." in refused(instance="warp-test:europe-west1:another")[0]
    cloud.google.region = "us-east1"
    text, seconds = refused()
    assert "got region europe-west1, expected us-east1" in text
    assert seconds < 5


def test_an_api_that_fails_for_a_while_is_waited_for(cloud: Cloud) -> None:
    cloud.google.refusal = 503, "The service is currently unavailable."
    threading.Timer(1.5, setattr, (cloud.google, "refusal", None)).start()
    with reach.connected(target(deadline_seconds=30.0)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_an_api_that_never_answers_ends_with_the_deadline(cloud: Cloud) -> None:
    cloud.google.delay = 8.0
    text, seconds = refused(deadline_seconds=2.0)
    assert "no answer in time" in text
    assert 1.5 < seconds < 4


def test_iam_asks_for_a_certificate_with_a_login_token_and_sends_no_password(cloud: Cloud) -> None:
    text, _ = refused(iam=True, user=ACCOUNT)
    assert "no password supplied" in text  # what PostgreSQL wants here; Google's end would have signed in
    assert cloud.instance.users[0] == ACCOUNT.removesuffix(".gserviceaccount.com")
    (asked, *_) = [content for path, _, content in cloud.google.asked if path.endswith(":generateEphemeralCert")]
    assert asked["access_token"] == f"token for {LOGIN_SCOPE}"


@pytest.mark.parametrize("metadata", ["refuses", "is silent"])
def test_a_machine_without_credentials_gets_one_clear_error_and_no_traceback(tmp_path: Path, metadata: str) -> None:
    program = f"""
from components.trunk_acl import reach
from refusal import Refusal
try:
    with reach.connected(reach.{target(deadline_seconds=60.0, password=None)!r}):
        pass
except Refusal as error:
    print(error)
"""
    with socket.socket() as listener:
        listener.bind((PUBLIC, 0))
        if metadata == "is silent":
            listener.listen()
        place = f"{PUBLIC}:{listener.getsockname()[1]}"
        given = {
            "HOME": str(tmp_path),
            "PATH": os.environ["PATH"],
            "GCE_METADATA_IP": place,
            "GCE_METADATA_HOST": place,
        }
        began = time.monotonic()
        result = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        seconds = time.monotonic() - began
    assert result.stderr == ""
    what, remedy = result.stdout.splitlines()
    assert what.startswith(
        f"cannot connect to database warp at {INSTANCE} as {USER}: this machine has no Google credentials"
    )
    assert "gcloud auth application-default login" in remedy
    assert seconds < 10
