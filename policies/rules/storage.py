"""Rules for buckets: what is public, and who has access."""

from __future__ import annotations

from collections.abc import Iterator

from engine.tokens import BUCKET, BUCKET_BINDING, BUCKET_MEMBER
from policies.declared import UNKNOWN, Declared, items
from policies.rule import Finding, Options, ResourceRule, Unjudged, Violation, expected

EVERYBODY = ("allUsers", "allAuthenticatedUsers")
READING = ("roles/storage.objectViewer", "roles/storage.legacyObjectReader")


def _read_only(grant: Declared, _: Options) -> Iterator[Finding]:
    role = grant.at("role")
    members = [grant.at("member")] if grant.type == BUCKET_MEMBER else grant.at("members")
    if role in READING:
        return
    if UNKNOWN in (role, members) or UNKNOWN in items(members):
        yield Unjudged("role and members")
        return
    for member in items(members):
        if member in EVERYBODY:
            yield Violation(f"{member} has {role}")


RULES = (
    ResourceRule(
        "bucket-public-read-only",
        "The public may read a bucket's objects, and has no other access",
        "anyone who can write the published files controls the firewalls of all who trust them",
        f"grant allUsers {READING[0]}, and everything else to people and service accounts by name",
        frozenset({BUCKET_MEMBER, BUCKET_BINDING}),
        check=_read_only,
    ),
    ResourceRule(
        "bucket-versioned",
        "A bucket keeps earlier versions",
        "a wrong file has to be reverted, and what was published when has to be provable",
        "set versioning.enabled to true",
        frozenset({BUCKET}),
        check=expected("versioning.enabled", (True,), "versioning is off (versioning.enabled)"),
    ),
    ResourceRule(
        "bucket-uniform-access",
        "Access to a bucket is by IAM only",
        "ACLs of single objects do not show up in reviews",
        "set uniformBucketLevelAccess to true",
        frozenset({BUCKET}),
        check=expected(
            "uniformBucketLevelAccess", (True,), "single objects can have their own ACLs (uniformBucketLevelAccess)"
        ),
    ),
)
