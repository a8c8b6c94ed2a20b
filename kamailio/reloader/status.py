"""What the reloader knows of every proxy, as metrics and for the cluster's probes.

`/metrics` is Prometheus text. `/healthz` is 200 while the main loop turns: a database or a proxy that is down is no
reason to restart the reloader. `/readyz` is 200 while it could do its work, or does it: the main loop turns and the
database lets it in and answers. So an update with a password that the database refuses ends at its first pod. Proxies
are left out: one that is down must not hold back a new reloader. `/snapshot` gives the last complete tables to a proxy
that starts (kamailio/start.py).
"""

from __future__ import annotations

import hmac
import http.server
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from kamailio.reloader.environment import Endpoint
from kamailio.snapshot import CHANGED

STALE_SECONDS = 60.0
Labels = tuple[tuple[str, str], ...]
# prometheus.io/docs/instrumenting/exposition_formats, "Comments, help text, and type information".
ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

HELP: Mapping[str, str] = {
    "warp_acl_database_up": "gauge 1 while the database answers the reloader; 0 within 15 s when it stops",
    "warp_acl_leading": "gauge 1 while this reloader calls the proxies; 0 while it stands by for another",
    "warp_acl_proxies": "gauge SIP proxies that this reloader knows; 0 while it stands by",
    "warp_acl_proxy_up": "gauge 1 while the proxy answers RPC",
    "warp_acl_proxy_answered_timestamp_seconds": "gauge when the proxy last answered RPC, as Unix time",
    "warp_acl_proxy_complete": "gauge 1 when the last count of the proxy's rows was the database's; 0 is an alert",
    "warp_acl_rows": "gauge rows by part, as the proxy holds them and as the database has them",
    "warp_acl_reloads_total": "counter reloads that were done",
    "warp_acl_failures_total": "counter work that a proxy or the database did not let be done",
    "warp_acl_reload_seconds": "gauge duration of the last reload",
    "warp_acl_snapshot_timestamp_seconds": "gauge when the snapshot was read from the database; 0 while there is none",
    "warp_acl_proxy_tables_timestamp_seconds": "gauge when the proxy's tables were read from the database: Unix time",
    "warp_acl_rejected": "gauge requests of unknown sources that the proxy answered with 403 since it was started",
    "warp_acl_no_table": "gauge requests that the proxy answered with 503 for want of a table since it was started",
    "warp_acl_accepted_total": "counter requests of customers that the proxy accepted; 0 again when it is started",
    "warp_acl_rejected_total": "counter requests of unknown sources that the proxy answered with 403",
    "warp_acl_no_table_total": "counter requests that the proxy answered with 503 for want of a table",
    "warp_acl_silenced_total": "counter requests to be refused that the proxy did not answer",
    "warp_acl_limited_total": "counter calls that the proxy refused, by trunk (BAN/name) and limit",
}


@dataclass
class Status:
    """Numbers by name and labels; any thread may change them. `described`: the kind of each name and its meaning."""

    described: Mapping[str, str] = field(default_factory=lambda: HELP)
    _values: dict[tuple[str, Labels], float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _turned: float = field(default_factory=time.monotonic)

    def set(self, name: str, value: float, **labels: str) -> None:
        """Give a number its value."""
        with self._lock:
            self._values[name, tuple(sorted(labels.items()))] = value

    def add(self, name: str, **labels: str) -> None:
        """Count one more."""
        with self._lock:
            place = name, tuple(sorted(labels.items()))
            self._values[place] = self._values.get(place, 0) + 1

    def replace(self, name: str, proxy: str, values: Iterable[tuple[Mapping[str, str], float]]) -> None:
        """All numbers of that name of a proxy's: those that are not among these are gone."""
        with self._lock:
            kept = {at: value for at, value in self._values.items() if at[0] != name or ("proxy", proxy) not in at[1]}
            new = {(name, tuple(sorted({**labels, "proxy": proxy}.items()))): value for labels, value in values}
            self._values = kept | new

    def forget(self, proxy: str) -> None:
        """A proxy that is gone has no numbers."""
        with self._lock:
            self._values = {place: value for place, value in self._values.items() if ("proxy", proxy) not in place[1]}

    def turn(self) -> None:
        """The main loop is alive."""
        self._turned = time.monotonic()

    @property
    def alive(self) -> bool:
        """Whether it was lately."""
        return time.monotonic() - self._turned < STALE_SECONDS

    @property
    def ready(self) -> bool:
        """Whether it could do its work now."""
        with self._lock:
            return self.alive and self._values.get(("warp_acl_database_up", ())) == 1

    # What `/readyz` says while it is not.
    unready = "the database does not answer"

    def drop(self, name: str, **labels: str) -> None:
        """Numbers of that name with these labels are there no more."""
        with self._lock:
            self._values = {
                place: value
                for place, value in self._values.items()
                if place[0] != name or not labels.items() <= dict(place[1]).items()
            }

    def text(self) -> str:
        """All numbers, as Prometheus reads them."""
        with self._lock:
            values = sorted(self._values.items())
        lines = []
        for name, described in self.described.items():
            kind, _, words = described.partition(" ")
            lines += [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]
            for (owner, labels), value in values:
                if owner == name:
                    inside = ",".join(f'{label}="{text.translate(ESCAPED)}"' for label, text in labels)
                    lines.append(f"{name}{{{inside}}} {value:.15g}" if inside else f"{name} {value:.15g}")
        return "\n".join(lines) + "\n"


class Kept(Protocol):
    """What has the snapshot: `Keeper`."""

    changed: int

    def read(self) -> bytes | None:
        """The snapshot, if there is one."""


def serve(status: Status, where: Endpoint, token: str, kept: Kept | None = None) -> http.server.ThreadingHTTPServer:
    """Answer on that address, in threads of its own. The snapshot is for who has the token."""

    class Handler(http.server.BaseHTTPRequestHandler):
        """Four pages."""

        def do_GET(self) -> None:
            """The numbers, or whether it lives or is ready."""
            if self.path == "/metrics":
                self._send(200, status.text())
            elif self.path == "/healthz":
                self._send(200 if status.alive else 503, "ok\n" if status.alive else "the main loop stands still\n")
            elif self.path == "/readyz":
                self._send(200 if status.ready else 503, "ok\n" if status.ready else f"{status.unready}\n")
            elif self.path == "/snapshot":
                self._send_snapshot()
            else:
                self._send(404, "/metrics, /healthz, /readyz and /snapshot\n")

        def _send_snapshot(self) -> None:
            if not hmac.compare_digest(self.headers.get("Authorization", "").encode(), f"Bearer {token}".encode()):
                return self._send(403, "the reloader's WARP_ACL_RPC_TOKEN is another one\n")
            content = kept.read() if kept else None
            if content is None:
                content = b"no snapshot: the tables changed, or the database has not been read yet\n"
                return self._send(404, content, kept.changed if kept else 0)
            return self._send(200, content, kept.changed if kept else 0)

        def _send(self, code: int, text: str | bytes, changed: int = 0) -> None:
            body = text.encode() if isinstance(text, str) else text
            self.send_response(code)
            kind = "text/plain; version=0.0.4; charset=utf-8" if isinstance(text, str) else "application/octet-stream"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header(CHANGED, str(changed))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Probes are no news."""

    class Server(http.server.ThreadingHTTPServer):
        """On IPv6 too."""

        address_family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
        daemon_threads = True

    server = Server((where.host, where.port), Handler)
    threading.Thread(target=server.serve_forever, name="status", daemon=True).start()
    return server
