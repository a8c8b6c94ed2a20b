"""Links between Compute Engine resources: full URLs, relative paths and bare names of the same resource."""

from __future__ import annotations

import re
from typing import Final

COMPUTE: Final = "https://www.googleapis.com/compute/v1/"

_HOST = re.compile(
    r"^(?:https://(?:www\.googleapis\.com/compute|compute\.googleapis\.com/compute)/(?:v1|beta|alpha)/|/)"
)


def self_link(path: str) -> str:
    """The link Google reports for a relative path such as projects/P/regions/R/addresses/N."""
    return COMPUTE + path


def relative(link: str) -> str:
    """The path of a link without the API's URL."""
    return _HOST.sub("", link)


def name_of(link: str) -> str:
    """The resource's name, the last segment of its path."""
    return link.rsplit("/", 1)[-1]


def same_link(one: str, other: str) -> bool:
    """Whether two links name the same resource; a bare name is compared by name, as the plugin does."""
    left, right = relative(one), relative(other)
    if "/" in left and "/" in right:
        return left == right
    return name_of(left) == name_of(right)


def region_of(path: str) -> str:
    """The region in a path; empty for a global resource."""
    match = re.search(r"(?:^|/)regions/([^/]+)", path)
    return match.group(1) if match else ""


def project_of(path: str) -> str:
    """The project in a path; empty when it has none."""
    match = re.search(r"(?:^|/)projects/([^/]+)", path)
    return match.group(1) if match else ""


def contains_link(links: list[str], link: str) -> bool:
    """Whether a list of links includes the resource."""
    return any(relative(one) == relative(link) for one in links)
