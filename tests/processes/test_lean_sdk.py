"""Loading only the resources that are used: less work, the same classes, and never a wrong answer."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.stacks import ROOT


def in_a_fresh_python(code: str, *folders: Path) -> list[str]:
    """Lines that `code` prints where nothing has been imported yet."""
    path = os.pathsep.join(str(folder) for folder in (ROOT, *folders))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_program_loads_a_handful_of_resources_and_not_all_of_them() -> None:
    """`pulumi_gcp.compute` has about 280 modules, Kubernetes' core group about 50."""
    counts = in_a_fresh_python(
        """
        import sys
        import outputs, components.cluster, components.inventory_site
        from pulumi_gcp import container
        container.get_cluster_output
        packages = [f"pulumi_gcp.{name}." for name in ("compute", "container", "storage")]
        for package in (*packages, "pulumi_kubernetes.core.v1."):
            print(sum(name.startswith(package) for name in sys.modules))
        """
    )
    compute, container, storage, core = map(int, counts)
    assert 3 <= storage <= 6
    assert 3 <= compute <= 8
    assert 1 <= container <= 3
    assert 1 <= core <= 5


def test_the_classes_are_those_of_the_plain_import() -> None:
    same = in_a_fresh_python(
        """
        import sys
        import components.egress, components.ingress
        from pulumi_gcp.compute import Address, AddressArgs, GlobalAddress, Router, RouterNat, RouterNatLogConfigArgs
        from pulumi_kubernetes.core.v1 import Service, ServicePortArgs, ServiceSpecArgs
        lean = {"pulumi_gcp.compute": (Address, AddressArgs, GlobalAddress, Router, RouterNat, RouterNatLogConfigArgs),
                "pulumi_kubernetes.core.v1": (Service, ServicePortArgs, ServiceSpecArgs)}
        for package, classes in lean.items():
            module = sys.modules[package]
            hasattr(module, 'nonsense')  # asking for what is not there ends in the plain import
            plain = vars(module)
            print(all(plain[each.__name__] is each for each in classes), len(plain) > 300)
        """
    )
    assert same == ["True True", "True True"]


def test_a_name_that_the_sdk_does_not_have_is_missing_as_usual() -> None:
    told = in_a_fresh_python(
        """
        import components.egress
        import pulumi_gcp.container
        try:
            from pulumi_gcp.container import Nonsense
        except ImportError as error:
            print(type(error).__name__, str(error).split("(")[0])
        try:
            pulumi_gcp.container.nonsense
        except AttributeError as error:
            print(type(error).__name__, error)
        """
    )
    assert told == [
        "ImportError cannot import name 'Nonsense' from 'pulumi_gcp.container' ",
        "AttributeError module 'pulumi_gcp.container' has no attribute 'nonsense'",
    ]


@pytest.fixture
def sdk(tmp_path: Path) -> Path:
    """A package as the code generators lay it out, and with one class where nobody would look for it."""
    package = tmp_path / "sdk" / "group"
    package.mkdir(parents=True)
    (tmp_path / "sdk" / "__init__.py").write_text("")
    (package / "__init__.py").write_text(
        "print('whole package')\n"
        "from .big_thing import *\nfrom .Widget import *\nfrom .look_up import *\n"
        "from ._inputs import *\nfrom .attic import Hidden\nfrom . import outputs\n"
    )
    (package / "big_thing.py").write_text("from . import outputs\nclass BigThing: ...\nclass BigThingArgs: ...\n")
    (package / "Widget.py").write_text("class Widget: ...\n")
    (package / "WidgetList.py").write_text("from .Widget import Widget as each\nclass WidgetList: ...\n")
    (package / "look_up.py").write_text("def look_up(): ...\ndef look_up_output(): ...\n")
    (package / "outputs.py").write_text("from . import outputs\nclass BigThingPart: ...\n")
    (package / "_inputs.py").write_text("class PartArgs: ...\n")
    (package / "attic.py").write_text("class Hidden: ...\n")
    return tmp_path


# From its file: the package around it would load the real SDKs.
LEAN = "import runpy\nload_on_demand = runpy.run_path('components/lean_sdk.py')['load_on_demand']\n"
PREPARE = LEAN + "load_on_demand('sdk.group')\n"


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("BigThing", "sdk.group.big_thing"),
        ("BigThingArgs", "sdk.group.big_thing"),
        ("PartArgs", "sdk.group._inputs"),
        ("Widget", "sdk.group.Widget"),
        ("look_up", "sdk.group.look_up"),
        ("look_up_output", "sdk.group.look_up"),
    ],
)
def test_each_name_comes_from_its_own_module(sdk: Path, name: str, module: str) -> None:
    code = PREPARE + f"from sdk.group import {name}\nprint({name}.__module__)"
    assert in_a_fresh_python(code, sdk) == [module], "the whole package must not run"


def test_a_class_is_never_mistaken_for_the_module_of_the_same_name(sdk: Path) -> None:
    code = PREPARE + "from sdk.group import WidgetList\nimport sdk.group.look_up\n"
    code += "from sdk.group import Widget, look_up, outputs\n"
    code += "print(type(Widget).__name__, type(look_up).__name__, type(outputs).__name__)"
    assert in_a_fresh_python(code, sdk) == ["type function module"]


def test_a_changed_layout_falls_back_to_the_plain_import(sdk: Path) -> None:
    code = PREPARE + "from sdk.group import BigThing, Hidden\nimport sdk.group\n"
    code += "print(Hidden.__module__, sdk.group.BigThing is BigThing)"
    assert in_a_fresh_python(code, sdk) == ["whole package", "sdk.group.attic True"]


def test_a_package_that_has_run_already_stays_as_it_is(sdk: Path) -> None:
    code = "import sdk.group\nbefore = sdk.group\n" + PREPARE + "import sdk.group\nprint(sdk.group is before)"
    assert in_a_fresh_python(code, sdk) == ["whole package", "True"]


def test_a_package_that_does_not_exist_is_nobodys_problem_until_it_is_used(sdk: Path) -> None:
    code = LEAN + "load_on_demand('sdk.gone', 'gone.altogether')\n"
    code += "try:\n    import sdk.gone\nexcept ModuleNotFoundError as error:\n    print(error)"
    assert in_a_fresh_python(code, sdk) == ["No module named 'sdk.gone'"]
