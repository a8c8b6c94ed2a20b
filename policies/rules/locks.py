"""Rules for locks: resources that customers and vendors depend on are locked against deletion."""

from __future__ import annotations

from collections.abc import Iterator

from engine.tokens import ADDRESS, BUCKET, DATABASE, GLOBAL_ADDRESS, INSTANCE, NAT, ZONE
from policies.declared import UNKNOWN, Declared
from policies.rule import Finding, InProduction, ResourceRule, Unjudged, Violation


def _protected(resource: Declared, options: InProduction) -> Iterator[Finding]:
    if options.production and not resource.protect:
        yield Violation("it is not protected: removing it from the program would delete it")


def _deletion_locks(instance: Declared, options: InProduction) -> Iterator[Finding]:
    if not options.production:
        return
    for path, whose in (
        ("deletionProtection", "the plugin's"),
        ("settings.deletionProtectionEnabled", "the cloud's"),
    ):
        locked = instance.at(path)
        if locked is UNKNOWN:
            yield Unjudged(path)
        elif locked is not True:
            yield Violation(f"{whose} deletion lock is off ({path})")


RULES = (
    ResourceRule(
        "protected",
        "Static addresses, NAT, database instance, database, zone and bucket are protected",
        "losing one breaks the contract with customers and vendors",
        "leave warp-edge:protect at true; to delete a single resource, first run: pulumi state unprotect URN",
        frozenset({ADDRESS, GLOBAL_ADDRESS, NAT, INSTANCE, DATABASE, ZONE, BUCKET}),
        options=InProduction,
        check=_protected,
    ),
    ResourceRule(
        "database-deletion-locks",
        "A database instance in production has both deletion locks",
        "the engine's protection does not apply to the console, and backups are deleted with their instance",
        "leave warp-edge:protect at true, which sets deletionProtection and settings.deletionProtectionEnabled",
        frozenset({INSTANCE}),
        options=InProduction,
        check=_deletion_locks,
    ),
)
