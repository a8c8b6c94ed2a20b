"""The local cloud's kubernetes provider against the recorded answers of the real plugin."""

from __future__ import annotations

import pytest

from tests.local_cloud.plugin import Plugin
from tests.local_cloud.recorded import complaints, questions

FILES = ("kubernetes-4.32.0.jsonl", "kubernetes-4.32.0-more-types.jsonl")
MUTABLE = "kubernetes-4.32.0-mutable.jsonl"


def test_the_recordings_are_whole() -> None:
    assert [len(list(questions(file))) for file in (*FILES, MUTABLE)] == [168, 136, 168]


@pytest.mark.parametrize("file", FILES)
def test_answers_as_the_plugin_does(kubernetes: Plugin, file: str) -> None:
    found = complaints(kubernetes, "kubernetes", file)
    assert not found, "\n".join(found)


def test_answers_as_the_plugin_does_when_data_may_change_in_place(kubernetes: Plugin) -> None:
    mutable = kubernetes.another(enableConfigMapMutable="true", enableSecretMutable="true")
    found = complaints(mutable, "kubernetes", MUTABLE)
    assert not found, "\n".join(found)
