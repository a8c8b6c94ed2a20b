"""Cloud DNS over REST (cloud.google.com/dns/docs/reference/rest/v1/changes), as the pod's service account.

A change names the record set that it replaces and is refused where that is another one by now: it is read and tried
again.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any, Final

import requests

from kamailio.renewer.configuration import CloudDns
from kamailio.renewer.dns_host import TIMEOUT, TTL, DnsHost, Waits, ask, bare, quoted
from kamailio.renewer.failures import Failure

WRITES: Final = 8
# 404, of a change that deletes: the record set is gone by now ("'entity.change.deletions[0]' ... does not exist").
CONFLICTS, GONE = (409, 412), 404
# Google's libraries know this variable, too (cloud.google.com/compute/docs/metadata).
METADATA: Final = "GCE_METADATA_HOST"
TOKEN_PATH: Final = "/computeMetadata/v1/instance/service-accounts/default/token"  # noqa: S105
FRESH_SECONDS: Final = 60.0
BAD_REQUEST: Final = 400


class CloudDnsHost(DnsHost):
    """A managed zone."""

    def __init__(self, zone: CloudDns, waits: Waits, now: Callable[[], float]) -> None:
        self._zone, self._waits, self._now = zone, waits, now
        self._token, self._until = "", 0.0
        self._url = f"{zone.api}/dns/v1/projects/{zone.project}/managedZones/{zone.zone}"

    def values(self, name: str) -> list[str]:
        """The TXT values of a name."""
        return [bare(each) for each in (self._record_set(name) or {}).get("rrdatas", ())]

    def change(self, name: str, wanted: Callable[[list[str]], list[str]]) -> None:
        """Once a change is accepted it is in the zone, though not yet at every name server."""
        for _ in range(WRITES):
            old = self._record_set(name)
            there = [bare(each) for each in (old or {}).get("rrdatas", ())]
            values = wanted(there)
            if values == there:
                return
            ttl = old["ttl"] if old else TTL
            new = {"name": f"{name}.", "type": "TXT", "ttl": ttl, "rrdatas": [quoted(each) for each in values]}
            body = {"additions": [new] if values else [], "deletions": [old] if old else []}
            answer = self._ask("POST", f"{self._url}/changes", body)
            if answer.status_code < BAD_REQUEST:
                return
            if answer.status_code not in CONFLICTS and not (old and answer.status_code == GONE):
                raise self._refused(f"a change of {name} TXT", answer)
            self._waits(random.uniform(0.05, 0.5))  # noqa: S311
        raise Failure("dns-host", f"{name}: another writer changes the TXT record again and again")

    def _record_set(self, name: str) -> dict[str, Any] | None:
        if name != self._zone.domain and not name.endswith(f".{self._zone.domain}"):
            raise Failure("dns-host", f"{name} is not in {self._zone.domain}; see `dns.domain` and `challengeDomain`")
        answer = self._ask("GET", f"{self._url}/rrsets", name=f"{name}.", type="TXT")
        if answer.status_code >= BAD_REQUEST:
            raise self._refused(f"{name} TXT", answer)
        try:
            found = answer.json().get("rrsets", [])
            # Only what a change compares.
            return {key: found[0][key] for key in ("name", "type", "ttl", "rrdatas")} if found else None
        except (ValueError, LookupError, TypeError, AttributeError):
            raise Failure("dns-host", f"Cloud DNS's answer for {name} TXT is not one of its API") from None

    def _ask(self, method: str, url: str, body: Any = None, **parameters: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._access()}"}
        return ask(method, url, headers, self._waits, body, **parameters)

    def _access(self) -> str:
        if self._now() > self._until - FRESH_SECONDS:
            host = os.environ.get(METADATA, "metadata.google.internal")
            try:
                answer = requests.get(
                    f"http://{host}{TOKEN_PATH}", headers={"Metadata-Flavor": "Google"}, timeout=TIMEOUT
                )
                answer.raise_for_status()
                given = answer.json()
                self._token, self._until = str(given["access_token"]), self._now() + float(given["expires_in"])
            except (requests.RequestException, ValueError, LookupError, TypeError) as error:
                words = f"no access token from the metadata server: {str(error)[:200]}"
                raise Failure("dns-host", f"{words}; see the ServiceAccount's binding (Workload Identity)") from None
        return self._token

    def _refused(self, what: str, answer: requests.Response) -> Failure:
        try:
            said = str(answer.json()["error"]["message"])[:200]
        except (ValueError, LookupError, TypeError):
            said = ""
        return Failure("dns-host", f"Cloud DNS refuses {what} in {self._zone.zone}: HTTP {answer.status_code} {said}")
