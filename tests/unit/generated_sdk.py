"""The providers' generated Python classes, one by one: a whole package takes seconds to import."""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any


def generated(module: str, name: str) -> Any:
    """A class of a module of theirs, such as `pulumi_gcp.compute.address`."""
    package = module.rpartition(".")[0]
    # A package that has run is an ordinary module; the SDK's own lazy ones are not.
    if type(sys.modules.get(package)) is not ModuleType:
        parent = importlib.import_module(package.rpartition(".")[0])
        spec = PathFinder.find_spec(package, parent.__path__)
        assert spec is not None
        bare = ModuleType(package)
        bare.__path__ = list(spec.submodule_search_locations or ())
        # Nested types of other packages are asked for by name.
        vars(bare)["__getattr__"] = lambda nested: getattr(importlib.import_module(f"{package}._inputs"), nested)
        sys.modules[package] = bare
    return getattr(importlib.import_module(module), name)
