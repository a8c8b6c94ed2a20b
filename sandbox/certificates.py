"""The certificate of the sandbox's SIP proxy: the renewer that the stack declared, with a real CA and what it talks to.

Command, environment, files and rights are those of the pod that the stack declared in the local cloud's cluster
(`declared_pod.py`, `declared_secret.py`). On loopback only these differ, all of them in `on_loopback` and `run`: where
the CA is and how its own certificate is checked, the name server, Cloud DNS's API and the metadata server; the proxies,
the Kubernetes API and its ServiceAccount files; paths of mounted files, the status port's address, and how often it
looks, because a Secret is mounted here at once.

Pebble validates at the sandbox's name server. All of it runs as long as the proxy, whose mark its processes have: what
stops the proxy stops them. `python -m sandbox.certificates FILE` is the process.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from local_cloud import marks
from local_cloud.cloud import Cloud
from local_cloud.gcp.dns_api import DnsApi
from local_cloud.layout import GUEST_MARK
from sandbox.declared_pod import Pod, declared, private
from sandbox.declared_secret import DeclaredSecret
from sandbox.layout import SandboxError
from sandbox.pebble import RENEWAL_MARK, Pebble, built
from sandbox.sip_proxy import CERTIFICATES, ROOT, Certificate, Database, SipProxy

ISSUE_SECONDS: Final = 90.0
STATUS_PORT: Final = 9063
CONFIGURATION: Final = "WARP_TLS_CONFIG"
CLOUD_DNS: Final = "cloudDns"


@dataclass(frozen=True)
class Wish:
    """What the process is started with. `directory`: the proxy's folder; `cloud`: the cloud's file.

    `cluster`, `namespace`, `deployment`: where the renewer is declared; `secret`: the one that the proxy mounts.
    `name_servers`: HOST:PORT of each host of the zone, by its name in the renewer's configuration.
    """

    directory: str
    host: str
    cloud: str
    cluster: str
    namespace: str
    deployment: str
    secret: str
    name_servers: Mapping[str, str]

    def pod(self, cloud: Cloud) -> Pod:
        """Raises `SandboxError` where the stack declares none."""
        with cloud.view() as tx:
            pod = declared(tx, f"{self.cluster}/{self.namespace}", self.deployment)
        if pod is None:
            raise SandboxError(f"the stack declares no renewer: there is no Deployment {self.deployment}")
        return pod


def start(proxy: SipProxy, wish: Wish) -> str:
    """Have the proxy serve a certificate of Pebble's, unless it does. The reason in one line where it cannot."""
    folder = proxy.directory / CERTIFICATES
    try:
        template = wish.pod(Cloud(Path(wish.cloud))).template
        built()
    except SandboxError as missing:
        stop(proxy)
        return str(missing)
    wanted = json.dumps({**asdict(wish), "template": template}).encode()
    file = folder / "wish.json"
    if _runs(folder) and (folder / "ready").exists() and file.read_bytes() == wanted:
        return ""
    stop(proxy)
    private(file, wanted)
    environment = {**os.environ, GUEST_MARK: str(proxy.directory.absolute()), RENEWAL_MARK: str(folder.absolute())}
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


def stop(proxy: SipProxy) -> None:
    """End the renewer and the CA; the proxy goes on with the certificate that it has."""
    folder = proxy.directory / CERTIFICATES
    marks.end(_processes(folder), (signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0))
    shutil.rmtree(folder, ignore_errors=True)


def _processes(folder: Path) -> list[int]:
    return list(marks.marked(RENEWAL_MARK, str(folder.absolute())))


def _runs(folder: Path) -> bool:
    return bool(_processes(folder))


def on_loopback(
    configuration: Mapping[str, Any], *, directory: str, roots: str, name_server: str, cloud_dns: str
) -> dict[str, Any]:
    """The renewer's configuration with addresses of this machine. Gandi's API has its own in the stack's settings."""
    dns: dict[str, Any] = configuration["dns"]
    return {
        **configuration,
        "directory": directory,
        "directoryRoots": roots,
        "nameServers": [name_server],
        "dns": {**dns, "api": cloud_dns} if dns["host"] == CLOUD_DNS else dns,
    }


