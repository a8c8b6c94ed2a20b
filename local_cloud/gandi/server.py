"""Gandi's API over HTTP: authentication, rate limit, requests and responses."""

from __future__ import annotations

import collections
import json
import re
import socketserver
import threading
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import compare_digest, token_hex
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from local_cloud.cloud import Cloud, LogOperation, Transaction
from local_cloud.faults import suffered
from local_cloud.gandi import zones
from local_cloud.gandi.zones import DOMAIN, RECORD
from local_cloud.layout import GANDI_TOKEN

HOST: Final = "127.0.0.1"
PORT: Final = "gandi port"
REQUESTS_PER_MINUTE: Final = "GANDI_REQUESTS_PER_MINUTE"
LONGEST_BODY: Final = 1 << 20
PATH: Final = re.compile(
    r"/v5/livedns/domains(/(?P<domain>[^/]+)(?P<records>/records(/(?P<label>[^/]+)/(?P<type>[^/]+))?)?)?"
)
UNAUTHORISED: Final = (
    "The server could not verify that you authorized to access the document you requested. Either you supplied the "
    "wrong credentials (e.g., bad password), or your browser does not understand how to supply the credentials "
    "required."
)


@dataclass(frozen=True)
class Answer:
    """A status, a body (None: empty), and headers in addition to the usual ones."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


class GandiServer:
    """The API on a loopback port, the same one after a restart if it is still free."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        with cloud.change("hand") as tx:
            if not tx.setting(GANDI_TOKEN):
                tx.set_setting(GANDI_TOKEN, token_hex(20))
            wanted = int(tx.setting(PORT, "0"))
        self._http = self._bound(wanted)
        self.port = int(self._http.server_address[1])
        with cloud.change("hand") as tx:
            tx.set_setting(PORT, str(self.port))
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.05,), name="local-cloud-gandi", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _bound(self, port: int) -> _Http:
        try:
            return _Http((HOST, port), self._cloud)
        except OSError:
            return _Http((HOST, 0), self._cloud)


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, place: tuple[str, int], cloud: Cloud) -> None:
        self.cloud = cloud
        self._asked: collections.deque[float] = collections.deque()
        self._lock = threading.Lock()
        super().__init__(place, _Handler)

    def server_bind(self) -> None:
        """As in TCPServer: HTTPServer would do a DNS look-up of the host's name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, int(self.server_address[1])

    def too_often(self, limit: float) -> int:
        """Seconds until the next request is allowed; 0: allowed now, and counted."""
        with self._lock:
            now = time.monotonic()
            while self._asked and now - self._asked[0] >= 60:
                self._asked.popleft()
            if len(self._asked) >= limit:
                return int(60 - (now - self._asked[0])) + 1 if self._asked else 60
            self._asked.append(now)
            return 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def do_GET(self) -> None:
        self._serve("read")

    def do_PUT(self) -> None:
        self._serve("update")

    def do_DELETE(self) -> None:
        self._serve("delete")

    def log_message(self, format: str, *args: Any) -> None:
        """No access log: operations are in the cloud's log."""

    def _serve(self, operation: LogOperation) -> None:
        length = self.headers.get("Content-Length", "")
        text = self.rfile.read(min(int(length), LONGEST_BODY)) if length.isdecimal() else b""
        fault = suffered(self.server.cloud, RECORD, operation)
        with self.server.cloud.change() as tx:
            answer = self._refused(tx, fault) or self._of(tx, operation, text)
        if fault == "answer-lost":
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        body = b"" if answer.body is None else json.dumps(answer.body).encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refused(self, tx: Transaction, fault: str) -> Answer | None:
        """The refusal by rate limit, token or fault, if any."""
        wait = self.server.too_often(tx.quota(REQUESTS_PER_MINUTE, 1000)) or int(fault == "quota")
        if wait:
            return Answer(429, message(429, "Too many requests, slow down."), {"Retry-After": str(wait)})
        if fault in ("http-500", "http-503"):
            words = "The server has either erred or is incapable of performing the requested operation."
            return refusal(int(fault.removeprefix("http-")), words)
        if fault == "permission-denied":
            return refusal(403, "Access was denied to this resource.")
        header = self.headers.get("Authorization", "")
        right = compare_digest(header.encode(), f"Bearer {tx.setting(GANDI_TOKEN)}".encode())
        return None if right and fault != "token-expired" else refusal(401, UNAUTHORISED)

    def _of(self, tx: Transaction, operation: LogOperation, text: bytes) -> Answer:
        asked = PATH.fullmatch(unquote(urlsplit(self.path).path))
        if asked is None:
            return refusal(404, "The resource could not be found.")
        if asked["domain"] is None:
            ours = [each.body["fqdn"] for each in tx.all(DOMAIN) if each.body["ours"]]
            return Answer(200, [{"fqdn": fqdn} for fqdn in ours])
        domain = tx.get(DOMAIN, asked["domain"])
        if domain is None:
            return refusal(404, "The resource could not be found.")
        if not domain["ours"]:
            return refusal(403, "Access was denied to this resource.")
        if asked["records"] is None:
            return Answer(200, {"fqdn": domain["fqdn"], "automatic_snapshots": True})
        if asked["label"] is None:
            return Answer(200, zones.records(tx, domain["fqdn"]))
        return record_set(tx, operation, (domain["fqdn"], asked["label"], asked["type"]), text)


def record_set(tx: Transaction, operation: LogOperation, key: tuple[str, str, str], text: bytes) -> Answer:
    """Read, write or delete one record set."""
    domain, label, type_ = key
    id_ = zones.record_id(*key)
    there = tx.get(RECORD, id_)
    if operation == "update":
        return _put(tx, key, text)
    if there is None:
        tx.record(operation, RECORD, id_, "404")
        return Answer(
            404, message(404, f"Can't find the DNS record {label}/{type_} in the zone {domain}", "dns-record")
        )
    if operation == "read":
        tx.record("read", RECORD, id_)
        return Answer(200, there)
    tx.delete(RECORD, id_)
    return Answer(204, None)


def _put(tx: Transaction, key: tuple[str, str, str], text: bytes) -> Answer:
    domain, label, type_ = key
    id_ = zones.record_id(*key)
    try:
        given = json.loads(text)
    except ValueError:
        return refusal(400, "The body is not JSON")
    errors = list(zones.refusals(domain, label, type_, given))
    if errors:
        tx.record("update", RECORD, id_, errors[0]["description"])
        return Answer(400, {"status": "error", "errors": errors})
    if zones.clash(tx, domain, label, type_):
        tx.record("update", RECORD, id_, "409")
        return refusal(409, f"A CNAME record cannot stand beside other records of {label}")
    write = tx.create if tx.get(RECORD, id_) is None else tx.update
    write(RECORD, id_, zones.body_of(label, type_, given.get("rrset_ttl", 10800), given["rrset_values"]))
    return Answer(201, {"message": "DNS Record Created"})


def refusal(status: int, words: str) -> Answer:
    return Answer(status, message(status, words))


def message(status: int, words: str, about: str = "") -> dict[str, Any]:
    """Gandi's other form of an error: one message."""
    cause = HTTPStatus(status).phrase
    return {"object": about or f"HTTP{cause.replace(' ', '')}", "cause": cause, "code": status, "message": words}
