"""Google Cloud Storage: registry.terraform.io/providers/hashicorp/google, google_storage_*, in camel case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from pulumi import Input

from components.sdk.resource import GCP, LABELS, Known, Resource
from engine import tokens


class Versioning(TypedDict):
    """`versioning`."""

    enabled: Input[bool]


class Website(TypedDict, total=False):
    """`website`."""

    mainPageSuffix: Input[str]


class LifecycleAction(TypedDict):
    """`action`."""

    type: Input[str]


class LifecycleCondition(TypedDict, total=False):
    """`condition`."""

    daysSinceNoncurrentTime: Input[int]
    withState: Input[str]


class LifecycleRule(TypedDict):
    """`lifecycle_rule`."""

    action: LifecycleAction
    condition: LifecycleCondition


class BucketInputs(TypedDict, total=False):
    """google_storage_bucket."""

    name: Input[str]
    location: Input[str]
    uniformBucketLevelAccess: Input[bool]
    publicAccessPrevention: Input[str]
    versioning: Versioning
    website: Website
    lifecycleRules: Sequence[LifecycleRule]
    forceDestroy: Input[bool]
    labels: Input[Mapping[str, str]]


class Bucket(Resource[BucketInputs], token=tokens.BUCKET, package=GCP, secret=LABELS):
    """A bucket of Cloud Storage."""

    name = Known[str]("name")


class BucketIAMMemberInputs(TypedDict, total=False):
    """google_storage_bucket_iam_member."""

    bucket: Input[str]
    role: Input[str]
    member: Input[str]


class BucketIAMMember(Resource[BucketIAMMemberInputs], token=tokens.BUCKET_MEMBER, package=GCP):
    """A role of one member on a bucket."""


class BucketObjectInputs(TypedDict, total=False):
    """google_storage_bucket_object."""

    bucket: Input[str]
    name: Input[str]
    content: Input[str]
    contentType: Input[str]
    cacheControl: Input[str]


class BucketObject(
    Resource[BucketObjectInputs],
    token=tokens.BUCKET_OBJECT,
    package=GCP,
    secret=("content", "customerEncryption"),
):
    """A file in a bucket."""
