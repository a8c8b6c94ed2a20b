"""The renewer's numbers and probes, served as the reloader's are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kamailio.reloader.status import Status
from kamailio.renewer.certificate import Pair
from kamailio.renewer.failures import CAUSES, Cause
from kamailio.renewer.record import Record

FAILURE: Final = "warp_tls_last_failure"
LAST_ATTEMPT, LAST_SUCCESS = "warp_tls_last_attempt_seconds", "warp_tls_last_success_seconds"
ATTEMPTS: Final = "warp_tls_attempts_total"


HELP: Final[Mapping[str, str]] = {
    "warp_tls_not_after_seconds": "gauge end of the certificate in the Secret, as Unix time",
    "warp_tls_not_before_seconds": "gauge begin of the certificate in the Secret, as Unix time",
    "warp_tls_served_not_after_seconds": "gauge end of the certificate that the proxy serves, as Unix time",
    LAST_ATTEMPT: "gauge when a certificate was last applied for, as Unix time",
    LAST_SUCCESS: "gauge when one was last issued, as Unix time",
    ATTEMPTS: "counter certificates that were applied for, by result",
    FAILURE: "gauge 1 for the cause of what fails now; no line while nothing does",
    "warp_tls_reloads_total": "counter times that the proxy loaded its certificate on demand",
}


class RenewerStatus(Status):
    """`/healthz`: the main loop turns. `/readyz`: and the Secret could be used when it was last looked at."""

    unready = "the Secret cannot be read or written"

    def __init__(self) -> None:
        super().__init__(described=HELP)
        self._readable = False
        for result in ("issued", "failed"):
            self.set(ATTEMPTS, 0, result=result)

    @property
    def ready(self) -> bool:
        """Whether it could do its work now."""
        return self.alive and self._readable

    def readable(self, *, readable: bool) -> None:
        """Whether the Secret could be read, and written where that was due."""
        self._readable = readable

    def has(self, pair: Pair) -> None:
        """The certificate in the Secret."""
        self.set("warp_tls_not_after_seconds", pair.ends.timestamp())
        self.set("warp_tls_not_before_seconds", pair.begins.timestamp())

    def kept(self, record: Record) -> None:
        """What the Secret knows of earlier attempts, also those of another pod."""
        for name, value in ((LAST_ATTEMPT, record.attempted), (LAST_SUCCESS, record.issued)):
            if value:
                self.set(name, value)

    def issued(self) -> None:
        """An attempt ended with a certificate."""
        self.add(ATTEMPTS, result="issued")

    def failed(self) -> None:
        """It ended without."""
        self.add(ATTEMPTS, result="failed")

    def cause(self, cause: Cause | None) -> None:
        """What fails now, apart from proxies."""
        for each in CAUSES:
            if each != "proxy":
                self.drop(FAILURE, cause=each)
        if cause:
            self.set(FAILURE, 1, cause=cause)

    def proxies_late(self, *, late: bool) -> None:
        """Whether a proxy does not serve the certificate of the Secret, though it had time to."""
        if late:
            self.set(FAILURE, 1, cause="proxy")
        else:
            self.drop(FAILURE, cause="proxy")
