"""Runs the program, or a part of it, without an engine, and keeps what the engine would have been sent.

The run is the language host's own (`run_in_stack`): an exception in an `apply` ends it, exports arrive as the stack's
outputs, and a secret stays wrapped on the wire, so that a test can tell what left in clear.
"""

from __future__ import annotations

import asyncio
import contextvars
import copy
import importlib.util
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pulumi
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime import mocks
from pulumi.runtime.proto.source_pb2 import StackTrace
from pulumi.runtime.settings import Settings, configure
from pulumi.runtime.stack import run_in_stack

from components.load_balancer import explain_pending
from engine.record import GatewayUse, Record
from tests.stacks import ROOT, Config, as_engine_gives_it
from tests.unit.cloud import LIVE_ADDRESSES, Cloud

# How special values are marked on the wire (pulumi/pulumi, developer documentation, "Property values").
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
HIDDEN = "[secret]"
STACK = "pulumi:pulumi:Stack"


@dataclass(frozen=True)
class Declared:
    """One resource as the program registered it. `clear` is `inputs` with every secret replaced by `HIDDEN`; `plugin`:
    version and place of the plugin that is asked for."""

    type: str
    name: str
    urn: str
    parent: str
    custom: bool
    protect: bool
    provider: str
    ignore_changes: list[str]
    dependencies: list[str]
    error_hooks: list[str]
    secret_outputs: list[str]
    aliases: list[Any]
    delete_before_replace: bool
    plugin: tuple[str, str]
    inputs: dict[str, Any]
    clear: dict[str, Any]


@dataclass
class Edge:
    """Everything that one run declared, looked up and exported."""

    cloud: Cloud
    resources: list[Declared] = field(default_factory=list)
    registered: dict[str, dict[str, Any]] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    clear_outputs: dict[str, Any] = field(default_factory=dict)

    def named(self, name: str) -> Declared:
        """The one resource with this logical name, components aside."""
        (found,) = [each for each in self.resources if each.name == name and each.custom]
        return found

    def of_type(self, token: str) -> list[Declared]:
        """Every resource of a type, in the order of registration."""
        return [each for each in self.resources if each.type == token]

    def physical(self, token: str) -> dict[str, Declared]:
        """Resources of a type by the name that the cloud knows them by."""
        return {_physical_name(each): each for each in self.of_type(token)}

    def parent_of(self, child: Declared) -> Declared | None:
        """The component that a resource stands in; None: the stack."""
        return next((each for each in self.resources if each.urn == child.parent), None)


_once: dict[str, Edge] = {}


def declare_once(config: Config, *, before: GatewayUse | None = None, serving: frozenset[str] = frozenset()) -> Edge:
    """The same as `declare`, for tests that patch nothing: each configuration is run once in a test process.

    Every caller gets a copy of its own.
    """
    key = json.dumps([as_engine_gives_it(config), repr(before), sorted(serving)], sort_keys=True)
    if key not in _once:
        _once[key] = declare(config, before=before, serving=serving)
    return copy.deepcopy(_once[key])


def declare(
    config: Config,
    *,
    before: GatewayUse | None = None,
    serving: frozenset[str] = frozenset(),
    cloud: Cloud | None = None,
    admitted: Mapping[str, frozenset[str]] | None = None,
) -> Edge:
    """Run the whole program with a stack's configuration.

    `before`: what the gateway used until now; `serving`: names of the addresses at which LoadBalancers answered;
    `admitted`: source ranges of each of the shared ones, by logical name.
    """
    answering = cloud or Cloud(str(config["gcp:project"]), LIVE_ADDRESSES)
    with patch.dict(os.environ, {"PULUMI_CONFIG": json.dumps(as_engine_gives_it(config))}):
        edge_program = program()

        def as_when_run() -> None:
            hook = pulumi.ErrorHook("explain-pending", explain_pending)
            edge_program.build(edge_program.load(), Record(before, serving, admitted=admitted or {}), hook)

        return run(as_when_run, answering)


