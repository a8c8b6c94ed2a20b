"""Gandi's LiveDNS API, version 5 (api.gandi.net/docs/livedns), for complete record sets.

Busy (429), failing (5xx) and unresponsive servers are retried, up to a deadline; refusals are not. Gandi has no
conditional writes: another client can write between a read and a write.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

import requests
from requests.auth import AuthBase

from components.gandi.records import LEAST_TTL, RecordSet
from refusal import Refusal
from secret_text import hidden

ATTEMPT_SECONDS = 10
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0
LONGEST_BODY = 1 << 20
SHOWN = 300  # characters shown of the server's text: enough to understand, not enough to flood a terminal

TOKEN = re.compile(r"[\x21-\x7e]+")
MAKE_ANEW = (
    "create a new one (account.gandi.net, Personal Access Tokens, with the right to manage the domain's technical"
    " configurations) and run `pulumi config set --secret gandiToken`"
)
AGAIN = "nothing is lost: run `pulumi up` again later, or raise dns.gandi.deadlineSeconds"

Method = Literal["GET", "PUT", "DELETE"]


@dataclass(frozen=True)
class Api:
    """Gandi's API with one token. `base`: its base URL, `https://api.gandi.net`."""

    base: str
    token: str = field(repr=False)
    deadline_seconds: float

    def __post_init__(self) -> None:
        if not self.token:
            raise Refusal(
                "there is no token for Gandi", "run `pulumi config set --secret gandiToken`, or set GANDI_TOKEN"
            )
        if not TOKEN.fullmatch(self.token):
            raise Refusal("the token for Gandi has invalid characters", "copy it again, on one line")

    def get(self, record: RecordSet) -> RecordSet | None:
        """The present record set of this name and type; None if there is none."""
        answer = self._ask("GET", record, _path(record))
        if answer.status == 404:
            # Of the record set or of the domain: only the first means that there is no record set.
            self._refuse(record, self._ask("GET", record, _domain_path(record)))
            return None
        self._refuse(record, answer)
        found = answer.body
        ttl, values = found.get("rrset_ttl"), found.get("rrset_values")
        if type(ttl) is not int or not isinstance(values, list) or not all(isinstance(each, str) for each in values):
            raise self._told(
                record, "its answer is not a record set", "check that dns.gandi.api is the URL of Gandi's API"
            )
        return RecordSet(record.domain, record.name, record.type, ttl, tuple(values))

    def put(self, record: RecordSet) -> None:
        """Write the complete record set."""
        if record.ttl < LEAST_TTL:
            raise self._told(record, f"TTL {record.ttl} s is less than {LEAST_TTL} s", f"use {LEAST_TTL} s or more")
        body = {"rrset_ttl": record.ttl, "rrset_values": list(record.values)}
        self._refuse(record, self._ask("PUT", record, _path(record), body))

    def delete(self, record: RecordSet) -> None:
        """Remove the record set, if there is one."""
        answer = self._ask("DELETE", record, _path(record))
        if answer.status != 404:
            self._refuse(record, answer)

    def _ask(self, method: Method, record: RecordSet, path: str, body: Mapping[str, Any] | None = None) -> _Answer:
        """The API's answer, after retries while it is busy."""
        deadline, pause, reason = time.monotonic() + self.deadline_seconds, FIRST_PAUSE, ""
        while True:
            wait = pause
            try:
                answer = self._attempt(method, path, body, deadline)
                if not answer.busy:
                    return answer
                reason = f"{answer.status} {answer.words}"
                wait = max(pause, answer.retry_after)
            except requests.exceptions.SSLError as error:
                remedy = "check proxies between this machine and Gandi"
                raise self._told(record, f"the answer is not from Gandi: {error}", remedy) from None
            except requests.exceptions.Timeout as error:
                # An attempt that the deadline interrupted has less information than the previous one.
                reason = reason or str(error)
            except requests.exceptions.ConnectionError as error:
                reason = str(error)
            except requests.exceptions.ChunkedEncodingError as error:
                reason = f"the answer is incomplete: {error}"
            except requests.exceptions.RequestException as error:
                raise self._told(record, f"cannot be reached: {error}", "check dns.gandi.api and HTTPS_PROXY") from None
            if time.monotonic() + wait > deadline:
                raise self._told(record, f"not done within {self.deadline_seconds:g} s: {reason}", AGAIN)
            time.sleep(wait)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _attempt(self, method: Method, path: str, body: Mapping[str, Any] | None, deadline: float) -> _Answer:
        timeout = min(max(deadline - time.monotonic(), 1), ATTEMPT_SECONDS)
        with requests.request(
            method,
            f"{self.base}/v5/livedns/{path}",
            json=body,
            # Not a header: for a host in ~/.netrc, requests would replace the header with that password.
            auth=_Bearer(self.token),
            headers={"Accept": "application/json"},
            timeout=timeout,
            allow_redirects=False,
            stream=True,
        ) as response:
            text = b""
            for chunk in response.iter_content(65_536):
                text += chunk
                if len(text) > LONGEST_BODY:
                    raise requests.exceptions.RequestException("its answer is too long")
                if time.monotonic() > deadline:
                    raise requests.exceptions.Timeout("no complete answer in time")
            return _Answer(response.status_code, _parsed(text), response.headers.get("Retry-After", ""))

    def _refuse(self, record: RecordSet, answer: _Answer) -> None:
        """Raises for every answer except success."""
        status, words = answer.status, answer.words
        if status < 300:
            return
        if status == 401:
            raise self._told(record, f"the token is expired, revoked or unknown (401 {words})", MAKE_ANEW)
        if status == 403:
            what = f"the token has no permission for this, or is expired (403 {words})"
            raise self._told(record, what, f"give it access to {record.domain}, or {MAKE_ANEW}")
        if status == 404:
            what = f"{record.domain} is not a domain at LiveDNS that this token can access (404 {words})"
            raise self._told(record, what, "check dns.domain, the token's domains, and the domain's name servers")
        if status < 400:
            raise self._told(
                record, f"it redirects to another URL ({status})", "check that dns.gandi.api is the URL of Gandi's API"
            )
        raise self._told(record, f"refused ({status} {words})", "correct what it names; nothing was written")

    def _told(self, record: RecordSet, what: str, remedy: str) -> Refusal:
        """The server's text may contain anything, also the token."""
        without = hidden(what.replace(self.token, "[token]"))
        line = " ".join(re.sub(r"[^\x20-\x7e\xa0-\uffff]", " ", without).split())
        return Refusal(f"{record}: {line if len(line) <= SHOWN else line[: SHOWN - 1] + '…'}", remedy)


