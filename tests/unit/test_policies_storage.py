"""Rules about buckets: what the world may do with what we publish."""

from __future__ import annotations

from typing import Any

import pytest

from engine.tokens import BUCKET, BUCKET_BINDING, BUCKET_MEMBER
from policies.declared import UNKNOWN, Declared
from tests.unit.policies_under_test import refused, resource, silent, unjudged

VIEWER, WRITER = "roles/storage.objectViewer", "roles/storage.objectAdmin"


def grant(role: Any, *members: Any, binding: bool = False) -> Declared:
    if binding:
        return resource(BUCKET_BINDING, role=role, members=UNKNOWN if UNKNOWN in members else list(members))
    (member,) = members
    return resource(BUCKET_MEMBER, role=role, member=member)


@pytest.mark.parametrize("everybody", ["allUsers", "allAuthenticatedUsers"])
@pytest.mark.parametrize("binding", [False, True])
def test_the_world_reads_and_does_nothing_else(everybody: str, binding: bool) -> None:
    assert silent("bucket-public-read-only", grant(VIEWER, everybody, binding=binding))
    assert refused("bucket-public-read-only", grant(WRITER, everybody, binding=binding)) == [
        f"it: {everybody} has {WRITER}"
    ]


def test_people_may_have_what_they_need() -> None:
    assert silent("bucket-public-read-only", grant(WRITER, "user:a@example.com"))
    assert refused("bucket-public-read-only", grant(WRITER, "user:a@example.com", "allUsers", binding=True))


def test_what_is_not_known_yet_is_said() -> None:
    assert unjudged("bucket-public-read-only", grant(UNKNOWN, "allUsers"))
    assert unjudged("bucket-public-read-only", grant(WRITER, UNKNOWN))
    assert unjudged("bucket-public-read-only", grant(WRITER, UNKNOWN, binding=True))


def test_a_bucket_keeps_what_was_published() -> None:
    assert silent("bucket-versioned", resource(BUCKET, versioning={"enabled": True}))
    for versioning in (None, {"enabled": False}):
        assert refused("bucket-versioned", resource(BUCKET, versioning=versioning)) == [
            "it: versioning is off (versioning.enabled)"
        ]
    assert unjudged("bucket-versioned", resource(BUCKET, versioning=UNKNOWN))


def test_no_file_has_an_access_list_of_its_own() -> None:
    assert silent("bucket-uniform-access", resource(BUCKET, uniformBucketLevelAccess=True))
    assert refused("bucket-uniform-access", resource(BUCKET))


def test_a_bucket_in_production_is_protected_and_labelled() -> None:
    assert refused("protected", resource(BUCKET))
    assert silent("protected", resource(BUCKET, protect=True))
    assert refused("labels", resource(BUCKET))
