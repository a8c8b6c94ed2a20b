"""The image of reloader and renewer, without an engine that builds images: its Dockerfile's steps, done by hand."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.stacks import ROOT

DOCKERFILE = ROOT / "kamailio" / "reloader" / "Dockerfile"
GROUP = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]["reloader"]
REQUIREMENTS = ROOT / "kamailio" / "reloader" / "requirements.txt"


def steps() -> list[tuple[str, list[str]]]:
    """Instruction and words, without comments."""
    text = re.sub(r"\\\n", " ", DOCKERFILE.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], shlex.split(line.split(maxsplit=1)[1])) for line in lines]


def copied(image: Path) -> None:
    """What COPY puts into the image, in its place; a source that matches nothing ends a build."""
    for instruction, words in steps():
        if instruction == "COPY":
            *sources, target = words
            for source in sources:
                found = sorted(ROOT.glob(source))
                assert found, f"COPY {source}: there is no such file"
                for file in found:
                    place = image / target.lstrip("/") / (file.name if target.endswith("/") else "")
                    place.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(file, place)


def test_the_base_is_one_version_and_nothing_runs_as_root() -> None:
    instructions = dict(steps())
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+(@sha256:[0-9a-f]{64})?", instructions["FROM"][0])
    assert instructions["USER"] == ["10001"]


@pytest.mark.parametrize(
    ("module", "says"),
    [
        (
            "kamailio.reloader",
            "reloader: WARP_ACL_DB_URL is not set; the Secret with the reader's credentials has it\n",
        ),
        ("kamailio.renewer", "renewer: WARP_TLS_CONFIG is not set; it is the path of the JSON file\n"),
        ("verify.prober", "prober: WARP_PROBE_CONFIG is not set; it is the path of the JSON file\n"),
    ],
)
def test_what_is_copied_is_all_that_is_imported(tmp_path: Path, module: str, says: str) -> None:
    """It starts, and says what it misses of its environment."""
    copied(tmp_path)
    # The image's own interpreter has the requirements; this one has them, and the program's folder is out of its sight.
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, '{tmp_path}/app'); import runpy;"
         f" runpy.run_module('{module}', run_name='__main__', alter_sys=True)"],
        cwd=tmp_path, env={"PATH": os.defpath}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, says)


def test_all_that_is_installed_is_in_the_requirements_with_hashes() -> None:
    (install,) = (words for instruction, words in steps() if instruction == "RUN")
    assert "--require-hashes" in install
    text = REQUIREMENTS.read_text(encoding="utf-8")
    pinned = {line.split("==")[0]: line for line in text.splitlines() if re.match(r"^[\w-]+==", line)}
    for entry in re.split(r"\n(?=\w)", text)[1:]:
        assert "--hash=sha256:" in entry, entry
    todo, needed = list(GROUP), set[str]()
    while todo:
        given = Requirement(todo.pop())
        name = given.name.lower().replace("_", "-")
        needed.add(name)
        for each in map(Requirement, importlib.metadata.requires(given.name) or ()):
            environments = [{"extra": extra, "sys_platform": "linux"} for extra in (given.extras or {""})]
            if each.marker is None or any(each.marker.evaluate(environment) for environment in environments):
                todo.append(f"{each.name}[{','.join(each.extras)}]" if each.extras else each.name)
    assert needed <= set(pinned), "pip refuses what has no hash"


@pytest.mark.parametrize("line", ["RUN apt-get install curl", "FROM python", "COPY --chown=root x"])
def test_the_linter_is_the_one_of_make_lint_and_sees_what_is_wrong(tmp_path: Path, line: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "\t@.venv/bin/hadolint kamailio/reloader/Dockerfile\n" in makefile
    linter = Path(sys.prefix) / "bin" / "hadolint"
    assert subprocess.run([linter, DOCKERFILE], check=False, capture_output=True).stdout == b""
    wrong = tmp_path / "Dockerfile"
    wrong.write_text(f"{DOCKERFILE.read_text(encoding='utf-8')}{line}\n", encoding="utf-8")
    assert subprocess.run([linter, wrong], check=False, capture_output=True).returncode == 1
