"""Rules for locks: resources that customers and vendors depend on are locked against deletion."""

from __future__ import annotations

from collections.abc import Iterator

from engine.tokens import ADDRESS, BUCKET, DATABASE, GLOBAL_ADDRESS, INSTANCE, NAT, ZONE
from policies.declared import Declared
from policies.rule import Check, Finding, InProduction, ResourceRule, Violation, expected, in_production


def _protected(resource: Declared, _: InProduction) -> Iterator[Finding]:
    if not resource.protect:
        yield Violation("it is not protected: removing it from the program would delete it")


def _lock(path: str, whose: str) -> Check:
    return expected(path, (True,), f"{whose} deletion lock is off ({path})")


RULES = (
    ResourceRule(
        "protected",
        "Static addresses, NAT, database instance, database, zone and bucket are protected",
        "losing one breaks the contract with customers and vendors",
        "leave warp-edge:protect at true; to delete a single resource, first run: pulumi state unprotect URN",
        frozenset({ADDRESS, GLOBAL_ADDRESS, NAT, INSTANCE, DATABASE, ZONE, BUCKET}),
        options=InProduction,
        check=in_production(_protected),
    ),
    ResourceRule(
        "database-deletion-locks",
        "A database instance in production has both deletion locks",
        "the engine's protection does not apply to the console, and backups are deleted with their instance",
        "leave warp-edge:protect at true, which sets deletionProtection and settings.deletionProtectionEnabled",
        frozenset({INSTANCE}),
        options=InProduction,
        check=in_production(
            _lock("deletionProtection", "the plugin's"), _lock("settings.deletionProtectionEnabled", "the cloud's")
        ),
    ),
)
