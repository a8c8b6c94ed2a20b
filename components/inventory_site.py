"""The inventory as a public web site."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.sdk.google import Bucket, BucketIAMMember, BucketObject
from engine.tokens import INVENTORY_SITE
from inventory.json_values import Json
from inventory.reading import read
from inventory.site.files import FILES, INDEX, PDFS, content_type
from settings.inventory_site import InventorySite as Site

# Short: readers poll by the minute, which is cheap with ETags.
CACHE_CONTROL = "public, max-age=300"


@dataclass(frozen=True)
class InventorySiteArgs:
    """`inventory`: the published inventory, as in output `ipInventory`; `site.bucket` is set."""

    site: Site
    inventory: pulumi.Output[Json]
    region: str
    labels: Mapping[str, str]
    protect: bool


class InventorySite(pulumi.ComponentResource):
    """`warp:edge:InventorySite`: the public web site with our addresses.

    Declares a public bucket (versioned, access by IAM only, with retention of earlier versions) with the files of
    `inventory/site`. It deliberately does not manage a domain, a certificate or a load balancer in front of it, whose
    URL is set as `baseUrl`.

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
                # Published files are deleted with the bucket only in stacks without locks.
                "forceDestroy": not args.protect,
                "labels": args.labels,
            },
            # A bucket with a new name is created first: by default the plugin would delete the old one before it knows
            # whether the new name is available, and the site would be lost.
            pulumi.ResourceOptions(parent=self, protect=args.protect, delete_before_replace=False),
        )
        BucketIAMMember(
            f"{name}-everybody",
            {"bucket": bucket.name, "role": "roles/storage.objectViewer", "member": "allUsers"},
            pulumi.ResourceOptions(parent=self),
        )
        files = args.inventory.apply(lambda inventory: rendered(inventory, site.url, pdf=site.pdf))
        for path in (*FILES, *(PDFS if site.pdf else ())):
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


def rendered(inventory: Json, base_url: str, *, pdf: bool) -> dict[str, str]:
    """Path to text, rendered from the published JSON, as for all other readers."""
    from inventory.site.render import render  # noqa: PLC0415 - nobody else waits for it

    files = render(read(json.dumps(inventory)), base_url, pdf=pdf)
    return {path: content.decode() for path, content in files.items()}
