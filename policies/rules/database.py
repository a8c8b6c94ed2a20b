"""Rules for the Cloud SQL instance that holds the trunk ACL."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from engine.tokens import INSTANCE
from policies.declared import UNKNOWN, Declared, at, items
from policies.rule import (
    Finding,
    InProduction,
    Level,
    Options,
    ResourceRule,
    Unjudged,
    Violation,
    expected,
    in_production,
)
from policies.rules.firewall import is_the_world


class Tier(InProduction):
    """Machine types that production must not use."""

    shared_core: tuple[str, ...] = Field(
        ("db-f1-micro", "db-g1-small"), description="tiers without SLA (docs.cloud.google.com/sql/docs/postgres)"
    )


def _open_networks(instance: Declared, _: Options) -> Iterator[Finding]:
    path = "settings.ipConfiguration.authorizedNetworks"
    networks = instance.at(path)
    if networks is UNKNOWN:
        yield Unjudged(path)
    for index, network in enumerate(items(networks)):
        value = at(network, "value")
        if value is UNKNOWN:
            yield Unjudged(f"{path}[{index}]")
        elif is_the_world(value):
            yield Violation(f"{value} may connect")


_BACKED_UP = in_production(
    expected("settings.backupConfiguration.enabled", (True,), "no daily backups"),
    expected("settings.backupConfiguration.pointInTimeRecoveryEnabled", (True,), "no point-in-time recovery"),
)


def _backups(instance: Declared, options: InProduction) -> Iterator[Finding]:
    if not instance.at("masterInstanceName"):  # a read replica cannot have backups: its owner has them
        yield from _BACKED_UP(instance, options)


def _tier(instance: Declared, options: Tier) -> Iterator[Finding]:
    tier = instance.at("settings.tier")
    if tier is UNKNOWN:
        yield Unjudged("settings.tier")
    elif tier in options.shared_core:
        yield Violation(f"{tier} has a shared core: no SLA, about 25 connections")


def _private(instance: Declared, _: Options) -> Iterator[Finding]:
    network = instance.at("settings.ipConfiguration.privateNetwork")
    public = instance.at("settings.ipConfiguration.ipv4Enabled")
    if network is None:
        yield Violation("it has no private address")
    if public is UNKNOWN:
        yield Unjudged("settings.ipConfiguration.ipv4Enabled")
    elif public is not False and network is not None:
        yield Violation("it also has a public address")


_INSTANCE = frozenset({INSTANCE})
RULES = (
    ResourceRule(
        "database-no-open-network",
        "A database is not open to the world",
        "anyone who can reach it can try passwords; this includes ranges that together cover the Internet",
        "name the ranges that need access in warp-edge:database.network.authorised, or use the private address",
        _INSTANCE,
        check=_open_networks,
    ),
    ResourceRule(
        "database-tls-only",
        "A database takes encrypted connections only",
        "a password in clear text can be read on the way, also inside a VPC",
        "set warp-edge:database.sslMode to ENCRYPTED_ONLY",
        _INSTANCE,
        check=expected(
            "settings.ipConfiguration.sslMode",
            ("ENCRYPTED_ONLY", "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"),
            "sslMode is {}",
            "absent, which allows clear-text connections",
        ),
    ),
    ResourceRule(
        "database-backups",
        "A database in production has backups and point-in-time recovery",
        "without the trunk ACL no customer can call",
        "set warp-edge:database.backups.enabled and .pointInTimeRecovery to true",
        _INSTANCE,
        options=InProduction,
        check=_backups,
    ),
    ResourceRule(
        "database-tier",
        "A database in production has a dedicated core",
        "shared cores have no SLA; advisory, because the live instance has one",
        "set warp-edge:database.tier to db-custom-1-3840 or larger; it restarts the instance",
        _INSTANCE,
        level=Level.ADVISORY,
        options=Tier,
        check=in_production(_tier),
    ),
    ResourceRule(
        "database-private-address",
        "A database has a private address only",
        "the database cannot be attacked from the Internet; advisory, because the live instance has both",
        "set warp-edge:database.network.privateNetwork, and .public to false once no client uses the public address",
        _INSTANCE,
        level=Level.ADVISORY,
        check=_private,
    ),
)
