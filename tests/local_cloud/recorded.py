"""The real plugins' recorded answers (tests/conformance), compared with the local cloud's providers.

A recording is a file of JSON lines: the plugin, then resource types as an `up` left them in the state, each followed by
questions: one leaf of the inputs changed or left out, and what Check and Diff of the real plugin said to that. Answers
that stay different stand in `PLUGIN-exceptions.yaml` beside the recordings, each with its reason.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import yaml
from pulumi.runtime.proto import provider_pb2

from tests.local_cloud.plugin import Plugin, wire

CONFORMANCE = Path(__file__).parents[1] / "conformance"
Props = dict[str, Any]
Key = tuple[str, str, str, str]
"""Identifies a question: file, type, path, how."""


@dataclass(frozen=True)
class Answer:
    """A plugin's answer to new inputs: refused by Check, an error of Diff, or a plan."""

    outcome: str
    """refused, error, DIFF_NONE or DIFF_SOME."""
    detail: frozenset[tuple[str, str]] = frozenset()
    """Property path and kind of change, as recorded: UPDATE_REPLACE; DELETE(input) where the plugin sets inputDiff."""
    replaces: frozenset[str] = frozenset()
    delete_before_replace: bool = False

    def __str__(self) -> str:
        """In one line, as an exception quotes it."""
        detail = ", ".join(f"{path} {kind}" for path, kind in sorted(self.detail))
        # Replacements show in the kinds; they are only listed where the two disagree.
        shown = {path for path, kind in self.detail if "REPLACE" in kind}
        replaces = f"; replaces {', '.join(sorted(self.replaces))}" if self.replaces != shown else ""
        return f"{self.outcome} {detail}".strip() + replaces + ("; deletes first" if self.delete_before_replace else "")


@dataclass(frozen=True)
class Question:
    """One leaf of a resource's inputs changed or omitted, with the recorded answer."""

    key: Key
    id: str
    inputs: Props
    outputs: Props
    news: Props
    recorded: Answer


def questions(file: str) -> Iterator[Question]:
    """Every question of a recording."""
    resource: Props = {}
    for line in (CONFORMANCE / file).read_text().splitlines():
        row = json.loads(line)
        if "plugin" in row:
            continue
        if "inputs" in row:
            resource = row
            continue
        assert row["type"] == resource["type"]
        key = (file, row["type"], row["path"], row["how"])
        yield Question(key, resource["id"], resource["inputs"], resource["outputs"], _news(resource, row), _answer(row))


def _news(resource: Props, row: Props) -> Props:
    """The inputs with the leaf in question changed or omitted."""
    news: Props = copy.deepcopy(resource["inputs"])
    parent, name = _leaf(news, row["path"])
    assert parent[name] == row["from"], f"{row['path']} is {parent[name]!r}, the question says {row['from']!r}"
    if row["how"] == "drop":
        del parent[name]
    else:
        parent[name] = row["to"]
    return news


def _leaf(node: Any, path: str) -> tuple[Any, Any]:
    """Resolves a recorded path. Keys may contain dots: the longest existing key is used."""
    if path.startswith("["):
        index, _, rest = path[1:].partition("]")
        name: Any = int(index)
    else:
        fitting = [key for key in node if path == key or path.startswith((f"{key}.", f"{key}["))]
        name = max(fitting, key=len)
        rest = path[len(name) :]
    rest = rest.removeprefix(".")
    return _leaf(node[name], rest) if rest else (node, name)


def _answer(row: Props) -> Answer:
    if "refused" in row:
        return Answer("refused")
    if "error" in row:
        return Answer("error")
    detail = frozenset(row["detailedDiff"].items())
    return Answer(row["changes"], detail, frozenset(row["replaces"]), row["deleteBeforeReplace"])


def ask(plugin: Plugin, question: Question) -> Answer:
    """The local cloud's answer: Check as the engine calls it, then Diff with the checked inputs."""
    urn = plugin.urn(question.key[1], "recorded")
    inputs, outputs = wire(question.inputs), wire(question.outputs)
    try:
        checked = plugin.stub.Check(
            provider_pb2.CheckRequest(urn=urn, olds=inputs, news=wire(question.news), randomSeed=b"seed")
        )
    except grpc.RpcError:
        return Answer("refused")
    if checked.failures:
        return Answer("refused")
    try:
        response = plugin.stub.Diff(
            provider_pb2.DiffRequest(id=question.id, urn=urn, olds=outputs, old_inputs=inputs, news=checked.inputs)
        )
    except grpc.RpcError:
        return Answer("error")
    detail = frozenset(
        (path, provider_pb2.PropertyDiff.Kind.Name(one.kind) + ("(input)" if one.inputDiff else ""))
        for path, one in response.detailedDiff.items()
    )
    outcome = provider_pb2.DiffResponse.DiffChanges.Name(response.changes)
    return Answer(outcome, detail, frozenset(response.replaces), response.deleteBeforeReplace)


def differences(plugin: Plugin, file: str) -> dict[Key, tuple[Answer, Answer]]:
    """Where the local cloud's answer differs: the recorded answer and its own."""
    asked = ((question, ask(plugin, question)) for question in questions(file))
    return {one.key: (one.recorded, own) for one, own in asked if own != one.recorded}


def exceptions(plugin: str) -> dict[Key, str]:
    """Answers that differ on purpose, with the local cloud's; each has a reason and a source."""
    path = CONFORMANCE / f"{plugin}-exceptions.yaml"
    rows: list[Props] = (yaml.safe_load(path.read_text()) or []) if path.exists() else []
    for row in rows:
        assert set(row) == {"file", "type", "path", "how", "answer", "reason", "source"}, row
        assert all(row.values()), f"an exception without a word: {row}"
    listed = {(row["file"], row["type"], row["path"], row["how"]): str(row["answer"]) for row in rows}
    assert len(listed) == len(rows), "duplicate exception"
    return listed


def complaints(plugin: Plugin, name: str, file: str) -> list[str]:
    """What is wrong with the local cloud, or with the exceptions of plugin `name`; empty if nothing is."""
    found = differences(plugin, file)
    listed = {key: answer for key, answer in exceptions(name).items() if key[0] == file}
    wrong = [
        f"{' '.join(key[1:])}: recorded {recorded}, the sandbox says {own}"
        + (f", the exception {listed[key]}" if key in listed else "")
        for key, (recorded, own) in found.items()
        if listed.get(key) != str(own)
    ]
    return wrong + [
        f"{' '.join(key[1:])}: an exception, but it no longer differs" for key in listed if key not in found
    ]
