"""One round of a drill: an update is killed at a chosen point, the next ones finish it, and the result is checked.

The state may be on its own disk that fills up: a tmpfs, which only root can mount.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from engine.cli import Json
from local_cloud import marks
from local_cloud.gcp.sql_servers import INSTANCE, SqlServers
from local_cloud.layout import POSTGRES
from sandbox import leftovers
from sandbox.aside import sandbox_aside
from sandbox.layout import SandboxError
from sandbox.process import Sandbox
from sandbox.recovery import ready
from sandbox.workspace import ROOT, Workspace

STACK: Final = "sandbox"
ADDRESS: Final = "gcp:compute/address:Address"
PATIENCE: Final = 240.0
MOST_RUNS: Final = 3

Phase = Literal["up", "recovery", "down", "disk"]
Victim = Literal["engine", "group", "runner", "all", "cloud"]


@dataclass(frozen=True)
class Point:
    """When a round kills: after `writes` of the phase to the cloud, then `seconds`. `megabytes`: the disk's size."""

    phase: Phase
    victim: Victim = "all"
    signal: int = signal.SIGKILL
    writes: int = 0
    seconds: float = 0.0
    megabytes: float = 0.0

    def __str__(self) -> str:
        if self.phase == "disk":
            return f"disk full at {self.megabytes:.1f} MB"
        when = f"write {self.writes}" if self.writes else f"{self.seconds:.1f} s"
        return f"{self.phase}: {signal.Signals(self.signal).name} to {self.victim} at {when}"


@dataclass
class Outcome:
    """The result. `runs`: how many it took until one succeeded and the next preview was empty; 0: never."""

    runs: int = 0
    moved: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    output: str = ""

    @property
    def holds(self) -> bool:
        """Whether one run finished it, with no address moved and nothing left behind."""
        return self.runs == 1 and not self.moved and not self.orphans