def run(wish: Wish) -> None:
    """Until it is stopped."""
    directory = Path(wish.directory)
    folder, cloud = directory / CERTIFICATES, Cloud(Path(wish.cloud))
    proxy = SipProxy(directory, "", wish.host, Database("", 0, "", "", "", ""))
    pod = wish.pod(cloud)
    environment = pod.mount(folder / "pod")
    configuration = json.loads(Path(environment[CONFIGURATION]).read_text())
    dns = configuration["dns"]
    name_server = wish.name_servers[dns["host"]]
    pebble = Pebble(folder / "pebble", wish.host, name_server)
    pebble.start()
    secret = DeclaredSecret(
        folder / "account", wish.host, wish.namespace, wish.secret,
        cloud=cloud, cluster=wish.cluster, account=pod.account,
    )  # fmt: skip
    secret.empty()
    secret.followers.append(lambda data: follow(proxy, data))
    google = DnsApi(cloud, wish.host)
    here = on_loopback(
        configuration, directory=pebble.directory, roots=str(pebble.roots), name_server=name_server,
        cloud_dns=f"http://{google.place}",
    )  # fmt: skip
    private(folder / "renewer.json", json.dumps(here, indent=1).encode())
    renewer = subprocess.Popen(
        [sys.executable, *pod.command[1:]], cwd=ROOT, stdin=subprocess.DEVNULL,
        env={
            **_ours(),
            **environment,
            **variables_on_loopback(folder, wish.host, secret.port),
            "GCE_METADATA_HOST": google.place,
        },
    )  # fmt: skip
    authority = pebble.issuer()
    while renewer.poll() is None and not _verifies(wish, configuration["names"][0], authority):
        time.sleep(0.1)
    if renewer.poll() is None:
        proxy.authority_file.write_text(authority)
        (folder / "ready").touch()
        renewer.wait()
        (folder / "ready").unlink(missing_ok=True)


def variables_on_loopback(folder: Path, host: str, api_port: int) -> dict[str, str]:
    """Of a renewer whose configuration and ServiceAccount files are in this folder, beside a proxy at this address."""
    return {
        CONFIGURATION: str(folder / "renewer.json"),
        "WARP_ACL_PROXIES": host,
        "WARP_TLS_STATUS_LISTEN": f"{host}:{STATUS_PORT}",
        "WARP_TLS_SERVICE_ACCOUNT": str(folder / "account"),
        "WARP_TLS_WATCH_SECONDS": "5",
        "WARP_TLS_MOUNT_SECONDS": "0.5",
        "KUBERNETES_SERVICE_HOST": host,
        "KUBERNETES_SERVICE_PORT": str(api_port),
    }


def _ours() -> dict[str, str]:
    """What is no variable of a pod: by which processes are found, and where Python finds its modules."""
    kept = ("PATH", "HOME", "LANG", "PYTHONPATH", "VIRTUAL_ENV", GUEST_MARK, RENEWAL_MARK)
    return {name: os.environ[name] for name in kept if name in os.environ}


def follow(proxy: SipProxy, data: Mapping[str, bytes]) -> None:
    """As the kubelet."""
    if "tls.crt" in data and "tls.key" in data:
        proxy.put_certificate(Certificate(data["tls.crt"], data["tls.key"]))


def _verifies(wish: Wish, domain: str, authority: str) -> bool:
    """Whether a caller who trusts that CA, and no other, takes the proxy for the domain."""
    context = ssl.create_default_context(cadata=authority)
    try:
        with (
            socket.create_connection((wish.host, 5061), 5) as plain,
            context.wrap_socket(plain, server_hostname=domain),
        ):
            return True
    except OSError:
        return False


def main(arguments: list[str]) -> int:
    """The process of `start`."""
    given: dict[str, Any] = json.loads(Path(arguments[0]).read_text())
    given.pop("template")
    run(Wish(**given))
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
