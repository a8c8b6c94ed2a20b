"""A CA with odd answers: each is a `Failure` or a number, and no wait is longer than an order's time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from acme import messages

from kamailio.renewer import record
from kamailio.renewer.authority import ORDER_SECONDS, Authority, _NotYetError
from kamailio.renewer.failures import Failure
from kamailio.renewer.record import Order
from tests.unit.test_renewer import pair, settings
from tests.unit.test_renewer_dns import Answer, serving

WINDOW = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}


def at(place: str, folder: Path, waits: Callable[[float], None] = lambda _: None) -> Authority:
    configuration = replace(settings(folder).configuration, directory=f"http://{place}/dir")
    return Authority(configuration, None, waits)


@pytest.mark.parametrize(
    ("body", "retry_after"),
    [
        ({"suggestedWindow": None}, "60"),
        ({}, "60"),
        ([], "60"),
        (None, "60"),
        ({"suggestedWindow": {"start": 1, "end": None}}, "60"),
        ({"suggestedWindow": {"start": "2026-01-01T00:00:00", "end": "2026-01-02T00:00:00"}}, "60"),
        ({"suggestedWindow": WINDOW}, "9" * 400),
        ({"suggestedWindow": WINDOW}, "999999999999"),
        ({"suggestedWindow": WINDOW}, "Mon, 01 Jan 9999999 00:00:00"),
    ],
)
def test_an_odd_word_on_renewal_is_a_failure_or_a_number(tmp_path: Path, body: Any, retry_after: str) -> None:
    def answer(_: str, path: str, headers: dict[str, str], given: Any) -> Answer:
        if path == "/dir":
            return 200, {}, {"renewalInfo": f"http://{headers['Host']}/ari"}
        return 200, {"Retry-After": retry_after}, body

    with serving(answer) as place:
        try:
            when, again = at(place, tmp_path).renewal(pair())
        except Failure as failure:
            assert failure.cause == "ca-unreachable"
        else:
            assert isinstance(again, float)
            assert when is None or isinstance(when, float)


def test_an_order_is_one_request_so_that_it_is_kept_before_anything_else_is_asked(tmp_path: Path) -> None:
    asked = []

    def answer(method: str, path: str, headers: dict[str, str], given: Any) -> Answer:
        asked.append(path)
        if path == "/dir":
            return 200, {}, {"newOrder": f"http://{headers['Host']}/order", "newNonce": f"http://{headers['Host']}/n"}
        body = {"status": "pending", "identifiers": [], "authorizations": ["http://127.0.0.1:9/authorization"]}
        return 201, {"Location": "https://ca/order/7", "Replay-Nonce": "b25l"}, body

    with serving(answer) as place:
        authority = at(place, tmp_path)
        authority.sign_in(replace(record.new(), uri="https://ca/acct/1"))
        authority._connected().net._nonces.add("one")
        order = authority.place(("ringer.tel",), "PEM")
    assert asked == ["/dir", "/order"]
    assert (order.uri, order.names, order.key) == ("https://ca/order/7", ("ringer.tel",), "PEM")


@pytest.mark.parametrize("asked", [0.0, 1e9, float("inf")])
def test_a_ca_that_asks_for_long_waits_gets_an_order_s_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: float
) -> None:
    waited: list[float] = []
    pending = SimpleNamespace(
        body=SimpleNamespace(status=messages.STATUS_PENDING, identifier=SimpleNamespace(value="ringer.tel"))
    )
    authority = at("127.0.0.1:9", tmp_path, waited.append)
    monkeypatch.setattr(authority, "look", lambda _: (pending, asked))
    with pytest.raises(Failure, match="the CA has not decided within 300 s"):
        authority.validated(pending)  # type: ignore[arg-type]
    assert sum(waited) == pytest.approx(ORDER_SECONDS)


def test_a_certificate_that_is_not_ready_is_waited_for_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, waited = [0.0], list[float]()

    def waits(seconds: float) -> None:
        waited.append(seconds)
        now[0] += seconds

    authority = at("127.0.0.1:9", tmp_path, waits)

    def not_yet(*_: object) -> None:
        now[0] += 15
        raise _NotYetError("ca-unreachable", "not yet", 1e9)

    client = SimpleNamespace(finalize_order=not_yet)
    monkeypatch.setattr(authority, "_connected", lambda: client)
    monkeypatch.setattr("kamailio.renewer.authority.time.monotonic", lambda: now[0])
    monkeypatch.setattr("kamailio.renewer.authority.certificate.request", lambda *_: b"")
    with pytest.raises(Failure, match="not yet"):
        authority.finished(Order("https://ca/order/1", {}, "PEM", ("ringer.tel",)))
    assert sum(waited) <= ORDER_SECONDS
