"""The workflows: who gets which token, what is pinned, and the scripts they run. actionlint reads the rest."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import cases
from tests.stacks import ROOT
from tests.unit.toolchain import actionlint, executable, steps

Yaml = dict[Any, Any]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FILES = [*WORKFLOWS, *sorted((GITHUB / "actions").glob("*/action.yml"))]
SCRIPTS = GITHUB / "scripts"
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
LINT = [sys.executable, str(ROOT / "tools" / "actionlint.py")]


def loaded(file: Path) -> Yaml:
    return dict(yaml.safe_load(file.read_text()))


def triggers(workflow: Yaml) -> Yaml:
    """YAML 1.1 takes the key `on` for true."""
    return workflow[True] if isinstance(workflow[True], dict) else dict.fromkeys(workflow[True])


def jobs() -> Iterator[tuple[str, str, Yaml]]:
    for file in WORKFLOWS:
        for name, job in loaded(file)["jobs"].items():
            yield file.name, name, job


@pytest.fixture
def pinned(tmp_path: Path) -> Path:
    """A project folder with the linter's pins, and a `go` that builds something."""
    (tmp_path / "tools" / "actionlint").mkdir(parents=True)
    (tmp_path / "tools" / "actionlint" / "go.mod").write_text("module x\n\ngo 1.25.11\n")
    (tmp_path / "tools" / "actionlint" / "go.sum").write_text("sum\n")
    script = """case $1 in
version) echo go version go1.26.8 linux/amd64 ;;
env) echo auto ;;
build) echo "$@" >> "$0.builds"; while [ "$1" != -o ]; do shift; done; touch "$2" ;;
esac"""
    executable(tmp_path / "bin" / "go", script)
    return tmp_path


def test_the_linter_is_built_once_for_its_pins(pinned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{pinned / 'bin'}:{os.environ['PATH']}")
    for _ in range(2):
        assert actionlint.LINTER.build(pinned) == pinned / ".engine" / "actionlint" / "actionlint"
    (pinned / "tools" / "actionlint" / "go.sum").write_text("another sum\n")
    actionlint.LINTER.build(pinned)
    builds = (pinned / "bin" / "go.builds").read_text().splitlines()
    assert len(builds) == 2
    assert "-mod=readonly" in builds[0]


def test_without_go_the_linter_says_what_to_install(pinned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(pinned))
    with pytest.raises(steps.BootstrapError, match=r"no `go` on PATH; install Go 1\.25\.11 or newer"):
        actionlint.LINTER.build(pinned)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(GITHUB)))
def test_every_action_is_ours_or_pinned_to_a_commit_with_its_release_beside_it(file: Path) -> None:
    used = re.findall(r"^\s*(?:- )?uses: (.+)$", file.read_text(), re.MULTILINE)
    for action in used:
        assert action.startswith("./.github/") or PINNED.fullmatch(action), action


def test_one_release_of_an_action_everywhere() -> None:
    used = {found for file in FILES for found in PINNED.findall(file.read_text())}
    assert len({action.partition("@")[0] for action in used}) == len(used)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(GITHUB)))
def test_bytecode_is_compiled_where_an_environment_is_made_and_nowhere_else(file: Path) -> None:
    parts = loaded(file)
    made = [step for job in (*parts.get("jobs", {}).values(), parts.get("runs", {})) for step in job.get("steps", ())]
    made = [step for step in made if re.search(r"^(pulumi install|uv )", step.get("run", ""), re.MULTILINE)]
    assert all(step["env"]["UV_COMPILE_BYTECODE"] == "1" for step in made)
    assert file.read_text().count("UV_COMPILE_BYTECODE") == len(made)


def test_uv_is_on_path_before_pulumi_calls_it() -> None:
    scripts = [step.get("run", "") for step in loaded(GITHUB / "actions" / "engine" / "action.yml")["runs"]["steps"]]
    got = scripts.index('python tools/get_uv.py "$RUNNER_TEMP/uv" >> "$GITHUB_PATH"')
    assert got < scripts.index("pulumi install")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(GITHUB)))
def test_no_secret_is_used_and_nothing_foreign_is_pasted_into_a_script(file: Path) -> None:
    text = file.read_text()
    assert "secrets." not in text
    assert "credentials_json" not in text
    for job in loaded(file).get("jobs", {}).values():
        for step in job.get("steps", ()):
            assert "${{" not in step.get("run", "")


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_no_workflow_runs_foreign_code_with_our_tokens(file: Path) -> None:
    workflow = loaded(file)
    assert workflow["permissions"] == {}, "every job says what it needs"
    assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(triggers(workflow))


def test_a_job_that_runs_a_program_writes_nothing_but_to_the_cloud() -> None:
    for file, name, job in jobs():
        permissions = job["permissions"]
        writes = {what for what, access in permissions.items() if access == "write"}
        if "id-token" in writes:
            assert permissions == {"contents": "read", "id-token": "write"}, f"{file}: {name}"
        elif writes:
            # It posts a text and checks nothing out.
            assert writes in ({"pull-requests"}, {"issues"}), f"{file}: {name}"
            assert not any("checkout" in step.get("uses", "") or "./" in step.get("uses", "") for step in job["steps"])


