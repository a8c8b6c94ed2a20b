"""A renewer with what it talks to: a real CA (Pebble), the sandbox's Gandi with its name server, a Secret, a proxy."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509

from kamailio.renewer import certificate
from kamailio.renewer.configuration import Settings
from kamailio.renewer.service import Service
from kamailio.renewer.status import RenewerStatus
from local_cloud.cloud import Cloud
from local_cloud.dns_server import DnsServer, ZoneData
from local_cloud.gandi import zones
from local_cloud.gandi.server import GandiServer
from local_cloud.layout import GANDI_TOKEN
from sandbox.pebble import PROFILE, Pebble
from sandbox.secret_api import NAME, NAMESPACE, SecretApi
from tests.sip.edge import seconds_until

DOMAIN = "ringer.tel"
NAMES = (DOMAIN, f"sip.{DOMAIN}")
RPC_TOKEN = "rpc-token"
PATIENCE = 60.0


class Zones:
    """Gandi's API and its name server. `holds_back`: the server gives the zones of before."""

    def __init__(self, folder: Path) -> None:
        self.cloud = Cloud(folder / "cloud.db")
        with self.cloud.change("hand") as tx:
            for domain in (DOMAIN, "acme.example.net"):
                zones.new_domain(tx, domain)
        self.gandi = GandiServer(self.cloud)
        self.gandi.start()
        self.held: list[ZoneData] | None = None
        self.questions = 0
        self.server = DnsServer("127.0.0.1", 0, self._served)
        self.server.start()
        with self.cloud.view() as tx:
            self.token = tx.setting(GANDI_TOKEN)

    def _served(self) -> list[ZoneData]:
        self.questions += 1
        return self.now() if self.held is None else self.held

    def now(self) -> list[ZoneData]:
        with self.cloud.view() as tx:
            return list(zones.served(tx))

    def put(self, domain: str, label: str, type_: str, *values: str) -> None:
        with self.cloud.change("hand") as tx:
            tx.put(zones.RECORD, zones.record_id(domain, label, type_), zones.body_of(label, type_, 300, values))

    def remove(self, label: str, type_: str, domain: str = DOMAIN) -> None:
        with self.cloud.change("hand") as tx:
            tx.delete(zones.RECORD, zones.record_id(domain, label, type_))

    def values(self, label: str, domain: str = DOMAIN) -> list[str]:
        with self.cloud.view() as tx:
            found = tx.get(zones.RECORD, zones.record_id(domain, label, "TXT"))
            return list(found["rrset_values"]) if found else []

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    def stop(self) -> None:
        self.gandi.stop()
        self.server.stop()


