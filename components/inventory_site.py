"""The inventory as a web site that anybody may read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.sdk.google import Bucket, BucketIAMMember, BucketObject
from engine.tokens import INVENTORY_SITE
from inventory.json_values import Json
from inventory.reading import read
from inventory.site.files import FILES, INDEX, content_type
from settings.inventory_site import InventorySite as Site

# Short: whoever whitelists our addresses asks for them by the minute, and asks cheaply (ETag).
CACHE_CONTROL = "public, max-age=300"


@dataclass(frozen=True)
class InventorySiteArgs:
    """`inventory`: what is published, in the form of output `ipInventory`; `site.bucket` is given."""

    site: Site
    inventory: pulumi.Output[Json]
    region: str
    labels: Mapping[str, str]
    protect: bool


class InventorySite(pulumi.ComponentResource):
    """`warp:edge:InventorySite`: what people outside read of our addresses.

    Stands up a bucket (versioned, access by IAM alone, earlier versions kept for a while) that anybody may read, and in
    it the files of `inventory/site`. It deliberately does not manage a domain, a certificate or a load balancer in
    front of it: `baseUrl` says where those are.

    Outputs: `url` (of the page).
    """

    url: pulumi.Output[str]

    def __init__(self, name: str, args: InventorySiteArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(INVENTORY_SITE, name, None, opts)
        site = args.site
        bucket = Bucket(
            f"{name}-bucket",
            {
                "name": site.bucket or "",
                "location": (site.location or args.region).upper(),
                "uniformBucketLevelAccess": True,
                "publicAccessPrevention": "inherited",
                "versioning": {"enabled": True},
                "website": {"mainPageSuffix": INDEX},
                "lifecycleRules": [
                    {
                        "action": {"type": "Delete"},
                        "condition": {"daysSinceNoncurrentTime": site.keep_days, "withState": "ARCHIVED"},
                    }
                ],
                # What was published goes with the bucket only where nothing is worth a lock.
                "forceDestroy": not args.protect,
                "labels": args.labels,
            },
            # A bucket under a new name is made first: left alone the plugin deletes the old one before it asks whether
            # the new name can be had, and the page is gone.
            pulumi.ResourceOptions(parent=self, protect=args.protect, delete_before_replace=False),
        )
        BucketIAMMember(
            f"{name}-everybody",
            {"bucket": bucket.name, "role": "roles/storage.objectViewer", "member": "allUsers"},
            pulumi.ResourceOptions(parent=self),
        )
        files = args.inventory.apply(lambda inventory: rendered(inventory, site.url))
        for path in FILES:
            BucketObject(
                f"{name}-{path}",
                {
                    "bucket": bucket.name,
                    "name": path,
                    "content": files[path],
                    "contentType": content_type(path),
                    "cacheControl": CACHE_CONTROL,
                },
                # A replacement under the same name would write the new file and then delete it as the old one.
                pulumi.ResourceOptions(parent=self, delete_before_replace=True),
            )
        self.url = bucket.name.apply(lambda _: f"{site.url}{INDEX}")
        self.register_outputs({"url": self.url})


def rendered(inventory: Json, base_url: str) -> dict[str, str]:
    """Path to text. The inventory goes the way it goes for everybody: as the published JSON."""
    from inventory.site.render import render  # noqa: PLC0415 - nobody else waits for it

    return {path: content.decode() for path, content in render(read(json.dumps(inventory)), base_url).items()}
