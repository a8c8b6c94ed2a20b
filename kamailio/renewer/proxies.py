"""Every proxy's certificate as it is served, and the reload of those that serve another one.

Each successful `tls.reload` keeps some 0.3 to 0.7 MB of Kamailio's shared memory for ever (measured with 5.6.3 and
6.0.1), so a proxy is reloaded only where it serves another certificate than the Secret holds, and seldom: its mounted
files follow the Secret only after a minute or two (kubelet's sync period and cache).
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from typing import Final

from cryptography import x509

from kamailio.reloader.environment import Endpoint
from kamailio.reloader.rpc import Rpc, RpcError
from kamailio.reloader.service import resolve
from kamailio.renewer.certificate import Pair
from kamailio.renewer.configuration import Settings
from kamailio.renewer.status import RenewerStatus

log = logging.getLogger("renewer")

HANDSHAKE_SECONDS: Final = 5.0
RELOAD_SECONDS: Final = 15.0
# Reloads of one proxy for one certificate, and what is between two of them, as a part of WARP_TLS_MOUNT_SECONDS. After
# the last one there is a fault that reloads do not mend: once an hour from then on.
PAUSES: Final = (1.0, 0.5, 0.5, 1.0, 2.0, 5.0)
HOUR: Final = 3600.0


@dataclass
class _Known:
    """A proxy: how often it was reloaded for the present certificate, and from when on it may be again."""

    reloads: int = 0
    not_before: float = 0.0
    alert: bool = False


class Proxies:
    """The thread that keeps them true."""

    def __init__(self, settings: Settings, status: RenewerStatus) -> None:
        self._settings, self._status = settings, status
        self._wanted: Pair | None = None
        self._first = 0.0
        self._known: dict[Endpoint, _Known] = {}
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="proxies", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def end(self) -> None:
        """Wait for what is under way."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()

    def want(self, pair: Pair, *, since: float) -> None:
        """The certificate that all have to serve; `since`: seconds for which it has been in the Secret."""
        with self._changed:
            if self._wanted is not None and self._wanted.der == pair.der:
                return
            self._wanted, self._known = pair, {}
            self._first = time.monotonic() + max(0.0, self._settings.mount_seconds * PAUSES[0] - since)
            self._changed.notify()

    def _run(self) -> None:
        while not self._ended:
            self.turn()
            with self._changed:
                if not self._ended:
                    self._changed.wait(min(self._settings.watch_seconds, self._settings.mount_seconds / 2))

    def turn(self) -> None:
        """Look at every proxy once."""
        with self._changed:
            wanted, known = self._wanted, self._known
        found, complete = resolve(self._settings.proxies)
        for where in known.keys() - found if complete else ():
            del known[where]
            self._status.forget(str(where))
        late = [where for where in sorted(found, key=str) if not self._true(where, wanted, known)]
        self._status.proxies_late(late=bool(late))

    def _true(self, where: Endpoint, wanted: Pair | None, known: dict[Endpoint, _Known]) -> bool:
        """Whether nothing is wrong with it, or nothing yet."""
        served, problem = self._served(where)
        if wanted is None:
            return True
        proxy = known.setdefault(where, _Known(not_before=self._first))
        if served == wanted.leaf:
            proxy.reloads, proxy.alert = 0, False
        elif time.monotonic() >= proxy.not_before:
            return self._renewed(where, wanted, proxy, problem)
        return proxy.reloads < len(PAUSES)

    def _renewed(self, where: Endpoint, wanted: Pair, proxy: _Known, problem: str) -> bool:
        """Reload it. False once it had enough of them."""
        said = self._reload(where)
        proxy.reloads += 1
        pause = self._settings.mount_seconds * PAUSES[proxy.reloads] if proxy.reloads < len(PAUSES) else HOUR
        proxy.not_before = time.monotonic() + pause
        if not said:
            served, problem = self._served(where)
            if served == wanted.leaf:
                log.info("%s serves the new certificate after %d reloads", where, proxy.reloads)
                proxy.reloads, proxy.alert = 0, False
                return True
        words = said or problem or "it loaded its files, which are old ones"
        if proxy.reloads < len(PAUSES):
            log.info("%s does not serve the new certificate yet, reload %d: %s", where, proxy.reloads, words)
            return True
        (log.debug if proxy.alert else log.error)(
            "ALERT %s does not serve the certificate of the Secret after %d reloads: %s; see its log, and whether it"
            " mounts the Secret as a folder (subPath never follows)",
            where,
            proxy.reloads,
            words,
        )
        proxy.alert = True
        return False

    def _reload(self, where: Endpoint) -> str:
        """What the proxy said against it, if anything."""
        # Made anew: it goes over to datagrams after a silence, and the worker of TLS takes none.
        settings = self._settings
        rpc = Rpc(where.host, where.port, settings.token, RELOAD_SECONDS, over_http=True, before=settings.token_before)
        try:
            rpc.call("tls.reload")
        except RpcError as error:
            return str(error)
        self._status.add("warp_tls_reloads_total", proxy=str(where))
        return ""

    def _served(self, where: Endpoint) -> tuple[x509.Certificate | None, str]:
        """The leaf that a caller gets, or why none. It is looked at, not verified: what it must be is known."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        name = self._settings.configuration.names[0]
        place = where.host, self._settings.tls_port
        label = str(where)
        try:
            with (
                socket.create_connection(place, timeout=HANDSHAKE_SECONDS) as plain,
                context.wrap_socket(plain, server_hostname=name) as encrypted,
            ):
                found = x509.load_der_x509_certificate(encrypted.getpeercert(binary_form=True) or b"")
        except (OSError, ValueError) as error:
            self._status.drop("warp_tls_served_not_after_seconds", proxy=label)
            return None, f"no TLS at port {self._settings.tls_port}: {error or type(error).__name__}"
        self._status.set("warp_tls_served_not_after_seconds", found.not_valid_after_utc.timestamp(), proxy=label)
        return found, ""
