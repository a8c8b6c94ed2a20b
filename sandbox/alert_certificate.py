"""The certificate of the edge for alerts: what its renewer needs, and a CA that goes away."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from typing import Final

from local_cloud.cloud import Cloud
from local_cloud.dns_server import DnsServer, ZoneData
from local_cloud.gandi import zones
from local_cloud.gandi.server import GandiServer
from local_cloud.layout import GANDI_TOKEN
from sandbox.certificates import follow, variables_on_loopback
from sandbox.declared_pod import private
from sandbox.pebble import PROFILE, Pebble
from sandbox.secret_api import SecretApi
from sandbox.sip_proxy import CERTIFICATES, SipProxy

DOMAIN: Final = "ringer.tel"
# Of a certificate's life, where it stands for one of `Pebble.seconds`.
SHORT_LIFE: Final = 10


class AlertCertificate:
    """A CA, the domain's name server, Gandi's API and a Secret, for the proxy that runs. `stop` ends them."""

    def __init__(self, proxy: SipProxy) -> None:
        folder = proxy.directory / CERTIFICATES
        folder.mkdir(exist_ok=True)
        self._cloud, self._parts = Cloud(folder / "cloud.db"), contextlib.ExitStack()
        with self._cloud.change("hand") as tx:
            zones.new_domain(tx, DOMAIN)
        gandi, names = GandiServer(self._cloud), DnsServer("127.0.0.1", 0, self._served)
        for each in (gandi, names):
            each.start()
            self._parts.callback(each.stop)
        with self._cloud.view() as tx:
            token = tx.setting(GANDI_TOKEN)
        self._folder, self._proxy = folder, proxy
        self._secret = SecretApi(folder / "account", proxy.tcp_address)
        self._secret.followers.append(lambda data: follow(proxy, data))
        self._authority = Pebble(folder / "pebble", proxy.tcp_address, f"127.0.0.1:{names.port}")
        private(folder / "token", token.encode())
        configuration = {
            "directory": self._authority.directory,
            "directoryRoots": str(self._authority.roots),
            "contact": ["mailto:noc@example.com"],
            "profile": PROFILE,
            "key": "rsa2048",
            "names": [DOMAIN],
            "renewAtRemaining": 0.33,
            "dns": {"host": "gandi", "api": f"http://127.0.0.1:{gandi.port}/v5", "zone": DOMAIN},
            "nameServers": [f"127.0.0.1:{names.port}"],
            "secret": {"namespace": self._secret.namespace, "name": self._secret.name},
        }
        (folder / "renewer.json").write_text(json.dumps(configuration, indent=1))
        self._parts.callback(self._secret.stop)
        self._parts.callback(self._authority.stop)
        self._leaves = False
        self._gone = threading.Event()
        self._secret.followers.append(self._written)
        self._authority.start()

    def stop(self) -> None:
        """All but the renewer."""
        self._parts.close()

    def environment(self) -> dict[str, str]:
        """The renewer's."""
        return variables_on_loopback(self._folder, self._proxy.tcp_address, self._secret.port) | {
            "WARP_ACL_RPC_TOKEN": self._proxy.token,
            "WARP_TLS_GANDI_TOKEN_FILE": str(self._folder / "token"),
            # It looks often, and is soon there after the CA is.
            "WARP_TLS_WATCH_SECONDS": "1",
            "WARP_TLS_RETRY_SECONDS": "0.5",
        }

    @contextlib.contextmanager
    def without_authority(self) -> Iterator[threading.Event]:
        """The CA issues one more certificate, of a short life, and is gone at once: before the renewer can ask it when
        to renew. The event is set then. At the end the CA is there again, and issues as usual."""
        usual = self._authority.seconds
        self._begin_anew(SHORT_LIFE)
        self._gone.clear()
        self._leaves = True
        self._secret.put(tls_crt=None, tls_key=None)
        try:
            yield self._gone
        finally:
            self._leaves = False
            self._begin_anew(usual)

    def _begin_anew(self, seconds: int) -> None:
        self._authority.stop()
        self._authority.seconds = seconds
        self._authority.start()

    def _written(self, data: Mapping[str, bytes]) -> None:
        """By the renewer, which waits for the answer."""
        if self._leaves and "tls.crt" in data:
            self._leaves = False
            self._authority.stop()
            self._gone.set()

    def _served(self) -> list[ZoneData]:
        with self._cloud.view() as tx:
            return list(zones.served(tx))
