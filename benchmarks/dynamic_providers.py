"""Processor time of a dynamic provider's process in a preview without changes: ours against an empty provider's.

Each run starts the process as the engine does, asks what it asks then (`Configure` and one `Diff`), and ends it. User
and system time, as the kernel counts it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import grpc
from google.protobuf.struct_pb2 import Struct
from pulumi.dynamic import ResourceProvider
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from benchmarks.empty_provider import EmptyProvider
from benchmarks.measuring import Result
from components.gandi.provider import GandiRecordSetProvider
from components.trunk_acl.provider import TrunkAclProvider

ROOT = Path(__file__).parent.parent
RUNS = 15
RECORD = {"domain": "example.com", "name": "sip.example.com.", "type": "A", "ttl": 300, "rrdatas": ["192.0.2.1"]}
PROVIDERS: Mapping[str, tuple[ResourceProvider, Mapping[str, Any]]] = {
    "an empty one": (EmptyProvider(), {}),
    "the trunk ACL's": (TrunkAclProvider(), {"instance": "p:r:i", "database": "warp", "trunks": {"100234": "main"}}),
    "Gandi's": (GandiRecordSetProvider(), RECORD),
}


def run() -> Iterator[Result]:
    """Yield results, each against the empty provider's."""
    turns = [{name: seconds(*each) for name, each in PROVIDERS.items()} for _ in range(RUNS + 1)][1:]
    found = {name: median(turn[name] for turn in turns) for name in PROVIDERS}
    empty, *ours = PROVIDERS
    for name in ours:
        yield Result(
            f"a dynamic provider's process, {name} / {empty}: processor time of one diff without change",
            round(found[name] / found[empty], 2),
            round(found[name], 3),
            round(found[empty], 3),
            1,
        )


def seconds(provider: ResourceProvider, properties: Mapping[str, Any]) -> float:
    """Processor time of one process from its start to its first answer."""
    told = Struct()
    told.update({**properties, "__provider": serialize_provider(provider)})
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "pulumi.dynamic"],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert process.stdout
    with process.stdout, grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        stub.Configure(provider_pb2.ConfigureRequest(args=Struct()))
        answer = stub.Diff(provider_pb2.DiffRequest(id="x", olds=told, news=told))
    process.kill()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    if answer.changes != provider_pb2.DiffResponse.DIFF_NONE:
        raise RuntimeError(f"{type(provider).__name__} finds a change: {answer}")
    return usage.ru_utime + usage.ru_stime
