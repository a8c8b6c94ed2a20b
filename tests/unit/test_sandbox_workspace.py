"""The sandbox's project folder: settings that the engine would refuse, states that were cut, and the command in it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.values import UNKNOWN
from sandbox import SandboxError, checkpoints, regions
from sandbox.stack import not_up, was_up
from sandbox.stack_settings import settings
from sandbox.workspace import ROOT, Workspace

STATES = ".pulumi/stacks/warp-edge"


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("config:\n\tregion: x\n", "line 2: found character '\\t' that cannot start any token"),
        ("config: {a: [1, 2\nb: 3\n", "line 2: expected ',' or ']'"),
        ("config:\n  a: 1\n  b: 2\n  a: 3\n", 'line 4: mapping key "a" already defined at line 2'),
        ("config:\n  deep: {x: 1, x: 2}\n", 'line 2: mapping key "x" already defined at line 2'),
        ("", "`config:` is missing"),
        ("# nothing\n", "`config:` is missing"),
        ("encryptionsalt: x\n", "`config:` is missing"),
        ("config: 7\n", "`config:` is a single value; it must contain settings, one `key: value` per line"),
        ("config: [a, b]\n", "`config:` is a list; it must contain settings, one `key: value` per line"),
        ("- a\n- b\n", "expected a mapping, found a list"),
        ("config: " + "[" * 5000, "nested too deeply"),
        ("config: {? [a]: b}\n", "unhashable key"),
        ("config:\n  a: &x\n    b: [1, *x]\n", "line 3: anchor 'x' value contains itself"),
        ("config: &x [*x]\n", "line 1: anchor 'x' value contains itself"),
        ("config: !!python/object:os.system {}\n", "could not determine a constructor"),
    ],
)
def test_what_the_engine_would_refuse_is_one_message(tmp_path: Path, text: str, reported: str) -> None:
    file = tmp_path / "Pulumi.sandbox.yaml"
    file.write_text(text)
    with pytest.raises(SandboxError) as refused:
        settings(file)
    wrong, remedy = str(refused.value).split("\n")
    assert wrong.startswith("Pulumi.sandbox.yaml")
    assert reported in wrong
    assert remedy.startswith("  -> ")


def test_what_is_no_utf8_or_not_there_is_one_message(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.sandbox.yaml"
    with pytest.raises(SandboxError, match="No such file"):
        settings(file)
    for content in (b"config: {a: \xff}\n", *("config: {a: b}\n".encode(each) for each in ("utf-16", "utf-16-le"))):
        file.write_bytes(content)
        with pytest.raises(SandboxError) as refused:
            settings(file)
        reported = "Pulumi.sandbox.yaml: not UTF-8 text\n  -> save it as UTF-8 and try again"
        assert str(refused.value) == reported


def test_a_day_that_no_calendar_has_is_left_to_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.sandbox.yaml"
    file.write_text("config: {a: 2026-13-01, b: 2026-12-01}\n")
    found = settings(file)
    assert found["a"] == "2026-13-01"
    # Written again, it is what the engine reads from the original: text and a day.
    assert yaml.safe_dump(found) == "a: '2026-13-01'\nb: 2026-12-01\n"


# What `pulumi config --json` of engine 3.260 made of them.
AS_THE_ENGINE_READS = {
    **{text: text for text in ("yes", "no", "on", "off", "Yes", "y", "1:30", "=")},
    **{"true": True, "True": True, "TRUE": True, "false": False, "~": None},
    **{"1_000": 1000, "0o17": 15, "0x1F": 31, "0b11": 3, "010": 8, "0777": 511, "08": 8, "-1": -1, "+5": 5},
    **{".5": 0.5, "1.5": 1.5, "1e3": 1000, "1.e+3": 1000, "12e03": 12000},
    **{'"010"': "010", '"yes"': "yes"},
}


@pytest.mark.parametrize("text", AS_THE_ENGINE_READS)
def test_a_value_is_what_the_engine_takes_it_for_and_stays_so_when_it_is_written_again(
    tmp_path: Path, text: str
) -> None:
    file = tmp_path / "Pulumi.sandbox.yaml"
    file.write_text(f"config: {{a: {text}}}\n")
    found, wanted = settings(file)["a"], AS_THE_ENGINE_READS[text]
    assert (found, isinstance(found, bool)) == (wanted, isinstance(wanted, bool))
    file.write_text(yaml.safe_dump({"config": {"a": found}}))
    assert settings(file)["a"] == wanted


def test_an_alias_of_what_stands_above_is_what_it_stands_for(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.sandbox.yaml"
    file.write_text("config: {a: &x {b: 1}, c: *x, d: &y [1], e: *y}\n")
    assert settings(file) == {"a": {"b": 1}, "c": {"b": 1}, "d": [1], "e": [1]}


# States


@pytest.fixture
def states(tmp_path: Path) -> Path:
    folder = tmp_path / STATES
    folder.mkdir(parents=True)
    return folder


def state(number: int) -> str:
    return json.dumps({"version": 3, "checkpoint": {"stack": "sandbox", "number": number}})


def put(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def mended(tmp_path: Path) -> int:
    checkpoints.mend(tmp_path, "sandbox", tmp_path / "note")
    return int(json.loads((tmp_path / STATES / "sandbox.json").read_text())["checkpoint"]["number"])


def test_the_newest_whole_state_takes_the_place_of_a_cut_one(tmp_path: Path, states: Path) -> None:
    put(states / "sandbox.json", state(9)[:20])
    put(states / "sandbox.json.bak", state(8)[:30])
    put(states / "sandbox.json.1795781429426114838", state(7))
    put(states / "sandbox.json.1795781429426114839", "")
    put(states / "sandbox.json.195781429426114838", state(6))
    put(tmp_path / ".pulumi/history/warp-edge/sandbox/sandbox-1.checkpoint.json", state(1))
    assert mended(tmp_path) == 7
    assert not (tmp_path / "note").exists()


def test_one_that_was_killed_while_it_wrote_goes_back_one_step(tmp_path: Path, states: Path) -> None:
    put(states / "sandbox.json", "")
    put(states / "sandbox.json.bak", state(8))
    put(states / "sandbox.json.1795781429426114838", state(7))
    assert mended(tmp_path) == 8


def test_the_end_of_an_earlier_update_is_better_than_nothing(tmp_path: Path, states: Path) -> None:
    put(states / "sandbox.json", "{")
    history = tmp_path / ".pulumi/history/warp-edge/sandbox"
    for number in (1, 2):
        put(history / f"sandbox-{number}.checkpoint.json", state(number))
        os.utime(history / f"sandbox-{number}.checkpoint.json", (number, number))
    put(history / "sandbox-2.history.json", "{}")
    assert mended(tmp_path) == 2
    assert (tmp_path / "note").exists()


def test_where_none_is_whole_the_command_that_helps_is_named(tmp_path: Path, states: Path) -> None:
    put(states / "sandbox.json", "{")
    with pytest.raises(SandboxError, match="make reset, then make up"):
        mended(tmp_path)
    assert (states / "sandbox.json").read_text() == "{"


def test_a_whole_state_is_left_alone_and_its_old_copies_go(tmp_path: Path, states: Path) -> None:
    put(states / "sandbox.json", state(9))
    put(states / "sandbox.json.attrs", "")
    for number in range(10, 20):
        put(states / f"sandbox.json.{number}", state(number))
        put(states / f"sandbox.json.{number}.attrs", "{}")
    put(states / "sandbox.json.1795781429.tmp", "x")
    put(states / "other.json.10", state(1))
    assert mended(tmp_path) == 9
    assert not (tmp_path / "note").exists()
    left = {each.name for each in states.iterdir()}
    copies = {f"sandbox.json.{number}" for number in (17, 18, 19)}
    assert left == {"sandbox.json", "other.json.10", *copies, *(f"{each}.attrs" for each in copies)}


# The command


class Program:
    """A program folder with a stack's YAML, and an engine that says what it is given."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder / "a program"
        self.folder.mkdir()
        (self.folder / "Pulumi.yaml").symlink_to(ROOT / "Pulumi.yaml")
        self.yaml = self.folder / "Pulumi.sandbox.yaml"
        self.yaml.write_text("config: {a: old}\n")
        tools = folder / "tools"
        tools.mkdir()
        (tools / "pulumi").write_text('#!/bin/sh\n[ "$3" = --non-interactive ] || env; cat "$2/Pulumi.sandbox.yaml"\n')
        (tools / "pulumi").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
        self.workspace = Workspace(folder / "a place", "sandbox", {"GANDI_TOKEN": "x"}, program=self.folder)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.workspace.wrapper), *arguments]
        return subprocess.run(
            command, env={**os.environ, **environment}, capture_output=True, text=True, check=False, cwd="/"
        )


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    return Program(tmp_path, monkeypatch)


