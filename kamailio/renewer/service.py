"""The main loop: looks at the Secret, decides whether a certificate is due, and applies for it.

Never at a CA's expense: failures in a row lengthen the pause between attempts, with jitter; a Retry-After is heeded;
and before an attempt the time of the next one is written into the Secret, so that a pod that crashes in it, or cannot
save what comes of it, does not ask again and again.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from kamailio.renewer import certificate, hosts, patience, record
from kamailio.renewer.authority import Authority
from kamailio.renewer.certificate import Pair
from kamailio.renewer.configuration import Settings
from kamailio.renewer.failures import Failure, anything
from kamailio.renewer.issuing import Issuer
from kamailio.renewer.propagation import NameServers
from kamailio.renewer.proxies import Proxies
from kamailio.renewer.record import Record
from kamailio.renewer.secret import ChangedError, Content, Secret
from kamailio.renewer.status import RenewerStatus

log = logging.getLogger("renewer")

CHAIN, KEY, ACCOUNT = "tls.crt", "tls.key", "account.json"
ARI_SECONDS: Final = (3600.0, 24 * 3600.0)


class StoppedError(BaseException):
    """The process is to end: no failure of anything."""


@dataclass(frozen=True)
class Due:
    """Why a certificate is due. `changed`: something else than its age, such as the settings."""

    reason: str
    changed: bool = True


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
        self._looked = False
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
            if due := self._due(kept):
                self._attempt(kept, due)
            else:
                self._well()
            self._tidy()
        except ChangedError:
            log.info("the Secret was changed by another one; looking again")
        except Failure as failure:
            # Of the Secret; those of an attempt are told where they are counted.
            self._status.readable(readable=False)
            self._tell(failure)

    # What is there

    def _read(self, content: Content) -> Record:
        """The record, and the certificate in `_pair`. An empty Secret is one that was made anew: what it held is put
        back. One without `account.json` alone is a request for another account."""
        self._version = content.version
        ours, known = content.data.get(ACCOUNT), self._record
        lost = {}
        if ours is None:
            kept = record.new() if known is None else known.anew() if any(content.data.values()) else known
            found = kept.at(self._settings.configuration.directory)
            lost[ACCOUNT] = found.json()
            if known and self._pair and not any(content.data.values()):
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
        if patience.beyond_reason(found, time.time()):
            log.warning("notBefore of account.json is %s, written by a clock that was wrong: taken for now",
                        _utc(found.not_before))  # fmt: skip
            found = replace(found, not_before=time.time())
        self._record = found
        self._status.kept(found)
        self._load(content, found)
        self._looked = True
        return found

    def _load(self, content: Content, kept: Record) -> None:
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
        # Of a pod that begins: for how long it is known to be there; an unknown time is a long one.
        self._has(self._pair, since=0 if self._looked else max(0.0, time.time() - kept.issued))

    def _has(self, pair: Pair, *, since: float) -> None:
        self._pair = pair
        self._status.has(pair)
        self._proxies.want(pair, since=since)

    def _due(self, kept: Record) -> Due | None:
        """Why a certificate is due; None: none is."""
        if differs := self._differs(kept):
            return Due(differs)
        assert self._pair
        now, reason = time.time(), ""
        if kept.order:
            reason = "an order is under way"
        elif now > self._pair.ends.timestamp():
            reason = "it has expired"
        elif now > self._renew_at(self._pair):
            reason = "it is to be renewed"
        return Due(reason, changed=False) if reason else None

    def _differs(self, kept: Record) -> str:
        """In what the certificate is not what the settings ask for."""
        configuration = self._settings.configuration
        if self._pair is None:
            return "there is none"
        if lacks := self._pair.lacks(configuration.names):
            return f"it is not for {', '.join(lacks)}"
        if not self._pair.is_of(configuration.key):
            return f"its key is not {configuration.key}"
        if kept.source and kept.source != configuration.source:
            return f"it is of {kept.source}, not of {configuration.source}"
        return ""

    def _renew_at(self, pair: Pair) -> float:
        """When the CA says (ARI), but with half of the configured part of its life left at the latest; where it does
        not say, from the configured part on."""
        remaining = self._settings.configuration.renew_at_remaining
        usual, latest = pair.renewed_at(remaining), pair.renewed_at(remaining / 2)
        now = time.monotonic()
        if self._renewal and self._renewal[0] == pair.der and now < self._renewal[2]:
            return self._renewal[1]
        try:
            with anything("renewal information"):
                at, again = self._authority().renewal(pair)
        except Failure as failure:
            log.info("the CA does not say when to renew: %s", failure)
            at, again = None, ARI_SECONDS[0]
        again = min(max(again, ARI_SECONDS[0]), ARI_SECONDS[1])
        at = usual if at is None else min(at, latest)
        self._renewal = pair.der, at, now + again
        log.info("renewal from %s", _utc(at))
        return at

    # An attempt

    def _authority(self) -> Authority:
        """Made for each attempt: nonces of before are worth nothing after days."""
        return Authority(self._settings.configuration, self._settings.hmac_file, self._wait)

    def _issuer(self, good_until: datetime | None = None) -> Issuer:
        configuration = self._settings.configuration
        return Issuer(
            configuration=configuration,
            authority=self._authority(),
            host=hosts.of(configuration, self._wait),
            servers=NameServers(configuration.name_servers, self._wait),
            save=self._save,
            waits=self._wait,
            propagation_seconds=self._settings.propagation_seconds,
            good_until=good_until,
        )

    def _attempt(self, kept: Record, due: Due) -> None:
        if patience.waits(kept, time.time(), changed=due.changed):
            if kept.cause:
                self._status.cause(kept.cause)  # also what another pod failed in
            elif not kept.failures:
                self._well()
            return
        log.info("applying for a certificate: %s", due.reason)
        now = time.time()
        pause = patience.pause(kept.failures, self._settings.retry_seconds)
        kept = replace(kept, failures=kept.failures + 1, not_before=now + pause, attempted=now)
        self._save(kept)
        configuration = self._settings.configuration
        good_until = self._pair.ends if self._pair and not due.changed else None
        try:
            with anything("the attempt"):
                pair, done = self._issuer(good_until).issue(kept)
            done = replace(patience.succeeded(done, pair, time.time()), source=configuration.source)
            self._write({CHAIN: pair.chain, KEY: pair.key, ACCOUNT: done.json()})
        except Failure as failure:
            self._failed(failure)
            return
        self._record = done
        self._status.issued()
        self._status.kept(done)
        log.info("a certificate until %s for %s", pair.ends, ", ".join(configuration.names))
        self._has(pair, since=0)
        self._well()

    def _tidy(self) -> None:
        """Once the certificate is in the Secret: the values that were published for it are taken away, also those that
        an earlier pod did not come to."""
        if self._record and self._record.leftover:
            self._save(self._issuer().tidied(self._record))

    def _failed(self, failure: Failure) -> None:
        assert self._record is not None
        self._status.failed()
        earliest = time.time() + min(failure.retry_after, patience.LONGEST_RETRY_AFTER)
        kept = replace(self._record, cause=failure.cause, not_before=max(earliest, self._record.not_before))
        try:
            # Read again first, where another one wrote it; the time of the next attempt is in it already.
            if isinstance(failure, ChangedError):
                raise failure
            self._save(kept)
        finally:
            left = kept.not_before - time.time()
            self._tell(failure, f"; failure {kept.failures} in a row, the next attempt in {left:.0f} s")

    def _save(self, kept: Record) -> None:
        self._write({ACCOUNT: kept.json()})
        self._record = kept
        self._status.kept(kept)

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
        """Alive, but not for longer than the process; 0 is a sign of life, and the place to stop."""
        self._status.turn()
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._status.turn()
            if self._stopped.wait(min(left, 10.0)):
                raise StoppedError
        if self._stopped.is_set():
            raise StoppedError


def _utc(at: float) -> str:
    """Also of a time that no calendar has."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))
    except (OverflowError, ValueError, OSError):
        return f"{at:.3g}"
