"""Common parts of the set-up's steps: one line for people, a log for the rest, a lock, and a stamp at the end.

The steps themselves are in other modules: the Python environment, the engine, packages of the system.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # not evaluated at run time: an old Python has to get as far as the error message
    Version = tuple[int, ...]

HEARTBEAT_SECONDS = 30.0
INTERRUPTS = {signal.SIGINT, signal.SIGTERM}
NO_NETWORK = re.compile(
    r"no such host|dial tcp|[Tt]emporary failure in name resolution|[Nn]ame or service not known"
    r"|[Nn]etwork is unreachable|NewConnectionError|[Cc]onnection refused|[Cc]onnection reset"
    r"|i/o timeout|[Tt]imed out|TLS handshake|ProxyError"
    # pip, if its index has no versions at all: every pinned version exists.
    r"|\(from versions: none\)"
    # apt-get
    r"|Temporary failure resolving|Could not resolve|Could not connect|Unable to connect"
)
DISK_FULL = re.compile(r"[Nn]o space left on device")


class BootstrapError(Exception):
    """The set-up cannot continue; the message is one line, with the remedy."""


def parse_version(text: str) -> Version | None:
    """The first dotted number in a tool's version line: `v3.258.0-dev.1`, `go version go1.26.8 linux/amd64`."""
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part) for part in match.groups() if part is not None) if match else None


def show_version(version: Version | None) -> str:
    """For people."""
    return ".".join(str(part) for part in version) if version else "of unknown version"


def digest(files: Sequence[Path], *more: str) -> str:
    """A hash of the contents of files (not of their paths) and of some words."""
    total = hashlib.sha256()
    for part in [*(file.read_bytes() for file in files), *(word.encode() for word in more)]:
        total.update(hashlib.sha256(part).digest())
    return total.hexdigest()


def read_stamp(path: Path) -> dict[str, str]:
    """The content of a stamp; empty if it is missing or was truncated by a crash."""
    with contextlib.suppress(OSError, ValueError):
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            return {str(key): str(value) for key, value in content.items()}
    return {}


def write_stamp(path: Path, content: Mapping[str, str]) -> None:
    """Write it atomically, with a rename as the last step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    draft.replace(path)


def explain(output: str, log: Path, step: str, remedy: str) -> str:
    """One line for a failed step: the cause if it is known, and the log file."""
    if DISK_FULL.search(output):
        return f"{step}: the disk is full; the Go caches need about 3 GB, .venv and .engine 1 GB (log: {log})"
    if NO_NETWORK.search(output):
        cause = "a package registry could not be reached; check network, proxy and DNS, then run it again"
        return f"{step}: {cause} (log: {log})"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return f"{step} failed: {lines[-1] if lines else 'no output'}; {remedy} (log: {log})"


def say(line: str) -> None:
    """Print progress to standard error: standard output is for --print-env."""
    print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def heartbeat(label: str) -> Iterator[None]:
    """Show that a silent tool is still running: a clock on a terminal, an occasional line otherwise."""
    started, done, tty = time.monotonic(), threading.Event(), sys.stderr.isatty()

    def beat() -> None:
        while not done.wait(1.0 if tty else HEARTBEAT_SECONDS):
            passed = int(time.monotonic() - started)
            clock = f"  {label}: {passed // 60}:{passed % 60:02d}"
            print(f"\r{clock} " if tty else f"{clock} so far", end="" if tty else "\n", file=sys.stderr, flush=True)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        if tty:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def run(
    step: str, command: Sequence[str | Path], *, cwd: Path, log: Path, remedy: str, env: Mapping[str, str] | None = None
) -> str:
    """Run a tool with its output in a log file; a failure becomes one line. Returns its output."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a+", encoding="utf-8", errors="replace") as sink:
        sink.write(f"$ {shlex.join(str(part) for part in command)}\n")
        sink.flush()
        begin = sink.tell()
        # Interrupts are deferred until the process is known: one during its start would leave it running.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
        try:
            # In its own session, so that its child processes end with it when this program is interrupted.
            process = subprocess.Popen(
                [str(part) for part in command], cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                stdout=sink, stderr=subprocess.STDOUT, start_new_session=True,
                preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, mask),  # noqa: PLW1509 - no thread yet
            )  # fmt: skip
        except BaseException:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            raise
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            with heartbeat(step):
                status = process.wait()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            raise
        sink.seek(begin)
        output = sink.read()
    if status:
        raise BootstrapError(explain(output, log, step, remedy))
    return output


@contextlib.contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Let a second run wait for the first instead of building the same at the same time."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another run of tools/bootstrap.py to finish.")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
