"""The host of the challenge's zone: adds a TXT value beside those of others, and takes it away again.

Another region's renewer may answer for the same name at the same time, with a value of its own: RFC 8555 (8.4) lets a
CA find its value among others'.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Final

import requests

from kamailio.renewer.failures import Failure

TIMEOUT: Final = (5.0, 20.0)
# The least that Gandi takes.
TTL: Final = 300
# Requests that the host's limit or a fault of its own turned away; longer waits are the next attempt's.
TRIES: Final = 4
LONGEST_WAIT: Final = 30.0
TOO_MANY, SERVER_ERROR = 429, 500
Waits = Callable[[float], None]


class DnsHost(ABC):
    """One zone. Names are absolute, without the final dot. Everything raises `Failure` of cause `dns-host`."""

    @abstractmethod
    def values(self, name: str) -> list[str]:
        """The TXT values of a name."""

    @abstractmethod
    def change(self, name: str, wanted: Callable[[list[str]], list[str]]) -> None:
        """Replace the TXT values of a name by what `wanted` makes of them, also beside other writers. The record set
        goes with its last value."""

    def add(self, name: str, value: str) -> None:
        """Once it returns, the value stood there after it was written."""
        self.change(name, lambda there: [*there, value] if value not in there else there)

    def remove(self, name: str, value: str) -> None:
        """Others' values stay."""
        self.change(name, lambda there: [each for each in there if each != value])


def ask(
    method: str, url: str, headers: Mapping[str, str], waits: Waits, body: Any = None, **parameters: str
) -> requests.Response:
    """An answer of the host, whatever its status below 500; never one of its rate limit."""
    for left in reversed(range(TRIES)):
        try:
            answer = requests.request(method, url, headers=dict(headers), json=body, params=parameters, timeout=TIMEOUT)
        except requests.RequestException as error:
            raise Failure("dns-host", f"the DNS host does not answer: {str(error)[:200]}") from None
        if answer.status_code != TOO_MANY and answer.status_code < SERVER_ERROR:
            return answer
        asked = answer.headers.get("Retry-After", "")
        wait = float(asked) if asked.isdecimal() else 1.0 * (TRIES - left)
        if not left or wait > LONGEST_WAIT:
            raise Failure("dns-host", f"the DNS host answers HTTP {answer.status_code}", wait)
        waits(wait)
    raise AssertionError("the last try returns or raises")


def quoted(value: str) -> str:
    """As both hosts want it; a challenge's value has no character to be escaped (base64url)."""
    return f'"{value}"'


def bare(value: str) -> str:
    """The value that was quoted, also in several pieces (RFC 1035, 3.3.14)."""
    return value.strip().removeprefix('"').removesuffix('"').replace('" "', "")
