"""After an update with --target or --exclude: the word for an unknown value is no value, published or read."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pulumi
import pytest
from pulumi.output import Unknown

import publishing
from engine import record as engine_record
from engine.cli import Cli, EngineError, NotWholeError, refused_state
from engine.refusal import RefusedError
from engine.values import UNKNOWN, missing_values
from inventory.outputs import SCHEMA
from inventory.reading import OF_A_REGION
from review.markdown import markdown
from review.report import report
from tests.unit.commands import called
from tests.unit.published import LIVE
from tests.unit.review_events import UNKNOWN as MARKER
from tests.unit.review_events import preview_of
from tests.unit.toolchain import executable

Json = dict[str, Any]
UNTOLD = Unknown()  # type: ignore[no-untyped-call]
HELP = "\n  -> run a complete `pulumi up`, without --target and --exclude"
# As the engine prints it.
REFUSED = """\
error: The Pulumi CLI encountered a snapshot integrity error. This is a bug!

You can try to repair your snapshot as follows:

* Using the `pulumi state repair` command. This is the recommended approach.
  Run `pulumi state repair --help` for more information.

Pulumi Version:    v3.260.0
Command:           pulumi up
Error:             snapshot integrity failure; refusing to use it: resource urn:pulumi:p::w::a:b:C::nat's dependency urn:pulumi:p::w::a:b:C::router refers to missing resource

Stack Trace:

goroutine 1 [running]:
"""  # noqa: E501 - the engine's own line


@pytest.mark.parametrize("word", sorted(UNKNOWN))
def test_every_word_of_the_engine_is_found_wherever_it_stands(word: str) -> None:
    assert missing_values({"dns": {"records": [{"data": ["192.0.2.1", word]}]}}).startswith(
        "no value is known for dns.records[0].data[1]: "
    )
    assert missing_values(word, "ipInventory").startswith("no value is known for ipInventory: ")
    assert missing_values(dict.fromkeys("abcde", word)).startswith("no value is known for a, b, c and 2 more: ")


def test_a_text_that_only_mentions_the_word_is_a_value() -> None:
    assert missing_values({"purpose": f"see {MARKER}", "ports": [5060], "none": None}) == ""


def reader(command: str, given: object) -> subprocess.CompletedProcess[str]:
    return called(*command.split(), given=json.dumps(given))


@pytest.mark.parametrize("command", ["inventory render", "inventory site --out unused", "verify"])
@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"ipInventory": MARKER, "dns": MARKER}, "ipInventory"),
        ({"ipInventory": LIVE | {"region": MARKER}, "dns": {}}, "region"),
    ],
)
def test_who_reads_outputs_refuses_them_in_words(command: str, given: Json, where: str) -> None:
    done = reader(command, given)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no value is known for " in done.stderr
    assert where in done.stderr
    assert done.stderr.endswith(f"{HELP}\n")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["inventory render", "verify"])
def test_who_reads_a_stack_without_outputs_hears_why(command: str) -> None:
    done = reader(command, {})
    assert (done.returncode, done.stdout) == (2, "")
    assert "there are no outputs: this stack has had no complete, successful update" in done.stderr
    assert done.stderr.endswith(f"{HELP}\n")


def test_an_inventory_that_is_the_word_alone_is_refused() -> None:
    assert "no value is known for ipInventory" in reader("inventory render", MARKER).stderr


def test_our_own_tools_refuse_them_before_anything_is_made_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable(tmp_path / "pulumi", f"""echo '{{"ipInventory": {{"schema": {SCHEMA}}}, "dns": "{MARKER}"}}'""")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(NotWholeError) as refused:
        Cli(tmp_path, "prod").outputs()
    assert str(refused.value).startswith("the outputs of stack prod: no value is known for dns: a targeted update")
    assert str(refused.value).endswith(HELP)
    assert isinstance(refused.value, EngineError), "make and verify print these"


def test_a_review_says_that_what_people_read_today_is_not_known() -> None:
    found = report(preview_of(before={"ipInventory": MARKER}, after={"ipInventory": LIVE}), "prod")
    assert found.visible
    assert "- the published outputs: no value is known for ipInventory: " in markdown(found)


@pytest.mark.parametrize("outputs", [{"dns": UNTOLD}, {"dns": {"records": [{"data": [UNTOLD]}]}}])
def test_another_stack_takes_no_outputs_without_values(outputs: Json, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a preview gets them from the SDK."""
    answer = SimpleNamespace(value={"outputs": outputs | {"ipInventory": {"schema": 1}}})
    monkeypatch.setattr(pulumi.runtime, "invoke", lambda token, arguments: answer)
    with pytest.raises(
        RefusedError, match=r"^stack o/p/prod: no value is known for dns: a targeted update(?s:.*), of o/p/prod"
    ):
        engine_record.outputs_of("o/p/prod", OF_A_REGION)
    assert engine_record.outputs_of("o/p/prod", ("ipInventory",)) == {"ipInventory": {"schema": 1}}


def exported(outputs: Json, monkeypatch: pytest.MonkeyPatch, *, dry_run: bool = False) -> Json:
    found: Json = {}
    monkeypatch.setattr(pulumi, "export", found.__setitem__)
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: dry_run)
    publishing.publish(outputs)
    return found


def output(value: Any, *, known: bool = True) -> pulumi.Output[Any]:
    def done(of: Any) -> asyncio.Future[Any]:
        future = asyncio.get_running_loop().create_future()
        future.set_result(of)
        return future

    return pulumi.Output(done(set()), done(value), done(known), done(False))


def test_an_update_that_does_not_know_an_output_publishes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async def update() -> None:
        records = [{"data": [output(None, known=False)]}, {"data": [output("192.0.2.1")]}]
        outputs = {"ipInventory": output({"schema": 1}), "dns": {"records": records}, "egressCapacity": output(1)}
        found = exported(outputs, monkeypatch)
        with pytest.raises(
            RefusedError, match=r"depend on: dns; the published outputs stay unchanged\n  -> run a complete `pulumi up`"
        ):
            await found["ipInventory"].future()

    asyncio.run(update())


def test_an_update_that_knows_all_publishes_all(monkeypatch: pytest.MonkeyPatch) -> None:
    async def update() -> None:
        outputs = {"ipInventory": output({"schema": 1}), "dns": {"records": [output("192.0.2.1")]}, "monthlyCost": {}}
        found = exported(outputs, monkeypatch)
        assert await found["ipInventory"].future() == {"schema": 1}
        assert list(found) == list(outputs)
        assert found["dns"] is outputs["dns"]

    asyncio.run(update())


def test_a_preview_may_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    async def preview() -> None:
        unknown = output(None, known=False)
        assert exported({"ipInventory": unknown}, monkeypatch, dry_run=True)["ipInventory"] is unknown

    asyncio.run(preview())


def test_a_state_that_the_engine_refuses_says_what_is_wrong_and_what_helps() -> None:
    reported = str(EngineError("pulumi up", REFUSED))
    assert reported == (
        "`pulumi up` failed:\nthe engine refuses the stack's state: resource urn:pulumi:p::w::a:b:C::nat's dependency"
        " urn:pulumi:p::w::a:b:C::router refers to missing resource\n"
        "  -> `pulumi state repair` on this stack, then a complete `pulumi up`; docs/recover.md"
    )
    written = "x.json: snapshot integrity failure; it was already written, but is invalid (backup available at y): "
    assert "child resource a refers to missing parent b" in refused_state(
        f"{written}child resource a refers to missing parent b"
    )
    assert refused_state("error: resource a is invalid") == ""
