"""The main loop: looks at the Secret, decides whether a certificate is due, and applies for it.

Never at a CA's expense: failures in a row lengthen the pause between attempts, with jitter; a Retry-After is heeded;
and before an attempt the time of the next one is written into the Secret, so that a pod that crashes in it, or cannot
save what comes of it, does not ask again and again.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import replace
from typing import Final

from kamailio.renewer import certificate, hosts, record
from kamailio.renewer.authority import Authority
from kamailio.renewer.certificate import Pair
from kamailio.renewer.configuration import Settings
from kamailio.renewer.failures import Failure
from kamailio.renewer.issuing import Issuer
from kamailio.renewer.propagation import NameServers
from kamailio.renewer.proxies import Proxies
from kamailio.renewer.record import Record
from kamailio.renewer.secret import ChangedError, Content, Secret
from kamailio.renewer.status import RenewerStatus

log = logging.getLogger("renewer")

CHAIN, KEY, ACCOUNT = "tls.crt", "tls.key", "account.json"
# A minute, then 4, 16, 64 minutes: Let's Encrypt counts five failed validations of a name in an hour
# (letsencrypt.org/docs/rate-limits).
GROWTH: Final = 4.0
LONGEST_PAUSE: Final = 6 * 3600.0
# What a CA may ask for, from a Retry-After that makes sense to one that keeps us from noticing its end.
LONGEST_RETRY_AFTER: Final = 7 * 24 * 3600.0
ARI_SECONDS: Final = (3600.0, 24 * 3600.0)


class StoppedError(BaseException):
    """The process is to end: no failure of anything."""


class Service:
    """The renewer."""

    def __init__(self, settings: Settings, status: RenewerStatus) -> None:
        self._settings, self._status = settings, status
        configuration = settings.configuration
        self._secret = Secret(
            settings.api_server, settings.account_mount, configuration.namespace, configuration.secret
        )
        self._proxies = Proxies(settings, status)
        self._version = ""
        self._pair: Pair | None = None
        self._record: Record | None = None
        self._told = ""
        self._renewal: tuple[bytes, float, float] | None = None
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End at the next step. Everything that was done is in the Secret."""
        self._stopped.set()

    def run(self) -> None:
        """Until it is stopped."""
        self._proxies.start()
        try:
            while True:
                self.turn()
                self._wait(self._settings.watch_seconds)
        except StoppedError:
            log.info("stopped")
        finally:
            self._proxies.end()

    def turn(self) -> None:
        """Look once, and do what is due."""
        self._status.turn()
        try:
            content = self._secret.read()
            self._status.readable(readable=True)
            kept = self._read(content)
            if reason := self._due(kept):
                self._attempt(kept, reason)
            else:
                self._well()
        except ChangedError:
            log.info("the Secret was changed by another one; looking again")
        except Failure as failure:
            # Of the Secret; those of an attempt are told where they are counted.
            self._status.readable(readable=False)
            self._tell(failure)

    # What is there

    def _read(self, content: Content) -> Record:
        """The record, and the certificate in `_pair`. What a Secret that was made anew lacks is put back."""
        self._version = content.version
        ours, known = content.data.get(ACCOUNT), self._record
        lost = {}
        if ours is None:
            found = (known or record.new()).at(self._settings.configuration.directory)
            lost[ACCOUNT] = found.json()
            if known and self._pair and not content.data.get(CHAIN):
                lost |= {CHAIN: self._pair.chain, KEY: self._pair.key}
        else:
            try:
                found = record.read(ours)
            except ValueError as wrong:
                raise Failure("account", f"{wrong}; remove that key from the Secret for a new account") from None
            found = found.at(self._settings.configuration.directory)
        if lost:
            log.warning("Secret %s lacks %s: written", self._secret.name, " and ".join(sorted(lost)))
            content = self._secret.write(lost, content.version)
            self._version = content.version
        self._record = found
        self._load(content)
        return found

    def _load(self, content: Content) -> None:
        chain, key = content.data.get(CHAIN, b""), content.data.get(KEY, b"")
        if not chain and not key:
            self._pair = None
            return
        if self._pair and (chain, key) == (self._pair.chain, self._pair.key):
            return
        try:
            self._pair = certificate.read(chain, key)
        except ValueError as wrong:
            # Proxies refuse it and go on with what they have; so a new one is due.
            log.error("ALERT Secret %s: %s", self._secret.name, wrong)  # noqa: TRY400  # no traceback
            self._pair = None
            return
        self._has(self._pair, since=self._settings.mount_seconds)

    def _has(self, pair: Pair, *, since: float) -> None:
        self._pair = pair
        self._status.has(pair)
        self._proxies.want(pair, since=since)

    def _due(self, kept: Record) -> str:
        """Why a certificate is due; empty: none is."""
        if self._pair is None:
            return "there is none"
        if lacks := self._pair.lacks(self._settings.configuration.names):
            return f"it is not for {', '.join(lacks)}"
        if kept.order:
            return "an order is under way"
        now = time.time()
        if now > self._pair.ends.timestamp():
            return "it has expired"
        if now > self._renew_at(self._pair):
            return "it is to be renewed"
        return ""

    def _renew_at(self, pair: Pair) -> float:
        """When the CA says (ARI); where it does not, from the configured part of its life on."""
        usual = pair.renewed_at(self._settings.configuration.renew_at_remaining)
        now = time.monotonic()
        if self._renewal and self._renewal[0] == pair.der and now < self._renewal[2]:
            return self._renewal[1]
        try:
            at, again = self._authority().renewal(pair)
        except Failure as failure:
            log.info("the CA does not say when to renew: %s", failure)
            at, again = None, ARI_SECONDS[0]
        again = min(max(again, ARI_SECONDS[0]), ARI_SECONDS[1])
        self._renewal = pair.der, usual if at is None else at, now + again
        log.info("renewal from %s", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self._renewal[1])))
        return self._renewal[1]

    # An attempt

    def _authority(self) -> Authority:
        """Made for each attempt: nonces of before are worth nothing after days."""
        return Authority(self._settings.configuration, self._settings.hmac_file, self._wait)

    def _attempt(self, kept: Record, reason: str) -> None:
        if time.time() < kept.not_before:
            return
        log.info("applying for a certificate: %s", reason)
        kept = replace(kept, failures=kept.failures + 1, not_before=time.time() + self._pause(kept.failures))
        self._save(kept)
        self._status.attempt()
        configuration = self._settings.configuration
        issuer = Issuer(
            configuration=configuration,
            authority=self._authority(),
            host=hosts.of(configuration, self._wait),
            servers=NameServers(configuration.name_servers),
            save=self._save,
            waits=self._wait,
            propagation_seconds=self._settings.propagation_seconds,
        )
        try:
            pair, done = issuer.issue(kept)
            self._write({CHAIN: pair.chain, KEY: pair.key, ACCOUNT: done.json()})
        except ChangedError:
            raise
        except Failure as failure:
            self._failed(failure)
            return
        self._record = done
        self._status.issued()
        log.info("a certificate until %s for %s", pair.ends, ", ".join(configuration.names))
        self._has(pair, since=0)
        self._well()

    def _pause(self, failures: int) -> float:
        usual = min(LONGEST_PAUSE, self._settings.retry_seconds * GROWTH**failures)
        return usual * random.uniform(0.8, 1.2)  # noqa: S311

    def _failed(self, failure: Failure) -> None:
        assert self._record is not None
        self._status.failed()
        earliest = time.time() + min(failure.retry_after, LONGEST_RETRY_AFTER)
        if earliest > self._record.not_before:
            self._save(replace(self._record, not_before=earliest))
        left = self._record.not_before - time.time()
        self._tell(failure, f"; failure {self._record.failures} in a row, the next attempt in {left:.0f} s")

    def _save(self, kept: Record) -> None:
        self._write({ACCOUNT: kept.json()})
        self._record = kept

    def _write(self, data: dict[str, bytes | None]) -> None:
        self._version = self._secret.write(data, self._version).version

    # Telling

    def _tell(self, failure: Failure, more: str = "") -> None:
        self._status.cause(failure.cause)
        words = f"{failure.cause}: {failure}"
        if words != self._told or more:
            log.error("ALERT %s%s", words, more)
        self._told = words

    def _well(self) -> None:
        if self._told:
            log.info("well again: %s is over", self._told.split(":", 1)[0])
        self._told = ""
        self._status.cause(None)

    def _wait(self, seconds: float) -> None:
        """Alive, but not for longer than the process."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._status.turn()
            if self._stopped.wait(min(left, 10.0)):
                raise StoppedError
        if self._stopped.is_set():
            raise StoppedError
