"""The engine's command line for this program's tools: run it on one stack, and read its output as data."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from engine import run as engine_run
from engine.tokens import STACK
from engine.values import WHOLE, missing_values
from refusal import Refusal, with_remedy
from secret_text import SECRET, hidden

Json = dict[str, Any]

SHOW_SECRETS = "--show-secrets"
CONFIGURES = "PULUMI_"  # prefix of the engine's own environment variables
REPORTS = "PULUMI_ENABLE_"  # except those that only choose the form of its reports
# Operations after which the cloud may have resources missing in the state (pulumi/sdk/go/common/apitype/core.go).
ADDING = ("creating", "importing")
DELETING = ("deleting",)
# The state file, or the attribute file beside it, is briefly empty while an engine writes it. Commands and the program
# read it first, before they change anything.
BEING_WRITTEN = "failed to load checkpoint: EOF"
ATTEMPTS = 3
# The engine's key for "this value is a secret" (pulumi/sdk/go/common/resource/sig).
_SECRET_MARK = "4dabf18193072939515e22adb298388d"  # noqa: S105

# "file:///...: created by user@host (pid 123) at ...", one line per lock (pulumi/pkg/backend/diy/lock.go). A shared
# backend's locks never match: two machines may have the same name, and neither sees the other's processes.
_LOCK = re.compile(r"(\w+)://\S+: created by \S+@(\S+) \(pid (\d+)\)")
# A state that contradicts itself (pulumi/pkg/backend/diy/state.go, pulumi/pkg/resource/deploy/snapshot.go).
_REFUSED_STATE = re.compile(r"snapshot integrity failure.*: ((?:child )?resource .+)")


class EngineError(Exception):
    """The engine failed. `output` is all its output."""

    def __init__(self, command: str, output: str) -> None:
        super().__init__(f"`{command}` failed:\n{refused_state(output) or output.strip()}")
        self.output = output


class NotWholeError(EngineError, Refusal):
    """The stack's outputs contain placeholders for unknown values."""

    def __init__(self, stack: str, wrong: str) -> None:
        Refusal.__init__(self, f"the outputs of stack {stack}: {wrong}", WHOLE)
        self.output = ""


@dataclass(frozen=True)
class Failure:
    """An error that the engine reported, with its resource; `urn` is empty if there is none."""

    urn: str
    message: str


@dataclass
class Events:
    """The result of a preview or an import, in the shape of `pulumi preview --json`."""

    steps: list[Json] = field(default_factory=list)
    outputs: Json = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)


