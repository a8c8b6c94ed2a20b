"""Serves public objects of Cloud Storage on loopback: `http://127.0.0.1:PORT/BUCKET/OBJECT`.

Like storage.googleapis.com (XML API): content type, Cache-Control, ETag and conditional requests, 403 for objects that
are not public, 404 for those that do not exist. Not implemented: listings, ranges, writes.
"""

from __future__ import annotations

import email.utils
import logging
import threading
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

from local_cloud.cloud import Cloud
from local_cloud.gcp.storage_access import anonymously
from local_cloud.values import Props

_LOG: Final = logging.getLogger("local_cloud")
_STATUS: Final = {
    "AccessDenied": (HTTPStatus.FORBIDDEN, "Access denied."),
    "NoSuchBucket": (HTTPStatus.NOT_FOUND, "The specified bucket does not exist."),
    "NoSuchKey": (HTTPStatus.NOT_FOUND, "The specified key does not exist."),
    "NotImplemented": (HTTPStatus.NOT_IMPLEMENTED, "The local cloud serves single objects."),
}


class StorageServer:
    """Serves one cloud's public objects. Raises `OSError` if the port is in use."""

    def __init__(self, host: str, port: int, cloud: Cloud) -> None:
        handler = type("Handler", (_Handler,), {"cloud": cloud})
        self._server = ThreadingHTTPServer((host, port), handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, name="storage", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    cloud: Cloud
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        bucket, _, name = unquote(urlsplit(self.path).path).lstrip("/").partition("/")
        served = anonymously(self.cloud, bucket, name)
        if not name and served.code != "NoSuchBucket":
            self._refuse("NotImplemented", with_body=with_body)
        elif served.body is None:
            self._refuse(served.code, with_body=with_body)
        else:
            self._serve(served.body, with_body=with_body)

    def _serve(self, body: Props, *, with_body: bool) -> None:
        etag = f'"{body["md5hexhash"]}"'
        content = body["content"].encode()
        asked = [each.strip().removeprefix("W/") for each in self.headers.get("If-None-Match", "").split(",")]
        fresh = etag in asked or "*" in asked
        self.send_response(HTTPStatus.NOT_MODIFIED if fresh else HTTPStatus.OK)
        updated = datetime.fromisoformat(body["updated"])
        for header, value in {
            "Content-Type": body["contentType"],
            "Cache-Control": body.get("cacheControl") or "public, max-age=3600",
            "ETag": etag,
            "Last-Modified": email.utils.format_datetime(updated.astimezone(UTC), usegmt=True),
            "x-goog-generation": str(body["generation"]),
            "x-goog-hash": f"crc32c={body['crc32c']},md5={body['md5hash']}",
        }.items():
            self.send_header(header, value)
        if not fresh:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body and not fresh:
            self.wfile.write(content)

    def _refuse(self, code: str, *, with_body: bool) -> None:
        status, words = _STATUS[code]
        error = f"<Error><Code>{code}</Code><Message>{escape(words)}</Message></Error>"
        text = f"<?xml version='1.0' encoding='UTF-8'?>{error}"
        self.send_response(status)
        self.send_header("Content-Type", "application/xml; charset=UTF-8")
        self.send_header("Cache-Control", "private, max-age=0")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        if with_body:
            self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:
        _LOG.info("storage: " + format, *args)
