"""How often the renewer asks a CA, whatever that answers, whatever the clock says, and whichever pod it is."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from kamailio.renewer import certificate, patience, record
from kamailio.renewer.authority import Authority
from kamailio.renewer.failures import Failure
from kamailio.renewer.issuing import Issuer
from kamailio.renewer.record import Order, Record
from kamailio.renewer.service import Service
from kamailio.renewer.status import RenewerStatus
from tests.unit.test_renewer import GIVEN, NAMES, FakeSecret, pair, settings

HOUR, DAY = 3600.0, 86400.0
DIRECTORY = GIVEN["directory"]
SIGNED_IN = replace(record.new(), directory=DIRECTORY, uri="https://ca/acct/1", source=DIRECTORY)


def ending(after: datetime.timedelta, **given: Any) -> certificate.Pair:
    """Of 90 days, and of these are left."""
    end = datetime.datetime.now(datetime.UTC) + after
    return pair(not_before=end - datetime.timedelta(days=90), not_after=end, **given)


@dataclass
class Pod:
    """A renewer at a CA that issues `issued` for every order, and says `ari`; `now` is its clock."""

    folder: Path
    issued: certificate.Pair
    secret: FakeSecret = field(default_factory=FakeSecret)
    now: float = field(default_factory=time.time)
    orders: list[float] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    ari: Callable[[], Any] = lambda: (None, HOUR)
    given: dict[str, Any] = field(default_factory=lambda: dict(GIVEN))

    def start(self) -> Service:
        self.status = RenewerStatus()
        self.service = Service(settings(self.folder, self.given), self.status)
        self.service._secret = self.secret  # type: ignore[assignment]
        return self.service

    def turns(self, number: int, every: float = 60) -> None:
        for _ in range(number):
            self.service.turn()
            self.now += every

    def holds(self, found: certificate.Pair, kept: Record = SIGNED_IN) -> None:
        self.secret.data = {"tls.crt": found.chain, "tls.key": found.key, "account.json": kept.json()}


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pod:
    pod = Pod(tmp_path, pair())

    def place(_: Authority, names: tuple[str, ...], key: str) -> Order:
        pod.orders.append(pod.now)
        return Order("https://ca/order/1", {}, pod.issued.key.decode(), names)

    monkeypatch.setattr("kamailio.renewer.service.time.time", lambda: pod.now)
    monkeypatch.setattr(Authority, "sign_in", lambda _, kept: kept if kept.uri else replace(kept, uri="https://ca/2"))
    monkeypatch.setattr(Authority, "place", place)
    monkeypatch.setattr(Authority, "finished", lambda *_: pod.issued.chain)
    monkeypatch.setattr(Authority, "renewal", lambda *_: pod.ari())
    monkeypatch.setattr(Issuer, "_to_answer", lambda *_: [])
    pod.start()
    return pod


# After a success


def test_a_ca_that_wants_a_renewal_at_once_again_and_again_gets_four_orders_in_a_week(pod: Pod) -> None:
    """Let's Encrypt issues five for the same names in seven days. Restarts change nothing."""
    pod.ari = lambda: (pod.now - 1000, HOUR)
    for _ in range(7 * 24 * 2):
        pod.turns(1, every=HOUR / 2)
        pod.start()
    assert [round((each - pod.orders[0]) / HOUR) for each in pod.orders] == [0, 6, 30, 102]


def test_a_certificate_of_a_short_life_is_renewed_within_it(pod: Pod) -> None:
    now = datetime.datetime.now(datetime.UTC)
    pod.issued = pair(not_before=now, not_after=now + datetime.timedelta(hours=4))
    pod.turns(1)
    assert pod.secret.record.not_before - pod.orders[0] == pytest.approx(2 * HOUR, abs=60)