def test_the_command_takes_an_edit_of_the_settings_over(program: Program) -> None:
    program.workspace.prepare()
    assert "a: old" in program.run("preview").stdout
    program.yaml.write_text("config: {a: new}\n")
    done = program.run("preview")
    assert "a: new" in done.stdout
    assert done.stderr == "Pulumi.sandbox.yaml has changed: its settings are updated\n"
    assert program.run("preview").stderr == ""


def test_the_command_refuses_settings_that_cannot_be_read(program: Program) -> None:
    program.workspace.prepare()
    program.yaml.write_text("config: {a: [}\n")
    done = program.run("preview")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("Pulumi.sandbox.yaml, line 1: ")
    assert "Traceback" not in done.stderr


def test_settings_of_another_user_are_not_replaced(program: Program) -> None:
    program.workspace.prepare({"a": "own"})
    program.yaml.write_text("config: {a: new}\n")
    assert "a: own" in program.run("preview").stdout


def test_the_command_of_the_regions_takes_an_edit_over_for_every_stack(program: Program) -> None:
    place = program.workspace.directory
    engine = program.folder.parent / "tools" / "pulumi"
    owner = {"database": {"connectionName": "p:r:warp-db-drawn"}}
    engine.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(owner)}\nEND\n")
    followed = regions.followed_in(place)
    for stack in regions.STACKS:
        Workspace(place, stack, {}).prepare({"a": "old"}, followed)
    followed.mark()
    assert program.run("preview").stderr == ""
    followed.seen.write_text("config: {}\n")  # as if the shipped file had been edited since
    assert program.run("preview").stderr == (
        "Pulumi.sandbox.yaml has changed: the settings of all stacks are updated\n"
    )
    shipped = settings(ROOT / "Pulumi.sandbox.yaml")
    for stack in regions.STACKS:
        taken = settings(place / "project" / f"Pulumi.{stack}.yaml")
        assert taken == regions.settings_of(stack, shipped, "warp-db-drawn")
    assert program.run("preview").stderr == ""


