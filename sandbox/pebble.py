"""Pebble, a real ACME server: the sandbox's CA. It forgets everything when it ends.

github.com/letsencrypt/pebble; built by tools/pebble.py. It asks DNS over TCP only, at the server it is given, and
looks at no CAA record.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import trustme

from local_cloud.layout import GUEST_MARK
from sandbox.layout import SandboxError

TOOL: Final = Path(__file__).resolve().parent.parent / "tools" / "pebble.py"
START_SECONDS: Final = 30.0
# As Let's Encrypt calls it.
PROFILE: Final = "tlsserver"
PORT, MANAGEMENT_PORT = 14000, 15000
# An environment variable by which a renewer and its CA are found: the folder of both.
RENEWAL_MARK: Final = "WARP_EDGE_RENEWAL"


def built() -> Path:
    """The executable. Raises `SandboxError` where it cannot be built."""
    done = subprocess.run([sys.executable, TOOL], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SandboxError(f"Pebble: {done.stderr.strip() or done.stdout.strip()}")
    return Path(done.stdout.splitlines()[-1])


@dataclass
class Pebble:
    """One on a loopback address. `dns`: HOST:PORT of the server that it validates with; `seconds`: certificates' life.

    `external_accounts`: key id to HMAC key (base64url); with any, an account needs one. `reuse`: the percentage of
    valid authorizations that it uses again.
    """

    folder: Path
    host: str
    dns: str
    seconds: int = 45 * 24 * 3600
    external_accounts: Mapping[str, str] = field(default_factory=dict)
    reuse: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def directory(self) -> str:
        """URL of the ACME directory."""
        return f"https://{self.host}:{PORT}/dir"

    @property
    def roots(self) -> Path:
        """PEM of the CA that the directory's own certificate is of."""
        return self.folder / "directory-ca.pem"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.roots.exists():
            authority = trustme.CA(organization_name="warp-edge sandbox Pebble")
            authority.cert_pem.write_to_path(self.roots)
            authority.issue_cert(self.host).private_key_and_cert_chain_pem.write_to_path(self.folder / "server.pem")
        configuration = {
            "listenAddress": f"{self.host}:{PORT}",
            "managementListenAddress": f"{self.host}:{MANAGEMENT_PORT}",
            "certificate": str(self.folder / "server.pem"),
            "privateKey": str(self.folder / "server.pem"),
            "externalAccountBindingRequired": bool(self.external_accounts),
            "externalAccountMACKeys": dict(self.external_accounts),
            "profiles": {PROFILE: {"description": "servers", "validityPeriod": self.seconds}},
        }
        (self.folder / "pebble.json").write_text(json.dumps({"pebble": configuration}))
        environment = {
            "PATH": os.defpath,
            # What ends the process that started it ends it as well.
            GUEST_MARK: os.environ.get(GUEST_MARK, str(self.folder.absolute())),
            RENEWAL_MARK: os.environ.get(RENEWAL_MARK, str(self.folder.absolute())),
            # Without its pauses and faults, which are made at random.
            "PEBBLE_VA_NOSLEEP": "1",
            "PEBBLE_WFE_NONCEREJECT": "0",
            "PEBBLE_AUTHZREUSE": str(self.reuse),
        }
        command = [str(built()), "-config", str(self.folder / "pebble.json"), "-dnsserver", self.dns]
        with (self.folder / "pebble.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        until = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > until:
                raise SandboxError(f"Pebble did not start; see {self.folder / 'pebble.log'}")
            time.sleep(0.02)

    def answers(self) -> bool:
        """Whether the directory and the management port do."""
        try:
            return bool(self.get(self.directory)) and bool(self.issuer())
        except OSError:
            return False

    def stop(self) -> None:
        """End it, and with it everything that it knows."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def issuer(self) -> str:
        """PEM of the root of the certificates that it issues."""
        return self.get(f"https://{self.host}:{MANAGEMENT_PORT}/roots/0")

    def renew_at(self, chain: bytes, start: str, end: str) -> None:
        """What it says from now on about when to renew that certificate (RFC 3339)."""
        window = json.dumps({"suggestedWindow": {"start": start, "end": end}})
        body = {"certificate": chain.decode(), "ariResponse": window}
        self.get(f"https://{self.host}:{MANAGEMENT_PORT}/set-renewal-info/", json.dumps(body).encode())

    def get(self, url: str, body: bytes | None = None) -> str:
        """Raises `OSError`."""
        context = ssl.create_default_context(cafile=str(self.roots))
        with urllib.request.urlopen(url, body, timeout=5, context=context) as answer:  # noqa: S310
            content: Any = answer.read()
        return str(content.decode())
