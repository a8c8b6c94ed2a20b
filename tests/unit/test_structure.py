"""What stands in one place of the program only."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from refusal import Refusal

ROOT = Path(__file__).resolve().parents[2]
APART = {"tests", "sandbox", "tools", "build"}  # the sandbox judges: it writes its own
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
    assert {file for file, _ in written} == {"engine/tokens.py"}
    assert len(written) == len(set(written)) > 20


def test_a_remedy_is_rendered_in_one_place_and_never_split_off_again() -> None:
    written = [(str(file.relative_to(ROOT)), text) for file in product() for _, text in texts(file)]
    assert [found for found in written if re.search(r"\n +-> ", found[1])] == []
    assert str(Refusal("no such zone", "correct it")) == "no such zone\n  -> correct it"
