"""The published site: a page, a feed and every format as static files, from one or several inventories.

Pure, like the rest of `inventory`: a mapping of path to bytes, the same for the same inventories in any order.
`inventory/folder.py` writes it into a folder, `components/inventory_site.py` into a bucket.
"""

from typing import Final

# A site's URL, the base of its feed's links. No query, no fragment, no user.
BASE_URL: Final = r"^https?://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$"


def base_with_slash(base_url: str) -> str:
    """The URL to which the path of a file is appended; empty if there is none."""
    return base_url and f"{base_url.rstrip('/')}/"