@dataclass(frozen=True)
class Cli:
    """`pulumi` on one stack of one project folder. `environment` is added to this process's own; `apart` leaves out the
    variables that configure the engine: PULUMI_STACK or PULUMI_CONFIG_PASSPHRASE there belong to other stacks."""

    project: Path
    stack: str
    environment: Mapping[str, str] = field(default_factory=dict)
    apart: bool = False

    def surroundings(self) -> dict[str, str]:
        """The engine's complete environment."""
        foreign = {key for key in os.environ if key.startswith(CONFIGURES) and not key.startswith(REPORTS)}
        ours = {key: value for key, value in os.environ.items() if not (self.apart and key in foreign)}
        return {**ours, **self.environment}

    def run(
        self, *arguments: str, extra: Mapping[str, str] | None = None, show: Callable[[str], None] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, successful or not; `show` as in `engine.run`. A lock that a crash left behind is
        released first."""
        command = ["pulumi", "--cwd", str(self.project), "--non-interactive", *arguments]
        try:
            for _ in range(ATTEMPTS):
                done = engine_run.run(command, {**self.surroundings(), **(extra or {})}, show)
                output = f"{done.stdout}{done.stderr}"
                if not done.returncode or BEING_WRITTEN not in output:
                    break
        except FileNotFoundError:
            raise EngineError(
                "pulumi", with_remedy("`pulumi` is not on PATH", "install it, or build it with `make up`")
            ) from None
        if done.returncode and locked_by_the_dead(output):
            if show:
                print("releasing the lock of a process that no longer exists")
            self.text("cancel", "--stack", self.stack, "--yes")
            return self.run(*arguments, extra=extra, show=show)
        return done

    def text(self, *arguments: str) -> str:
        """Standard output of a command that must succeed. Raises `EngineError`."""
        done = self.run(*arguments)
        if done.returncode:
            raise EngineError(f"pulumi {shlex.join(arguments)}", f"{done.stdout}{done.stderr}")
        return done.stdout

    def _object(self, *arguments: str) -> Json:
        """A command's output as a JSON object. A stack without any update has `{}`, null or no output.

        Raises `EngineError`, also for any other output. Output with --show-secrets is never quoted.
        """
        answer = self.text(*arguments)
        try:
            found = json.loads(answer) if answer.strip() else None
            wrong = "" if isinstance(found, dict | None) else "not a JSON object"
        except (ValueError, RecursionError):
            wrong = "not JSON"
        if wrong:
            raise EngineError(f"pulumi {shlex.join(arguments)}", f"its output is {wrong}{_quoted(arguments, answer)}")
        return found or {}

    def show(self, *arguments: str) -> int:
        """Run a command with its output on the terminal; return its exit status. Locks as in `run`."""
        done = self.run(*arguments, show=partial(print, end="", flush=True))
        if refused := refused_state(done.stdout):
            print(refused)
        if done.returncode < 0:
            print(f"the engine was killed (signal {-done.returncode})")
        return done.returncode

    def outputs(self, *, secrets: bool = False) -> Json:
        """The stack's outputs, secrets masked unless requested. Raises `NotWholeError` if they are incomplete."""
        shown = [SHOW_SECRETS] if secrets else []
        found = self._object("stack", "output", "--json", *shown, "--stack", self.stack)
        if wrong := missing_values(found):
            raise NotWholeError(self.stack, wrong)
        return found

    def config(self) -> tuple[dict[str, str], set[str]]:
        """The stack's configuration as the program gets it, and its secret keys."""
        listed = self._object("config", "--json", SHOW_SECRETS, "--stack", self.stack)
        entries: dict[str, Json] = {key: entry for key, entry in listed.items() if entry}
        return (
            {key: entry["value"] for key, entry in entries.items() if "value" in entry},
            {key for key, entry in entries.items() if entry.get("secret")},
        )

    def deployment(self) -> Json:
        """The state: `resources` and `pending_operations`, each missing if there are none."""
        return self._object("stack", "export", "--stack", self.stack).get("deployment") or {}

    def interrupted(self) -> list[str]:
        """URNs of resources whose creation was interrupted: the cloud may have them, the state does not."""
        return self._pending(ADDING)

    def deleting(self) -> list[str]:
        """URNs of resources whose deletion was interrupted: the state has them, the cloud may not."""
        return self._pending(DELETING)

    def _pending(self, types: Sequence[str]) -> list[str]:
        pending = self.deployment().get("pending_operations") or ()
        return [each["resource"]["urn"] for each in pending if each.get("type") in types]

    def forget_deletions(self) -> None:
        """Refresh the state: resources that no longer exist are dropped from it, and the next update creates them.
        Pending creations stay recorded.
        """
        self.text("refresh", "--stack", self.stack, "--yes", "--skip-preview", "--skip-pending-creates")

    def forget_interruption(self) -> None:
        """Refresh the state and clear its pending operations. Only the state changes.

        Pending operations are cleared before the refresh: call it when all of their resources are recorded.
        """
        self.text("refresh", "--stack", self.stack, "--yes", "--skip-preview", "--clear-pending-creates")

    def preview(self, *arguments: str) -> Events:
        """What an update would do. Failures are in the result; raises `EngineError` if there is no readable output."""
        return _events("pulumi preview", self.preview_stream(*arguments))

    def preview_stream(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What an update would do, as the engine's events, one JSON object per line."""
        streamed = {"PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"}
        return self.run("preview", "--json", "--stack", self.stack, *arguments, extra=streamed)

    def import_resources(self, file: Path, *, protect: bool) -> Events:
        """Import the resources that `file` lists into the state. Failures are in the result."""
        done = self.run(
            *("import", "--file", str(file), "--stack", self.stack, "--yes", "--json", "--generate-code=false"),
            *("--skip-preview", f"--protect={str(protect).lower()}"),
        )
        return _events("pulumi import", done)


def refused_state(output: str) -> str:
    """What is wrong with the state, and the remedy, if the engine refuses it; otherwise empty."""
    found = _REFUSED_STATE.search(output)
    if not found:
        return ""
    return with_remedy(
        f"the engine refuses the stack's state: {found[1].strip()}",
        "`pulumi state repair` on this stack, then a complete `pulumi up`; docs/recover.md",
    )


def _quoted(arguments: Sequence[str], answer: str) -> str:
    if SHOW_SECRETS in arguments:
        return f" ({len(answer):,} characters, not shown here because they may contain secrets)"
    return f": {hidden(answer):.200}"


def locked_by_the_dead(output: str) -> bool:
    """Whether the engine refused because of lock files whose holders, processes of this machine, have all ended."""
    holders = _LOCK.findall(output)
    return bool(holders) and all(
        backend == "file" and host == socket.gethostname() and not _alive(int(pid)) for backend, host, pid in holders
    )


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # A zombie: killed, but not yet reaped by its parent; it no longer holds the lock.
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


def _events(command: str, done: subprocess.CompletedProcess[str]) -> Events:
    events = Events()
    for line in done.stdout.splitlines():
        try:
            event = json.loads(line) if line.startswith("{") else {}
        except ValueError:
            continue  # plugins and language hosts write other lines among the events
        if step := (event.get("resourcePreEvent") or {}).get("metadata"):
            events.steps.append(step_of(step))
        elif result := (event.get("resOutputsEvent") or {}).get("metadata"):
            if result.get("type") == STACK:
                events.outputs = masked((result.get("new") or {}).get("outputs") or {})
        elif (said := event.get("diagnosticEvent")) and said.get("severity") == "error":
            events.failures.append(Failure(said.get("urn") or "", str(said.get("message") or "").strip()))
    if done.returncode and not events.failures:
        raise EngineError(command, f"{done.stdout}{done.stderr}")
    return events


def step_of(metadata: Json) -> Json:
    """One step in the documented shape of `pulumi preview --json`."""
    return {
        "op": metadata["op"],
        "urn": metadata["urn"],
        "oldState": metadata.get("old"),
        "newState": metadata.get("new"),
        "detailedDiff": metadata.get("detailedDiff"),
        "diffReasons": metadata.get("diffs"),
        "replaceReasons": metadata.get("keys"),
    }


def masked(value: Any) -> Any:
    """A value of a state without its secrets."""
    if isinstance(value, dict):
        return SECRET if _SECRET_MARK in value else {key: masked(inner) for key, inner in value.items()}
    return [masked(inner) for inner in value] if isinstance(value, list) else value
