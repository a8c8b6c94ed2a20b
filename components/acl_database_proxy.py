"""A Cloud SQL Auth Proxy in the reloader's pod, for sign-in by IAM: docs.cloud.google.com/sql/docs/postgres/sql-proxy.

It signs in as the pod's service account, and takes a plain user name on loopback without a password. The SIP proxies'
pods need one as well: their owner adds it (kamailio/README.md, "Sign-in by IAM").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from settings.trunk_acl import DatabaseProxy, Reloader


def containers(
    proxy: DatabaseProxy | None, instance: pulumi.Output[list[str]], security: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Of the pod, beside the reloader's. `instance`: what `instance_arguments` says."""
    if proxy is None:
        return []
    return [
        {
            "name": "database-proxy",
            "image": proxy.image,
            "args": instance,
            "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
            "securityContext": security,
        }
    ]


def service_account(reloader: Reloader) -> dict[str, str]:
    """Of the pod: the principal is bound to it by Workload Identity, which needs no token in the pod."""
    return {"serviceAccountName": reloader.database_proxy.service_account} if reloader.database_proxy else {}


def instance_arguments(connection_name: str, private_address: str | None, port: int) -> list[str]:
    """Command line. It reaches the instance at its private address if there is one, as the SIP proxies do."""
    private = ["--private-ip"] if private_address else []
    return ["--auto-iam-authn", *private, "--structured-logs", f"--port={port}", connection_name]
