"""The CA: library `acme` with its errors as causes, and what RFC 8555 leaves to a client's patience.

Sources: RFC 8555 (6.5 nonces, 6.6 rate limits, 6.7 errors, 7.3 accounts, 7.4 orders, 7.5 authorizations),
RFC 9773 (ARI).
"""

from __future__ import annotations

import contextlib
import datetime
import http
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

import requests
from acme import challenges, client, errors, messages
from josepy.errors import Error as JoseError
from josepy.jwa import ES256
from josepy.jwk import JWK
from requests.adapters import HTTPAdapter

from kamailio.renewer import certificate
from kamailio.renewer.configuration import Configuration
from kamailio.renewer.failures import Cause, Failure
from kamailio.renewer.record import Order, Record

USER_AGENT: Final = "warp-edge-renewer"
TIMEOUT: Final = 20
NONCES: Final = 5
ORDER_SECONDS: Final = 300.0
# For which the library waits by itself, deaf to signals and without a sign of life.
LIBRARY_SECONDS: Final = 15.0
# Of an authorization that the CA is looking at; its own Retry-After may make it longer.
FIRST_LOOK, LONGEST_LOOK = 0.25, 15.0

ACCOUNT: Final = frozenset(
    (
        "accountDoesNotExist",
        "badPublicKey",
        "badSignatureAlgorithm",
        "externalAccountRequired",
        "invalidContact",
        "unauthorized",
        "unsupportedContact",
        "userActionRequired",
    )
)
UNREACHABLE: Final = frozenset(("serverInternal", "badNonce"))
Waits = Callable[[float], None]


class UnknownAccountError(Failure):
    """The CA does not know the account any more."""


class OrderLostError(Failure):
    """The CA does not know the order any more, or has given it up."""


class _NotYetError(Failure):
    """The library's patience is over."""