def test_other_names_are_applied_for_at_once_a_few_times_and_then_every_six_hours(pod: Pod) -> None:
    pod.issued = pair("a.ringer.tel", *NAMES)
    for number in range(12):
        pod.given["names"] = ["a.ringer.tel", *NAMES]
        pod.start()
        pod.turns(1, every=HOUR)
        pod.secret.data |= {"tls.crt": b"", "tls.key": b""}
        assert len(pod.orders) == min(number + 1, 5 + max(0, number - 4) // 6)


# What the CA gives


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"not_after": datetime.timedelta(days=-1)}, "has expired at"),
        ({"not_before": datetime.timedelta(hours=2)}, "is not valid before"),
        ({"not_after": datetime.timedelta(days=9)}, "before the present one"),
    ],
)
def test_a_certificate_that_is_worse_than_the_present_one_is_refused(
    pod: Pod, given: dict[str, datetime.timedelta], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    good = ending(datetime.timedelta(days=10))
    pod.holds(good)
    now = datetime.datetime.now(datetime.UTC)
    pod.issued = pair(**{key: now + each for key, each in given.items()})
    pod.ari = lambda: (pod.now - 1000, HOUR)
    pod.turns(24 * 60)
    assert pod.secret.data["tls.crt"] == good.chain
    assert said in caplog.text
    assert len(pod.orders) == 1, "each counts at the CA"


def test_one_that_has_not_begun_for_the_clock_s_skew_is_taken(pod: Pod) -> None:
    pod.issued = pair(not_before=datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=5))
    pod.turns(1)
    assert pod.secret.data["tls.crt"] == pod.issued.chain


def test_a_certificate_of_other_settings_may_end_earlier(pod: Pod) -> None:
    pod.holds(ending(datetime.timedelta(days=80)), replace(SIGNED_IN, source="https://staging/directory"))
    pod.issued = ending(datetime.timedelta(days=6))
    pod.turns(1)
    assert pod.secret.data["tls.crt"] == pod.issued.chain


# Clocks and numbers


@pytest.mark.parametrize("failures", [512, 10**9])
def test_many_failures_do_not_end_the_process(pod: Pod, failures: int) -> None:
    pod.secret.data = {"account.json": replace(SIGNED_IN, failures=failures).json()}
    pod.turns(1)
    assert len(pod.orders) == 1


@pytest.mark.parametrize("later", [400 * DAY, float("inf"), 1e300])
def test_a_time_that_a_wrong_clock_wrote_is_not_waited_for(
    pod: Pod, later: float, caplog: pytest.LogCaptureFixture
) -> None:
    pod.secret.data = {"account.json": replace(SIGNED_IN, failures=1, not_before=pod.now + later).json()}
    pod.turns(1)
    assert len(pod.orders) == 1
    assert "written by a clock that was wrong" in caplog.text


def test_a_ca_cannot_postpone_a_renewal_to_the_end(pod: Pod) -> None:
    pod.ari = lambda: (pod.now + 3650 * DAY, DAY)
    now = datetime.datetime.now(datetime.UTC)
    pod.holds(pair(not_before=now - datetime.timedelta(days=70), not_after=now + datetime.timedelta(days=20)))
    pod.issued = ending(datetime.timedelta(days=90))
    pod.turns(1)
    assert pod.orders == [], "below a third, which the CA may postpone"
    pod.holds(pair(not_before=now - datetime.timedelta(days=80), not_after=now + datetime.timedelta(days=10)))
    pod.turns(1)
    assert len(pod.orders) == 1


# Settings that have changed


def test_another_directory_is_another_certificate(pod: Pod) -> None:
    kept = replace(SIGNED_IN, directory="https://acme-staging-v02.api.letsencrypt.org/directory", source="")
    pod.holds(ending(datetime.timedelta(days=80)), kept)
    pod.turns(3)
    assert len(pod.orders) == 1
    assert pod.secret.record.source == DIRECTORY
    pod.given["profile"] = "shortlived"
    pod.start()
    pod.turns(3)
    assert len(pod.orders) == 2
    assert pod.secret.record.source == f"{DIRECTORY} shortlived"


def test_another_kind_of_key_is_another_certificate(pod: Pod) -> None:
    pod.holds(ending(datetime.timedelta(days=80), key_type=trustme.KeyType.RSA))
    pod.turns(3)
    assert len(pod.orders) == 1
    assert pod.secret.data["tls.crt"] == pod.issued.chain


# The account


def test_without_account_json_alone_there_is_another_account_and_the_certificate_stays(pod: Pod) -> None:
    good = ending(datetime.timedelta(days=80))
    pod.holds(good, replace(SIGNED_IN, issued=pod.now - DAY, successes=2))
    pod.turns(2)
    del pod.secret.data["account.json"]
    pod.turns(2)
    found = pod.secret.record
    assert found.key != SIGNED_IN.key
    assert (found.uri, found.successes, found.source) == ("", 2, DIRECTORY)
    assert (pod.secret.data["tls.crt"], pod.orders) == (good.chain, [])


