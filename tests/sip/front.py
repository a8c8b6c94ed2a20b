"""A front of the CA's, as real ones have: it limits how often something may be asked."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme

from sandbox.pebble import PORT, Pebble


class Front(Pebble):
    """Passes everything on to that Pebble, except requests for the path `limits`: 429, and when to come again."""

    def __init__(self, folder: Path, host: str, behind: Pebble) -> None:
        super().__init__(folder, host, behind.dns)
        self.behind, self.limits, self.retry_after = behind, "", 0
        self.asked: list[str] = []
        folder.mkdir()
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.roots)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(host).configure_cert(context)
        self._http = _server(self)
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()


def _server(front: Front) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            front.asked.append(self.path)
            if self.path == front.limits:
                problem = {"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many new orders"}
                return self._send(429, {"Retry-After": str(front.retry_after)}, json.dumps(problem).encode())
            context = ssl.create_default_context(cafile=str(front.behind.roots))
            connection = http.client.HTTPSConnection(front.behind.host, PORT, timeout=20, context=context)
            # Pebble makes its URLs of the host that it is asked as.
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            return self._send(answer.status, dict(answer.headers.items()), content)

        def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_POST = do_HEAD = _serve

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer((front.host, PORT), Handler)
    server.daemon_threads = True
    return server
