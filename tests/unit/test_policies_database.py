"""Rules about the Cloud SQL instance."""

from __future__ import annotations

from typing import Any

import pytest

from engine.tokens import INSTANCE
from policies.declared import UNKNOWN, Declared
from policies.rule import Level
from tests.unit.policies_under_test import refused, resource, rule, silent, unjudged


def instance(**settings: Any) -> Declared:
    return resource(INSTANCE, "db", settings=settings)


def network(**configuration: Any) -> Declared:
    return instance(ipConfiguration=configuration)


def authorised(*values: Any) -> Declared:
    return network(authorizedNetworks=[{"name": "n", "value": value} for value in values])


def test_named_ranges_may_connect() -> None:
    assert silent("database-no-open-network", authorised("192.0.2.0/24", "2001:db8::/32", "10.0.0.0/8"))
    assert silent("database-no-open-network", network())


# Two halves are the world too.
@pytest.mark.parametrize("world", ["0.0.0.0/0", "::/0", "0.0.0.0/1", "128.0.0.0/1", "64.0.0.0/2", "1.2.3.4/0"])
def test_the_world_may_not(world: str) -> None:
    assert refused("database-no-open-network", authorised("192.0.2.0/24", world)) == [f"db: {world} may connect"]


def test_an_unknown_range_hides_no_open_one() -> None:
    both = authorised(UNKNOWN, "0.0.0.0/0")
    assert refused("database-no-open-network", both) == ["db: 0.0.0.0/0 may connect"]
    assert unjudged("database-no-open-network", both) == ["db: settings.ipConfiguration.authorizedNetworks[0]"]
    assert unjudged("database-no-open-network", network(authorizedNetworks=UNKNOWN)) == [
        "db: settings.ipConfiguration.authorizedNetworks"
    ]


@pytest.mark.parametrize("mode", ["ENCRYPTED_ONLY", "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"])
def test_encrypted_connections_only(mode: str) -> None:
    assert silent("database-tls-only", network(sslMode=mode))


def test_connections_in_clear_are_refused() -> None:
    assert refused("database-tls-only", network(sslMode="ALLOW_UNENCRYPTED_AND_ENCRYPTED")) == [
        "db: sslMode is ALLOW_UNENCRYPTED_AND_ENCRYPTED"
    ]
    assert refused("database-tls-only", instance()) == ["db: sslMode is absent, which allows clear-text connections"]
    assert unjudged("database-tls-only", instance(ipConfiguration=UNKNOWN)) == ["db: settings.ipConfiguration.sslMode"]


def test_production_has_backups_and_point_in_time_recovery() -> None:
    kept = instance(backupConfiguration={"enabled": True, "pointInTimeRecoveryEnabled": True})
    assert silent("database-backups", kept)
    assert refused("database-backups", instance()) == ["db: no daily backups", "db: no point-in-time recovery"]
    assert silent("database-backups", instance(), production=False)


def test_unknown_backups_hide_no_missing_recovery() -> None:
    half = instance(backupConfiguration={"enabled": UNKNOWN, "pointInTimeRecoveryEnabled": False})
    assert unjudged("database-backups", half) == ["db: settings.backupConfiguration.enabled"]
    assert refused("database-backups", half) == ["db: no point-in-time recovery"]


@pytest.mark.parametrize("tier", ["db-f1-micro", "db-g1-small"])
def test_a_shared_core_in_production_is_reported_and_not_refused(tier: str) -> None:
    assert refused("database-tier", instance(tier=tier)) == [
        f"db: {tier} has a shared core: no SLA, about 25 connections"
    ]
    assert silent("database-tier", instance(tier=tier), production=False)
    assert rule("database-tier").level is Level.ADVISORY, "the live one is"


def test_a_core_of_its_own_passes() -> None:
    assert silent("database-tier", instance(tier="db-custom-2-7680"))
    assert unjudged("database-tier", instance(tier=UNKNOWN)) == ["db: settings.tier"]


def test_a_public_address_is_reported_and_not_refused() -> None:
    private = "projects/warp-prod/global/networks/default"
    assert silent("database-private-address", network(privateNetwork=private, ipv4Enabled=False))
    assert refused("database-private-address", network(ipv4Enabled=True)) == ["db: it has no private address"]
    for public in ({"ipv4Enabled": True}, {}):
        assert refused("database-private-address", network(privateNetwork=private, **public)) == [
            "db: it also has a public address"
        ]
    assert unjudged("database-private-address", network(privateNetwork=private, ipv4Enabled=UNKNOWN)) == [
        "db: settings.ipConfiguration.ipv4Enabled"
    ]
    assert rule("database-private-address").level is Level.ADVISORY


def test_a_private_network_that_is_not_known_yet_is_one() -> None:
    assert silent("database-private-address", network(privateNetwork=UNKNOWN, ipv4Enabled=False))
