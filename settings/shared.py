"""Settings that several stacks share: a file of the same form as a stack's own, with lower precedence.

Mappings are merged key by key; for all else the stack's own value wins. The models see one merged document.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from settings.plain_yaml import YamlError, compose, plain
from settings.problems import PROJECT, Problem, SettingsError, show, show_key
from settings.secret_texts import SECRETS

FORM = "write it as a stack's own file: `config:` and below it keys that begin with `warp-edge:`"
DEEPEST = 12
NAME = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_./-]{0,99}")
LARGEST = 1_000_000  # bytes
# The engine passes defaults of Pulumi.yaml on as the stack's own, and a stack's identity cannot be shared.
EACH_ITS_OWN = ("role", "shared", "region", "protect", "noticeDays", "regions", *SECRETS)


def read(name: str, folder: Path) -> dict[str, Any]:
    """Field to value, from the file `name` in `folder`. Raises `SettingsError` with every problem of its form."""
    file = _inside(name, folder)
    try:
        if file.stat().st_size > LARGEST:
            raise _unusable(name, "too large for settings", f"keep it below {LARGEST} bytes")
        root = compose(file.read_text(encoding="utf-8"), deepest=DEEPEST, what="settings")
        document = plain(root, decimals=True) if root else {}
        from_json(json.dumps(document))
    except OSError as error:
        raise _unusable(name, f"cannot be read: {error.strerror}", "name a file in the program's folder") from None
    except YamlError as error:
        raise _unusable(f"{name}:{error.line}", str(error), "correct the file") from None
    except (UnicodeDecodeError, ValueError):
        raise _unusable(name, "not plain text in UTF-8", "correct the file") from None
    if not isinstance(document, dict) or set(document) != {"config"} or not isinstance(document["config"], dict):
        raise _unusable(name, "not a settings file", FORM)
    if problems := list(_unshareable(document["config"], name)):
        raise SettingsError(problems)
    return {key.removeprefix(f"{PROJECT}:"): value for key, value in document["config"].items()}


def _inside(name: str, folder: Path) -> Path:
    """Refuse a file outside the program's folder, also through a symbolic link."""
    if not NAME.fullmatch(name):
        raise _unusable(name, "not the path of a file in the program's folder", "write it as shared/prod.yaml")
    root = folder.resolve()
    try:
        file = (root / name).resolve()
    except (OSError, RuntimeError):
        raise _unusable(name, "there is no such file", "write it as shared/prod.yaml") from None
    if not file.is_relative_to(root):
        raise _unusable(name, "outside the program's folder", "name a file below it, as shared/prod.yaml")
    return file


def _unusable(name: str, wrong: str, remedy: str) -> SettingsError:
    return SettingsError([Problem(f"{PROJECT}:shared", show(name), wrong, remedy)])


def _unshareable(config: Mapping[str, Any], name: str) -> Iterator[Problem]:
    for key, value in config.items():
        namespace, _, field = key.partition(":")
        if namespace != PROJECT or not field:
            yield Problem(
                f"{PROJECT}:shared",
                show(key),
                "not a setting of this program: engine and plugins read only a stack's own file",
                "write it in every stack's own file",
                name,
            )
        elif field in EACH_ITS_OWN:
            yield Problem(
                f"{PROJECT}:{field}", "(not shown)", "cannot be shared", "write it in every stack's own file", name
            )
        elif secret := next(_secrets(value, f"{PROJECT}:{show_key(field)}"), None):
            yield Problem(
                secret,
                "(not shown)",
                "a secret in a shared file: it is encrypted for one stack, and no stack can read it there",
                "set it in the stack with `pulumi config set --secret`",
                name,
            )


def _secrets(value: Any, key: str) -> Iterator[str]:
    """Keys of encrypted values, which the engine writes as `{secure: TEXT}`."""
    if isinstance(value, dict):
        if set(value) == {"secure"}:
            yield key
        for name, inner in value.items():
            yield from _secrets(inner, f"{key}.{show_key(name)}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _secrets(inner, f"{key}[{index}]")


def merged(shared: Any, own: Any) -> Any:
    """The stack's own settings over the shared ones."""
    if not isinstance(shared, Mapping) or not isinstance(own, Mapping):
        return own
    both = {key: merged(shared[key], own[key]) for key in shared if key in own}
    return {**shared, **own, **both}


def stands_in(document: Any, steps: Sequence[str | int]) -> bool:
    """Whether a document has a value at this path."""
    for step in steps:
        inside = range(len(document)) if isinstance(document, list) else document
        if not isinstance(inside, Mapping | range) or step not in inside:
            return False
        document = document[step]
    return True