class _Bearer(AuthBase):
    """`Authorization: Bearer`, for personal access tokens (api.gandi.net/docs/authentication)."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


@dataclass(frozen=True)
class _Answer:
    """`body` is empty if it was not a JSON object."""

    status: int
    body: Mapping[str, Any]
    come_again: str

    @property
    def busy(self) -> bool:
        return self.status == 429 or self.status >= 500

    @property
    def retry_after(self) -> float:
        """Seconds; a date (RFC 9110, section 10.2.3) is ignored in favour of our own pauses."""
        return float(self.come_again) if re.fullmatch("[0-9]{1,6}", self.come_again) else 0

    @property
    def words(self) -> str:
        """Gandi's error text: a list of errors, or one message."""
        return "; ".join(self._said()) or "without a word"

    def _said(self) -> Iterator[str]:
        errors = self.body.get("errors")
        for each in errors if isinstance(errors, list) else ():
            if isinstance(each, Mapping) and each.get("description"):
                yield ": ".join(str(each[key]) for key in ("name", "description") if each.get(key))
        if isinstance(message := self.body.get("message"), str):
            yield message


def _parsed(text: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _domain_path(record: RecordSet) -> str:
    return f"domains/{quote(record.domain, safe='')}"


def _path(record: RecordSet) -> str:
    return f"{_domain_path(record)}/records/{quote(record.label, safe='@')}/{quote(record.type, safe='')}"
