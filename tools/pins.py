"""Checks the pins: all places that state a version agree, and no pinned version is known to be faulty.

    python3 tools/pins.py    exit status 1, with problems and remedies, if not

A version is chosen in the first place of its list here; the others have to match. Standard library only.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from known_faults import PAGE, read, refused
from steps import BootstrapError, say

ROOT = Path(__file__).resolve().parent.parent
LOCK = "uv.lock"


def package(name: str) -> tuple[str, str]:
    """Where a Python package is pinned."""
    return "pyproject.toml", rf'^ *"{re.escape(name)}==([\w.]+)",$'


# A pattern has to find at least one version in its file, and all that it finds are compared.
PLACES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "pulumi": (
        package("pulumi"),
        ("tools/engine/go.mod", r"^\tgithub\.com/pulumi/pulumi/pkg/v3 v(\S+)"),
        ("tools/engine/go.mod", r"^\tgithub\.com/pulumi/pulumi/sdk/v3 v(\S+)"),
        ("tools/pulumi_engine.py", r'^CLI_VERSION = "v(.+)"$'),
        (".github/actions/engine/action.yml", r"^ +pulumi-version: (\S+)$"),
        (".github/workflows/checks.yml", r"^ +pulumi-version: (\S+)$"),
        ("README.md", r"(?:`pulumi`|Install Pulumi\]\(\S+\)) (\d[\d.]*) or newer"),
    ),
    "pulumi-gcp": (package("pulumi-gcp"), ("local_cloud/gcp/provider.py", r'^VERSION: Final = "(.+)"$')),
    "pulumi-kubernetes": (
        package("pulumi-kubernetes"),
        ("local_cloud/kubernetes/provider.py", r'^VERSION: Final = "(.+)"$'),
    ),
    "pulumi-random": (package("pulumi-random"), ("local_cloud/random_provider.py", r'^VERSION: Final = "(.+)"$')),
    # In the program and in the group of the image: both places are found by the one pattern.
    **{name: (package(name),) for name in ("psycopg[binary]", "cryptography", "dnspython", "requests")},
    "Go": (("tools/engine/go.mod", r"^go (\S+)$"), ("README.md", r"\bGo (\d[\d.]*) or newer")),
}


def disagreements(root: Path) -> list[str]:
    """Every place whose version differs from the first place's. A shorter one (3.260) matches all that begin with
    it."""
    problems: list[str] = []
    for name, places in PLACES.items():
        home, wanted = "", ""
        for file, pattern in places:
            found = re.findall(pattern, (root / file).read_text(encoding="utf-8"), re.MULTILINE)
            if not found:
                problems.append(f"{file} no longer states a version of {name}\n  -> fix its pattern in tools/pins.py")
                continue
            if not home:
                home, wanted = file, found[0]
            problems += [
                f"{file} has {name} {version}, {home} has {wanted}\n"
                f"  -> this version is chosen in {home}; change {file}"
                for version in dict.fromkeys(found)
                if version != wanted and not wanted.startswith(f"{version}.")
            ]
    return problems


def locked(root: Path) -> dict[str, str]:
    """All locked packages, with their versions."""
    text = (root / LOCK).read_text(encoding="utf-8")
    return dict(re.findall(r'^\[\[package\]\]\nname = "([^"]+)"\nversion = "([^"]+)"$', text, re.MULTILINE))


def problems(root: Path) -> list[str]:
    """All problems of the pins."""
    faults = read((root / PAGE).read_text(encoding="utf-8"))
    return [*disagreements(root), *refused(locked(root), faults)]


def main() -> int:
    """Exit status 0: no problems; 1: problems, each with its remedy."""
    try:
        found = problems(ROOT)
    except BootstrapError as problem:
        found = [str(problem)]
    for each in found:
        say(f"pins: {each}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