def test_an_empty_secret_is_given_back_what_it_held(pod: Pod) -> None:
    good = ending(datetime.timedelta(days=80))
    pod.holds(good)
    pod.turns(2)
    pod.secret.data = {}
    pod.turns(2)
    assert (pod.secret.data["tls.crt"], pod.secret.data["tls.key"]) == (good.chain, good.key)
    assert (pod.secret.record, pod.orders) == (SIGNED_IN, [])


# Answers that nobody foresaw


@pytest.mark.parametrize("error", [TypeError("null"), OverflowError("huge"), KeyError("x"), RuntimeError("odd")])
def test_what_is_not_understood_is_a_failure_and_begun_anew_the_next_time(
    pod: Pod, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def odd(*_: object) -> bytes:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(Authority, "finished", odd)
        pod.turns(2, every=HOUR)
    assert 'warp_tls_last_failure{cause="ca-unreachable"} 1' in pod.status.text()
    pod.turns(1)
    assert pod.secret.data["tls.crt"] == pod.issued.chain
    assert len(pod.orders) == 2, "the order that could not be continued is given up"


@pytest.mark.parametrize("error", [TypeError("null"), OverflowError("huge"), KeyError("x")])
def test_a_healthy_pod_outlives_whatever_the_ca_says_of_renewal(pod: Pod, error: Exception) -> None:
    def odd() -> Any:
        raise error

    pod.ari = odd
    pod.holds(ending(datetime.timedelta(days=80)))
    pod.turns(3)
    assert (pod.orders, "warp_tls_last_failure{" in pod.status.text()) == ([], False)


# Another pod


def test_a_restart_knows_what_failed_when_and_when_there_was_a_certificate(
    pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod.turns(1, every=30)
    issued = pod.orders[0]

    def refuse(*_: object) -> None:
        raise Failure("caa", "forbidden")

    monkeypatch.setattr(Authority, "place", refuse)
    pod.secret.data |= {"tls.crt": b"", "tls.key": b""}
    pod.turns(1, every=30)
    pod.start()
    pod.turns(1)
    text = pod.status.text()
    assert 'warp_tls_last_failure{cause="caa"} 1' in text
    assert f"warp_tls_last_attempt_seconds {issued + 30:.15g}\n" in text
    assert f"warp_tls_last_success_seconds {issued:.15g}\n" in text


# The order of things


def test_the_certificate_is_in_the_secret_before_values_are_taken_away(
    pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to wait for a slow host; and a crash in between leaves none behind."""
    there: list[tuple[str, str]] = []

    class Crash(BaseException):
        pass

    def withdraw(_: Issuer, published: tuple[tuple[str, str], ...]) -> None:
        there.extend(published)
        if published and len(there) == 1:
            assert pod.secret.data["tls.crt"]
            raise Crash

    order = Order("https://ca/order/1", {}, pod.issued.key.decode(), tuple(NAMES), (("_acme-challenge.a", "v"),))
    pod.secret.data = {"account.json": replace(SIGNED_IN, order=order).json()}
    monkeypatch.setattr(Issuer, "_withdraw", withdraw)
    with pytest.raises(Crash):
        pod.turns(1)
    assert pod.secret.data["tls.crt"] == pod.issued.chain
    assert pod.secret.record.leftover == order.published
    pod.secret.data |= {"tls.crt": b"", "tls.key": b""}
    pod.start()
    pod.turns(1)
    assert pod.secret.record.leftover == ()


def test_a_pause_of_nothing_is_a_sign_of_life(pod: Pod) -> None:
    pod.status._turned = 0
    assert not pod.status.alive
    pod.service._wait(0)
    assert pod.status.alive


def test_rests_fit_the_limit() -> None:
    """Five for the same names in seven days."""
    at = [0.0]
    while at[-1] < patience.WEEK:
        at.append(at[-1] + patience.RESTS[min(len(at), len(patience.RESTS)) - 1])
    assert len([each for each in at if each < patience.WEEK]) < 5
