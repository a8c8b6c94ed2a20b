"""Every proxy's certificate as it is served, and the reload of those that serve another one.

Each successful `tls.reload` keeps some 0.3 to 0.7 MB of Kamailio's shared memory for ever (measured with 5.6.3 and
6.0.1), so a proxy is reloaded only where it serves another certificate than the Secret holds, and seldom: its mounted
files follow the Secret only after a minute or two (kubelet's sync period and cache).
"""

from __future__ import annotations

import itertools
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
# What is before each reload of one proxy for one certificate, as a part of WARP_TLS_MOUNT_SECONDS. After the last one
# there is a fault that reloads do not mend, and there are no more. One that the proxy refuses, or does not answer, is
# tried for longer, once an hour: a day.
PAUSES: Final = (1.0, 0.5, 0.5, 1.0, 2.0, 5.0)
HOUR: Final = 3600.0
MOST_TRIES: Final = len(PAUSES) + 24


@dataclass
class _Known:
    """A proxy: its reloads for the present certificate, tries, done or not, and the time of the next one."""

    reloads: int
    tries: int
    not_before: float
    alert: bool = False

    @property
    def has_enough(self) -> bool:
        """No reload will mend it."""
        return self.reloads >= len(PAUSES) or self.tries >= MOST_TRIES

    def tried(self, mount_seconds: float, *, done: bool) -> None:
        """Another one, now."""
        self.reloads, self.tries = self.reloads + done, self.tries + 1
        pause = PAUSES[self.tries] * mount_seconds if self.tries < len(PAUSES) else HOUR
        self.not_before = time.monotonic() + pause


def spent(since: float, mount_seconds: float) -> int:
    """Reloads that an earlier pod may have done of a certificate that has been in the Secret for so long; one is left
    for what happened while there was no pod."""
    return min(len(PAUSES) - 1, sum(each * mount_seconds < since for each in itertools.accumulate(PAUSES)))


class Proxies:
    """The thread that keeps them true."""

    def __init__(self, settings: Settings, status: RenewerStatus) -> None:
        self._settings, self._status = settings, status
        self._wanted: Pair | None = None
        self._first, self._spent = 0.0, 0
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
            self._spent = spent(since, self._settings.mount_seconds)
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
        # What it was reloaded for stays known: one that is not ready now and then is no new proxy.
        for where in known.keys() - found if complete else ():
            self._status.forget(str(where))
        late = [where for where in sorted(found, key=str) if not self._true(where, wanted, known)]
        self._status.proxies_late(late=bool(late))

    def _true(self, where: Endpoint, wanted: Pair | None, known: dict[Endpoint, _Known]) -> bool:
        """Whether nothing is wrong with it, or nothing yet."""
        served, problem = self._served(where)
        if wanted is None:
            return True
        proxy = known.setdefault(where, _Known(self._spent, self._spent, self._first))
        if served == wanted.leaf:
            proxy.alert = False
            return True
        if not proxy.has_enough and time.monotonic() >= proxy.not_before:
            said = self._reload(where)
            proxy.tried(self._settings.mount_seconds, done=not said)
            if not said:
                served, problem = self._served(where)
                if served == wanted.leaf:
                    log.info("%s serves the new certificate after %d reloads", where, proxy.reloads)
                    return True
            problem = said or problem
            if proxy.tries < len(PAUSES):
                log.info("%s does not serve the new certificate yet, reload %d: %s", where, proxy.tries, problem)
        if proxy.tries < len(PAUSES):
            return True
        if not proxy.alert:
            log.error(
                "ALERT %s does not serve the certificate of the Secret after %d reloads: %s; see its log, and whether"
                " it mounts the Secret as a folder (subPath never follows)",
                where, proxy.reloads, problem or "it loaded its files, which are old ones",
            )  # fmt: skip
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