class Authority:
    """The CA of the configuration. Everything raises `Failure`."""

    def __init__(self, configuration: Configuration, hmac_file: Path | None, waits: Waits) -> None:
        self._configuration, self._hmac_file, self._waits = configuration, hmac_file, waits
        self._client: client.ClientV2 | None = None
        self._last: requests.Response | None = None

    # Account

    def sign_in(self, record: Record) -> Record:
        """With the record's account; where that has no URI yet, it is registered. Asks nothing where it has one."""
        acme = self._connected()
        acme.net.key = key = JWK.from_json(record.key)
        acme.net.account = None
        if not record.uri:
            record = replace(record, uri=self._registered(acme, key))
        acme.net.account = messages.RegistrationResource(uri=record.uri, body=messages.Registration())
        return record

    def _registered(self, acme: client.ClientV2, key: Any) -> str:
        binding = None
        if self._configuration.external_account:
            if self._hmac_file is None:
                raise Failure("account", "WARP_TLS_EAB_HMAC_FILE is not set")
            try:
                hmac = self._hmac_file.read_text(encoding="utf-8").strip()
                binding = messages.ExternalAccountBinding.from_data(
                    key.public_key(), self._configuration.external_account, hmac, acme.directory
                )
            except (OSError, ValueError, JoseError) as error:
                raise Failure("account", f"the HMAC key of the external account, {self._hmac_file}: {error}") from None
        with self._told("registration of the account"):
            try:
                new = messages.NewRegistration(
                    contact=self._configuration.contact,
                    terms_of_service_agreed=True,
                    external_account_binding=binding,
                )
                return str(acme.new_account(new).uri)
            except errors.ConflictError as known:  # the same key before: a crash came between
                return known.location

    # Orders

    def place(self, names: tuple[str, ...], key: str) -> Order:
        """A new order for these names, of the certificate with that key. One request: the library's own `new_order`
        fetches every authorization before it returns, and a crash meanwhile would lose the order."""
        identifiers = [messages.Identifier(typ=messages.IDENTIFIER_FQDN, value=name) for name in names]
        with self._told("new order"):
            acme = self._connected()
            wanted = messages.NewOrder(identifiers=identifiers, profile=self._configuration.profile)
            answer = acme.net.post(acme.directory["newOrder"], wanted, new_nonce_url=acme.directory["newNonce"])
            body = messages.Order.from_json(answer.json())
            return Order(answer.headers["Location"], body.to_json(), key, names)

    def authorizations(self, order: Order) -> Iterator[messages.AuthorizationResource]:
        """The order's authorizations as they are now."""
        for uri in messages.Order.from_json(order.body).authorizations:
            # Without an identifier, the library compares none.
            yield self.look(messages.AuthorizationResource(uri=uri, body=messages.Authorization()))[0]

    def look(self, known: messages.AuthorizationResource) -> tuple[messages.AuthorizationResource, float]:
        """An authorization as it is now, and for how long the CA wants no further question."""
        with self._told("authorization", lost=OrderLostError):
            anew, _ = self._connected().poll(known)
        return anew, self._asked_to_wait()

    def validation(self, challenge: messages.ChallengeBody) -> str:
        """The TXT value that answers it."""
        return str(challenge.chall.validation(self._connected().net.key))

    def answer(self, authorization: messages.AuthorizationResource, challenge: messages.ChallengeBody) -> None:
        """Ask for validation. One that is over meanwhile (reused, or answered before a crash) needs none."""
        try:
            with self._told("answer to the challenge"):
                acme = self._connected()
                acme.answer_challenge(challenge, challenge.chall.response(acme.net.key))
        except Failure:
            if self.look(authorization)[0].body.status != messages.STATUS_VALID:
                raise

    def validated(self, authorization: messages.AuthorizationResource) -> None:
        """Wait until the CA has decided."""
        pause, left = FIRST_LOOK, ORDER_SECONDS
        while True:
            authorization, asked = self.look(authorization)
            status, name = authorization.body.status, authorization.body.identifier.value
            if status == messages.STATUS_VALID:
                return
            if status != messages.STATUS_PENDING:
                said = [each.error for each in authorization.body.challenges if each.error]
                cause: Cause = "caa" if any(_code(each) == "caa" for each in said) else "authorization"
                raise Failure(cause, f"{name}: {_words(said[0]) if said else f'the authorization is {status.name}'}")
            if left <= 0:
                raise Failure("authorization", f"{name}: the CA has not decided within {ORDER_SECONDS:.0f} s")
            pause = min(max(asked, pause), left)
            self._waits(pause)
            left, pause = left - pause, min(LONGEST_LOOK, pause * 2)

    def finished(self, order: Order) -> bytes:
        """The chain of an order whose authorizations are valid, in PEM; also of one that was finalized before."""
        resource = messages.OrderResource(
            uri=order.uri,
            body=messages.Order.from_json(order.body),
            csr_pem=certificate.request(order.key, order.names),
            authorizations=(),
        )
        until = time.monotonic() + ORDER_SECONDS
        while True:
            try:
                with self._told("certificate", lost=OrderLostError):
                    # Finalizes an order that is ready, and fetches the certificate of one that is valid.
                    limit = datetime.datetime.now() + datetime.timedelta(seconds=LIBRARY_SECONDS)
                    return str(self._connected().finalize_order(resource, limit).fullchain_pem).encode()
            except _NotYetError as failure:
                if (left := until - time.monotonic()) <= 0:
                    raise
                self._waits(min(failure.retry_after, left))

    # When to renew

    def renewal(self, pair: certificate.Pair) -> tuple[float | None, float]:
        """When the CA wants the certificate renewed (ARI; Unix time, None: it does not say), and in how many seconds
        to ask again."""
        with self._told("renewal information"):
            when, again = self._connected().renewal_time(pair.chain)
            return (when.timestamp() if when else None), (again - datetime.datetime.now()).total_seconds()

    # Errors

    def _connected(self) -> client.ClientV2:
        if self._client is None:
            net = _Network(self._waits, user_agent=USER_AGENT, alg=ES256, timeout=TIMEOUT)
            net.session.hooks["response"].append(self._remember)
            if self._configuration.directory_roots:
                net.session.mount("https://", _Trusting(self._configuration.directory_roots))
            with self._told("directory"):
                directory = client.ClientV2.get_directory(self._configuration.directory, net)
                self._client = client.ClientV2(directory, net)
        return self._client

    def _remember(self, response: requests.Response, **_: Any) -> None:
        self._last = response

    def _asked_to_wait(self) -> float:
        """Seconds of the last answer's Retry-After."""
        said = self._last.headers.get("Retry-After", "") if self._last is not None else ""
        if said.isdecimal():
            return float(said)
        with contextlib.suppress(ValueError, TypeError, OverflowError, OSError):
            return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
        return 0.0

    @contextlib.contextmanager
    def _told(self, doing: str, lost: type[Failure] | None = None) -> Iterator[None]:
        """Every error of the library as a `Failure`; as `lost` where what was asked for is not there."""
        self._last = None
        try:
            yield
        except messages.Error as error:
            status = self._last.status_code if self._last is not None else 0
            cause, words = _cause(error, status), f"{doing}: {_words(error)}"
            if _code(error) == "accountDoesNotExist":
                raise UnknownAccountError(cause, words) from None
            if lost and status == http.HTTPStatus.NOT_FOUND:
                raise lost("authorization", words) from None
            raise Failure(cause, words, self._asked_to_wait()) from None
        except errors.IssuanceError as error:
            raise (lost or Failure)(_cause(error.error, 0), f"{doing}: {_words(error.error)}") from None
        except errors.TimeoutError:
            words = f"{doing}: the CA has not decided within {ORDER_SECONDS:.0f} s"
            raise _NotYetError("ca-unreachable", words, self._asked_to_wait()) from None
        except errors.ClientError as error:
            status = self._last.status_code if self._last is not None else 0
            cause = "rate-limited" if status == http.HTTPStatus.TOO_MANY_REQUESTS else "ca-unreachable"
            words = f"HTTP {status}" if status >= http.HTTPStatus.BAD_REQUEST else str(error)[:200]
            raise Failure(cause, f"{doing}: {words}", self._asked_to_wait()) from None
        except (requests.RequestException, OSError) as error:
            self._client = None
            raise Failure("ca-unreachable", f"{doing}: {str(error)[:200]}") from None
        except errors.Error as error:  # an order that is invalid, without a reason
            raise (lost or Failure)("authorization", f"{doing}: {str(error)[:200]}") from None
        except Failure:
            raise
        except Exception as error:  # whatever else an odd answer makes of the library
            raise Failure("ca-unreachable", f"{doing}: {type(error).__name__} {str(error)[:200]}") from None


