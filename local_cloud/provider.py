"""A provider's answers to the engine, in plain Python; `servicer.py` encodes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from local_cloud.errors import CheckFailure
from local_cloud.planning import Change
from local_cloud.values import Path, Props


@dataclass(frozen=True)
class Named:
    """Which resource of the program a call is about."""

    type: str
    name: str
    urn: str = ""
    seed: bytes = b""


@dataclass(frozen=True)
class Checked:
    """Inputs for the engine to keep, or what is wrong with them; `secrets`: further places to mark as secret."""

    inputs: Props
    failures: Sequence[CheckFailure] = ()
    secrets: frozenset[Path] = frozenset()


@dataclass(frozen=True)
class Difference:
    """What an update would change."""

    changes: Sequence[Change] = ()
    delete_before_replace: bool = False
    detailed: bool = True
    """Whether the plugin reports paths, or only top-level properties."""
    bridged: bool = False
    """As the Terraform bridge does: replacements name top-level properties, and a key with a hyphen is quoted."""


@dataclass(frozen=True)
class State:
    """A resource's current state; `secrets`: the places to be marked as secret."""

    id: str
    outputs: Props
    inputs: Props = field(default_factory=dict)
    secrets: frozenset[Path] = frozenset()


class Provider(Protocol):
    """One provider. `settings`: what its `configure` returned for the calling engine."""

    name: str
    version: str

    def check_config(self, given: Props) -> Checked: ...

    def diff_config(self, before: Props, after: Props) -> Difference: ...

    def configure(self, given: Props) -> Any: ...

    def check(self, settings: Any, resource: Named, prior: Props, given: Props) -> Checked: ...

    def diff(
        self, settings: Any, resource: Named, id_: str, state: Props, inputs: Props, given: Props
    ) -> Difference: ...

    def create(self, settings: Any, resource: Named, given: Props, *, preview: bool, timeout: float) -> State: ...

    def read(self, settings: Any, resource: Named, id_: str, inputs: Props, state: Props) -> State | None: ...

    def update(
        self, settings: Any, resource: Named, prior: State, given: Props, *, preview: bool, timeout: float
    ) -> State: ...

    def delete(self, settings: Any, resource: Named, prior: State, *, timeout: float) -> None: ...

    def invoke(self, settings: Any, token: str, arguments: Props) -> Props: ...
