"""Remedies for errors of resources that are caused by a setting, with the setting's key.

Objects that the program looks up are refused with its own message before anything is declared
(`components/look_up.py`). Networks, the subnetwork and a router of another team are not looked up: that would cost
every preview a request each, for names that are set once. Their errors come from the resource, with the cloud's
message, which does not name a setting.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.tokens import ADDRESS, BUCKET, INSTANCE, NAT, ROUTER, TRUNK_DATABASE
from review.causes import Message


@dataclass(frozen=True)
class _Rule:
    """`types`: matches the types of the resource's URN; `said`: matches its error."""

    types: str
    said: str
    remedy: str


def _correct(key: str, listed_by: str) -> str:
    return f"correct warp-edge:{key} (`{listed_by}` shows what there is)"


# Compute Engine has two messages for it.
_NO_NETWORK = r"/networks/\S* (was )?not found|referenced network resource cannot be found"
_NETWORKS = "gcloud compute networks list"
_RULES = (
    _Rule(ROUTER, _NO_NETWORK, _correct("egress.router.network", _NETWORKS)),
    _Rule(
        NAT,
        r"/routers/\S* (was )?not found|referenced router resource cannot be found",
        _correct("egress.router.name", "gcloud compute routers list"),
    ),
    _Rule(
        ADDRESS,
        r"/subnetworks/\S* (was )?not found|referenced subnetwork resource cannot be found",
        _correct("ingress.ipv6Subnetwork", "gcloud compute networks subnets list"),
    ),
    _Rule(TRUNK_DATABASE, _NO_NETWORK, _correct("database.network.privateNetwork", _NETWORKS)),
    _Rule(
        INSTANCE,
        r"SERVICE_NETWORKING_NOT_ENABLED|at least 1 private services connection",
        "add warp-edge:database.network.peeringRange, or set up private services access in that network",
    ),
    _Rule(
        BUCKET,
        r"bucket name is not available",
        "choose another warp-edge:inventorySite.bucket: bucket names are unique across Google Cloud",
    ),
    _Rule("kubernetes:", r'context "[^"]*" does not exist', _correct("cluster.context", "kubectl config get-contexts")),
)


def remedy(message: Message) -> str:
    """The remedy, with the settings key; empty if the error is not known."""
    types = message.urn.split("::")[2] if message.urn.count("::") >= 3 else ""
    return next((rule.remedy for rule in _RULES if rule.types in types and re.search(rule.said, message.text)), "")
