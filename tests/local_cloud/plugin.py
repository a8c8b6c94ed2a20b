"""The engine's side of the protocol, for tests: check, diff, create, update, read, delete over real gRPC.

Property values are put on the wire by protobuf's own JSON mapping, not by the sandbox's codec.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import json_format, struct_pb2
from google.rpc import status_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from local_cloud.provider import Provider
from local_cloud.servicer import ProviderServicer

Props = dict[str, Any]
KINDS = {value: name.lower() for name, value in provider_pb2.PropertyDiff.Kind.items()}


class Refused(Exception):
    """The plugin refused. `reasons`, `id` and `outputs` are set if the object exists nevertheless."""

    def __init__(self, error: grpc.RpcError) -> None:
        super().__init__(error.details())
        self.id = ""
        self.outputs: Props = {}
        self.reasons: list[str] = []
        metadata: Any = error.trailing_metadata()
        for key, value in metadata or ():
            if key == "grpc-status-details-bin":
                status = status_pb2.Status.FromString(value)
                detail = provider_pb2.ErrorResourceInitFailed()
                status.details[0].Unpack(detail)
                self.id, self.outputs = detail.id, plain(detail.properties)
                self.reasons = list(detail.reasons)


class Invalid(Exception):
    """Check found invalid inputs."""

    def __init__(self, failures: Mapping[str, str]) -> None:
        super().__init__("\n".join(f"{name}: {reason}" for name, reason in failures.items()))
        self.failures = dict(failures)


@dataclass
class Resource:
    """A resource in the engine's state."""

    type: str
    name: str
    id: str
    inputs: Props
    outputs: Props
    secrets: set[str] = field(default_factory=set)
    noted: Props = field(default_factory=dict)
    """What the bridge records beside the inputs: which of them are its defaults."""

    @property
    def kept(self) -> Props:
        """The inputs as stored in the engine's state."""
        return {**self.inputs, **self.noted}


@dataclass(frozen=True)
class Diff:
    """What an update would do: property path -> add, update, delete, each with _replace if it replaces."""

    changes: dict[str, str]
    delete_before_replace: bool
    replaced_for: set[str] = field(default_factory=set)

    @property
    def replaces(self) -> bool:
        return bool(self.replaced_for)


SIGNATURE, SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def secret(value: Any) -> Props:
    """A secret in the wire format."""
    return {SIGNATURE: SECRET, "value": value}


def wire(values: Props) -> struct_pb2.Struct:
    return json_format.ParseDict(values, struct_pb2.Struct())


def plain(struct: struct_pb2.Struct) -> Props:
    """Values with their secrets unwrapped."""
    values = _plain(json_format.MessageToDict(struct))
    return {name: value for name, value in values.items() if name != "__defaults"}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET:
            return _plain(value["value"])
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _noted(struct: struct_pb2.Struct) -> Props:
    values: Props = json_format.MessageToDict(struct)
    return {"__defaults": values["__defaults"]} if "__defaults" in values else {}


def secret_places(struct: struct_pb2.Struct) -> set[str]:
    """Names of the properties that are secret as a whole."""
    values = json_format.MessageToDict(struct)
    return {name for name, value in values.items() if isinstance(value, dict) and value.get(SIGNATURE) == SECRET}