class _Network(client.ClientNetwork):
    """The library repeats a request once when its nonce was refused; behind several servers once may not do. Before
    each request there is a sign of life, and the place to stop: an order of many names has many."""

    def __init__(self, waits: Waits, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._waits = waits

    def post(self, *args: Any, **kwargs: Any) -> requests.Response:
        """As the library's."""
        for _ in range(NONCES):
            self._waits(0)
            try:
                return super().post(*args, **kwargs)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return super().post(*args, **kwargs)


class _Trusting(HTTPAdapter):
    """Trusts these roots beside the usual ones."""

    def __init__(self, roots: Path) -> None:
        self._context = ssl.create_default_context(cafile=str(roots))
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As requests'."""
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)


def dns_challenge(authorization: messages.AuthorizationResource) -> messages.ChallengeBody:
    """Its DNS-01 challenge."""
    for each in authorization.body.challenges:
        if isinstance(each.chall, challenges.DNS01):
            return each
    name = authorization.body.identifier.value
    raise Failure("authorization", f"{name}: the CA offers no DNS-01 challenge, only that can be answered")


def _code(error: messages.Error) -> str:
    return str(error.typ).rsplit(":", 1)[-1]


def _cause(error: messages.Error, status: int) -> Cause:
    code = _code(error)
    if code == "rateLimited" or status == http.HTTPStatus.TOO_MANY_REQUESTS:
        return "rate-limited"
    if code == "caa" or any(_code(each) == "caa" for each in error.subproblems or ()):
        return "caa"
    if code in ACCOUNT:
        return "account"
    return (
        "ca-unreachable" if code in UNREACHABLE or status >= http.HTTPStatus.INTERNAL_SERVER_ERROR else "authorization"
    )


def _words(error: messages.Error) -> str:
    whole = [error, *(error.subproblems or ())]
    return "; ".join(f"{_code(each)}: {each.detail or each.title or 'no reason'}" for each in whole)[:500]
