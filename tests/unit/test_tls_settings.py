"""TLS in the settings: what is refused and in which words, and which names and records follow."""

from __future__ import annotations

from typing import Any

import dns.name
import pytest

from plan import plan
from plan.certificate import certificate_names
from refusal import Refusal
from settings import SettingsError
from settings.all_regions import GlobalSettings
from tests.stacks import Config, as_engine_gives_it, changed, stack_config, without_tls, written_config
from tests.unit.everything import DEDICATED
from tests.unit.test_records import zone_of
from tests.unit.tls import ACCOUNT, ALONE, AT_CLOUD_DNS, AT_GANDI, HMAC_KEY, ROBOT, TOKEN, parsed, with_tls

GOOGLE = AT_CLOUD_DNS | {"issuer": "google", "externalAccountKeyId": "key-1"}
PRIVATE = AT_CLOUD_DNS | {"issuer": "https://ca.example.net/dir"}


def refused(config: Config) -> str:
    with pytest.raises(SettingsError) as error:
        parsed(config)
    assert TOKEN not in str(error.value)
    assert HMAC_KEY not in str(error.value)
    return str(error.value)


def test_it_is_off_until_it_is_asked_for() -> None:
    assert parsed(without_tls(stack_config("sandbox"))).tls is None
    assert parsed(with_tls({})).tls is None
    assert certificate_names(parsed(with_tls({}))) == ()


@pytest.mark.parametrize(
    ("config", "directory"),
    [
        (with_tls(AT_GANDI), "https://acme-v02.api.letsencrypt.org/directory"),
        (with_tls(AT_CLOUD_DNS), "https://acme-v02.api.letsencrypt.org/directory"),
        (with_tls(GOOGLE, tlsHmacKey=HMAC_KEY), "https://dv.acme-v02.api.pki.goog/directory"),
        (with_tls(PRIVATE | {"externalAccountKeyId": "k"}, tlsHmacKey=HMAC_KEY), "https://ca.example.net/dir"),
        (with_tls(ALONE), None),
    ],
)
def test_every_issuer_has_its_directory(config: Config, directory: str | None) -> None:
    tls = parsed(config).tls
    assert tls
    assert (tls.directory, tls.key, tls.secret) == (directory, "rsa2048", "warp-tls")


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"issuer": "zeroSsl"}, "tls.issuer = 'zeroSsl'"),
    ({"issuer": "http://ca.example.net/dir"}, "no CA of this name"),
    (AT_CLOUD_DNS | {"names": ["*.ringer.tel"]}, "'*.ringer.tel' is a wildcard"),
    (AT_CLOUD_DNS | {"names": ["sip.example.com"]}, "sip.example.com is not below ringer.tel"),
    (AT_CLOUD_DNS | {"names": ["sip.notringer.tel"]}, "sip.notringer.tel is not below ringer.tel"),
    (AT_CLOUD_DNS | {"externalAccountKeyId": "k"}, "Let's Encrypt has no external accounts"),
    (AT_CLOUD_DNS | {"issuer": "google"}, "Google's public CA needs an external account"),
    (AT_CLOUD_DNS | {"issuerRoots": "x"}, "only a directory given by its URL has its own roots"),
    (PRIVATE | {"issuerRoots": "no PEM"}, "not certificates in PEM form"),
    (GOOGLE, "the HMAC key of the external account is missing"),
    ({"issuer": "letsEncrypt"}, "at Cloud DNS the renewer needs a Google service account"),
    (AT_GANDI | {"serviceAccount": ROBOT}, "a Google service account, and challenges at Gandi"),
    (AT_CLOUD_DNS | {"challenge": {"domain": "acme.example.net"}}, "add tls.challenge.zone"),
    (AT_CLOUD_DNS | {"nameServers": ["192.0.2.1"]}, "'192.0.2.1' is not an address with a port"),
    (AT_CLOUD_DNS | {"secret": "warp-acl"}, "Secret warp-acl has other data already"),
    (AT_CLOUD_DNS | {"name": "warp-acl-reloader"}, "warp-acl-reloader is the name of the reloader's objects"),
    (ALONE | {"contact": ["noc@ringer.tel"]}, "it is the renewer's, and without tls.issuer there is none"),
    (ALONE | {"caa": {"accountUris": [ACCOUNT]}}, "the CA's name in CAA records is not known"),
    (AT_CLOUD_DNS | {"caa": {"accountUris": []}}, "at least 1 item needed"),
    (AT_CLOUD_DNS | {"caa": {"accountUris": ['https://x/"; issue "y']}}, "write the account's URI"),
    (AT_CLOUD_DNS | {"renewAtPercent": 0}, "too small"),
]


