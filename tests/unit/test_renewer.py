"""The renewer without a CA: what it reads, what it refuses, and how seldom it asks and reloads."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from prometheus_client.parser import text_string_to_metric_families

from kamailio.reloader.environment import Endpoint, SettingError
from kamailio.renewer import certificate, proxies, record
from kamailio.renewer.configuration import Settings
from kamailio.renewer.failures import CAUSES, Failure
from kamailio.renewer.patience import GROWTH, LONGEST_PAUSE
from kamailio.renewer.proxies import Proxies
from kamailio.renewer.secret import ChangedError, Content
from kamailio.renewer.service import Service
from kamailio.renewer.status import HELP, RenewerStatus
from tests.stacks import ROOT

NAMES = ["ringer.tel", "sip.ringer.tel"]
GIVEN: dict[str, Any] = {
    "directory": "https://acme-v02.api.letsencrypt.org/directory",
    "contact": ["mailto:noc@example.com"],
    "key": "ecdsaP256",
    "names": NAMES,
    "renewAtRemaining": 0.33,
    "dns": {"host": "gandi", "api": "https://api.gandi.net/v5", "zone": "ringer.tel"},
    "secret": {"namespace": "warp-core", "name": "warp-tls"},
}
CLOUD_DNS = {"host": "cloudDns", "api": "https://dns.googleapis.com", "project": "p", "zone": "z", "domain": "a.tel"}
ENVIRONMENT = {
    "WARP_TLS_GANDI_TOKEN_FILE": "/token",
    "WARP_ACL_PROXIES": "warp-core.warp-core.svc",
    "WARP_ACL_RPC_TOKEN": "secret-token",
    "KUBERNETES_SERVICE_HOST": "10.0.0.1",
}


def settings(folder: Path, given: Mapping[str, Any] = GIVEN, **environment: str) -> Settings:
    file = folder / "renewer.json"
    file.write_text(json.dumps(given))
    return Settings.read({**ENVIRONMENT, "WARP_TLS_CONFIG": str(file), **environment})


def pair(*names: str, **given: Any) -> certificate.Pair:
    issued = trustme.CA().issue_cert(*(names or NAMES), **given)
    return certificate.read(b"".join(each.bytes() for each in issued.cert_chain_pems), issued.private_key_pem.bytes())


# Configuration


def test_what_the_stack_writes_is_read(tmp_path: Path) -> None:
    more = {"externalAccount": {"keyId": "k"}, "challengeDomain": "acme.example.net", "nameServers": ["127.0.0.1:5300"]}
    read = settings(tmp_path, GIVEN | more | {"dns": CLOUD_DNS, "profile": "tlsserver"}, WARP_TLS_EAB_HMAC_FILE="/hmac")
    assert read.configuration.names == tuple(NAMES)
    assert read.configuration.name_servers == (Endpoint("127.0.0.1", 5300),)
    assert (read.configuration.external_account, read.hmac_file) == ("k", Path("/hmac"))
    assert read.proxies == (Endpoint("warp-core.warp-core.svc", 9064),)
    assert (read.tls_port, read.api_server, read.status.port) == (5061, "https://10.0.0.1:443", 9063)
    assert read.token_before == ""
    rotated = settings(tmp_path, WARP_ACL_RPC_TOKEN_BEFORE="earlier-token\n")
    assert rotated.token_before == "earlier-token"
    assert "-token" not in repr(read) + repr(rotated)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"colour": "red"}, "`colour` is not a key of it; remove it"),
        ({"secret": {"namespace": "a", "name": "b", "uid": "c"}}, "`secret.uid` is not a key of it; remove it"),
        ({"secret": "warp-tls"}, "`secret` must be an object"),
        ({"directory": "http://ca"}, '`directory` is "http://ca"; it must be an https URL'),
        ({"key": "rsa1024"}, '`key` is "rsa1024"; it must be one of rsa2048, ecdsaP256'),
        ({"names": []}, "`names` is []; it must be a list, each a host name in lower case, without a wildcard"),
        ({"names": ["*.ringer.tel"]}, '`names` is "*.ringer.tel"; it must be a list, each a host name'),
        ({"names": ["ringer.tel", "ringer.tel"]}, "`names` has a name twice"),
        ({"names": None}, "`names` is missing; it must be a list"),
        ({"contact": ["noc@example.com"]}, '`contact` is "noc@example.com"; it must be a list, each `mailto:`'),
        ({"renewAtRemaining": 1.5}, "`renewAtRemaining` is 1.5; it must be a number above 0 and below 1"),
        ({"dns": {"host": "route53"}}, '`dns.host` is "route53"; it must be gandi or cloudDns'),
        ({"dns": CLOUD_DNS | {"project": ""}}, '`dns.project` is ""; it must be a text'),
        ({"nameServers": ["ns:0"]}, "nameServers has 'ns:0'"),
        ({"externalAccount": {"keyId": "k"}}, "WARP_TLS_EAB_HMAC_FILE is not set"),
    ],
)
def test_a_wrong_key_is_named_with_what_it_must_be(tmp_path: Path, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError) as refused:
        settings(tmp_path, GIVEN | wrong)
    assert said in str(refused.value)


@pytest.mark.parametrize("name", [*ENVIRONMENT, "WARP_TLS_CONFIG"])
def test_a_variable_that_is_missing_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingError, match=f"{name} is not set"):
        settings(tmp_path, GIVEN, **{name: ""})


@pytest.mark.parametrize("name", ["WARP_TLS_RPC_PORT", "WARP_TLS_PORT", "KUBERNETES_SERVICE_PORT"])
def test_a_port_that_is_none_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingError, match=f"{name} is 'x'; it must be the number of a port"):
        settings(tmp_path, GIVEN, **{name: "x"})


def test_a_wrong_setting_ends_the_process_with_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kamailio.renewer"], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**ENVIRONMENT, "WARP_TLS_CONFIG": str(tmp_path / "none.json")},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("renewer: WARP_TLS_CONFIG is ")
    assert done.stderr.count("\n") == 1


# Certificates and the record


@pytest.mark.parametrize("kind", ["rsa2048", "ecdsaP256"])
def test_a_key_is_of_the_kind_that_was_asked_for(kind: str) -> None:
    key = certificate.new_key(kind)
    assert key.startswith("-----BEGIN PRIVATE KEY-----")
    assert certificate.request(key, NAMES).startswith(b"-----BEGIN CERTIFICATE REQUEST-----")


def test_what_does_not_belong_together_is_no_pair() -> None:
    one, other = pair(), pair()
    for chain, key, said in (
        (one.chain, other.key, "not the key of the first certificate"),
        (one.chain + other.chain, one.key, "did not issue what stands before it"),
        (b"", one.key, "not a certificate chain"),
        (one.chain, b"", "not an unencrypted private key"),
    ):
        with pytest.raises(ValueError, match=said):
            certificate.read(chain, key)


def test_names_are_compared_and_the_rest_of_a_life_is_counted() -> None:
    found = pair()
    assert found.lacks(NAMES) == []
    assert found.lacks([*NAMES, "new.ringer.tel"]) == ["new.ringer.tel"]
    life = (found.ends - found.begins).total_seconds()
    assert found.ends.timestamp() - found.renewed_at(0.25) == pytest.approx(life / 4)


def test_a_record_is_read_as_it_was_written_and_is_another_ca_s_without_account_and_order() -> None:
    order = record.Order("https://ca/order/1", {"finalize": "https://ca/f"}, "PEM", tuple(NAMES), (("a", "b"),))
    kept = replace(record.new(), directory="https://ca", uri="https://ca/1", order=order, failures=2, not_before=3.5)
    kept = replace(kept, cause="caa", attempted=1.5, issued=2.5, successes=3, leftover=(("c", "d"),))
    assert record.read(kept.json()) == kept
    assert kept.at("https://ca") == kept
    assert kept.at("https://other") == record.Record(
        key=kept.key, directory="https://other", attempted=1.5, issued=2.5,
        source="https://ca", leftover=(("c", "d"), ("a", "b")),
    )  # fmt: skip
    assert "PEM" not in repr(kept)
    assert kept.key["d"] not in repr(kept)
    for wrong in (b"", b"{}", b'{"key": {"kty": "RSA"}}'):
        with pytest.raises(ValueError, match=r"account\.json is not what the renewer writes"):
            record.read(wrong)


# Patience


class FakeSecret:
    """Every write is a version; one of another version than it was made for is refused, as by Kubernetes."""

    def __init__(self) -> None:
        self.name, self.data, self.written = "a/b", dict[str, bytes](), list[dict[str, Any]]()

    def read(self) -> Content:
        return Content(str(len(self.written)), dict(self.data))

    def write(self, data: dict[str, bytes], version: str) -> Content:
        if version != str(len(self.written)):
            raise ChangedError("secret", "it was changed meanwhile")
        self.written.append(data)
        self.data |= data
        return self.read()

    @property
    def record(self) -> record.Record:
        return record.read(self.data["account.json"])


@pytest.fixture
def service(tmp_path: Path) -> tuple[Service, FakeSecret, RenewerStatus]:
    status = RenewerStatus()
    service, secret = Service(settings(tmp_path), status), FakeSecret()
    service._secret = secret  # type: ignore[assignment]
    return service, secret, status


def failing(monkeypatch: pytest.MonkeyPatch, failure: Failure) -> list[float]:
    """When the CA was asked."""
    asked: list[float] = []

    def issue(*_: object) -> None:
        asked.append(time.time())
        raise failure

    monkeypatch.setattr("kamailio.renewer.service.Issuer.issue", issue)
    return asked


def test_failures_in_a_row_are_further_and_further_apart_up_to_six_hours(
    service: tuple[Service, FakeSecret, RenewerStatus], monkeypatch: pytest.MonkeyPatch
) -> None:
    renewer, secret, _ = service
    asked, now = failing(monkeypatch, Failure("authorization", "no")), [1e9]
    monkeypatch.setattr("kamailio.renewer.service.time.time", lambda: now[0])
    pauses = []
    for number in range(8):
        renewer.turn()
        assert len(asked) == number + 1
        pauses.append(secret.record.not_before - now[0])
        now[0] = secret.record.not_before - 0.001
        renewer.turn()
        assert len(asked) == number + 1, "not a moment earlier"
        now[0] = secret.record.not_before
    for number, pause in enumerate(pauses):
        usual = min(60 * GROWTH**number, LONGEST_PAUSE)
        assert usual * 0.8 <= pause <= usual * 1.2
    assert sum(pauses[:4]) > 3600, "Let's Encrypt: five failed validations of a name in an hour"


def test_a_retry_after_is_longer_than_the_usual_pause_or_without_effect(
    service: tuple[Service, FakeSecret, RenewerStatus], monkeypatch: pytest.MonkeyPatch
) -> None:
    renewer, secret, status = service
    failing(monkeypatch, Failure("rate-limited", "too many", retry_after=86400))
    renewer.turn()
    assert secret.record.not_before > time.time() + 86000
    assert 'warp_tls_last_failure{cause="rate-limited"} 1' in status.text()


def test_the_time_of_the_next_attempt_is_written_before_the_ca_is_asked(
    service: tuple[Service, FakeSecret, RenewerStatus], monkeypatch: pytest.MonkeyPatch
) -> None:
    renewer, secret, _ = service

    class Crash(BaseException):
        pass

    def issue(*_: object) -> None:
        assert secret.record.failures == 1
        raise Crash

    monkeypatch.setattr("kamailio.renewer.service.Issuer.issue", issue)
    with pytest.raises(Crash):
        renewer.turn()
    assert secret.record.not_before > time.time() + 40


def test_a_certificate_that_is_good_is_left_alone(
    service: tuple[Service, FakeSecret, RenewerStatus], monkeypatch: pytest.MonkeyPatch
) -> None:
    renewer, secret, _ = service
    asked, good = failing(monkeypatch, Failure("authorization", "no")), pair()
    secret.data = {"tls.crt": good.chain, "tls.key": good.key, "account.json": record.new().json()}
    at = time.time() + 1000
    monkeypatch.setattr("kamailio.renewer.service.Authority.renewal", lambda *_: (at, 21600.0))
    renewer.turn()
    assert (asked, secret.written) == ([], [])
    # The CA's own time counts, where it says one.
    monkeypatch.setattr("kamailio.renewer.service.time.time", lambda: at + 1)
    renewer.turn()
    assert len(asked) == 1


def test_where_the_ca_does_not_say_when_a_part_of_the_life_decides(
    service: tuple[Service, FakeSecret, RenewerStatus], monkeypatch: pytest.MonkeyPatch
) -> None:
    renewer, secret, _ = service
    asked, good = failing(monkeypatch, Failure("authorization", "no")), pair()
    secret.data = {"tls.crt": good.chain, "tls.key": good.key, "account.json": record.new().json()}

    def down(*_: object) -> None:
        raise Failure("ca-unreachable", "down")

    monkeypatch.setattr("kamailio.renewer.service.Authority.renewal", down)
    monkeypatch.setattr("kamailio.renewer.service.time.time", lambda: good.renewed_at(0.33) - 10)
    renewer.turn()
    assert not asked
    monkeypatch.setattr("kamailio.renewer.service.time.time", lambda: good.renewed_at(0.33) + 10)
    renewer.turn()
    assert asked


# Metrics


def test_metrics_are_read_as_prometheus_reads_them_and_a_cause_goes_with_its_failure() -> None:
    status = RenewerStatus()
    status.has(pair())
    status.cause("propagation")
    status.proxies_late(late=True)
    status.add("warp_tls_reloads_total", proxy='a"b\\c')
    status.issued()
    status.kept(replace(record.new(), attempted=1e9, issued=2e9))
    families = {each.name: each for each in text_string_to_metric_families(status.text())}
    assert {each.type for each in families.values()} <= {"gauge", "counter"}
    assert {each.labels["cause"] for each in families["warp_tls_last_failure"].samples} == {"propagation", "proxy"}
    assert families["warp_tls_reloads"].samples[0].labels == {"proxy": 'a"b\\c'}
    assert {each.labels["result"]: each.value for each in families["warp_tls_attempts"].samples} == {
        "issued": 1, "failed": 0,
    }  # fmt: skip
    assert families["warp_tls_last_attempt_seconds"].samples[0].value == 1e9
    assert families["warp_tls_last_success_seconds"].samples[0].value == 2e9
    status.cause(None)
    assert 'cause="proxy"' in status.text()
    assert 'cause="propagation"' not in status.text()
    status.proxies_late(late=False)
    assert "warp_tls_last_failure{" not in status.text()


def test_all_causes_are_in_the_page_for_operators() -> None:
    page = (ROOT / "kamailio" / "renewer" / "README.md").read_text(encoding="utf-8")
    assert [cause for cause in CAUSES if f"| `{cause}` |" not in page] == []
    assert [name for name in HELP if f"`{name}" not in page] == []


# Proxies


@pytest.fixture
def looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Proxies, list[float], list[float]]]:
    """A proxy that serves `serves`, whatever is done; the times of its reloads, and a clock."""

    def make(serves: certificate.Pair) -> tuple[Proxies, list[float], list[float]]:
        now, reloads = [1000.0], list[float]()

        def reload(*_: object) -> str:
            reloads.append(now[0])
            return ""

        thread = Proxies(settings(tmp_path), RenewerStatus())
        monkeypatch.setattr("kamailio.renewer.proxies.time.monotonic", lambda: now[0])
        monkeypatch.setattr(proxies, "resolve", lambda _: ({Endpoint("10.0.0.2", 9064)}, True))
        monkeypatch.setattr(Proxies, "_served", lambda *_: (serves.leaf, ""))
        monkeypatch.setattr(Proxies, "_reload", reload)
        return thread, reloads, now

    return make


def test_a_proxy_that_never_follows_is_reloaded_six_times_and_then_left_alone(
    looked: Callable[..., tuple[Proxies, list[float], list[float]]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each reload costs it memory for ever. One that is not ready now and then is no new proxy."""
    thread, reloads, now = looked(pair())
    here = {Endpoint("10.0.0.2", 9064)}
    thread.want(pair(), since=0)
    for number in range(2 * 1440):
        monkeypatch.setattr(proxies, "resolve", lambda _, n=number: (here if n % 10 else set(), True))
        thread.turn()
        now[0] += 30
    assert reloads[0] >= 1060, "its files cannot be there earlier"
    assert len(reloads) == 6
    assert caplog.text.count("ALERT 10.0.0.2:9064 does not serve the certificate of the Secret") == 1
    assert 'warp_tls_last_failure{cause="proxy"} 1' in thread._status.text()