def test_a_checkout_leaves_no_token_behind() -> None:
    for file, name, job in jobs():
        for step in job.get("steps", ()):
            if "actions/checkout@" in step.get("uses", ""):
                more = {"fetch-depth": 0} if (file, name) == ("checks.yml", "suites") else {}
                assert step["with"] == {"persist-credentials": False, **more}, f"{file}: {name}"


def test_a_fork_gets_checks_and_no_identity() -> None:
    own = "github.event.pull_request.head.repo.full_name == github.repository"
    for file, name, job in jobs():
        if "pull_request" in triggers(loaded(GITHUB / "workflows" / file)) and "id-token" in job["permissions"]:
            assert own in job["if"], f"{file}: {name}"
    assert "pull_request" in triggers(loaded(GITHUB / "workflows" / "checks.yml"))
    conditions = {name: job["if"] for file, name, job in jobs() if file == "checks.yml" and "if" in job}
    assert conditions == {"passed": "${{ always() }}"}


def test_every_job_with_an_identity_gets_it_from_an_environment() -> None:
    for file, name, job in jobs():
        if "id-token" in job["permissions"] and "uses" not in job:
            assert job["environment"], f"{file}: {name}"


def test_what_is_not_plainly_invisible_waits_for_an_approval() -> None:
    deploy = loaded(GITHUB / "workflows" / "deploy-stack.yml")["jobs"]["deploy"]
    assert deploy["environment"] == (
        "${{ needs.preview.outputs.visible == 'false' && inputs.stack || format('{0}-visible', inputs.stack) }}"
    )
    steps = [step.get("run", step.get("if", "")) for step in deploy["steps"]]
    again, up = (next(n for n, step in enumerate(steps) if script in step) for script in ("review.sh", "up.sh"))
    refused = next(n for n, step in enumerate(deploy["steps"]) if "needs.preview.outputs.report" in step.get("if", ""))
    assert again < refused < up


def test_two_updates_of_a_stack_never_overlap_and_none_is_cut_off() -> None:
    deploy = loaded(GITHUB / "workflows" / "deploy.yml")["jobs"]["deploy"]
    assert deploy["concurrency"] == {"group": "deploy-${{ matrix.stack }}", "cancel-in-progress": False}
    assert deploy["strategy"]["max-parallel"] == 1


def test_each_suite_is_a_target_and_together_they_are_make_test() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (everything,) = re.findall(r"^test: (.+?) ##", makefile, re.MULTILINE)
    (quick,) = re.findall(r"^\t@\$\(MAKE\) .*-j 2 .* (lint unit)$", makefile, re.MULTILINE)
    (listed,) = re.findall(r"^all=\((.+)\)$", (SCRIPTS / "suites.sh").read_text(), re.MULTILINE)
    assert set(listed.split()) - {"quick"} | set(quick.split()) == set(everything.split()) - {"setup-dev"}


def test_every_target_runs_whatever_files_there_are() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE)) == set(phony.split())


def test_in_the_merge_queue_nothing_is_left_out() -> None:
    """Its run is what `deploy` takes for a proof: without a commit to compare with, all suites are chosen."""
    checks = loaded(GITHUB / "workflows" / "checks.yml")
    assert "merge_group" in triggers(checks)
    choice = checks["jobs"]["suites"]["steps"][-1]
    assert choice["run"] == '.github/scripts/suites.sh "$BASE" >> "$GITHUB_OUTPUT"'
    assert choice["env"] == {"BASE": "${{ github.event.pull_request.base.sha }}"}


def test_what_the_merge_proved_is_not_proved_again_and_nothing_else_is_deployed_untested() -> None:
    found = loaded(GITHUB / "workflows" / "deploy.yml")["jobs"]
    assert found["checks"]["if"] == "needs.proved.outputs.proved != 'true'"
    assert found["deploy"]["needs"] == ["proved", "checks", "stacks"]
    assert " ".join(found["deploy"]["if"].split()) == (
        "${{ !cancelled() && needs.stacks.result == 'success' &&"
        " (needs.checks.result == 'success' || needs.proved.outputs.proved == 'true') }}"
    )


def test_a_job_that_failed_is_never_taken_for_one_that_was_left_out() -> None:
    """GitHub takes a required check that was skipped for one that has passed."""
    checks = loaded(GITHUB / "workflows" / "checks.yml")["jobs"]
    passed = checks["passed"]
    assert set(passed["needs"]) == set(checks) - {"passed"}
    assert "[[ $CHOSEN == success && $TESTED == success ]]" in passed["steps"][0]["run"]


def test_every_job_has_a_time_that_a_slow_runner_keeps() -> None:
    for file, name, job in jobs():
        assert "uses" in job or job["timeout-minutes"] >= 15, f"{file}: {name}"
    assert loaded(GITHUB / "workflows" / "checks.yml")["jobs"]["test"]["timeout-minutes"] == 120


def test_every_night_tries_all_generated_cases() -> None:
    nightly = loaded(GITHUB / "workflows" / "nightly.yml")
    assert nightly["jobs"]["checks"]["with"] == {"cases": cases.THOROUGH}
    steps = loaded(GITHUB / "workflows" / "checks.yml")["jobs"]["test"]["steps"]
    assert steps[-1]["env"]["HYPOTHESIS_PROFILE"] == f"${{{{ inputs.cases || '{cases.QUICK}' }}}}"
