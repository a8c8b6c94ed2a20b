"""What must not change without being meant: state names, inputs and published outputs of the stacks in this repository.

    python -m tests.unit.state_goldens            writes all of them anew
    python -m tests.unit.state_goldens NAME...    these only

A name in the state that changes is an address that is released and made again; an output that changes is a text that
vendors and customers read. When you write a file anew, read the difference and say in the commit what it means.
"""

from __future__ import annotations

import base64
import hashlib
import json
import pickle
import sys
from collections.abc import Mapping
from typing import Any

from tests.stacks import ROOT, stack_config
from tests.unit.cloud import LIVE_ADDRESSES, Cloud
from tests.unit.everything import ADDRESSES, BEFORE, everything
from tests.unit.recording import HIDDEN, Declared, Edge, declare
from tests.unit.test_global_stack import EAST_ADDRESSES, declare_global

FOLDER = ROOT / "tests" / "unit" / "state_golden"
SHIPPED = ("prod", "prod-us-east1", "sandbox", "global")
EVERYTHING = "everything"
STACKS = (*SHIPPED, EVERYTHING)
PROVIDER = "__provider"
FILE = "gcp:storage/bucketObject:BucketObject"


def stood_up(stack: str) -> Edge:
    """The whole program with the settings of `Pulumi.<stack>.yaml`, on a cloud that is there but for this stack; or
    with all that no stack of this repository has (tests.unit.everything)."""
    if stack == "global":
        return declare_global()
    if stack == EVERYTHING:
        return declare(everything(), before=BEFORE, cloud=Cloud("warp-sandbox", ADDRESSES))
    config = stack_config(stack)
    return declare(config, cloud=Cloud(str(config["gcp:project"]), LIVE_ADDRESSES | EAST_ADDRESSES))


def of(edge: Edge) -> dict[str, Any]:
    """Everything of a run that the state or the outside has. URNs hold type, logical name and the types of parents."""
    return {
        "resources": {each.urn: _resource(each) for each in edge.resources},
        "components": edge.registered,
        "outputs": edge.clear_outputs,
    }


def written(kept: Mapping[str, Any]) -> str:
    """As it stands in the file: keys sorted, since the wire has them in no order."""
    return json.dumps(kept, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _resource(each: Declared) -> dict[str, Any]:
    inputs = dict(each.clear)
    if PROVIDER in inputs:
        inputs[PROVIDER] = class_of_provider(inputs[PROVIDER])
    if each.type == FILE:  # its text is a secret of the SDK's, and yet what everybody reads
        inputs["content"] = [HIDDEN, hashlib.sha256(each.inputs["content"].encode()).hexdigest()]
    return {
        "parent": each.parent,
        "custom": each.custom,
        "protect": each.protect,
        "provider": each.provider.rpartition("::")[0],
        "ignoreChanges": each.ignore_changes,
        "inputs": inputs,
        **{option: value for option, value in _options(each).items() if value},
    }


def _options(each: Declared) -> dict[str, Any]:
    """Those that few resources have: written where they are."""
    return {
        "additionalSecretOutputs": each.secret_outputs,
        "aliases": each.aliases,
        "deleteBeforeReplace": each.delete_before_replace,
        "dependencies": sorted(each.dependencies),
        "errorHooks": each.error_hooks,
    }


def class_of_provider(pickled: str) -> str:
    """Module and class that the engine keeps of a dynamic provider, as `module:Class`."""
    provider = pickle.loads(base64.b64decode(pickled))
    return f"{type(provider).__module__}:{type(provider).__qualname__}"


def main(names: list[str]) -> None:
    """Write the files of these stacks, or of all."""
    FOLDER.mkdir(exist_ok=True)
    for stack in names or STACKS:
        (FOLDER / f"{stack}.json").write_text(written(of(stood_up(stack))), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