class Round:
    """A new cloud and an empty stack on it."""

    def __init__(self, sandbox: Sandbox, folder: Path, config: Mapping[str, Any] | None = None) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.config = config
        self.before = Counter(each.type for each in sandbox.resources())

    @property
    def workspace(self) -> Workspace:
        """A new one each time: a restarted cloud has other ports."""
        return Workspace(self.folder / "stack", STACK, self.sandbox.env())

    def play(self, point: Point) -> Outcome:
        """Kill, finish, check."""
        if point.phase == "disk":
            with disk(self.folder / "stack" / "state", point.megabytes):
                self.run()
                known = self.addresses()
                grow(self.folder / "stack" / "state")
                return self.finish(known)
        if point.phase == "down" and self.run()[0]:
            raise SandboxError("the update before the kill failed")
        if point.phase == "recovery":
            self.strike(Point("up", writes=point.writes), "up")
            self.strike(Point("recovery", point.victim, point.signal, seconds=point.seconds), "up")
        else:
            self.strike(point, "destroy" if point.phase == "down" else "up")
        return self.finish({} if point.phase == "down" else self.addresses())

    def run(self, command: str = "up") -> tuple[int, str]:
        """Run what `make up` or `make down` does, to its end: exit status and output."""
        done = subprocess.run(
            self._command(command), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        return done.returncode, done.stdout

    def _command(self, command: str) -> list[str]:
        return [sys.executable, "-m", "sandbox.drill_round", command, str(self.folder), json.dumps(self.config)]

    def start(self, command: str) -> subprocess.Popen[bytes]:
        """The same, without waiting for its end."""
        return subprocess.Popen(
            self._command(command),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def strike(self, point: Point, command: str) -> None:
        """Start a command and kill it at the point, unless it ends before."""
        begun, runner = len(self.sandbox.writes()), self.start(command)
        deadline = time.monotonic() + PATIENCE
        while runner.poll() is None and len(self.sandbox.writes()) - begun < point.writes:
            if time.monotonic() > deadline:
                break
            time.sleep(0.01)
        with contextlib.suppress(subprocess.TimeoutExpired):
            runner.wait(point.seconds)
        for pid in self._victims(point, runner.pid) if runner.poll() is None else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, point.signal)
        try:
            runner.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            runner.kill()
            runner.wait()
        if point.victim == "cloud":
            self.sandbox.start()

    def _victims(self, point: Point, runner: int) -> list[int]:
        own = list(marks.marked(leftovers.MARK, str((self.folder / "stack").resolve())))
        engines = [pid for pid in own if marks.name_of(pid) == leftovers.ENGINE]
        match point.victim:
            case "engine":
                return engines
            case "group":
                return [pid for pid in own if os.getpgid(pid) in engines]
            case "runner":
                return [runner]
            case "cloud":
                return [self.sandbox.status()["pid"]]
            case _:
                return [runner, *own]

    def finish(self, known: Mapping[str, str]) -> Outcome:
        """Run until it succeeds, then check."""
        outcome = Outcome()
        for number in range(1, MOST_RUNS + 1):
            status, output = self.run()
            if status == 0 and not (left := self.planned()):
                outcome.runs = number
                break
            outcome.output += f"--- run {number}, exit status {status}\n{_in_short(output) if status else left}\n"
        now = self.addresses()
        outcome.moved = [f"{name}: {was} -> {now.get(name)}" for name, was in known.items() if now.get(name) != was]
        if outcome.runs:
            outcome.orphans = list(self.strays())
        return outcome

    def planned(self) -> dict[str, str]:
        """Logical name -> operation (or error message) of everything that a preview would still do."""
        events = self.workspace.cli.preview()
        failed = {failure.urn: failure.message for failure in events.failures}
        return {step["urn"].split("::", 3)[3]: step["op"] for step in events.steps if step["op"] != "same"} | failed

    def addresses(self) -> dict[str, str]:
        """Name -> address of everything reserved in the cloud."""
        return {each.body["name"]: each.body["address"] for each in self.sandbox.resources(ADDRESS)}

    def strays(self) -> Iterator[str]:
        """What exists and is in no state, one text each: cloud resources, database users, processes, locks, notes."""
        state: Json = json.loads(self.workspace.cli.text("stack", "export", "--stack", STACK))["deployment"]
        recorded = Counter(each["type"] for each in state["resources"])
        # A zone creates its own NS and SOA.
        resources = [each for each in self.sandbox.resources() if each.body.get("type") not in ("NS", "SOA")]
        there = Counter(each.type for each in resources)
        for type_ in sorted(there):
            # Earlier versions of a file (`#earlier`) belong to the file; reserved names are not resources.
            more = there[type_] - self.before[type_] - recorded[type_]
            if more > 0 and "#" not in type_ and not type_.startswith("local:"):
                yield f"{more} {type_}"
        for type_ in sorted(recorded):
            fewer = recorded[type_] + self.before[type_] - there[type_]
            if fewer > 0 and type_.startswith(("gcp:", "kubernetes:")):
                yield f"{fewer} {type_} recorded but missing"
        doubled = Counter(urn for each in state["resources"] if (urn := each["urn"]))
        yield from (f"twice in the state: {urn}" for urn, times in doubled.items() if times > 1)
        if pending := state.get("pending_operations"):
            yield f"{len(pending)} pending operations"
        if stray := self.database_users() - {"warp_edge", "warp_acl_reader", "warp_acl_writer"}:
            yield f"database users {', '.join(sorted(stray))}"
        if found := list(leftovers.orphans(self.folder / "stack")):
            yield f"{len(found)} processes: {', '.join(sorted(map(marks.name_of, found)))}"
        if locks := list((self.folder / "stack" / "state").rglob("locks/**/*.json")):
            yield f"{len(locks)} locks"

    def database_users(self) -> set[str]:
        """Roles of all PostgreSQL servers, without those that every server has."""
        servers = SqlServers(self.sandbox.directory / POSTGRES)
        found: set[str] = set()
        for each in self.sandbox.resources(INSTANCE):
            if (server := servers.of(each.body)) is not None:
                found |= set(server.users())
        return {name for name in found if not re.match("pg_|cloudsql", name)} - {"postgres"}


def _in_short(output: str) -> str:
    """The end of an update's output, without the stack's outputs."""
    return re.sub(r"(?ms)^Outputs:.*?(?=^Resources:)", "", output)[-4000:]


@contextlib.contextmanager
def one_round(config: Mapping[str, Any] | None = None) -> Iterator[Round]:
    """A round in its own cloud; removed afterwards, with all its processes."""
    with sandbox_aside("warp-edge-drill-") as (sandbox, folder):
        (folder / "stack").mkdir()
        try:
            yield Round(sandbox, folder, config)
        finally:
            left = list(marks.marked(leftovers.MARK, str((folder / "stack").resolve())))
            marks.end(left, (signal.SIGKILL, 5.0))


@contextlib.contextmanager
def disk(place: Path, megabytes: float) -> Iterator[None]:
    """A file system of that size at `place`. Raises `SandboxError` if it cannot be mounted."""
    place.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={int(megabytes * 1024)}k", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SandboxError(f"the disk-full round must mount a tmpfs, which needs root: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=False)


def grow(place: Path) -> None:
    """Add space on the disk at `place`."""
    subprocess.run(["mount", "-o", "remount,size=512m", str(place)], check=True)


def main() -> int:
    """`python -m sandbox.drill_round up|destroy FOLDER CONFIG`: as `make up` and `make down`, in a round's folder."""
    from sandbox.stack import ended

    command, place, config = sys.argv[1:]
    # As in a terminal's foreground: a drill in the background would inherit that SIGINT is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def work() -> int:
        folder = Path(place)
        sandbox = Sandbox(folder / "cloud", dns_port=0, storage_port=0)
        sandbox.start()
        workspace = Workspace(folder / "stack", STACK, sandbox.env())
        ready(workspace, sandbox, print, json.loads(config))
        return workspace.cli.show(command, "--stack", STACK, "--yes", "--skip-preview", "--suppress-outputs")

    return ended(work)


if __name__ == "__main__":
    sys.exit(main())
