"""What stands in one place of the program only, and that the lint of imports (pyproject.toml) leaves nothing out."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from refusal import Refusal

ROOT = Path(__file__).resolve().parents[2]
APART = {"tests", "local_cloud", "sandbox", "tools", "build"}  # the cloud judges: it writes its own
TOKEN = re.compile(r"(gcp|kubernetes|random|pulumi|pulumi-python|warp):[\w/.]+:[A-Z]\w+\$?")


def texts(file: Path) -> Iterator[tuple[int, str]]:
    """Every string that the code uses, with its line; docstrings are none."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def product() -> list[Path]:
    folders = [each for each in ROOT.iterdir() if each.is_dir() and not each.name.startswith(".")]
    inside = (file for folder in folders if folder.name not in APART for file in folder.rglob("*.py"))
    return sorted([*ROOT.glob("*.py"), *inside])


def test_a_resource_type_is_written_in_one_place() -> None:
    written = [
        (str(file.relative_to(ROOT)), text) for file in product() for _, text in texts(file) if TOKEN.fullmatch(text)
    ]
    assert {file for file, _ in written} == {"engine/tokens.py", "engine/dns_hosts.py"}
    assert len(written) == len({text for _, text in written}) > 20


def test_a_remedy_is_rendered_in_one_place_and_never_split_off_again() -> None:
    written = [(str(file.relative_to(ROOT)), text) for file in product() for _, text in texts(file)]
    assert [found for found in written if re.search(r"\n +-> ", found[1])] == []
    assert str(Refusal("no such zone", "correct it")) == "no such zone\n  -> correct it"


LINTED = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
PACKAGES = {file.parent.name for file in ROOT.glob("*/__init__.py")}
# Beside the packages: what all of them may import, and the program, which none of them may.
COMMON = {"command_line", "refusal", "secret_text", "trunk_removal", "trunk_text"}
PROGRAM = {"__main__", "global_stack", "optional", "outputs", "publishing"}


def contract(name: str) -> dict[str, list[str]]:
    return next(each for each in LINTED["contracts"] if each["id"] == name)


def imported(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = {each.module for each in ast.walk(tree) if isinstance(each, ast.ImportFrom) and each.module}
    names |= {alias.name for each in ast.walk(tree) if isinstance(each, ast.Import) for alias in each.names}
    return {name.partition(".")[0] for name in names}


def test_every_package_is_linted_and_has_its_layer() -> None:
    layers = {name.strip() for layer in contract("layers")["layers"] for name in layer.split("|")}
    assert set(LINTED["root_packages"]) == layers == set(contract("circles")["ancestors"]) == PACKAGES
    assert set(contract("programs")["source_modules"]) == PACKAGES - {"tests", "benchmarks", "sandbox", "local_cloud"}
    assert set(contract("programs")["forbidden_modules"]) == PROGRAM | {"tools"}


def test_a_module_beside_the_packages_imports_none_of_them_or_is_the_program() -> None:
    assert {file.stem for file in ROOT.glob("*.py")} == COMMON | PROGRAM
    for name in COMMON:
        assert imported(ROOT / f"{name}.py") & (PACKAGES | COMMON | PROGRAM) == set(), name


def test_the_local_cloud_is_closed_to_everything_of_this_product() -> None:
    assert contract("cloud")["source_modules"] == ["local_cloud"]
    everything = (PACKAGES | COMMON) - {"local_cloud", "tests", "benchmarks"}
    assert set(contract("cloud")["forbidden_modules"]) == everything
