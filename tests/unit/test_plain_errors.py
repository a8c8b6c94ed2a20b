"""How the engine learns of a refusal by one of our dynamic providers, by the SDK's own decorator of their methods."""

from __future__ import annotations

import ast
import importlib.util
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from components import plain_errors
from components.plain_errors import report_plainly
from refusal import Refusal


class Context:
    """Of a call over gRPC: keeps what it is ended with."""

    details = ""

    def abort(self, _code: grpc.StatusCode, details: str) -> None:
        self.details = details


def decorator() -> Callable[..., Any]:
    """`_abort_with_traceback` of pulumi/dynamic/__main__.py, out of its source: an import starts a server."""
    spec = importlib.util.find_spec("pulumi.dynamic.__main__")
    assert spec
    assert spec.origin
    tree = ast.parse(Path(spec.origin).read_text())
    found = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == "_abort_with_traceback"]
    names: dict[str, Any] = {"grpc": grpc, "traceback": traceback}
    exec(compile(ast.Module(body=list(found), type_ignores=[]), spec.origin, "exec"), names)
    return names["_abort_with_traceback"]  # type: ignore[no-any-return]


# As Python has it: tests of a provider, which calls `report_plainly`, may have run in this process before.
FORMAT_EXC = vars(plain_errors)["_with_traceback"]


@pytest.fixture(autouse=True)
def as_python_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traceback, "format_exc", FORMAT_EXC)


def reported(error: Exception) -> str:
    """What the engine gets when a provider's method raises this."""

    def method(_self: object, _request: object, _context: object) -> None:
        raise error

    context = Context()
    decorator()(method)(None, None, context)
    return context.details


def test_a_refusal_arrives_as_it_is_written() -> None:
    report_plainly()
    assert reported(Refusal("the range is taken", "choose another")) == "the range is taken\n  -> choose another"


def test_an_unexpected_error_keeps_its_traceback() -> None:
    report_plainly()
    assert reported(KeyError("trunks")).startswith("Traceback (most recent call last):")


def test_without_it_the_sdk_adds_a_traceback_and_this_module_can_go_when_it_no_longer_does() -> None:
    assert reported(Refusal("wrong", "remedy")).startswith("Traceback (most recent call last):")
