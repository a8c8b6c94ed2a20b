"""Set up what the project's commands run on: the Python environment and the Pulumi engine.

    python3 tools/bootstrap.py              .venv with the program and the sandbox, and an engine
    python3 tools/bootstrap.py --dev        the same, with tests, formatter and type checker
    python3 tools/bootstrap.py --print-env  the same, then the lines a shell evaluates to use both

A `pulumi` on PATH that is new enough is used as it is. Otherwise the engine is built once, into `.engine/bin`, from the
Go modules pinned in `tools/engine` and `tools/language-host`: Pulumi's own download site is not needed. A second run
finds its stamps and says nothing.

Standard library only: it runs before anything is installed. It starts no sandbox, selects no stack and knows no cloud.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:  # not evaluated at run time: a Python too old for it must get as far as saying so
    Version = tuple[int, ...]

ROOT = Path(__file__).resolve().parent.parent

MIN_PYTHON: Version = (3, 11)
# Protocol and behaviour were tried with this release (requirements.txt pins the SDK of the same one).
MIN_PULUMI: Version = (3, 258, 0)
CLI_VERSION = "v3.258.0"
CLI_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
SDK_MODULE = "github.com/pulumi/pulumi/sdk/v3"
HOST_PACKAGE = f"{SDK_MODULE}/python/cmd/pulumi-language-python"
# Scripts the language host starts; they come with the SDK module, without their executable bits.
SDK_SCRIPTS = ("python/cmd/pulumi-language-python-exec", "python/dist/pulumi-resource-pulumi-python")
# Without the stamped version the CLI calls itself "" and refuses a project that asks for a minimum version.
CLI_LDFLAGS = f"-s -w -X {SDK_MODULE}/go/common/version.Version={CLI_VERSION}"
RECIPE = "1"  # counted up when the way of building changes without a change of go.mod or go.sum

SANDBOX_SET, DEV_SET = "requirements-sandbox.txt", "requirements-dev.txt"
HEARTBEAT_SECONDS = 30.0
NO_NETWORK = re.compile(
    r"no such host|dial tcp|[Tt]emporary failure in name resolution|[Nn]ame or service not known"
    r"|[Nn]etwork is unreachable|NewConnectionError|[Cc]onnection refused|[Cc]onnection reset"
    r"|i/o timeout|[Tt]imed out|TLS handshake|ProxyError"
    # pip, when its index gave nothing at all: every version here is pinned to one that exists.
    r"|\(from versions: none\)"
)
DISK_FULL = re.compile(r"[Nn]o space left on device")


class BootstrapError(Exception):
    """A set-up that cannot go on; the message is the one line people see, with the remedy."""


@dataclasses.dataclass(frozen=True)
class Pulumi:
    """One `pulumi` executable found on PATH."""

    path: Path
    version: Version | None
    has_python_host: bool


def parse_version(text: str) -> Version | None:
    """The first dotted number in a tool's version line: `v3.258.0-dev.1`, `go version go1.26.8 linux/amd64`."""
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part) for part in match.groups() if part is not None) if match else None


def show_version(version: Version | None) -> str:
    """For people."""
    return ".".join(str(part) for part in version) if version else "of unknown version"


def choose_engine(found: Sequence[Pulumi]) -> Pulumi | None:
    """The first usable `pulumi` in PATH's order; None when the project has to build its own.

    Only the first is what a shell would run, but an old one in front must not hide a good one behind it: whichever is
    chosen is put first on PATH by --print-env.
    """
    return next((one for one in found if one.version and one.version >= MIN_PULUMI and one.has_python_host), None)


def why_not(found: Sequence[Pulumi]) -> str:
    """The reason, in words, for building an engine although these were found."""
    if not found:
        return "no pulumi on PATH"
    first = found[0]
    if not first.version or first.version < MIN_PULUMI:
        return f"{first.path} is {show_version(first.version)}, {show_version(MIN_PULUMI)} or newer is needed"
    return f"{first.path} has no pulumi-language-python beside it or on PATH"


def requirement_files(path: Path) -> list[Path]:
    """A requirements file and all it includes with `-r`, included ones first."""
    files: list[Path] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            files += requirement_files(path.parent / line[3:].strip())
    return [*files, path]


def digest(files: Sequence[Path], *more: str) -> str:
    """A hash of the contents of files (not of their places) and of some words."""
    total = hashlib.sha256()
    for part in [*(file.read_bytes() for file in files), *(word.encode() for word in more)]:
        total.update(hashlib.sha256(part).digest())
    return total.hexdigest()