class Plugin:
    """One provider behind a real port, configured."""

    def __init__(self, provider: Provider, **configuration: Any) -> None:
        self._server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(ProviderServicer(provider), self._server)
        port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        self._address = f"127.0.0.1:{port}"
        self._connect()
        self.configure(**configuration)

    def _connect(self) -> None:
        # One connection per engine: gRPC would share it otherwise.
        options = [("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.insecure_channel(self._address, options=options)
        self.stub = provider_pb2_grpc.ResourceProviderStub(self._channel)

    def another(self, **configuration: Any) -> Plugin:
        """Another engine's connection to the same provider."""
        other = object.__new__(Plugin)
        other._server, other._address = self._server, self._address
        other._connect()
        other.configure(**configuration)
        return other

    def close(self) -> None:
        self._channel.close()
        self._server.stop(None)

    def configure(self, **configuration: Any) -> None:
        self.stub.Configure(provider_pb2.ConfigureRequest(args=wire(configuration), acceptSecrets=True))

    def urn(self, type_: str, name: str) -> str:
        return f"urn:pulumi:test::test::{type_}::{name}"

    def check(self, type_: str, name: str, inputs: Props, prior: Props | None = None) -> Props:
        return plain(self._check(type_, name, inputs, prior or {}))

    def _check(self, type_: str, name: str, inputs: Props, prior: Props) -> struct_pb2.Struct:
        request = provider_pb2.CheckRequest(
            urn=self.urn(type_, name), olds=wire(prior), news=wire(inputs), randomSeed=b"seed"
        )
        response = self._call("Check", request)
        if response.failures:
            raise Invalid({failure.property: failure.reason for failure in response.failures})
        checked: struct_pb2.Struct = response.inputs
        return checked

    def create(self, type_: str, name: str, inputs: Props, *, preview: bool = False, timeout: float = 0) -> Resource:
        checked = self._check(type_, name, inputs, {})
        request = provider_pb2.CreateRequest(
            urn=self.urn(type_, name), properties=checked, preview=preview, timeout=timeout
        )
        response = self._call("Create", request)
        outputs = response.properties
        return Resource(
            type_, name, response.id, plain(checked), plain(outputs), secret_places(outputs), _noted(checked)
        )

    def diff(self, resource: Resource, inputs: Props, ignore: list[str] | None = None) -> Diff:
        request = provider_pb2.DiffRequest(
            id=resource.id,
            urn=self.urn(resource.type, resource.name),
            olds=wire(resource.outputs),
            old_inputs=wire(resource.kept),
            news=self._check(resource.type, resource.name, inputs, resource.kept),
            ignoreChanges=ignore or [],
        )
        response = self._call("Diff", request)
        changes = {path: KINDS[one.kind] for path, one in response.detailedDiff.items()}
        return Diff(changes, response.deleteBeforeReplace, set(response.replaces))

    def update(self, resource: Resource, inputs: Props, *, preview: bool = False) -> Resource:
        checked = self._check(resource.type, resource.name, inputs, resource.kept)
        request = provider_pb2.UpdateRequest(
            id=resource.id,
            urn=self.urn(resource.type, resource.name),
            olds=wire(resource.outputs),
            old_inputs=wire(resource.kept),
            news=checked,
            preview=preview,
        )
        response = self._call("Update", request)
        outputs = plain(response.properties)
        return Resource(resource.type, resource.name, resource.id, plain(checked), outputs, noted=_noted(checked))

    def read(self, resource: Resource) -> Resource | None:
        """Refresh."""
        return self._read(resource.type, resource.name, resource.id, resource.kept, resource.outputs)

    def adopt(self, type_: str, id_: str) -> Resource:
        """Import by id."""
        found = self._read(type_, "imported", id_, {}, {})
        assert found is not None, f"{type_} {id_} does not exist"
        return found

    def _read(self, type_: str, name: str, id_: str, inputs: Props, outputs: Props) -> Resource | None:
        request = provider_pb2.ReadRequest(
            id=id_, urn=self.urn(type_, name), inputs=wire(inputs), properties=wire(outputs)
        )
        response = self._call("Read", request)
        if not response.id:
            return None
        read = plain(response.inputs), plain(response.properties)
        return Resource(type_, name, response.id, *read, noted=_noted(response.inputs))

    def delete(self, resource: Resource) -> None:
        request = provider_pb2.DeleteRequest(
            id=resource.id,
            urn=self.urn(resource.type, resource.name),
            properties=wire(resource.outputs),
            old_inputs=wire(resource.kept),
        )
        self._call("Delete", request)

    def invoke(self, token: str, **arguments: Any) -> Props:
        response = self._call("Invoke", provider_pb2.InvokeRequest(tok=token, args=wire(arguments)))
        return plain(getattr(response, "return"))

    def _call(self, method: str, request: Any) -> Any:
        try:
            return getattr(self.stub, method)(request)
        except grpc.RpcError as error:
            raise Refused(error) from None