class TlsProxy:
    """Stands for a proxy where its calls do not matter: serves the files of `mount` as they were at its last reload."""

    def __init__(self, host: str, mount: Path) -> None:
        self.host, self.mount = host, mount
        self.reloads = 0
        self._context: ssl.SSLContext | None = None
        self._listener = socket.create_server((host, 5061))
        self._http = self._rpc()
        self._threads = [threading.Thread(target=each) for each in (self._accept, self._http.serve_forever)]
        for thread in self._threads:
            thread.start()

    def reload(self) -> str:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self.mount / "tls.crt", self.mount / "tls.key")
        except OSError as error:
            return f"Error while fixing TLS configuration: {error}"
        self._context = context
        self.reloads += 1
        return ""

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), connection:
                connection.settimeout(5)
                if self._context:
                    self._context.wrap_socket(connection, server_side=True).close()

    def _rpc(self) -> ThreadingHTTPServer:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.headers["Authorization"] != f"Bearer {RPC_TOKEN}":
                    return self.send_error(403)
                assert asked["method"] == "tls.reload"
                problem = proxy.reload()
                body: dict[str, Any] = {"error": {"code": 500, "message": problem}} if problem else {"result": "Ok."}
                content = json.dumps({"jsonrpc": "2.0", "id": 1} | body).encode()
                self.send_response(500 if problem else 200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                return None

            def log_message(self, format: str, *args: Any) -> None: ...

        return ThreadingHTTPServer((self.host, 9064), Handler)

    def stop(self) -> None:
        """Closing alone leaves the port with the thread that waits at it."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._http.shutdown()
        for thread in self._threads:
            thread.join()
        self._listener.close()
        self._http.server_close()


@dataclass
class Renewer:
    """A service in this process. It begins anew with `start`, as a pod does."""

    folder: Path
    cluster: SecretApi
    pebble: Pebble
    zones: Zones
    proxy: str
    more: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    service: Service | None = None

    def settings(self) -> Settings:
        self.folder.mkdir(parents=True, exist_ok=True)
        configuration = {
            "directory": self.pebble.directory,
            "directoryRoots": str(self.pebble.roots),
            "contact": ["mailto:noc@example.com"],
            "profile": PROFILE,
            "key": "ecdsaP256",
            "names": list(NAMES),
            "renewAtRemaining": 0.33,
            "dns": {"host": "gandi", "api": f"http://127.0.0.1:{self.zones.gandi.port}/v5", "zone": DOMAIN},
            "nameServers": [self.zones.place],
            "secret": {"namespace": NAMESPACE, "name": NAME},
        } | self.more
        (self.folder / "renewer.json").write_text(json.dumps(configuration))
        (self.folder / "token").write_text(self.zones.token)
        return Settings.read(
            {
                "WARP_TLS_CONFIG": str(self.folder / "renewer.json"),
                "WARP_TLS_GANDI_TOKEN_FILE": str(self.folder / "token"),
                "WARP_ACL_PROXIES": self.proxy,
                "WARP_ACL_RPC_TOKEN": RPC_TOKEN,
                "KUBERNETES_SERVICE_HOST": self.cluster.host,
                "KUBERNETES_SERVICE_PORT": str(self.cluster.port),
                "WARP_TLS_SERVICE_ACCOUNT": str(self.cluster.folder),
                "WARP_TLS_WATCH_SECONDS": "0.1",
                "WARP_TLS_MOUNT_SECONDS": "0.1",
                "WARP_TLS_RETRY_SECONDS": "0.1",
            }
            | self.environment
        )

    def start(self) -> RenewerStatus:
        self.status = RenewerStatus()
        self.service = Service(self.settings(), self.status)
        self._thread = threading.Thread(target=self.service.run)
        self._thread.start()
        return self.status

    def stop(self) -> None:
        if self.service:
            self.service.stop()
            self._thread.join()
            self.service = None

    def metric(self, name: str) -> float | None:
        """The number of that line, labels included."""
        lines = (line.rpartition(" ") for line in self.status.text().splitlines() if not line.startswith("#"))
        return next((float(value) for full, _, value in lines if full == name), None)

    def look_again(self) -> None:
        """Until it has looked at the Secret a few times more."""
        looked = len(self.cluster.asked)
        self.until(lambda: len(self.cluster.asked) > looked + 3)

    def fails(self, cause: str) -> bool:
        return self.metric(f'warp_tls_last_failure{{cause="{cause}"}}') == 1

    def issued(self) -> bool:
        return bool(self.cluster.get("tls.crt"))

    def until(self, met: Callable[[], Any]) -> None:
        seconds_until(lambda: bool(met()), PATIENCE)

    def pair(self) -> certificate.Pair:
        with self.cluster.lock:
            return certificate.read(self.cluster.get("tls.crt"), self.cluster.get("tls.key"))


def served(host: str, port: int = 5061) -> x509.Certificate | None:
    """The certificate that a caller gets; None: no TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        contextlib.suppress(OSError),
        socket.create_connection((host, port), 5) as plain,
        context.wrap_socket(plain, server_hostname=DOMAIN) as tls,
    ):
        return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")
    return None


def told(caplog: Any, words: str) -> bool:
    return any(words in record.getMessage() for record in caplog.records if record.levelno >= logging.INFO)
