"""Load only the resource classes that are used.

`from pulumi_gcp.compute import Address` normally executes every resource of the package, 9 MB of generated classes and
half of a small preview's time. Here such a package is put into `sys.modules` without running its `__init__`, and each
name comes from its own module when somebody asks for it (`Address` from `.address`, `AddressArgs` from `.address` or
`._inputs`). The import statements stay the usual ones. Where the SDK's layout is not as expected, the package's own
`__init__` runs after all: slower, never wrong.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class OnDemandPackage(ModuleType):
    """A generated package whose names are imported one by one."""

    def __init__(self, spec: ModuleSpec) -> None:
        super().__init__(spec.name)
        self.__spec__ = spec
        self.__file__ = spec.origin
        self.__package__ = spec.name
        self.__path__ = list(spec.submodule_search_locations or ())
        self._initialised = False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        for module in _modules_of(name):
            try:
                found = importlib.import_module(f"{self.__name__}.{module}")
                # `from . import outputs` asks for a module itself.
                value = found if module == name and not hasattr(found, name) else getattr(found, name)
            except (ImportError, AttributeError):
                continue
            setattr(self, name, value)
            return value
        self._run_init()
        return self.__dict__[name] if name in self.__dict__ else _missing(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """The import system stores a submodule under its name, also where the package has a class or function so named:
        `Service` of `.Service`, `get_cluster` of `.get_cluster`. What people import is that, not the module.
        """
        super().__setattr__(name, getattr(value, name, value) if isinstance(value, ModuleType) else value)

    def _run_init(self) -> None:
        """The plain import, into this very module, so that what was loaded before stays the same class."""
        if not self._initialised and self.__spec__ and self.__spec__.loader:
            self._initialised = True
            self.__spec__.loader.exec_module(self)


def load_on_demand(*packages: str) -> None:
    """Make `packages` load their names on demand; those that were already imported or do not exist stay as they are.

    To be called before anybody else takes them: a lazy module of the SDK's own, once replaced here, refuses to work.
    """
    for package in packages:
        if _has_run(sys.modules.get(package)):
            continue
        parent, _, child = package.rpartition(".")
        spec = _spec(package, parent)
        if spec and spec.submodule_search_locations:
            module = OnDemandPackage(spec)
            sys.modules[package] = module
            setattr(sys.modules[parent], child, module)


def _spec(package: str, parent: str) -> ModuleSpec | None:
    """Found from the parent's folders: `sys.modules` may hold the SDK's own lazy module, which must not be woken."""
    try:
        folders = importlib.import_module(parent).__path__
    except (ImportError, AttributeError):
        return None
    return importlib.machinery.PathFinder.find_spec(package, folders)


def _has_run(module: ModuleType | None) -> bool:
    """Whether a package was executed. The SDK's lazy modules are not ordinary modules until they are."""
    return type(module) in (ModuleType, OnDemandPackage)


def _modules_of(name: str) -> list[str]:
    """Where the code generators put a name: `RouterNatLogConfigArgs` in `_inputs`, `RouterNat` in `router_nat`,
    `get_keys_output` in `get_keys`, `BucketIAMMember` in `bucket_iam_member`; Kubernetes' `Service` in `Service`."""
    snake = _WORD_START.sub("_", name).lower()
    if name.endswith("Args"):
        return ["_inputs", snake.removesuffix("_args"), name.removesuffix("Args")]
    return list(dict.fromkeys((snake.removesuffix("_output"), name)))


def _missing(package: ModuleType, name: str) -> Any:
    raise AttributeError(f"module {package.__name__!r} has no attribute {name!r}")
