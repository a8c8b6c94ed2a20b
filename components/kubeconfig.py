"""Contexts of the caller's kubeconfig, in the places that the plugin reads.

For the plugin a missing context is a cluster that cannot be reached: a first preview succeeds with a warning, and the
update fails at the first Service, after the gateway.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from engine.refusal import RefusedError


def refuse_unknown_context(context: str, environment: Mapping[str, str]) -> None:
    """Raises `RefusedError` if no kubeconfig of `environment` has the context. An unreadable one is left to the plugin,
    which reports the reason."""
    import yaml  # noqa: PLC0415 - clusters that are looked up at GKE need no kubeconfig

    try:
        found = list(_texts(environment))
        names = [name for _, text in found for name in _contexts(yaml.safe_load(text))]
    except (OSError, yaml.YAMLError, TypeError, KeyError, AttributeError, RecursionError):
        return
    if context not in names:
        where = " or ".join(place for place, _ in found) or "this machine, which has no kubeconfig"
        raise RefusedError(
            f"there is no context {context} in {where}",
            "correct warp-edge:cluster.context (`kubectl config get-contexts` lists them),"
            " or set KUBECONFIG to the file that has it",
        )


def _texts(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Path and content. KUBECONFIG is a list of files, some of which may be missing (client-go, `loader.go`); for the
    plugin it may also be the content itself."""
    given = environment.get("KUBECONFIG") or ""
    if "\n" in given or given.lstrip().startswith("{"):
        yield "KUBECONFIG", given
        return
    files = [each for each in given.split(os.pathsep) if each] or [str(Path("~/.kube/config"))]
    for each in files:
        file = Path(each).expanduser()
        if file.is_file():
            yield each, file.read_text(encoding="utf-8", errors="replace")


def _contexts(kubeconfig: object) -> list[str]:
    if not isinstance(kubeconfig, dict):
        return []
    return [str(each["name"]) for each in kubeconfig.get("contexts") or ()]
