"""The Pulumi engine: one on PATH that is new enough, or one built into `.engine/bin` from pinned Go modules.

The pins are `tools/engine` (the command line) and `tools/language-host` (which runs Python programs). Building needs Go
and a module proxy, not Pulumi's own download site. The order of the steps is in `bootstrap`.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from steps import BootstrapError, digest, parse_version, read_stamp, run, say, show_version, write_stamp

if TYPE_CHECKING:
    from steps import Version

# Protocol and behaviour were tested with this release (pyproject.toml pins the same SDK).
CLI_VERSION = "v3.260.0"
MIN_PULUMI: Version = tuple(int(part) for part in CLI_VERSION.removeprefix("v").split("."))
CLI_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
SDK_MODULE = "github.com/pulumi/pulumi/sdk/v3"
HOST_PACKAGE = f"{SDK_MODULE}/python/cmd/pulumi-language-python"
# Scripts that the language host starts; in the SDK module they are not executable.
SDK_SCRIPTS = ("python/cmd/pulumi-language-python-exec", "python/dist/pulumi-resource-pulumi-python")
# Without this stamp the CLI's version is empty, and it refuses a project that requires a minimum version.
CLI_LDFLAGS = f"-s -w -X {SDK_MODULE}/go/common/version.Version={CLI_VERSION}"
RECIPE = "1"  # increase it if the build changes without a change of go.mod or go.sum


@dataclasses.dataclass(frozen=True)
class Pulumi:
    """One `pulumi` executable found on PATH."""

    path: Path
    version: Version | None
    has_python_host: bool


def choose_engine(found: Sequence[Pulumi]) -> Pulumi | None:
    """The first usable `pulumi` on PATH; None if the project has to build its own.

    A shell would run the first one, but an old one must not hide a usable one after it: --print-env puts the chosen one
    first on PATH.
    """
    return next((one for one in found if one.version and one.version >= MIN_PULUMI and one.has_python_host), None)


def why_not(found: Sequence[Pulumi]) -> str:
    """Why an engine is built although these were found."""
    if not found:
        return "no pulumi on PATH"
    first = found[0]
    if not first.version or first.version < MIN_PULUMI:
        return f"{first.path} is {show_version(first.version)}, {show_version(MIN_PULUMI)} or newer is required"
    return f"{first.path} has no pulumi-language-python beside it or on PATH"


def find_pulumi(path: str, own: Path, cache: Path) -> list[Pulumi]:
    """Every `pulumi` on PATH except the project's own. Getting a version takes 0.2 s, so versions are cached."""
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
    """Output of `pulumi version`; empty if it cannot be run."""
    env = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"}
    command = [str(executable), "version"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False, env=env, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.strip()


def engine_digest(tools: Path) -> str:
    """A digest of everything that determines the build."""
    pins = [tools / module / name for module in ("engine", "language-host") for name in ("go.mod", "go.sum")]
    return digest(pins, RECIPE, CLI_LDFLAGS, platform.system(), platform.machine())


def engine_is_current(root: Path) -> bool:
    """Whether the project's own engine is complete and built from the current pins."""
    return read_stamp(root / ".engine" / "bin" / "stamp.json").get("pins") == engine_digest(root / "tools")


def needed_go(go_mod: str, file: str = "tools/engine/go.mod") -> Version:
    """The Go version that the pinned modules require."""
    match = re.search(r"^go (\S+)$", go_mod, re.MULTILINE)
    version = parse_version(match.group(1)) if match else None
    if version is None:
        raise BootstrapError(f"{file} has no line `go VERSION`; restore it from the repository")
    return version


def go_problem(needed: Version, have: Version | None, toolchain: str) -> str | None:
    """Why this Go cannot build the engine. From 1.21 on, Go downloads a newer one itself unless GOTOOLCHAIN is
    `local`."""
    if have is None:
        return "its version cannot be read"
    if have >= needed or (have >= (1, 21) and toolchain not in ("local", "path")):
        return None
    return f"Go {show_version(have)} is too old"


def check_go(root: Path) -> str:
    """Find a Go that can build the engine, before any long step."""
    instead = f", or install Pulumi {show_version(MIN_PULUMI)} or newer, which needs no Go"
    return find_go(root / "tools" / "engine" / "go.mod", "the engine", instead)


def find_go(go_mod: Path, what: str, instead: str = "") -> str:
    """A Go that can build this module, `what` in words. `instead`: another remedy than a newer Go."""
    needed = needed_go(go_mod.read_text(encoding="utf-8"), f"tools/{go_mod.parent.name}/go.mod")
    remedy = f"install Go {show_version(needed)} or newer and put it on PATH{instead}"
    go = shutil.which("go")
    if go is None:
        raise BootstrapError(f"{what} has to be built and there is no `go` on PATH; {remedy}")
    # Outside a module's folder: inside one, Go would already try to switch to the version that its go.mod requires.
    env = {**os.environ, "GOWORK": "off"}
    version, toolchain = (
        subprocess.run([go, *words], capture_output=True, text=True, check=False, cwd="/", env=env).stdout
        for words in (["version"], ["env", "GOTOOLCHAIN"])
    )
    if problem := go_problem(needed, parse_version(version), toolchain.strip()):
        raise BootstrapError(f"{what} cannot be built with {go}: {problem}; {remedy}")
    return go


def build_engine(root: Path, reason: str) -> None:
    """Build in a temporary folder, then rename it: `.engine/bin` is complete or does not exist."""
    go, engine, tools, log = check_go(root), root / ".engine", root / "tools", root / ".engine" / "build.log"
    for left_over in (*engine.glob("build-*"), *engine.glob("old-*")):
        shutil.rmtree(left_over, ignore_errors=True)
    log.unlink(missing_ok=True)
    engine.mkdir(exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix="build-", dir=engine))
    # Environment variables for other work must not affect this build: flags, workspaces, cross-compilation, C.
    env = {"GOFLAGS": "", "GOWORK": "off", "GOOS": "", "GOARCH": "", "CGO_ENABLED": "0"}
    remedy = "check that tools/ is unchanged and that the module proxy in `go env` answers"

    def build(step: str, module: str, package: str, *flags: str) -> None:
        # -trimpath: other clones and module caches can reuse what is in Go's build cache.
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
        "(once; 8 to 10 min on two cores, half a minute with warm Go caches; 3 GB in Go's caches)."
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
        raise BootstrapError(f"the engine just built reports version {built!r} instead of {CLI_VERSION}; see {log}")
    write_stamp(new / "stamp.json", {"pins": engine_digest(tools)})
    new.chmod(0o755)
    if (engine / "bin").exists():
        (engine / "bin").rename(engine / f"old-{os.getpid()}")
    new.rename(engine / "bin")
    shutil.rmtree(engine / f"old-{os.getpid()}", ignore_errors=True)
