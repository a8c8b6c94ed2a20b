"""The trunk ACL in Kamailio: the configuration that the SIP proxy includes, and the reloader of its tables.

`*.cfg` is for the operator's kamailio.cfg (README.md); `reloader/` runs in the cluster and tells every proxy what
changed. Leaves to others: the views (components/trunk_acl/sql) and the proxy itself, which this program does not own.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parent
FRAGMENTS = ("ip_auth.cfg", "table_mtree.cfg", "table_permissions.cfg", "rpc.cfg")


def fragments() -> dict[str, str]:
    """Every fragment by its file name: the data of the ConfigMap."""
    return {name: (FOLDER / name).read_text(encoding="utf-8") for name in FRAGMENTS}
