"""Gandi's LiveDNS (api.gandi.net/docs/livedns): a record set is replaced as a whole, without a precondition.

So another region may write between our reading and our writing. Each write is read again until our value is there, and
`issuing` looks once more before it answers the challenge.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

import requests

from kamailio.renewer.configuration import Gandi
from kamailio.renewer.dns_host import TTL, DnsHost, Waits, ask, bare, quoted
from kamailio.renewer.failures import Failure

WRITES: Final = 8
# Seconds between a write and the look at what came of it: two regions must not do both at the same moments.
APART: Final = (0.05, 0.5)
OK, CREATED, NO_CONTENT, NOT_FOUND = 200, 201, 204, 404


class GandiHost(DnsHost):
    """A zone there, with a personal access token."""

    def __init__(self, zone: Gandi, waits: Waits) -> None:
        self._zone, self._waits = zone, waits

    def values(self, name: str) -> list[str]:
        """The TXT values of a name."""
        answer = self._ask("GET", name)
        try:
            return [] if answer is None else [bare(each) for each in answer.json()["rrset_values"]]
        except (ValueError, LookupError, TypeError, AttributeError):
            raise Failure("dns-host", f"Gandi's answer for {name} TXT is not one of its API; see `dns.api`") from None

    def change(self, name: str, wanted: Callable[[list[str]], list[str]]) -> None:
        """Each write is read again, until nothing is left to do."""
        for _ in range(WRITES):
            there = self.values(name)
            values = wanted(there)
            if values == there:
                return
            self._write(name, values)
            self._waits(random.uniform(*APART))  # noqa: S311
        raise Failure("dns-host", f"{name}: another writer replaces the TXT record again and again")

    def _write(self, name: str, values: list[str]) -> None:
        if values:
            self._ask("PUT", name, {"rrset_ttl": TTL, "rrset_values": [quoted(each) for each in values]})
        else:
            self._ask("DELETE", name)

    def _ask(self, method: str, name: str, body: Any = None) -> requests.Response | None:
        """None: there is no such record set."""
        zone = self._zone.zone
        label = "@" if name == zone else name.removesuffix(f".{zone}")
        if label == name:
            raise Failure("dns-host", f"{name} is not in zone {zone}; see `dns.zone` and `challengeDomain`")
        try:
            token = self._zone.token_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise Failure("dns-host", f"Gandi's token, {self._zone.token_file}: {error.strerror}") from None
        url = f"{self._zone.api}/livedns/domains/{zone}/records/{label}/TXT"
        answer = ask(method, url, {"Authorization": f"Bearer {token}"}, self._waits, body)
        if answer.status_code == NOT_FOUND and method != "PUT":
            return None
        if answer.status_code not in (OK, CREATED, NO_CONTENT):
            raise Failure(
                "dns-host", f"Gandi refuses {method} of {name} TXT: HTTP {answer.status_code} {_said(answer)}"
            )
        return answer


def _said(answer: Any) -> str:
    try:
        given = answer.json()
        return str(given.get("message") or given.get("errors") or "")[:200]
    except (ValueError, AttributeError):
        return ""
