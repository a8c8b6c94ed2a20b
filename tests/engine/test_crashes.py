"""Updates that are cut off at nine points, on the real engine; the next run finishes each, and nothing is left over.

`make drill` does the same at random points. An adoption that is killed is the ninth.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from adopt.adoption import adopt
from local_cloud import marks
from local_cloud.gcp.sql_servers import INSTANCE
from sandbox import Sandbox, leftovers
from sandbox.drill_round import ADDRESS, Point, Round, one_round
from settings import Settings
from tests.engine.conftest import Stack
from tests.kept import sandbox_aside
from tests.stacks import as_engine_gives_it, stack_config, without_site

PATIENCE = 300.0
USER = "gcp:sql/user:User"


@pytest.fixture(scope="module")
def its_round() -> Iterator[Round]:
    with one_round(without_site(stack_config("sandbox"))) as one:
        yield one


@pytest.fixture
def edge(its_round: Round) -> Iterator[Round]:
    """One cloud and stack for all tests; one that fails leaves nothing stopped, running or faulty to the next."""
    yield its_round
    marks.end(ours(its_round), (signal.SIGKILL, 5.0))
    its_round.sandbox.start()
    its_round.sandbox.clear_faults()


def wait_for(moment: Callable[[], object]) -> None:
    began = time.monotonic()
    while not moment():
        assert time.monotonic() - began < PATIENCE, "the moment never came"
        time.sleep(0.005)


def state_of(one: Round) -> Mapping[str, Any] | None:
    """The newest state that is whole; None while the engine writes the only one."""
    folder = one.folder / "stack" / "state" / ".pulumi" / "stacks" / "warp-edge"
    for file in (folder / "sandbox.json", folder / "sandbox.json.bak"):
        try:
            return dict(json.loads(file.read_text())["checkpoint"].get("latest") or {})
        except (FileNotFoundError, ValueError):
            continue
    return None


def pending(one: Round, kind: str = "creating") -> set[str] | None:
    """Logical names of what is being created, or deleted; None: not to be read right now."""
    state = state_of(one)
    if state is None:
        return None
    notes = state.get("pending_operations") or ()
    return {each["resource"]["urn"].split("::")[-1] for each in notes if each["type"] == kind}


def recorded(one: Round) -> set[str]:
    return {each["urn"].split("::")[-1] for each in (state_of(one) or {}).get("resources") or ()}


def ours(one: Round) -> list[int]:
    """All processes of the engine and its plugins."""
    return list(marks.marked(leftovers.MARK, str((one.folder / "stack").resolve())))


def send(number: int, *pids: int) -> None:
    for pid in pids:
        os.kill(pid, number)


def kill_while(one: Round, command: str, operation: str, type_: str, done: Callable[[], bool]) -> None:
    """Kill a run whose engine has asked the cloud for something, before it hears that it is done."""
    one.sandbox.add_fault("latency", type_=type_, operation=operation, times=1, milliseconds=3000)
    runner = one.start(command)
    wait_for(
        lambda: not one.sandbox.faults()
    )  # the request is there; before that, stopping the engine could hold it back
    send(signal.SIGSTOP, *ours(one))
    assert not done(), "the engine was stopped too late: it may know"
    wait_for(done)
    send(signal.SIGKILL, runner.pid, *ours(one))
    runner.wait()


def holds(one: Round, known: Mapping[str, str]) -> None:
    outcome = one.finish(known)
    assert outcome.runs == 1, outcome.output
    assert outcome.moved == []
    assert outcome.orphans == []


def test_a_database_user_that_was_being_created_is_taken_over_although_the_recovery_is_killed_too(edge: Round) -> None:
    """Three points. The cloud is killed while it makes the instance: the engine takes that for a failure and notes
    nothing, but the instance is there. The engine is stopped while the cloud makes the user, so it has no chance to
    record it; and the recovery is killed at the first moment at which the notes of what was cut off are gone."""
    runner = edge.start("up")
    wait_for(lambda: edge.sandbox.resources(INSTANCE))
    send(signal.SIGKILL, edge.sandbox.status()["pid"])
    runner.wait()
    edge.sandbox.start()
    assert recorded(edge) & {"database-instance", "database-suffix"} == {"database-suffix"}
    assert pending(edge) == set()
    kill_while(edge, "up", "create", USER, lambda: bool(edge.sandbox.resources(USER)))
    assert "database-user" in (pending(edge) or ())
    known = edge.addresses()
    assert known

    runner = edge.start("up")
    wait_for(lambda: pending(edge) == set())
    send(signal.SIGKILL, runner.pid, *ours(edge))
    runner.wait()
    holds(edge, known)
    created = [(row.type, row.id) for row in edge.sandbox.writes() if row.op == "create"]
    assert len(created) == len(set(created))
    assert [type_ for type_, _ in created].count(INSTANCE) == 1


def test_one_interrupt_ends_a_run_as_the_engine_itself_would_end(edge: Round) -> None:
    """On `make down`; then nothing waits, nothing is locked, nothing runs on, and the next run goes on from there."""
    assert edge.run()[0] == 0
    begun = len(edge.sandbox.writes())
    runner = edge.start("destroy")
    wait_for(lambda: len(edge.sandbox.writes()) > begun + 3)
    send(signal.SIGINT, runner.pid)
    assert runner.wait(PATIENCE) == 130
    assert pending(edge) == set()
    assert marks.within(10, lambda: not ours(edge)), [marks.name_of(pid) for pid in ours(edge)]
    assert not list(edge.workspace.directory.rglob("locks/**/*.json"))


def test_a_destruction_that_was_killed_and_a_state_that_a_full_disk_has_cut(edge: Round) -> None:
    """Two points: a destruction is killed when it has let go of the database in an instance that still exists; and the
    runner of the next update alone, whose engine goes on by itself, until state and backup end in the middle."""
    assert edge.run()[0] == 0
    runner = edge.start("destroy")
    wait_for(lambda: {"database-user", "database-instance"} & recorded(edge) == {"database-instance"})
    send(signal.SIGKILL, runner.pid, *ours(edge))
    runner.wait()
    edge.strike(Point("up", "runner", writes=5), "up")
    wait_for(lambda: not any(marks.name_of(pid) == leftovers.ENGINE for pid in ours(edge)))
    known = edge.addresses()
    folder = edge.workspace.directory / "state" / ".pulumi" / "stacks" / "warp-edge"
    for name in ("sandbox.json", "sandbox.json.bak"):
        text = (folder / name).read_bytes()
        (folder / name).write_bytes(text[: len(text) // 2])
    holds(edge, known)


def test_a_deletion_of_which_the_engine_never_heard_the_end(edge: Round) -> None:
    """Two points: all is killed while the cloud deletes the instance, which the engine has noted; and the cloud alone
    is killed when it has deleted an address, which the engine takes for a failure and notes nowhere."""
    assert edge.run()[0] == 0
    kill_while(edge, "destroy", "delete", INSTANCE, lambda: not edge.sandbox.resources(INSTANCE))
    assert "database-instance" in (pending(edge, "deleting") or ())
    holds(edge, {})

    everything = len(edge.sandbox.resources(ADDRESS))
    runner = edge.start("destroy")
    wait_for(lambda: len(edge.sandbox.resources(ADDRESS)) < everything)
    send(signal.SIGKILL, edge.sandbox.status()["pid"])
    runner.wait()
    edge.sandbox.start()
    assert pending(edge, "deleting") == set()
    holds(edge, {})


def test_an_adoption_killed_in_the_middle_is_finished_by_running_it_again() -> None:
    with sandbox_aside() as (cloud, folder):
        cloud.seed("live-edge")
        stack = Stack(folder / "stack", cloud, stack_config("prod"), "prod")
        settings = Settings.parse(as_engine_gives_it(stack_config("prod")))
        _adopt_and_die(stack, cloud)
        adoption = adopt(stack.cli, settings, lambda _: None)
        assert adoption.comparison.creations == ("User warp_edge",)
        assert adoption.comparison.replacements == ()
        assert cloud.writes() == []


def _adopt_and_die(stack: Stack, cloud: Sandbox) -> None:
    """An import that dies while it reads: some resources are recorded, a lock is left behind."""
    cloud.add_fault("latency", milliseconds=300, operation="read")
    adopting = subprocess.Popen(
        ["python", "-m", "adopt", "--stack", "prod", "--cwd", str(stack.workspace.project)],
        env=stack.cli.surroundings(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_for(lambda: sum(row.op == "read" for row in cloud.log()) >= 6 or adopting.poll() is not None)
    assert adopting.poll() is None, "the adoption was done before it could be killed"
    engines = marks.marked(leftovers.MARK, str(stack.workspace.directory))
    send(signal.SIGKILL, adopting.pid, *engines)
    adopting.wait()
    cloud.clear_faults()
