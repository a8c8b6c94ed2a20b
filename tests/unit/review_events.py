"""Previews written by hand, in the streaming form: for what no engine makes on demand."""

from __future__ import annotations

import json
from typing import Any

from review.preview import Preview, read

Json = dict[str, Any]
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "hunter2"}

ADDRESS = "gcp:compute/address:Address"
NAT = "gcp:compute/routerNat:RouterNat"
RECORD = "gcp:dns/recordSet:RecordSet"
GANDI_RECORD = "pulumi-python:dynamic/warp:GandiRecordSet"
SERVICE = "kubernetes:core/v1:Service"
INSTANCE = "gcp:sql/databaseInstance:DatabaseInstance"
ACL = "pulumi-python:dynamic/warp:TrunkAcl"
STACK = "pulumi:pulumi:Stack"


def urn(type_: str, name: str, parent: str = "") -> str:
    return f"urn:pulumi:prod::warp-edge::{parent}{type_}::{name}"


def step(op: str, type_: str, name: str, old: Json | None = None, new: Json | None = None, **more: Any) -> Json:
    """`old`, `new`: inputs; outputs are the same."""

    def state(inputs: Json | None) -> Json | None:
        return None if inputs is None else {"inputs": inputs, "outputs": inputs, "type": type_}

    parent = more.pop("parent", "")
    changed = {
        key: {"diffKind": "update"}
        for key in {**(old or {}), **(new or {})}
        if (old or {}).get(key) != (new or {}).get(key)
    }
    metadata = {"op": op, "urn": urn(type_, name, parent), "type": type_, "old": state(old), "new": state(new)}
    return {"sequence": 1, "resourcePreEvent": {"metadata": metadata | {"detailedDiff": changed} | more}}


def said(severity: str, message: str, about: str = "") -> Json:
    return {"sequence": 1, "diagnosticEvent": {"severity": severity, "message": message, "urn": about}}


def violation(rule: str, message: str, level: str = "mandatory", about: str = "") -> Json:
    return {
        "sequence": 1,
        "policyEvent": {"policyName": rule, "message": message, "enforcementLevel": level, "resourceUrn": about},
    }


def streamed(
    *events: Json,
    before: Json | None = None,
    after: Json | None = None,
    config: Json | None = None,
    result: str = "succeeded",
) -> str:
    """A whole preview; `before`, `after`: the stack's outputs."""
    root = {"op": "same", "urn": urn(STACK, "warp-edge-prod"), "type": STACK}
    outputs = {"inputs": {}, "outputs": before or {}}
    all_events = [
        {"sequence": 0, "preludeEvent": {"config": config or {}}},
        {"sequence": 1, "resourcePreEvent": {"metadata": root | {"old": outputs, "new": outputs}}},
        *events,
        {
            "sequence": 2,
            "resOutputsEvent": {
                "metadata": root | {"old": outputs, "new": {"outputs": (before or {}) if after is None else after}}
            },
        },
        {"sequence": 3, "summaryEvent": {"result": result}},
    ]
    return "\n".join(json.dumps(event) for event in all_events)


def preview_of(*events: Json, **more: Any) -> Preview:
    return read(streamed(*events, **more))


def refreshed(op: str, type_: str, name: str, old: Json, new: Json, parent: str = "", **more: Any) -> str:
    """A refresh with the program, of one resource; `old`, `new`: its outputs, and of a stack its own; `more`: of what
    was found."""
    stack = type_ == STACK
    events = []
    if not stack:
        about = {"urn": urn(type_, name, parent), "type": type_}
        was, now = ({"inputs": {"name": name}, "outputs": each} for each in (old, new))
        events = [
            {"sequence": 1, "resourcePreEvent": {"metadata": about | {"op": "refresh", "old": was, "new": was}}},
            {"sequence": 1, "resOutputsEvent": {"metadata": about | more | {"op": op, "old": was, "new": now}}},
        ]
    other = {
        "op": "refresh",
        "urn": urn("random:index/randomId:RandomId", "id"),
        "type": "random:index/randomId:RandomId",
    }
    events.append({"sequence": 1, "resourcePreEvent": {"metadata": other}})
    return streamed(*events, before=old if stack else None, after=new if stack else None)
