"""What has to survive a restart, as `account.json` of the Secret: the account, the order under way, the next attempt.

The proxies mount tls.crt and tls.key only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from cryptography.hazmat.primitives.asymmetric import ec
from josepy.errors import Error as JoseError
from josepy.jwk import JWK, JWKEC
from josepy.util import ComparableECKey

from kamailio.renewer.failures import Cause


@dataclass(frozen=True)
class Order:
    """An order that was placed. `key`: of the certificate, PEM; `published`: TXT names and values, to be removed."""

    uri: str
    body: Mapping[str, Any] = field(repr=False)
    key: str = field(repr=False)
    names: tuple[str, ...]
    published: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Record:
    """`key`: the account's, as JWK; `uri`: the account at `directory`, empty until it is registered.

    `failures`: in a row; `cause`: of the last one; `not_before`: Unix time of the next attempt, so that a restart does
    not hasten it; `attempted`, `issued`: Unix times of the last attempt and success, 0: none; `successes`: each within
    a week of the one before. `source`: what the certificate is of (`Configuration.source`), empty: unknown. `leftover`:
    TXT names and values of an order that is over, to be removed.
    """

    key: Mapping[str, str] = field(repr=False)
    directory: str = ""
    uri: str = ""
    order: Order | None = None
    failures: int = 0
    not_before: float = 0
    cause: Cause | None = None
    attempted: float = 0
    issued: float = 0
    successes: int = 0
    source: str = ""
    leftover: tuple[tuple[str, str], ...] = ()

    def at(self, directory: str) -> Record:
        """The same key at that CA: account, order and limits of another one do not count. Values that were published
        for its order are left over."""
        if self.directory == directory:
            return self
        return replace(
            self, directory=directory, uri="", order=None, failures=0, not_before=0, cause=None, successes=0,
            source=self.source or self.directory, leftover=self._published(),
        )  # fmt: skip

    def anew(self) -> Record:
        """Another account; what is known of the certificate, and of how often there was one, stays."""
        return replace(
            new(), directory=self.directory, attempted=self.attempted, issued=self.issued, successes=self.successes,
            source=self.source, leftover=self._published(),
        )  # fmt: skip

    def _published(self) -> tuple[tuple[str, str], ...]:
        return (*self.leftover, *(self.order.published if self.order else ()))

    def json(self) -> bytes:
        """As `read` reads it."""
        order = self.order and {
            "uri": self.order.uri,
            "body": self.order.body,
            "key": self.order.key,
            "names": self.order.names,
            "published": self.order.published,
        }
        given = {
            "key": self.key,
            "directory": self.directory,
            "uri": self.uri,
            "order": order,
            "failures": self.failures,
            "notBefore": self.not_before,
            "cause": self.cause,
            "attempted": self.attempted,
            "issued": self.issued,
            "successes": self.successes,
            "source": self.source,
            "leftover": self.leftover,
        }
        return json.dumps(given, indent=1).encode()


def new() -> Record:
    """An account key of its own: ECDSA P-256, which every CA takes."""
    made = JWKEC(key=ComparableECKey(ec.generate_private_key(ec.SECP256R1())))
    return Record(key=made.to_json())


def read(text: bytes) -> Record:
    """Raises `ValueError` for what was not written here."""
    try:
        given = json.loads(text)
        JWK.from_json(given["key"])
        order = given.get("order")
        return Record(
            key=given["key"],
            directory=given["directory"],
            uri=given["uri"],
            order=order
            and Order(
                order["uri"],
                order["body"],
                order["key"],
                tuple(order["names"]),
                tuple((name, value) for name, value in order["published"]),
            ),
            failures=int(given["failures"]),
            not_before=float(given["notBefore"]),
            cause=cause if (cause := given.get("cause")) in get_args(Cause) else None,
            # Keys that an earlier version did not write.
            attempted=float(given.get("attempted", 0)),
            issued=float(given.get("issued", 0)),
            successes=int(given.get("successes", 0)),
            source=str(given.get("source", "")),
            leftover=tuple((name, value) for name, value in given.get("leftover", ())),
        )
    except (ValueError, OverflowError, TypeError, LookupError, AttributeError, JoseError):
        raise ValueError("account.json is not what the renewer writes") from None