@pytest.mark.parametrize(("tls", "words"), REFUSED)
def test_what_cannot_work_is_refused_with_its_reason(tls: dict[str, Any], words: str) -> None:
    assert words in refused(with_tls(tls))


def test_tls_without_an_endpoint_that_speaks_it_is_refused() -> None:
    config = changed(with_tls(AT_CLOUD_DNS), ("warp-edge:ingress", "tcp", "ports"), {"sip": 5060, "ws": 8080})
    assert "no endpoint uses a certificate" in refused(config)


def test_a_renewer_without_the_reloader_is_refused_and_a_secret_alone_is_not() -> None:
    path = ("warp-edge:trunkAcl", "enforcement")
    assert "there is no reloader" in refused(changed(with_tls(AT_CLOUD_DNS), path, {}))
    assert parsed(changed(with_tls(ALONE), path, {})).tls


def test_while_the_zone_is_at_two_hosts_the_challenges_host_is_named() -> None:
    path = ("warp-edge:dns", "backend")
    assert "challenges go to one host" in refused(changed(with_tls(AT_CLOUD_DNS), path, "both"))
    assert parsed(changed(with_tls(AT_GANDI), path, "both")).tls


def test_the_renewer_needs_a_token_of_its_own() -> None:
    config = with_tls(AT_GANDI, gandiToken="another")
    del config["warp-edge:tlsDnsToken"]
    assert "the renewer has no access to Gandi" in str(refused_in_clear(config, ["warp-edge:gandiToken"]))


def refused_in_clear(config: Config, secret: list[str]) -> SettingsError:
    with pytest.raises(SettingsError) as error:
        type(parsed(with_tls(ALONE))).parse(as_engine_gives_it(config), secret)
    return error.value


@pytest.mark.parametrize("key", ["tlsDnsToken", "tlsHmacKey"])
def test_a_secret_in_clear_text_is_refused_and_not_shown(key: str) -> None:
    words = str(refused_in_clear(with_tls(GOOGLE, **{"tlsHmacKey": HMAC_KEY, key: HMAC_KEY}), []))
    assert f"pulumi config set --secret {key}" in words
    assert HMAC_KEY not in words


@pytest.mark.parametrize("key", ["c2hvcnQ", "not/base64url+at/all+of/any+kind", "ümlaut-ümlaut-ümlaut-ümlaut"])
def test_a_key_that_is_no_key_is_refused_and_not_shown(key: str) -> None:
    words = refused(with_tls(GOOGLE, tlsHmacKey=key))
    assert "is not base64url" in words
    assert key not in words


# --- names ------------------------------------------------------------------------------------------------------------


def test_the_domain_itself_comes_first() -> None:
    """RFC 5922: what a client of sips:ringer.tel compares."""
    names = certificate_names(parsed(with_tls(AT_CLOUD_DNS | {"names": ["pbx.ringer.tel", "sip.ringer.tel"]})))
    assert names == ("ringer.tel", "sip.ringer.tel", "sip-tcp.ringer.tel", "pbx.ringer.tel")


def test_a_region_has_its_own_names_beside_the_shared_ones() -> None:
    config = changed(with_tls(AT_CLOUD_DNS), ("warp-edge:dns", "scope"), "region")
    config = changed(config, ("warp-edge:dns", "zone", "manage"), True)
    assert certificate_names(parsed(config)) == (
        "ringer.tel", "sip.ringer.tel", "sip-tcp.ringer.tel",
        "us-central1.ringer.tel", "sip.us-central1.ringer.tel", "sip-tcp.us-central1.ringer.tel",
    )  # fmt: skip


def test_dedicated_names_are_those_over_tls_that_are_in_use() -> None:
    config = with_tls(AT_CLOUD_DNS, dedicated=DEDICATED, quotas={"staticAddresses": 40, "forwardingRules": 40})
    names = certificate_names(parsed(config))
    assert names[3:] == ("acme.ringer.tel", "acme-tcp.ringer.tel", "gamma.ringer.tel")
    hidden = changed(config, ("warp-edge:tls", "dedicatedNames"), False)
    assert certificate_names(parsed(hidden)) == names[:3]


