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
    if type(sys.modules.get(package)) not in (ModuleType, _Package):
        sys.modules[package] = _Package(package)
    return getattr(importlib.import_module(module), name)


class _Package(ModuleType):
    """A package whose `__init__` has not run. Other packages ask it for nested types by name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        parent = importlib.import_module(name.rpartition(".")[0])
        spec = PathFinder.find_spec(name, parent.__path__)
        assert spec is not None
        self.__path__ = list(spec.submodule_search_locations or ())

    def __getattr__(self, name: str) -> Any:
        if not name.endswith("Args"):
            raise AttributeError(name)
        return getattr(importlib.import_module(f"{self.__name__}._inputs"), name)
