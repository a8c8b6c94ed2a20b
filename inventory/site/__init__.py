"""The published site: a page, a feed and every format as static files, from one or several inventories.

Pure, like the rest of `inventory`: a mapping of path to bytes, the same for the same inventories in any order. Who
writes it into a folder is `inventory/folder.py`, who puts it into a bucket `components/inventory_site.py`.
"""

from typing import Final

# Where a site is: what its feed needs absolute links from. No query, no fragment, no user.
BASE_URL: Final = r"^https?://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$"
