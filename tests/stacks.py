"""The stacks' YAML as the engine would hand it to the program, for tests that change one thing in it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
Config = dict[str, Any]


def written_config(stack: str) -> Config:
    """Key -> value as written in `Pulumi.<stack>.yaml`."""
    return copy.deepcopy(_config_in(ROOT / f"Pulumi.{stack}.yaml"))


def stack_config(stack: str) -> Config:
    """Key -> value of a stack, with what it shares with others written out: the settings must come to the same."""
    own = written_config(stack)
    if shared := own.pop("warp-edge:shared", None):
        return _below(copy.deepcopy(_config_in(ROOT / shared)), own)
    return own


@cache
def _config_in(file: Path) -> Config:
    return dict(yaml.safe_load(file.read_text())["config"])


def _below(shared: Config, own: Config) -> Config:
    both = {key: value for key, value in own.items() if isinstance(value, dict) and isinstance(shared.get(key), dict)}
    return {**shared, **own, **{key: _below(shared[key], value) for key, value in both.items()}}


def without_site(config: Config) -> Config:
    """Whose files change with every address: what else a change does is seen better without them."""
    return {key: value for key, value in config.items() if key != "warp-edge:inventorySite"}


def without_tls(config: Config) -> Config:
    """And so without a renewer, which has a pod beside the reloader's and cannot be without that."""
    return {key: value for key, value in config.items() if key != "warp-edge:tls"}


def as_engine_gives_it(config: Config) -> dict[str, str]:
    """Every value as text, objects as JSON; the engine sorts their keys, whatever the order in the YAML."""
    return {
        key: value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=_as_go_prints_it)
        for key, value in config.items()
    }


def _as_go_prints_it(day: date) -> str:
    """An unquoted date of the YAML, as engine 3.258 hands it to a program (`pulumi config --json` shows the same)."""
    return f"{day.isoformat()} 00:00:00 +0000 UTC"


def paths(value: Any, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of everything inside `value`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*prefix, key)
            yield from paths(inner, (*prefix, key))


def changed(config: Config, path: tuple[str, ...], value: Any) -> Config:
    """A copy with one value replaced, or added."""
    head, *rest = path
    return {**config, head: changed(config.get(head, {}), tuple(rest), value) if rest else value}
