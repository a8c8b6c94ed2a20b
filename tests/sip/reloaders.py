"""Reloaders of a test's own, beside a proxy that was started without one: as many as the cluster would run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from local_cloud.layout import GUEST_MARK
from sandbox.sip_proxy import ROOT, Database, SipProxy
from tests.sip.edge import seconds_until


@dataclass
class Reloader:
    """One process, until it is stopped; `number` tells those of one proxy apart."""

    proxy: SipProxy
    number: int
    database: Database
    tokens: tuple[str, str] | None = None  # new and before; otherwise the proxy's
    beside: tuple[SipProxy, ...] = ()  # further proxies that it calls
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        token, before = self.tokens or (self.proxy.rpc()._token, "")
        authority = self.log_file.with_suffix(".pem")
        authority.write_text(self.database.authority)
        environment = {
            "PATH": os.defpath,
            # Ended with the proxy, too.
            GUEST_MARK: str(self.proxy.directory.absolute()),
            "WARP_ACL_RPC_TOKEN": token,
            "WARP_ACL_RPC_TOKEN_BEFORE": before,
            **self.database.access(self.database.host, self.database.port),
            "PGSSLMODE": "verify-ca",
            "PGSSLROOTCERT": str(authority),
            "WARP_ACL_TABLE": self.proxy.table,
            "WARP_ACL_PROXIES": ",".join(f"{each.tcp_address}:{each.rpc_port}" for each in (self.proxy, *self.beside)),
            "WARP_ACL_STATUS_LISTEN": self.place,
            "WARP_ACL_WATCH_SECONDS": "1",
        }
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kamailio.reloader"], cwd=ROOT, env=environment, stdout=log, stderr=log
            )

    @property
    def place(self) -> str:
        return f"{self.proxy.tcp_address}:{9070 + self.number}"

    @property
    def log_file(self) -> Path:
        return self.proxy.directory / f"reloader-{self.number}.log"

    def get(self, path: str) -> tuple[int, str]:
        """Status, 0 where nothing answers, and body."""
        try:
            with urllib.request.urlopen(f"http://{self.place}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str) -> float | None:
        found = re.search(rf"^{name}(?:\{{.*\}})? (\S+)$", self.get("/metrics")[1], re.MULTILINE)
        return float(found[1]) if found else None

    @property
    def leads(self) -> bool:
        return self.metric("warp_acl_leading") == 1

    @property
    def stands_by(self) -> bool:
        return self.metric("warp_acl_leading") == 0

    @property
    def ready(self) -> bool:
        return self.get("/readyz")[0] == 200

    def started(self) -> Reloader:
        """Once it leads or stands by."""
        seconds_until(lambda: self.metric("warp_acl_leading") is not None, 30)
        return self

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