def test_a_renewer_that_begins_again_and_again_has_no_six_reloads_more(
    looked: Callable[..., tuple[Proxies, list[float], list[float]]],
) -> None:
    served, wanted, counted = pair(), pair(), []
    for since in (600.0, 1200.0, 1e9):
        thread, reloads, now = looked(served)
        thread.want(wanted, since=since)
        for _ in range(200):
            thread.turn()
            now[0] += 30
        counted.append(len(reloads))
    assert counted == [1, 1, 1]


def test_a_proxy_that_refuses_is_tried_for_a_day(
    looked: Callable[..., tuple[Proxies, list[float], list[float]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it refuses costs it nothing."""
    thread, _, now = looked(pair())
    tries: list[float] = []

    def refuse(*_: object) -> str:
        tries.append(now[0])
        return "no answer"

    monkeypatch.setattr(Proxies, "_reload", refuse)
    thread.want(pair(), since=0)
    for _ in range(2 * 2880):
        thread.turn()
        now[0] += 30
    assert len(tries) == proxies.MOST_TRIES
    assert 20 * 3600 < tries[-1] - tries[0] < 30 * 3600


def test_a_proxy_that_serves_the_certificate_is_never_reloaded(
    looked: Callable[..., tuple[Proxies, list[float], list[float]]],
) -> None:
    good = pair()
    thread, reloads, now = looked(good)
    thread.turn()
    thread.want(good, since=0)
    for _ in range(100):
        thread.turn()
        now[0] += 10
    assert reloads == []
    assert "warp_tls_last_failure{" not in thread._status.text()


def test_an_expired_certificate_is_one_all_the_same() -> None:
    end = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    issued = trustme.CA().issue_cert(*NAMES, not_after=end)
    old = certificate.read(issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes())
    status = RenewerStatus()
    status.has(old)
    assert f"warp_tls_not_after_seconds {old.ends.timestamp():.15g}" in status.text()
