"""Cloud DNS over REST, as far as pods use it: record sets read, and changed with a precondition.

cloud.google.com/dns/docs/reference/rest/v1/resourceRecordSets/list and .../changes/create. A deletion has to be the
record set as it is; an addition must not be there. Beside it the metadata server's token, which is all the identity
that pods of this cloud have: who may change what is not judged here.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from local_cloud.cloud import Cloud, Transaction
from local_cloud.gcp.dns_zones import RECORD_SET, ZONE
from local_cloud.values import Props

TOKEN_PATH: Final = "/computeMetadata/v1/instance/service-accounts/default/token"
PATH: Final = re.compile(r"/dns/v1/(projects/[^/]+/managedZones/[^/]+)/(rrsets|changes)")
FIELDS: Final = ("name", "type", "ttl", "rrdatas")
Answer = tuple[int, Any]


class DnsApi:
    """On a port of that host, until it is stopped."""

    def __init__(self, cloud: Cloud, host: str) -> None:
        self._cloud, self._token = cloud, secrets.token_urlsafe(24)
        self._http = _server(self, host)
        self.place = f"{host}:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> Answer:
        """Status and JSON."""
        if path == TOKEN_PATH:
            if headers.get("Metadata-Flavor") != "Google":
                return _error(403, "Missing Metadata-Flavor:Google header.")
            return 200, {"access_token": self._token, "expires_in": 3599, "token_type": "Bearer"}
        if headers.get("Authorization") != f"Bearer {self._token}":
            return _error(401, "Request had invalid authentication credentials.")
        url = urlsplit(path)
        asked = PATH.fullmatch(url.path)
        if asked is None:
            return _error(404, "Not Found")
        # Not the engine.
        with self._cloud.change("hand") as tx:
            if tx.get(ZONE, asked[1]) is None:
                name = asked[1].rpartition("/")[2]
                return _error(404, f"The 'parameters.managedZone' resource named '{name}' does not exist.")
            if asked[2] == "rrsets" and method == "GET":
                return 200, {"rrsets": list(_found(tx, asked[1], parse_qs(url.query)))}
            if asked[2] == "changes" and method == "POST":
                return _change(tx, asked[1], json.loads(body))
        return _error(405, "Method Not Allowed")


def _found(tx: Transaction, zone: str, query: dict[str, list[str]]) -> list[Props]:
    wanted = {key: query[key][0] for key in ("name", "type") if key in query}
    sets = (each.body for each in tx.all(RECORD_SET, f"{zone}/rrsets/"))
    return [_shown(each) for each in sets if all(each[key] == value for key, value in wanted.items())]


def _shown(body: Props) -> Props:
    return {"kind": "dns#resourceRecordSet", **{key: body[key] for key in FIELDS if key in body}}


def _change(tx: Transaction, zone: str, given: Props) -> Answer:
    """All of it, or nothing."""
    deletions, additions = given.get("deletions") or [], given.get("additions") or []
    gone = set[str]()
    for number, each in enumerate(deletions):
        id_ = f"{zone}/rrsets/{each['name']}/{each['type']}"
        there = tx.get(RECORD_SET, id_)
        at = f"entity.change.deletions[{number}]"
        if there is None:
            named = f"{each['name']} ({each['type']})"
            return _error(404, f"The '{at}' resource named '{named}' does not exist.")
        if any(there.get(key) != each.get(key) for key in FIELDS):
            return _error(412, f"Precondition not met for '{at}'")
        gone.add(id_)
    for number, each in enumerate(additions):
        id_ = f"{zone}/rrsets/{each['name']}/{each['type']}"
        if id_ not in gone and tx.get(RECORD_SET, id_) is not None:
            named = f"{each['name']} ({each['type']})"
            return _error(409, f"The resource 'entity.change.additions[{number}]' named '{named}' already exists")
    project, _, managed = zone.removeprefix("projects/").partition("/managedZones/")
    for id_ in gone:
        tx.delete(RECORD_SET, id_)
    for each in additions:
        body = {"project": project, "managedZone": managed, **{key: each[key] for key in FIELDS}}
        tx.create(RECORD_SET, f"{zone}/rrsets/{each['name']}/{each['type']}", body)
    return 200, {"kind": "dns#change", "status": "pending", "additions": additions, "deletions": deletions}


def _error(status: int, message: str) -> Answer:
    return status, {"error": {"code": status, "message": message}}


def _server(api: DnsApi, host: str) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, answer = api.answer(self.command, self.path, self.headers, body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _serve

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer((host, 0), Handler)
    server.daemon_threads = True
    return server
