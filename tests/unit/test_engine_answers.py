"""The engine's empty answers: a stack that never had an update, an import with nothing left to import.

`pulumi` here is a script that answers what a test says.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from adopt.__main__ import report
from adopt.adoption import adopt
from engine.cli import BEING_WRITTEN, Cli, EngineError
from engine.differences import compare
from engine.effects import Effect
from engine.record import Record, last_update, outputs_of
from inventory import reading
from refusal import Refusal
from review.markdown import markdown
from review.preview import read
from review.report import report as report_of
from settings import Settings
from tests.stacks import as_engine_gives_it, stack_config
from tests.unit.cloud import Cloud
from tests.unit.commands import called
from tests.unit.recording import run
from verify import promise

SCRIPT = """#!/bin/sh
[ -n "$EVENTS" ] && case "$*" in *" preview "*) ANSWER=$EVENTS;; esac
while [ $# -gt 0 ]; do
  [ "$1" = --import-file ] && [ -n "$IMPORT" ] && printf '%s' "$IMPORT" > "$2"
  shift
done
printf '%s' "$ANSWER"
"""
EMPTY = ["{}", "null", "", "\n"]
SETTINGS = Settings.parse(as_engine_gives_it(stack_config("prod")))


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH with that `pulumi` first."""
    command = tmp_path / "pulumi"
    command.write_text(SCRIPT)
    command.chmod(0o755)
    return f"{tmp_path}{os.pathsep}{os.environ['PATH']}"


def answering(path: str, answer: str, events: str = "", imports: str = "") -> Cli:
    return Cli(Path(), "prod", {"PATH": path, "ANSWER": answer, "EVENTS": events, "IMPORT": imports})


@pytest.mark.parametrize("answer", EMPTY)
def test_a_stack_without_an_update_has_no_outputs_and_no_configuration(path: str, answer: str) -> None:
    cli = answering(path, answer)
    assert cli.outputs() == {}
    assert cli.config() == ({}, set())


@pytest.mark.parametrize(
    "answer",
    [
        *EMPTY,
        '{"version": 3}',
        '{"version": 3, "deployment": null}',
        '{"deployment": {}}',
        '{"deployment": {"manifest": {}, "resources": null, "pending_operations": null}}',
    ],
)
def test_an_empty_state_was_not_interrupted(path: str, answer: str) -> None:
    assert not answering(path, answer).interrupted()


def test_a_setting_without_a_value_is_none(path: str) -> None:
    listed = '{"warp-edge:a": null, "warp-edge:b": {"secret": true}, "warp-edge:c": {"value": "x"}}'
    assert answering(path, listed).config() == ({"warp-edge:c": "x"}, {"warp-edge:b"})


def test_what_configures_another_engine_stays_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_BACKEND_URL", "PULUMI_STACK", "PULUMI_ACCESS_TOKEN"):
        monkeypatch.setenv(name, "theirs")
    ours = {"PULUMI_BACKEND_URL": "file:///ours"}
    apart = Cli(Path(), "s", ours, apart=True).surroundings()
    assert {key: value for key, value in apart.items() if key.startswith("PULUMI_")} == ours
    assert Cli(Path(), "s", ours).surroundings()["PULUMI_STACK"] == "theirs"


@pytest.mark.parametrize("answer", ['{"version": 3, "deploy', "[1]", "3", "warning: no such stack"])
def test_an_answer_that_is_no_object_is_the_engines_failure_and_no_traceback(path: str, answer: str) -> None:
    cli = answering(path, answer)
    for ask in (cli.interrupted, cli.outputs, cli.config):
        with pytest.raises(EngineError, match=r"its output is not (JSON|a JSON object)"):
            ask()


def test_an_answer_that_may_hold_secrets_is_never_quoted(path: str) -> None:
    cli = answering(path, 'warning: a new version\n{"warp-edge:gandiToken": {"value": "hunter2", "secret": true}}')
    for ask in (cli.config, lambda: cli.outputs(secrets=True)):
        with pytest.raises(EngineError, match=r"not JSON \(\d+ characters, not shown here .* secrets\)") as reported:
            ask()
        assert "hunter2" not in f"{reported.value}{reported.value.output}"
    with pytest.raises(EngineError, match="its output is not JSON: warning: a new version"):
        cli.outputs()
    cut = answering(path, f"{'z' * 180} postgres://warp:hunter2hunter2@10.0.0.1/warp")
    with pytest.raises(EngineError, match=r"its output is not JSON: \[secret\]"):
        cut.outputs()


@pytest.mark.parametrize("imports", ["", "{}", "null", '{"resources": null}', '{"nameTable": {}}', '{"resources": []}'])
@pytest.mark.parametrize(
    "stream",
    [
        "",
        '{"sequence": 1, "resourcePreEvent": null}',
        '{"sequence": 1, "resOutputsEvent": {"metadata": {"type": "pulumi:pulumi:Stack", "new": null}}}',
        '{"sequence": 1, "resOutputsEvent": {"metadata": {"type": "pulumi:pulumi:Stack", "new": {"outputs": null}}}}',
        '{"sequence": 1, "resOutputsEvent": {"metadata": null}}\n{"a plugin says',
    ],
)
def test_with_nothing_left_to_create_an_adoption_records_nothing_and_ends_well(
    path: str, imports: str, stream: str
) -> None:
    """The engine writes `{}` into the import file then. `make up` goes the same way after a crash."""
    adoption = adopt(answering(path, "{}", stream, imports), SETTINGS, lambda _: None)
    assert (adoption.recorded, adoption.absent, adoption.inventory) == ((), (), None)
    assert not adoption.comparison.cutting
    report(adoption, Console(quiet=True))


def test_an_inventory_that_is_not_known_yet_is_none(path: str) -> None:
    unknown = {"ipInventory": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"}
    stack = {"type": "pulumi:pulumi:Stack", "new": {"outputs": unknown}}
    stream = json.dumps({"sequence": 1, "resOutputsEvent": {"metadata": stack}})
    assert adopt(answering(path, "{}", stream, "{}"), SETTINGS, lambda _: None).inventory is None


def test_verify_says_that_a_stack_without_an_update_has_no_inventory(path: str) -> None:
    done = called("verify", "--stack", "prod", PATH=path, ANSWER="null")
    assert "there are no outputs: this stack has had no complete, successful update" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("outputs", ["{}", '{"ipInventory": null}', '{"ipInventory": {}}', "null", "", "[]", "{"])
def test_the_inventory_and_the_promise_of_such_a_stack_are_refused_in_words(outputs: str) -> None:
    with pytest.raises(reading.UnreadableError):
        reading.read(outputs)
    with pytest.raises(Refusal):
        promise.read(outputs)


class Silent(Cloud):
    """An engine that answers every question with the same."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def call(self, args: Any) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        return self.answer, []


ADDRESS = "gcp:compute/address:Address"


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"outputs": None},
        {"outputs": {}},
        {"outputs": {"urn:warp:edge:DedicatedIngress$1": {"type": ADDRESS, "outputs": None}}},
        {"outputs": {"urn:1": {"type": ADDRESS}, "urn:2": {}}},
        {
            "outputs": {
                "urn:1": {"type": ADDRESS, "outputs": {}},
                "urn:2": {"type": "kubernetes:core/v1:Service", "outputs": {"status": None}},
                "urn:3": {
                    "type": "kubernetes:core/v1:Service",
                    "outputs": {"status": {"loadBalancer": {"ingress": [{"hostname": "x"}]}}},
                },
            }
        },
    ],
)
def test_the_record_of_a_stack_without_an_update_is_empty(answer: Any) -> None:
    found: list[Record] = []
    run(lambda: found.append(last_update()), Silent(answer))
    assert found == [Record()]


@pytest.mark.parametrize("answer", [{}, {"outputs": None}, {"outputs": {}}])
def test_another_stack_without_an_update_has_none_of_its_outputs(answer: Any) -> None:
    found: list[Any] = []
    run(lambda: found.append(outputs_of("organization/warp-edge/other", ("dns",))), Silent(answer))
    assert found == [{"dns": None}]


SUMMARY = {"sequence": 9, "summaryEvent": {"result": "succeeded"}}
STACK = {
    "op": "create",
    "urn": "urn:pulumi:prod::warp-edge::pulumi:pulumi:Stack::warp-edge-prod",
    "type": "pulumi:pulumi:Stack",
}
BEFORE = {"sequence": 1, "resourcePreEvent": {"metadata": STACK | {"old": None, "new": None}}}
STATES = {"old": {"inputs": None, "outputs": None}, "new": {"inputs": None}}


@pytest.mark.parametrize(
    "events",
    [
        [{"steps": None, "config": None, "diagnostics": None, "duration": 1, "changeSummary": None}],
        [{"config": {}, "duration": 1}],
        [SUMMARY],
        [{"sequence": 1, "preludeEvent": {"config": None}}, SUMMARY],
        [BEFORE, {"sequence": 2, "resOutputsEvent": {"metadata": STACK | {"new": None}}}, SUMMARY],
        [BEFORE, {"sequence": 2, "resOutputsEvent": {"metadata": STACK | {"new": {"outputs": None}}}}, SUMMARY],
        [{"sequence": 1, "resourcePreEvent": {"metadata": STACK | {"op": "same"} | STATES}}, SUMMARY],
    ],
)
def test_a_preview_with_nothing_in_it_is_reported_as_nothing(events: list[Any]) -> None:
    found = report_of(read("\n".join(map(json.dumps, events))), "prod", {})
    assert (found.resources, found.addresses, found.failed) == ((), (), False)
    assert "## Preview of stack `prod`" in markdown(found)


SERVICE = "urn:pulumi:prod::warp-edge::kubernetes:core/v1:Service::udp"


@pytest.mark.parametrize("state", [None, {}, {"inputs": None, "outputs": None}, {"inputs": "[secret]"}])
def test_a_step_without_states_is_reported_by_its_logical_name(state: Any) -> None:
    (only,) = compare([{"op": "update", "urn": SERVICE, "oldState": state, "newState": state}]).differences
    assert (only.resource, only.effect) == ("Service udp", Effect.UNKNOWN)
    created = compare([{"op": "create", "urn": SERVICE, "oldState": None, "newState": state}])
    assert created.creations == ("Service udp",)


def test_only_a_deletion_that_was_cut_off_has_the_state_read_anew(path: str) -> None:
    """Else the next update takes for unchanged what the cloud no longer has."""
    noted = {
        kind: answering(
            path, json.dumps({"deployment": {"pending_operations": [{"type": kind, "resource": {"urn": SERVICE}}]}})
        )
        for kind in ("deleting", "creating", "updating")
    }
    assert [kind for kind, cli in noted.items() if cli.deleting()] == ["deleting"]


@pytest.mark.parametrize("refusal", ["error: failed to load checkpoint: EOF", f"invocation of pulumi:{BEING_WRITTEN}"])
def test_a_state_that_was_just_being_written_is_no_failure(tmp_path: Path, refusal: str) -> None:
    """Nothing has been declared by then."""
    command = tmp_path / "pulumi"
    # One attempt a line in the file; the third is good.
    tries = tmp_path / "tries"
    good = f'[ "$(wc -l < {tries})" -gt "$BAD" ] && exit 0'
    command.write_text(f'#!/bin/sh\necho >> {tries}\n{good}\necho "{refusal}"\nexit 255\n')
    command.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    assert Cli(Path(), "prod", {"PATH": path, "BAD": "2"}).run("up").returncode == 0
    tries.unlink()
    assert Cli(Path(), "prod", {"PATH": path, "BAD": "9"}).run("up").returncode == 255
