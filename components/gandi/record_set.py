"""The resource: one whole record set of a zone at Gandi LiveDNS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi.dynamic import Resource

from components.gandi.provider import GandiRecordSetProvider
from settings.dns import Gandi


@dataclass(frozen=True)
class GandiRecordSetArgs:
    """`name` ends with a dot, `rrdatas` are in presentation format; `domain` has no final dot."""

    domain: str
    name: str
    type: str
    ttl: int
    rrdatas: Sequence[pulumi.Input[str]]
    gandi: Gandi


class GandiRecordSet(Resource, module="warp", name="GandiRecordSet"):
    """`pulumi-python:dynamic/warp:GandiRecordSet`. The names are part of the state; properties as Cloud DNS's."""

    def __init__(self, name: str, args: GandiRecordSetArgs, opts: pulumi.ResourceOptions) -> None:
        props = {
            "domain": args.domain,
            "name": args.name,
            "type": args.type,
            "ttl": args.ttl,
            "rrdatas": list(args.rrdatas),
            "api": args.gandi.api,
            "adopt": args.gandi.adopt,
            "deadlineSeconds": args.gandi.deadline_seconds,
        }
        super().__init__(GandiRecordSetProvider(), name, props, opts)