def engine_digest(tools: Path) -> str:
    """Everything that decides what the built engine is."""
    pins = [tools / module / name for module in ("engine", "language-host") for name in ("go.mod", "go.sum")]
    return digest(pins, RECIPE, CLI_LDFLAGS, platform.system(), platform.machine())


def read_stamp(path: Path) -> dict[str, str]:
    """What a stamp says; nothing when it is missing or was cut short by a crash."""
    with contextlib.suppress(OSError, ValueError):
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            return {str(key): str(value) for key, value in content.items()}
    return {}


def write_stamp(path: Path, content: Mapping[str, str]) -> None:
    """All of it or nothing: a rename is the last step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    draft.replace(path)


def explain(output: str, log: Path, step: str, remedy: str) -> str:
    """One line for a failed step: the cause when it is a known one, and where the rest can be read."""
    if DISK_FULL.search(output):
        return f"{step}: the disk is full; the Go caches need about 3 GB, .venv and .engine 1 GB (log: {log})"
    if NO_NETWORK.search(output):
        cause = "a package registry could not be reached; check network, proxy and DNS, then run it again"
        return f"{step}: {cause} (log: {log})"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return f"{step} failed: {lines[-1] if lines else 'it said nothing'}; {remedy} (log: {log})"


def say(line: str) -> None:
    """Progress goes to standard error: standard output belongs to --print-env."""
    print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def heartbeat(label: str) -> Iterator[None]:
    """Show that a silent tool still works: a running clock on a terminal, a line now and then elsewhere."""
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
    """Run a tool with its output in a log file; its failure becomes one line. Gives back what it printed."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a+", encoding="utf-8", errors="replace") as sink:
        sink.write(f"$ {shlex.join(str(part) for part in command)}\n")
        sink.flush()
        begin = sink.tell()
        # A session of its own, so that whatever the tool started ends with it when this program is interrupted.
        process = subprocess.Popen(
            [str(part) for part in command], cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
            stdout=sink, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
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
    """Let a second run wait for the first instead of building the same thing beside it."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another run of tools/bootstrap.py to finish.")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


# --- the Python environment ---------------------------------------------------------------------------------------


def venv_is_current(root: Path, wanted: str) -> bool:
    """Whether .venv was made here, with this Python, and holds this set of requirements."""
    stamp = read_stamp(root / ".venv" / "warp-edge.json")
    return (
        stamp.get("python") == show_version(sys.version_info[:2])
        # Scripts in a virtual environment carry its absolute path: a moved folder needs a new one.
        and stamp.get("place") == str(root)
        and stamp.get(wanted) == digest(requirement_files(root / wanted))
        and (root / ".venv" / "bin" / "python").exists()
    )


def make_venv(root: Path, wanted: str) -> None:
    """Create or complete .venv. Its stamp is written last: whatever a crash leaves is completed by the next run."""
    venv, log = root / ".venv", root / ".engine" / "venv.log"
    python, version = venv / "bin" / "python", show_version(sys.version_info[:2])
    stamp = read_stamp(venv / "warp-edge.json")
    log.unlink(missing_ok=True)
    if stamp.get("place", str(root)) != str(root) or stamp.get("python", version) != version or not venv_works(python):
        if importlib.util.find_spec("ensurepip") is None:
            raise BootstrapError(
                f"Python {version} at {sys.executable} cannot make virtual environments: it has no ensurepip; "
                f"install it (Debian: apt-get install python{version}-venv), then run it again"
            )
        say("Creating .venv: the program's libraries stay out of the system's Python (about 5 s).")
        create: list[str | Path] = [sys.executable, "-m", "venv", "--clear", venv]
        run("python3 -m venv", create, cwd=root, log=log, remedy="remove .venv and run it again")
        stamp = {}
    say(f"Installing {wanted} into .venv: pinned libraries, Pulumi's SDK first (1 min cold, 40 s from pip's cache).")
    install: list[str | Path] = [
        python,
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
        "-r",
        wanted,
    ]
    run("pip install", install, cwd=root, log=log, remedy=f"see that {wanted} has packages for Python {version}")
    # The larger set includes the smaller one.
    sets = [SANDBOX_SET, DEV_SET] if wanted == DEV_SET else [SANDBOX_SET]
    digests = {name: digest(requirement_files(root / name)) for name in sets}
    write_stamp(venv / "warp-edge.json", {**stamp, **digests, "python": version, "place": str(root)})


def venv_works(python: Path) -> bool:
    """Whether this environment has the Python that runs here, and a pip."""
    if not python.exists():
        return False
    check = "import sys, pip; print(*sys.version_info[:2], sep='.')"
    result = subprocess.run([python, "-c", check], capture_output=True, text=True, check=False)
    return result.returncode == 0 and result.stdout.strip() == show_version(sys.version_info[:2])


# --- the engine ---------------------------------------------------------------------------------------------------


def find_pulumi(path: str, own: Path, cache: Path) -> list[Pulumi]:
    """Every `pulumi` on PATH but the project's own. Asking one for its version takes 0.2 s: answers are remembered."""
    found: list[Pulumi] = []
    known = read_stamp(cache)
    asked = dict(known)
    folders = dict.fromkeys(Path(entry).absolute() for entry in path.split(os.pathsep) if entry)
    others = [folder for folder in folders if folder.resolve() != own.resolve()]
    has_host = shutil.which("pulumi-language-python", path=os.pathsep.join(map(str, others))) is not None
    for executable in (folder / "pulumi" for folder in others):
        if not os.access(executable, os.X_OK) or not executable.is_file():
            continue
        state = executable.stat()
        key = f"{executable.resolve()} {state.st_size} {state.st_mtime_ns}"
        if key not in asked:
            asked[key] = ask_version(executable)
        found.append(Pulumi(executable, parse_version(asked[key]), has_host))
    if asked != known:
        write_stamp(cache, asked)
    return found


def ask_version(executable: Path) -> str:
    """What `pulumi version` prints; nothing when it cannot be run."""
    env = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"}
    command = [str(executable), "version"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False, env=env, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.strip()


def engine_is_current(root: Path) -> bool:
    """Whether the project's own engine is there, complete, and built from today's pins."""
    return read_stamp(root / ".engine" / "bin" / "stamp.json").get("pins") == engine_digest(root / "tools")


def needed_go(go_mod: str) -> Version:
    """The version the pinned modules ask for."""
    match = re.search(r"^go (\S+)$", go_mod, re.MULTILINE)
    version = parse_version(match.group(1)) if match else None
    if version is None:
        raise BootstrapError("tools/engine/go.mod has no line `go VERSION`; restore it from the repository")
    return version


def go_problem(needed: Version, have: Version | None, toolchain: str) -> str | None:
    """Why this Go cannot build the engine. From 1.21 on, Go fetches a newer Go itself unless GOTOOLCHAIN is `local`."""
    if have is None:
        return "its version cannot be read"
    if have >= needed or (have >= (1, 21) and toolchain not in ("local", "path")):
        return None
    return f"Go {show_version(have)} is too old"


def check_go(root: Path) -> str:
    """Find a Go that can build the engine, before anything long begins."""
    needed = needed_go((root / "tools" / "engine" / "go.mod").read_text(encoding="utf-8"))
    remedy = (
        f"install Go {show_version(needed)} or newer and put it on PATH, "
        f"or install Pulumi {show_version(MIN_PULUMI)} or newer, which needs no Go"
    )
    go = shutil.which("go")
    if go is None:
        raise BootstrapError(f"the engine has to be built and there is no `go` on PATH; {remedy}")
    # Outside a module's folder: inside one, Go would already try to switch to the version its go.mod asks for.
    env = {**os.environ, "GOWORK": "off"}
    version, toolchain = (
        subprocess.run([go, *words], capture_output=True, text=True, check=False, cwd="/", env=env).stdout
        for words in (["version"], ["env", "GOTOOLCHAIN"])
    )
    problem = go_problem(needed, parse_version(version), toolchain.strip())
    if problem:
        raise BootstrapError(f"the engine cannot be built with {go}: {problem}; {remedy}")
    return go


def build_engine(root: Path, reason: str) -> None:
    """Build in a folder beside, then put it in place with a rename: `.engine/bin` is complete or not there."""
    go, engine, tools, log = check_go(root), root / ".engine", root / "tools", root / ".engine" / "build.log"
    for left_over in (*engine.glob("build-*"), *engine.glob("old-*")):
        shutil.rmtree(left_over, ignore_errors=True)
    log.unlink(missing_ok=True)
    engine.mkdir(exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix="build-", dir=engine))
    # What a shell may have set for other work must not change this build: flags, workspaces, cross-compilation, C.
    env = {"GOFLAGS": "", "GOWORK": "off", "GOOS": "", "GOARCH": "", "CGO_ENABLED": "0"}
    remedy = "see that tools/ is as in the repository and `go env` has a module proxy that answers"

    def build(step: str, module: str, package: str, *flags: str) -> None:
        # -trimpath: what one clone or one module cache compiled, the next one takes from Go's cache.
        command = [
            go,
            "build",
            "-mod=readonly",
            "-buildvcs=false",
            "-trimpath",
            *flags,
            "-o",
            f"{new}{os.sep}",
            package,
        ]
        run(step, command, cwd=tools / module, log=log, remedy=remedy, env=env)

    say(
        f"Building the Pulumi engine {CLI_VERSION} from pinned Go modules into .engine, because {reason} "
        "(once; 8 to 10 min on two cores, half a minute when Go's caches are warm; 3 GB in Go's caches)."
    )
    build("1/2 pulumi", "engine", CLI_PACKAGE, f"-ldflags={CLI_LDFLAGS}")
    build("2/2 pulumi-language-python", "language-host", HOST_PACKAGE, "-ldflags=-s -w")
    where = [go, "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", SDK_MODULE]
    sdk = Path(run("go list", where, cwd=tools / "engine", log=log, remedy=remedy, env=env).strip())
    for script in SDK_SCRIPTS:
        target = new / Path(script).name
        shutil.copyfile(sdk / script, target)
        target.chmod(0o755)
    built = ask_version(new / "pulumi")
    if built != CLI_VERSION:
        raise BootstrapError(f"the engine just built says {built!r} instead of {CLI_VERSION}; see {log}")
    write_stamp(new / "stamp.json", {"pins": engine_digest(tools)})
    new.chmod(0o755)
    if (engine / "bin").exists():
        (engine / "bin").rename(engine / f"old-{os.getpid()}")
    new.rename(engine / "bin")
    shutil.rmtree(engine / f"old-{os.getpid()}", ignore_errors=True)


# --- the command --------------------------------------------------------------------------------------------------


def environment(root: Path, engine: Path, path: str) -> dict[str, str]:
    """What a shell needs. The environment's Python comes first: the language host takes the first one on PATH."""
    first = [str(root / ".venv" / "bin"), str(engine)]
    rest = [entry for entry in path.split(os.pathsep) if entry and entry not in first]
    return {
        "PATH": os.pathsep.join([*first, *rest]),
        "VIRTUAL_ENV": str(root / ".venv"),
        "PULUMI_SKIP_UPDATE_CHECK": "1",
    }


def set_up(root: Path, *, dev: bool, path: str) -> Path:
    """Make both current; gives back the folder of the engine that is used."""
    wanted, own = DEV_SET if dev else SANDBOX_SET, root / ".engine" / "bin"
    found = find_pulumi(path, own, root / ".engine" / "found.json")
    chosen = choose_engine(found)
    if not venv_is_current(root, wanted) or not (chosen or engine_is_current(root)):
        with only_one(root / ".engine" / "lock"):
            # Asked again: another run may have done it meanwhile.
            if not chosen and not engine_is_current(root):
                check_go(root)  # before minutes of other work
            if not venv_is_current(root, wanted):
                make_venv(root, wanted)
            if not chosen and not engine_is_current(root):
                build_engine(root, why_not(found))
    return chosen.path.parent if chosen else own


def interrupt(*_: object) -> NoReturn:
    """End on SIGTERM as on Ctrl-C: with what was started, and one line."""
    raise KeyboardInterrupt


def check_python() -> None:
    """Refuse a Python that the program does not run on."""
    if sys.version_info[:2] < MIN_PYTHON:
        raise BootstrapError(
            f"{sys.executable} is Python {platform.python_version()}, {show_version(MIN_PYTHON)} or newer is "
            "needed; install one and start tools/bootstrap.py with it"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0 when all is set up, 1 with one line when it cannot be, 130 when interrupted."""
    purpose = "Set up the Python environment and the Pulumi engine."
    parser = argparse.ArgumentParser(prog="tools/bootstrap.py", description=purpose)
    parser.add_argument("--dev", action="store_true", help="with tests, formatter and type checker")
    parser.add_argument("--print-env", action="store_true", help="print `export` lines for a shell to evaluate")
    parser.add_argument("--verbose", action="store_true", help="say what is used even when nothing was to do")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        check_python()
        path = os.environ.get("PATH", "")
        engine = set_up(ROOT, dev=options.dev, path=path)
    except BootstrapError as problem:
        say(f"bootstrap: {problem}")
        return 1
    except OSError as problem:
        place, cause = problem.filename or "the system", problem.strerror or problem
        say(f"bootstrap: {place}: {cause}; check permissions and free space, then run it again")
        return 1
    except KeyboardInterrupt:
        say("bootstrap: interrupted; the next run goes on from here")
        return 130
    if options.verbose:
        say(f"Python: {ROOT / '.venv'}; engine: {engine}")
    if options.print_env:
        for name, value in environment(ROOT, engine, path).items():
            print(f"export {name}={shlex.quote(value)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