def test_the_shells_own_settings_of_an_engine_stay_out_of_the_command(program: Program) -> None:
    program.workspace.prepare()
    theirs = {"PULUMI_CONFIG_PASSPHRASE": "theirs", "PULUMI_STACK": "prod", "PULUMI_BACKEND_URL": "s3://theirs"}
    given = program.run("preview", **theirs).stdout
    assert "theirs" not in given
    assert "PULUMI_STACK" not in given
    assert f"PULUMI_BACKEND_URL=file://{program.workspace.directory}/state" in given


def test_the_salt_survives_new_settings_and_a_cut_file(program: Program) -> None:
    program.workspace.prepare()
    own = program.workspace.project / "Pulumi.sandbox.yaml"
    own.write_text(own.read_text() + "encryptionsalt: v1:abc\n")
    program.workspace.configure({"a": "new"})
    assert yaml.safe_load(own.read_text()) == {"config": {"a": "new"}, "encryptionsalt": "v1:abc"}
    own.write_text("config: {a")
    provider: dict[str, Any] = {"secrets_providers": {"type": "passphrase", "state": {"salt": "v1:abc"}}}
    put(
        program.workspace.directory / "state" / STATES / "sandbox.json",
        json.dumps({"checkpoint": {"latest": provider}}),
    )
    program.workspace.configure({"a": "newer"})
    assert yaml.safe_load(own.read_text()) == {"config": {"a": "newer"}, "encryptionsalt": "v1:abc"}


@pytest.mark.parametrize(
    ("outputs", "before"), [({}, False), ({"ipInventory": {}}, True), ({"ipInventory": sorted(UNKNOWN)[0]}, True)]
)
def test_outputs_that_a_targeted_update_left_hold_no_update_back(
    program: Program, outputs: dict[str, Any], before: bool
) -> None:
    """`make up` asks for them only to say what a failure leaves as it was."""
    engine = program.folder.parent / "tools" / "pulumi"
    engine.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(outputs)}\nEND\n")
    (program.workspace.project).mkdir(parents=True)
    assert was_up(program.workspace) is before


def test_what_a_failed_update_leaves_is_said_as_it_is() -> None:
    assert not_up(before=False, restarted=True) == ("not up yet", "")
    assert "up as it was" in not_up(before=True, restarted=False)[1]
    assert not_up(before=True, restarted=True)[1].startswith(": the cloud had stopped and was restarted")
