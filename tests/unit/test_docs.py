"""Commands and links in README and docs exist."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from inventory.address import Status
from settings import Settings
from tests.stacks import ROOT, as_engine_gives_it

PAGES = [
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG", "kamailio/README", "findings/README")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
ROOTS = [ROOT / folder for folder in (".", "sandbox", "tests", "tests/unit", "tests/engine")]
# Folders that are made, Google's roles, annotations of pods.
NO_PATHS = ("build/", "roles/", "checksum/")
COMMANDS = re.compile(r"`([^`\n]+)`|^ {0,3}((?:make|python|pulumi) .+)$", re.MULTILINE)


def commands(page: Path) -> list[str]:
    return [inline or block for inline, block in COMMANDS.findall(page.read_text())]


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_exists(page: Path) -> None:
    named = {found.group(1) for text in commands(page) if (found := re.match(r"make ([a-z-]+)$", text))}
    assert named <= targets()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_python_module_can_be_run(page: Path) -> None:
    for text in commands(page):
        if found := re.match(r"python -m ([a-z_.]+)", text):
            module = importlib.util.find_spec(found.group(1))
            assert module, text
            if module.submodule_search_locations:
                assert importlib.util.find_spec(f"{module.name}.__main__"), text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_and_every_path_leads_somewhere(page: Path) -> None:
    text = page.read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    paths = [path for path in re.findall(r"`([a-z_]+/[a-z_./]*|[a-z_]+\.py)`", text) if not path.startswith(NO_PATHS)]
    for place in links:
        assert (page.parent / place).exists(), place
    for place in paths:
        assert any((root / place).exists() for root in (page.parent, *ROOTS)), place


def test_every_decision_is_in_the_index_with_its_title_and_date() -> None:
    folder = ROOT / "docs" / "adr"
    index = re.findall(r"^\| (\d+) \| (\S+) \| \[(.+)\]\((.+)\) \|$", (folder / "README.md").read_text(), re.MULTILINE)
    written = []
    for page in sorted(folder.glob("[0-9]*.md")):
        found = re.match(r"# (\d+)\. (.+)\n\n(\S+), (?:accepted|superseded by .+)\.\n\n## Context\n", page.read_text())
        assert found, page.name
        number, title, day = found.groups()
        assert page.name.startswith(f"{int(number):04}-")
        written.append((number, day, title, page.name))
    assert index == written


def test_the_settings_of_the_first_stack_are_accepted() -> None:
    (text,) = re.findall(r"```yaml\n(.+?)```", (ROOT / "docs" / "first-stack.md").read_text(), re.DOTALL)
    settings = Settings.parse(as_engine_gives_it(yaml.safe_load(text)["config"]))
    assert sum(slot.state is Status.ACTIVE for slot in settings.egress.slots.values()) == 3


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
