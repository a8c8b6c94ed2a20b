"""What README and docs tell people to run and to read is there."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

from tests.stacks import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = re.compile(r"`([^`\n]+)`|^ {0,3}((?:make|python|pulumi) .+)$", re.MULTILINE)


def commands(page: Path) -> list[str]:
    return [inline or block for inline, block in COMMANDS.findall(page.read_text())]


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_exists(page: Path) -> None:
    named = {found.group(1) for text in commands(page) if (found := re.match(r"make ([a-z-]+)$", text))}
    assert named <= targets()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_python_module_can_be_run(page: Path) -> None:
    for text in commands(page):
        if found := re.match(r"python -m ([a-z.]+)", text):
            module = found.group(1)
            assert importlib.util.find_spec(f"{module}.__main__") or importlib.util.find_spec(module), module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_and_every_path_leads_somewhere(page: Path) -> None:
    text = page.read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    paths = [path for path in re.findall(r"`([a-z_]+/[a-z_./]*|[a-z_]+\.py)`", text) if not path.startswith("build/")]
    for place in links:
        assert (page.parent / place).exists(), place
    for place in paths:
        assert any((root / place).exists() for root in (ROOT, ROOT / "sandbox", ROOT / "tests")), place


def test_the_readme_begins_with_exactly_two_commands() -> None:
    text = (ROOT / "README.md").read_text()
    trying = text[text.index("## Try it") : text.index("## On the real cloud")]
    assert re.findall(r"^```\n(.+?)\n```$", trying, re.MULTILINE | re.DOTALL) == ["make up", "make test"]


def test_ci_runs_the_readmes_test_command_and_nothing_else() -> None:
    lines = [
        line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line and not line.startswith(("#", "set"))
    ]
    assert lines == ['cd "$(dirname "$0")/.."', "exec make test"]


def test_make_alone_lists_what_there_is() -> None:
    listed = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert {"up", "test", "outputs", "down", "status", "rehearse", "bench"} <= {
        line.split()[1] for line in listed.stdout.splitlines()
    }
