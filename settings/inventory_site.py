"""Where the inventory is published as a web site."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, field_validator
from pydantic import ValidationInfo as Info

from inventory.site import BASE_URL
from settings.base import Section, like
from settings.problems import refuse
from settings.rules import rule

# docs.cloud.google.com/storage/docs/buckets, "Naming": a name with dots is a domain, checked label by label.
BUCKET = re.compile(r"(?=.{3,222}$)[a-z0-9]([-_a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-_a-z0-9]{0,61}[a-z0-9])?)*")
LONGEST_WITHOUT_DOTS = 63
AN_ADDRESS = re.compile(r"[0-9]+(\.[0-9]+){3}")


class InventorySite(Section):
    """The bucket with the site."""

    bucket: str | None = Field(None, description="its globally unique name; absent: no site is published")
    location: (
        Annotated[
            str, like(r"^[A-Za-z]+[-A-Za-z0-9]*$", "write a region as us-central1, or EU, US, ASIA", max_length=40)
        ]
        | None
    ) = Field(None, description="its location; absent: the region. It cannot be changed later")
    base_url: (
        Annotated[str, like(BASE_URL, "write it as https://ips.example.com/, with a slash at the end", max_length=200)]
        | None
    ) = Field(None, description="public URL of the site; absent: https://storage.googleapis.com/BUCKET/")
    pdf: bool = Field(
        False,
        description="sheets and guides also as PDF; about a second more for each preview",
    )
    keep_days: int = Field(365, ge=1, le=3650, description="how long earlier versions of files are kept")

    @rule
    def _the_cloud_takes_the_name(cls, bucket: str | None) -> None:
        if bucket is None:
            return
        too_long = "." not in bucket and len(bucket) > LONGEST_WITHOUT_DOTS
        if too_long or not BUCKET.fullmatch(bucket) or AN_ADDRESS.fullmatch(bucket):
            raise refuse(
                "not a bucket's name",
                "3 to 63 lowercase letters, digits, - and _, a letter or digit at both ends; dots only in a domain",
            )
        if bucket.startswith("goog") or "google" in bucket or "g00gle" in bucket:
            raise refuse("a bucket cannot be named after Google", "choose another name")

    @field_validator("location", "base_url")
    @classmethod
    def _of_a_bucket(cls, value: str | None, info: Info) -> str | None:
        if value is not None and "bucket" in info.data and info.data["bucket"] is None:
            raise refuse("there is no bucket", "add inventorySite.bucket, or remove this")
        return value

    @property
    def url(self) -> str:
        """The site's public URL, with a slash at the end."""
        return f"{self.base_url or f'https://storage.googleapis.com/{self.bucket}'}".rstrip("/") + "/"