def test_a_certificate_has_a_hundred_names_at_most() -> None:
    def with_names(count: int) -> tuple[str, ...]:
        return certificate_names(parsed(with_tls(AT_CLOUD_DNS | {"names": [f"n{i}.ringer.tel" for i in range(count)]})))

    assert len(with_names(97)) == 100
    with pytest.raises(Refusal, match=r"101 names, and Let's Encrypt allows 100\n  -> remove some of warp-edge:tls"):
        with_names(98)


# --- records ----------------------------------------------------------------------------------------------------------

CAA = AT_CLOUD_DNS | {"caa": {"accountUris": [ACCOUNT, f"{ACCOUNT}2"], "others": ["pki.goog"]}}
DELEGATED = {"challenge": {"domain": "acme.example.net", "zone": "acme"}}


def added(config: Config) -> dict[tuple[str, str], tuple[str, ...]]:
    records = plan(parsed(config)).records
    assert len({(each.name, each.type) for each in records}) == len(records)
    return {(each.name, each.type): each.data for each in records if each.type in ("CAA", "CNAME")}


def test_only_the_accounts_may_issue_by_dns_and_nobody_a_wildcard() -> None:
    (((name, _), data),) = added(with_tls(CAA)).items()
    assert name == "ringer.tel."
    assert data == (
        f'0 issue "letsencrypt.org; accounturi={ACCOUNT}; validationmethods=dns-01"',
        f'0 issue "letsencrypt.org; accounturi={ACCOUNT}2; validationmethods=dns-01"',
        '0 issue "pki.goog"',
        '0 issuewild ";"',
    )


def test_a_name_server_loads_the_records() -> None:
    records = plan(parsed(with_tls(CAA | DELEGATED))).records
    zone = zone_of([each for each in records if each.type in ("CAA", "CNAME")])
    found = zone.get_rdataset(dns.name.from_text("ringer.tel."), "CAA")
    assert found
    assert {(each.tag, each.value) for each in found} == {
        (b"issue", f"letsencrypt.org; accounturi={ACCOUNT}; validationmethods=dns-01".encode()),
        (b"issue", f"letsencrypt.org; accounturi={ACCOUNT}2; validationmethods=dns-01".encode()),
        (b"issue", b"pki.goog"),
        (b"issuewild", b";"),
    }


def test_the_host_of_the_web_site_may_go_on_with_its_wildcard() -> None:
    tls = CAA | {"caa": {"accountUris": [ACCOUNT], "issuer": "other-ca.example", "wildcards": ["pki.goog"]}}
    ((_, data),) = added(with_tls(tls)).items()
    assert data == (
        f'0 issue "other-ca.example; accounturi={ACCOUNT}; validationmethods=dns-01"', '0 issuewild "pki.goog"',
    )  # fmt: skip


def test_challenges_lead_to_a_zone_of_their_own() -> None:
    found = added(with_tls(AT_CLOUD_DNS | DELEGATED))
    assert found == {
        (f"_acme-challenge.{name}.", "CNAME"): (f"{name}.acme.example.net.",)
        for name in ("ringer.tel", "sip.ringer.tel", "sip-tcp.ringer.tel")
    }


def test_a_region_below_the_domain_leaves_the_domains_records_to_their_owner() -> None:
    config = changed(with_tls(CAA | DELEGATED), ("warp-edge:dns", "scope"), "region")
    config = changed(config, ("warp-edge:dns", "zone", "manage"), True)
    assert {name for name, _ in added(config)} == {
        "_acme-challenge.us-central1.ringer.tel.", "_acme-challenge.sip.us-central1.ringer.tel.",
        "_acme-challenge.sip-tcp.us-central1.ringer.tel.",
    }  # fmt: skip


def test_a_dedicated_customers_record_is_that_customers() -> None:
    config = with_tls(
        AT_CLOUD_DNS | DELEGATED, dedicated=DEDICATED, quotas={"staticAddresses": 40, "forwardingRules": 40}
    )
    owners = {each.name: each.customer for each in plan(parsed(config)).records if each.type == "CNAME"}
    assert owners["_acme-challenge.acme-tcp.ringer.tel."] == "100001"
    assert owners["_acme-challenge.ringer.tel."] is None


def test_the_stack_of_the_shared_names_takes_the_same_settings_and_checks_its_names() -> None:
    config = written_config("global")
    assert GlobalSettings.parse(as_engine_gives_it(changed(config, ("warp-edge:tls",), CAA | DELEGATED))).tls
    with pytest.raises(SettingsError, match=r"not below ringer\.tel"):
        GlobalSettings.parse(as_engine_gives_it(changed(config, ("warp-edge:tls",), {"names": ["sip.example.com"]})))
