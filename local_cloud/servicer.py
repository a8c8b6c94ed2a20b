"""The engine's gRPC protocol in front of a provider.

Secrets are unwrapped and marked again here; a provider works on plain values. The engine opens one connection per
provider instance (a default and an explicit provider are two), so configuration is kept per connection.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, NoReturn

import grpc
from google.protobuf import any_pb2, empty_pb2
from google.rpc import status_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from local_cloud.errors import CheckFailure, CloudError, InitFailed
from local_cloud.planning import Change
from local_cloud.provider import Difference, Named, Provider, State
from local_cloud.values import Decoded, Path, Props, decode, encode, path_text

Context = grpc.ServicerContext
_LOG: Final = logging.getLogger(__name__)
_KINDS: Final = {
    ("add", False): provider_pb2.PropertyDiff.ADD,
    ("add", True): provider_pb2.PropertyDiff.ADD_REPLACE,
    ("delete", False): provider_pb2.PropertyDiff.DELETE,
    ("delete", True): provider_pb2.PropertyDiff.DELETE_REPLACE,
    ("update", False): provider_pb2.PropertyDiff.UPDATE,
    ("update", True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
}


class ProviderServicer(provider_pb2_grpc.ResourceProviderServicer):
    """One provider, as the engine sees it."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._settings: dict[str, Any] = {}

    # Handshake

    def Handshake(
        self, request: provider_pb2.ProviderHandshakeRequest, context: Context
    ) -> provider_pb2.ProviderHandshakeResponse:
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def Attach(self, request: plugin_pb2.PluginAttach, context: Context) -> empty_pb2.Empty:
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: empty_pb2.Empty, context: Context) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=self._provider.version)

    def Cancel(self, request: empty_pb2.Empty, context: Context) -> empty_pb2.Empty:
        return empty_pb2.Empty()

    # Configuration

    def CheckConfig(self, request: provider_pb2.CheckRequest, context: Context) -> provider_pb2.CheckResponse:
        given = decode(request.news)
        checked = self._provider.check_config(given.values)
        return _check_response(checked.inputs, given.secrets | checked.secrets, checked.failures)

    def DiffConfig(self, request: provider_pb2.DiffRequest, context: Context) -> provider_pb2.DiffResponse:
        before, after = decode(request.old_inputs).values, decode(request.news).values
        return _diff_response(self._provider.diff_config(before, after))

    def Configure(self, request: provider_pb2.ConfigureRequest, context: Context) -> provider_pb2.ConfigureResponse:
        try:
            self._settings[context.peer()] = self._provider.configure(decode(request.args).values)
        except CloudError as error:
            _refuse(context, error)
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def _configured(self, context: Context) -> Any:
        peer = context.peer()
        if peer not in self._settings:
            context.abort(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"the cloud's {self._provider.name} provider was restarted during the run; run again",
            )
        return self._settings[peer]

    # Resources

    def Check(self, request: provider_pb2.CheckRequest, context: Context) -> provider_pb2.CheckResponse:
        given = decode(request.news)
        resource = Named(_type(request.urn), _name(request.urn), request.urn, request.randomSeed)
        try:
            checked = self._provider.check(
                self._configured(context), resource, decode(request.olds).values, given.values
            )
        except CloudError as error:
            _refuse(context, error)
        return _check_response(checked.inputs, given.secrets | checked.secrets, checked.failures)

    def Diff(self, request: provider_pb2.DiffRequest, context: Context) -> provider_pb2.DiffResponse:
        given = decode(request.news).values
        try:
            difference = self._provider.diff(
                self._configured(context),
                _named(request.urn),
                request.id,
                decode(request.olds).values,
                decode(request.old_inputs).values,
                given,
            )
        except CloudError as error:
            _refuse(context, error)
        ignored = set(request.ignoreChanges)
        kept = [change for change in difference.changes if not _is_ignored(change.path, ignored)]
        return _diff_response(replace(difference, changes=kept))

    def Create(self, request: provider_pb2.CreateRequest, context: Context) -> provider_pb2.CreateResponse:
        given = decode(request.properties)
        with _told(context, given):
            state = self._provider.create(
                self._configured(context),
                _named(request.urn),
                given.values,
                preview=request.preview,
                timeout=request.timeout,
            )
        return provider_pb2.CreateResponse(id=state.id, properties=_outputs(state, given.secrets))

    def Read(self, request: provider_pb2.ReadRequest, context: Context) -> provider_pb2.ReadResponse:
        inputs, prior = decode(request.inputs), decode(request.properties)
        with _told(context, inputs):
            state = self._provider.read(
                self._configured(context), _named(request.urn), request.id, inputs.values, prior.values
            )
        if state is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(
            id=state.id,
            properties=_outputs(state, inputs.secrets | prior.secrets),
            inputs=encode(state.inputs, inputs.secrets),
        )

    def Update(self, request: provider_pb2.UpdateRequest, context: Context) -> provider_pb2.UpdateResponse:
        given, olds = decode(request.news), decode(request.olds)
        prior = State(request.id, olds.values, decode(request.old_inputs).values, olds.secrets)
        with _told(context, given):
            state = self._provider.update(
                self._configured(context),
                _named(request.urn),
                prior,
                given.values,
                preview=request.preview,
                timeout=request.timeout,
            )
        return provider_pb2.UpdateResponse(properties=_outputs(state, given.secrets))

    def Delete(self, request: provider_pb2.DeleteRequest, context: Context) -> empty_pb2.Empty:
        prior = State(request.id, decode(request.properties).values, decode(request.old_inputs).values)
        try:
            self._provider.delete(self._configured(context), _named(request.urn), prior, timeout=request.timeout)
        except CloudError as error:
            _refuse(context, error)
        return empty_pb2.Empty()

    def Invoke(self, request: provider_pb2.InvokeRequest, context: Context) -> provider_pb2.InvokeResponse:
        try:
            result = self._provider.invoke(self._configured(context), request.tok, decode(request.args).values)
        except CloudError as error:
            _refuse(context, error)
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(encode(result))  # a keyword of Python
        return response


