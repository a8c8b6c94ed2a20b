"""The main loop: listens, waits for a burst to end, and hands the work to every proxy there is at the moment.

Of several reloaders one calls the proxies: the one whose connection holds the lease, an advisory lock. The others stand
by with a connection of their own, and try every `STAND_BY_SECONDS` (README.md, "Two reloaders").
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterable

from kamailio.reloader.database import DatabaseDown, Listener, Views, lease_of
from kamailio.reloader.environment import Endpoint, Settings
from kamailio.reloader.proxy import Proxy
from kamailio.reloader.rpc import Rpc
from kamailio.reloader.status import Status
from kamailio.reloader.work import EVERYTHING, NOTHING, Work, work_for

log = logging.getLogger("reloader")

LONGEST_BURST = 0.5
# With what an attempt takes at most (`CONNECT_SECONDS`): back within 10 s of the database.
LONGEST_PAUSE = 4.0
STAND_BY_SECONDS = 1.0


class Service:
    """The reloader."""

    def __init__(self, settings: Settings, status: Status) -> None:
        self._settings, self._status = settings, status
        self._views = Views(settings.database_url)
        self._proxies: dict[Endpoint, Proxy] = {}
        self._resolved = 0.0

    def run(self, goes_on: Callable[[], bool] = lambda: True) -> None:
        """For as long as it goes on. The database's absence is waited out, and reported."""
        pause = 0.5
        while goes_on():
            try:
                listener = Listener(self._settings.database_url, self._settings.poll_seconds)
            except DatabaseDown as down:
                self._without_database(down)
                self._wait(pause)
                pause = min(LONGEST_PAUSE, pause * 2)
                continue
            pause = 0.5
            self._status.set("warp_acl_database_up", 1)
            try:
                if self._lead(listener, goes_on):
                    self._listen(listener, goes_on)
            except DatabaseDown as down:
                self._without_database(down)
            finally:
                listener.close()

    def _lead(self, listener: Listener, goes_on: Callable[[], bool]) -> bool:
        """Wait for the lease. Another reloader that has it by now looks after the proxies."""
        lease, waits = lease_of(self._settings.token), False
        while goes_on():
            leads = listener.take(lease)
            self._status.set("warp_acl_leading", leads)
            if leads:
                return True
            if not waits:
                log.info("another reloader leads; standing by")
            waits = True
            for where in list(self._proxies):
                self._proxies.pop(where).end()
            self._status.set("warp_acl_proxies", 0)
            self._status.turn()
            time.sleep(STAND_BY_SECONDS)
            # What is announced meanwhile is the leading one's to do. Nothing of it may pile up here, for weeks.
            listener.forget()
        return False

    def _listen(self, listener: Listener, goes_on: Callable[[], bool]) -> None:
        how = f"asking the standby every {self._settings.poll_seconds:g} s" if listener.standby else "listening"
        log.info("%s; %d proxies known", how, len(self._proxies))
        # What changed while nobody listened was told to nobody.
        self._hand_out(EVERYTHING)
        full = time.monotonic() + self._settings.full_seconds
        while goes_on():
            work = self._burst(listener)
            if time.monotonic() > full:
                full = time.monotonic() + self._settings.full_seconds
                work = EVERYTHING
            if work:
                self._hand_out(work)
            else:
                listener.check()
            self._look_for_proxies()

    def _burst(self, listener: Listener) -> Work:
        """What comes until it is quiet for a moment, but not for ever."""
        work, wait, end = NOTHING, self._settings.watch_seconds, float("inf")
        while time.monotonic() < end:
            payloads = list(listener.payloads(wait))
            if not payloads:
                break
            for payload in payloads:
                work |= work_for(payload)
            wait = self._settings.quiet_seconds
            end = min(end, time.monotonic() + LONGEST_BURST)
        return work

    def _hand_out(self, work: Work) -> None:
        # A new proxy begins with everything to do.
        known = list(self._proxies.values())
        self._look_for_proxies(at_once=True)
        for proxy in known:
            proxy.add(work)

    def _without_database(self, down: DatabaseDown) -> None:
        self._status.set("warp_acl_database_up", 0)
        self._status.set("warp_acl_leading", 0)
        self._views.give_up()
        log.error("the database does not answer: %s; proxies keep their tables", down)

    def _wait(self, seconds: float) -> None:
        """Proxies come and go while the database is down, too."""
        time.sleep(seconds)
        self._look_for_proxies()

    def _look_for_proxies(self, *, at_once: bool = False) -> None:
        self._status.turn()
        if not at_once and time.monotonic() - self._resolved < self._settings.watch_seconds:
            return
        self._resolved = time.monotonic()
        found, complete = resolve(self._settings.proxies)
        for where in found - self._proxies.keys():
            log.info("%s is there", where)
            settings = self._settings
            rpc = Rpc(where.host, where.port, settings.token, settings.reload_seconds, before=settings.token_before)
            self._proxies[where] = Proxy(where, rpc, self._views, self._status, self._settings)
            self._proxies[where].start()
        for where in self._proxies.keys() - found if complete else ():
            log.info("%s is gone", where)
            self._proxies.pop(where).end()
        self._status.set("warp_acl_proxies", len(self._proxies))


def resolve(names: Iterable[Endpoint]) -> tuple[set[Endpoint], bool]:
    """Every address behind these names now, and whether all names were answered: a DNS failure takes no proxy away."""
    found, complete = set(), True
    for name in names:
        try:
            answers = socket.getaddrinfo(name.host, name.port, type=socket.SOCK_STREAM)
        except OSError as error:
            log.warning("%s is not resolved: %s; is the headless Service there?", name.host, error)
            complete = False
        else:
            found |= {Endpoint(str(answer[4][0]), name.port) for answer in answers}
    return found, complete
