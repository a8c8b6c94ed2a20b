"""Installs uv, which creates the Python environments, with pip, in the version and with the hashes of `uv.lock`.

    python3 tools/get_uv.py FOLDER    creates a virtual environment with uv in FOLDER; prints the folder of the command

For runners: `.github/actions/engine` puts that folder on PATH before `pulumi install`, which calls uv. The set-up of
this project installs the same wheel into `.venv`. Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from steps import BootstrapError, run, say

ROOT = Path(__file__).resolve().parent.parent
LOCK = "uv.lock"
# Settings of pip that uv does not read: https://docs.astral.sh/uv/pip/compatibility/
PLACES = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "find-links": "UV_FIND_LINKS"}
CONNECTION = {
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}
# If uv itself has an index configured, by these, pip's settings do not override it.
OWN_INDEX = (*PLACES.values(), "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_NO_INDEX", "UV_CONFIG_FILE")


def locked(root: Path) -> tuple[str, list[str]]:
    """The locked version of uv, and the hashes of its wheels."""
    import tomllib  # noqa: PLC0415 -- not there before Python 3.11, which is refused in words first

    lock = tomllib.loads((root / LOCK).read_text(encoding="utf-8"))
    for package in lock.get("package", ()):
        if package.get("name") == "uv":
            return str(package["version"]), [str(wheel["hash"]) for wheel in package["wheels"]]
    raise BootstrapError(f"{LOCK} has no package uv; restore it from the repository")


def version_of(uv: Path) -> str:
    """The version that `uv --version` prints; empty if it cannot be run."""
    try:
        result = subprocess.run([uv, "--version"], capture_output=True, text=True, check=False, timeout=60)
    except OSError:
        return ""
    words = result.stdout.split()
    return words[1] if len(words) > 1 else ""


def install_uv(root: Path, venv: Path, log: Path) -> Path:
    """Install the locked uv into a virtual environment with pip, unless it is installed; returns the command."""
    uv, (version, hashes) = venv / "bin" / "uv", locked(root)
    if version_of(uv) == version:
        return uv
    wanted = log.parent / "uv.txt"
    wanted.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"uv=={version}", *(f"    --hash={each}" for each in hashes)]
    wanted.write_text(" \\\n".join(lines) + "\n", encoding="utf-8")
    flags = ["--disable-pip-version-check", "--no-input", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    command: list[str | Path] = [venv / "bin" / "python", "-m", "pip", "install", *flags, "-r", wanted]
    run("pip install uv", command, cwd=root, log=log, remedy=f"check that pip can install uv {version} on this machine")
    return uv


def pip_settings(listing: str) -> dict[str, list[str]]:
    """Each option's values as pip would use them; `listing`: output of `pip config list`."""
    found: dict[str, list[str]] = {}
    # Later sections win: all commands, `install`, the environment.
    for section in ("global.", "install.", ":env:."):
        for line in listing.splitlines():
            key, _, value = line.partition("=")
            if key.startswith(section) and value:
                found[key.removeprefix(section)] = str(ast.literal_eval(value)).split()
    return found


def as_uv_reads_it(settings: Mapping[str, Sequence[str]], environment: Mapping[str, str], home: Path) -> dict[str, str]:
    """pip's settings as uv's environment variables, unless uv itself is configured."""
    configs = (Path(environment.get("XDG_CONFIG_HOME") or home / ".config"), Path("/etc"))
    own = any(map(environment.get, OWN_INDEX)) or any((folder / "uv" / "uv.toml").exists() for folder in configs)
    given: dict[str, str] = {}
    for option, name in (CONNECTION if own else PLACES | CONNECTION).items():
        values = settings.get(option, ())
        if option == "find-links":  # pip ignores a folder that does not exist, uv fails
            values = [place for place in values if "://" in place or Path(place).exists()]
        if values and not environment.get(name):
            given[name] = ("," if option == "find-links" else " ").join(values)
    if "UV_INDEX" in given:
        # pip uses any index that has the version; every file is checked against its hash.
        given["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return given


def uv_environment(python: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """uv's environment: pip's indexes, bytecode compilation, and no downloads of Python."""
    command = [str(python), "-m", "pip", "config", "list"]
    listing = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(environment)).stdout
    return {
        "UV_COMPILE_BYTECODE": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        **as_uv_reads_it(pip_settings(listing), environment, Path.home()),
    }


def main(arguments: list[str]) -> int:
    """Exit status 0 with the folder on standard output, or 1 with one line on standard error."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        say(__doc__ or "")
        return 2
    folder = Path(arguments[0]).absolute()
    log = folder / "log"
    try:
        create = [sys.executable, "-m", "venv", str(folder)]
        run("python3 -m venv", create, cwd=ROOT, log=log, remedy=f"check that {folder} can be written")
        say(f"uv {version_of(install_uv(ROOT, folder, log))}")
    except BootstrapError as problem:
        say(f"get_uv: {problem}")
        return 1
    print(folder / "bin")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