def program() -> ModuleType:
    """`__main__.py` under another name, so that it does not build anything by itself."""
    spec = importlib.util.spec_from_file_location("edge_program", ROOT / "__main__.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(declarations: Callable[[], object], cloud: Cloud | None = None) -> Edge:
    """Run `declarations` as the body of a program, to the end of everything it started."""
    edge = Edge(cloud or Cloud())

    def body() -> None:
        declarations()

    def alone() -> None:
        # Not `set_mocks`: it makes a stack of its own, on an event loop of its own.
        settings = Settings("warp-edge", "unit", Recorder(edge), mocks.MockEngine(None), organization="organization")
        settings.callbacks = Callbacks()
        configure(settings)
        # Where in the source each resource is declared: a quarter of the work, for messages that nothing here reads.
        with patch("pulumi.runtime.resource._get_stack_trace", StackTrace):
            asyncio.run(run_in_stack(body))

    # The SDK keeps its state in context variables: a context of its own leaves nothing behind for the next run.
    contextvars.copy_context().run(alone)
    return edge


class Callbacks:
    """Stands in for the server that the engine calls when a hook is due; here none ever is."""

    def register_error_hook(self, hook: pulumi.ErrorHook) -> None:
        """Nothing to keep: which resources a hook is bound to is in their requests."""


class Recorder(mocks.MockMonitor):
    """The mocks' monitor, with a memory of the requests themselves."""

    def __init__(self, edge: Edge) -> None:
        super().__init__(edge.cloud)
        self._edge = edge

    def RegisterResource(self, request: Any) -> Any:
        """Keep the request; mark the outputs that the engine would mark as secret."""
        with _event_loop_of_this_thread():
            response = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        if request.type != STACK:
            sent = MessageToDict(request.object)
            self._edge.resources.append(
                Declared(
                    type=request.type,
                    name=request.name,
                    urn=response.urn,
                    parent=request.parent,
                    custom=request.custom,
                    protect=request.protect,
                    provider=request.provider,
                    ignore_changes=list(request.ignoreChanges),
                    dependencies=list(request.dependencies),
                    error_hooks=list(request.hooks.on_error),
                    secret_outputs=sorted(request.additionalSecretOutputs),
                    aliases=[*request.aliasURNs, *(MessageToDict(each) for each in request.aliases)],
                    delete_before_replace=request.deleteBeforeReplace,
                    plugin=(request.version, request.pluginDownloadURL),
                    inputs=_plain(sent, reveal=True),
                    clear=_plain(sent, reveal=False),
                )
            )
            _mark_secrets(response.object, request.additionalSecretOutputs)
        return response

    def Invoke(self, request: Any) -> Any:
        """A look-up; what was asked is the cloud's to remember."""
        with _event_loop_of_this_thread():
            return super().Invoke(request)  # type: ignore[no-untyped-call]

    def RegisterResourceOutputs(self, request: Any) -> Any:
        """Keep what components and the stack gave out."""
        sent = MessageToDict(request.outputs)
        if request.urn.split("::")[2] == STACK:
            self._edge.outputs.update(_plain(sent, reveal=True))
            self._edge.clear_outputs.update(_plain(sent, reveal=False))
        else:
            self._edge.registered[request.urn] = _plain(sent, reveal=False)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]


@contextmanager
def _event_loop_of_this_thread() -> Iterator[None]:
    """The mocks make an event loop in each worker thread and leave it there, open; this one is closed."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def _plain(value: Any, *, reveal: bool) -> Any:
    """A value from the wire as Python would write it; JSON knows no integers, people do."""
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET:
            return _plain(value["value"], reveal=reveal) if reveal else HIDDEN
        return {key: _plain(inner, reveal=reveal) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, reveal=reveal) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _mark_secrets(outputs: Struct, keys: list[str]) -> None:
    for key in set(keys) & set(outputs):
        value = MessageToDict(outputs)[key]
        ParseDict({SIGNATURE: SECRET, "value": value}, outputs.get_or_create_struct(key))


def _physical_name(declared: Declared) -> str:
    named = declared.inputs.get("metadata", declared.inputs)
    return str(named["name"])
