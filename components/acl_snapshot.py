"""The reloader's snapshot of the tables, for SIP proxies that start while the database is away (kamailio/start.py).

In memory: it has customers' addresses, and a container that restarts finds it again. Not in a ConfigMap, which ends at
1 MiB, nor on a disk of the cloud, which one node has at a time (docs/adr/0040-start-from-a-snapshot.md).
"""

from __future__ import annotations

FOLDER = "/var/lib/warp-acl"
MOUNT = {"name": "snapshot", "mountPath": FOLDER}
# A million entries take 20 MB, two files for a moment.
VOLUME = {"name": "snapshot", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}}


def environment(hours: int) -> list[dict[str, str]]:
    """For the reloader's container."""
    return [
        {"name": "WARP_ACL_SNAPSHOT_FILE", "value": f"{FOLDER}/snapshot"},
        {"name": "WARP_ACL_SNAPSHOT_HOURS", "value": str(hours)},
    ]


def url(service: str, namespace: str, port: int) -> str:
    """Where a proxy that starts reads it."""
    return f"http://{service}.{namespace}.svc:{port}/snapshot"
