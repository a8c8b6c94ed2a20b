"""The certificate of the sandbox's SIP proxy: the renewer as production runs it, with a real CA and what it talks to.

Pebble validates at the sandbox's name server; the renewer writes its TXT values at Gandi's API or Cloud DNS's, its
Secret is one of `secret_api.py`, and the proxy's mounted files follow that. All of it runs as long as the proxy, whose
mark its processes have: what stops the proxy stops them. `python -m sandbox.certificates FILE` is the process.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from local_cloud.cloud import Cloud
from local_cloud.gcp.dns_api import DnsApi
from local_cloud.layout import GUEST_MARK
from sandbox.layout import SandboxError
from sandbox.pebble import PROFILE, Pebble, built
from sandbox.secret_api import NAME, NAMESPACE, SecretApi
from sandbox.sip_proxy import CERTIFICATES, ROOT, Certificate, Database, SipProxy

ISSUE_SECONDS: Final = 90.0
STATUS_PORT: Final = 9063


@dataclass(frozen=True)
class Wish:
    """What the process is told. `directory`: the proxy's folder; `name_server`: HOST:PORT; `cloud`: the cloud's file.

    `dns`: as the renewer's configuration has it, `api` empty for Cloud DNS, which is served here; `token`: Gandi's.
    """

    directory: str
    host: str
    names: tuple[str, ...]
    name_server: str
    cloud: str
    dns: Mapping[str, str]
    token: str


def start(proxy: SipProxy, wish: Wish) -> str:
    """Have the proxy serve a certificate of Pebble's, unless it does. The reason in one line where it cannot."""
    folder = proxy.directory / CERTIFICATES
    if (folder / "ready").exists():
        return ""
    folder.mkdir(exist_ok=True)
    try:
        built()
    except SandboxError as missing:
        return str(missing)
    file = folder / "wish.json"
    file.touch(0o600)
    file.write_text(json.dumps(asdict(wish)))
    environment = {**os.environ, GUEST_MARK: str(proxy.directory.absolute())}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox.certificates", str(file)],
            cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    until = time.monotonic() + ISSUE_SECONDS
    while not (folder / "ready").exists():
        if process.poll() is not None or time.monotonic() > until:
            return f"no certificate was issued; see {folder / 'log'}"
        time.sleep(0.1)
    return ""


class Issuing:
    """What the renewer of a proxy talks to, and its configuration: a CA that has yet to be started, and a Secret that
    the proxy's files follow."""

    def __init__(self, wish: Wish) -> None:
        directory = Path(wish.directory)
        self.folder, self._wish = directory / CERTIFICATES, wish
        self.proxy = SipProxy(directory, "", wish.host, Database("", 0, "", "", "", ""))
        self.secret = SecretApi(self.folder / "account", wish.host)
        self.secret.followers.append(lambda data: _follow(self.proxy, data))
        self.pebble = Pebble(self.folder / "pebble", wish.host, wish.name_server)

    def environment(self) -> dict[str, str]:
        """Write the renewer's files; the variables that name them."""
        wish, folder, dns = self._wish, self.folder, dict(self._wish.dns)
        more: dict[str, str] = {}
        if dns["host"] == "cloudDns":
            api = DnsApi(Cloud(Path(wish.cloud)), wish.host)
            dns["api"], more["GCE_METADATA_HOST"] = f"http://{api.place}", api.place
        else:
            _private(folder / "token", wish.token)
            more["WARP_TLS_GANDI_TOKEN_FILE"] = str(folder / "token")
        configuration = {
            "directory": self.pebble.directory,
            "directoryRoots": str(self.pebble.roots),
            "contact": ["mailto:noc@example.com"],
            "profile": PROFILE,
            "key": "rsa2048",
            "names": list(wish.names),
            "renewAtRemaining": 0.33,
            "dns": dns,
            "nameServers": [wish.name_server],
            "secret": {"namespace": NAMESPACE, "name": NAME},
        }
        (folder / "renewer.json").write_text(json.dumps(configuration, indent=1))
        return more | {
            "WARP_ACL_RPC_TOKEN": self.proxy.token,
            "WARP_TLS_CONFIG": str(folder / "renewer.json"),
            "WARP_ACL_PROXIES": wish.host,
            "WARP_TLS_STATUS_LISTEN": f"{wish.host}:{STATUS_PORT}",
            "WARP_TLS_SERVICE_ACCOUNT": str(folder / "account"),
            "WARP_TLS_WATCH_SECONDS": "5",
            "WARP_TLS_MOUNT_SECONDS": "0.5",
            "KUBERNETES_SERVICE_HOST": wish.host,
            "KUBERNETES_SERVICE_PORT": str(self.secret.port),
        }


def run(wish: Wish) -> None:
    """Until it is stopped."""
    issuing = Issuing(wish)
    issuing.pebble.start()
    renewer = subprocess.Popen(
        [sys.executable, "-m", "kamailio.renewer"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        env=os.environ | issuing.environment(),
    )
    authority = issuing.pebble.issuer()
    while renewer.poll() is None and not _verifies(wish, authority):
        time.sleep(0.1)
    issuing.proxy.authority_file.write_text(authority)
    (issuing.folder / "ready").touch()
    renewer.wait()


def _follow(proxy: SipProxy, data: Mapping[str, bytes]) -> None:
    """As the kubelet."""
    if "tls.crt" in data and "tls.key" in data:
        proxy.put_certificate(Certificate(data["tls.crt"], data["tls.key"]))


def _verifies(wish: Wish, authority: str) -> bool:
    """Whether a caller who trusts that CA, and no other, takes the proxy for the domain."""
    context = ssl.create_default_context(cadata=authority)
    try:
        with (
            socket.create_connection((wish.host, 5061), 5) as plain,
            context.wrap_socket(plain, server_hostname=wish.names[0]),
        ):
            return True
    except OSError:
        return False


def _private(file: Path, text: str) -> None:
    file.touch(0o600)
    file.write_text(text)


def main(arguments: list[str]) -> int:
    """The process of `start`."""
    given: dict[str, Any] = json.loads(Path(arguments[0]).read_text())
    run(Wish(**given | {"names": tuple(given["names"])}))
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