def _named(urn: str) -> Named:
    return Named(_type(urn), _name(urn), urn)


def _type(urn: str) -> str:
    """The resource's type; the part before `$` is its parents'."""
    return urn.split("::")[2].rsplit("$", 1)[-1]


def _name(urn: str) -> str:
    return urn.split("::", 3)[3]


def _outputs(state: State, given: Iterable[Path]) -> Any:
    """Secret inputs become secret outputs."""
    return encode(state.outputs, {*state.secrets, *given})


def _is_ignored(path: Path, ignored: set[str]) -> bool:
    return any(path_text(path[:length]) in ignored for length in range(1, len(path) + 1))


def _check_response(
    inputs: Props, secrets: Iterable[Path], failures: Iterable[CheckFailure]
) -> provider_pb2.CheckResponse:
    return provider_pb2.CheckResponse(
        inputs=encode(inputs, secrets),
        failures=[provider_pb2.CheckFailure(property=one.property, reason=one.reason) for one in failures],
    )


def _diff_response(difference: Difference) -> provider_pb2.DiffResponse:
    changes = difference.changes
    names = sorted({str(change.path[0]) for change in changes})
    bare = "_" if difference.bridged else "_-"
    return provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if changes else provider_pb2.DiffResponse.DIFF_NONE,
        diffs=names,
        replaces=sorted(
            {path_text(change.path[:1] if difference.bridged else change.path) for change in changes if change.replace}
        ),
        detailedDiff={
            path_text(change.path, bare): _property_diff(change) for change in changes if difference.detailed
        },
        hasDetailedDiff=difference.detailed,
        deleteBeforeReplace=difference.delete_before_replace,
    )


def _property_diff(change: Change) -> provider_pb2.PropertyDiff:
    return provider_pb2.PropertyDiff(kind=_KINDS[change.kind, change.replace], inputDiff=change.input_diff)


def _refuse(context: Context, error: CloudError) -> NoReturn:
    """The Go plugins report refusals without a gRPC code, which arrives as UNKNOWN."""
    context.abort(grpc.StatusCode.UNKNOWN, str(error))
    raise AssertionError("abort does not return")


@contextmanager
def _told(context: Context, given: Decoded) -> Iterator[None]:
    """Wraps an operation: reports refusals and objects that did not become ready as the engine expects."""
    try:
        yield
    except InitFailed as failure:
        _init_failed(context, failure, given)
    except CloudError as error:
        _refuse(context, error)


def _init_failed(context: Context, failure: InitFailed, given: Decoded) -> NoReturn:
    """The object exists but is not ready: it is part of the error, so that the engine keeps it in the state."""
    detail = any_pb2.Any()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=failure.id,
            properties=encode(failure.outputs, given.secrets),
            reasons=[failure.message, *failure.reasons],
            inputs=encode(failure.inputs, given.secrets),
        )
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=failure.message, details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, failure.message)
    raise AssertionError("abort does not return")
