"""The scripts that the workflows run, with an engine that says what a test wants, and the workflows' linter."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.promises import outputs
from tests.review_goldens import FOLDER
from tests.stacks import ROOT, written_config
from tests.unit.review_events import ADDRESS, STACK, refreshed, said, streamed, urn
from tests.unit.test_workflows import GITHUB, SCRIPTS, loaded
from tests.unit.toolchain import executable

LINT = [sys.executable, str(ROOT / "tools" / "actionlint.py")]


def test_the_linter_finds_nothing() -> None:
    done = subprocess.run(LINT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_the_linter_would_find_something(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    title = "${{ github.event.pull_request.title }}"
    wrong.write_text(f"on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n      - run: echo {title}\n")
    done = subprocess.run([*LINT, str(wrong)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "potentially untrusted" in done.stdout


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.sh")), ids=lambda file: file.name)
def test_every_script_is_one_that_bash_can_read(script: Path) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert os.access(script, os.X_OK) or script.name == "policies.sh"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The repository as a runner has it, with an engine that writes prepared output."""
    for each in ROOT.iterdir():
        if each.suffix in (".py", ".yaml", "") and each.name not in (".venv", ".git"):
            (tmp_path / each.name).symlink_to(each)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    executable(tmp_path / "bin" / "pulumi", 'echo "$@" >> arguments\ncat "$PREVIEW"\nexit "${ENGINE_STATUS:-0}"')
    return tmp_path


def run(folder: Path, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [f".github/scripts/{script}", *arguments],
        cwd=folder,
        env=os.environ
        | {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "GITHUB_OUTPUT": "output",
            "GITHUB_STEP_SUMMARY": "summary",
        }
        | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("golden", "status", "visible"),
    [("nothing", 0, "false"), ("announce", 0, "true"), ("refused-by-policy", 4, "true")],
)
def test_the_review_says_what_needs_an_approval_and_fails_for_what_cannot_be_deployed(
    folder: Path, golden: str, status: int, visible: str
) -> None:
    done = run(
        folder, "review.sh", "preview", "prod", PREVIEW=str(FOLDER / f"{golden}.json"), ENGINE_STATUS=str(status)
    )
    assert done.returncode == status, done.stderr
    reported = dict(line.split("=") for line in (folder / "output").read_text().splitlines())
    assert reported["visible"] == visible
    report = (folder / "report.md").read_text()
    assert report.startswith("<!-- warp-edge review: prod -->\n## Preview of stack `prod`\n")
    assert (folder / "summary").read_text() == report
    assert (folder / "arguments").read_text().split() == [
        *("preview", "--json", "--policy-pack", "policies", "--policy-pack-config", "policies/config/prod.json"),
        *("--non-interactive", "--stack", "prod"),
    ]


def test_the_same_report_has_the_same_hash_and_another_one_another(folder: Path) -> None:
    hashes = []
    for golden in ("nothing", "nothing", "announce"):
        run(folder, "review.sh", "preview", "prod", PREVIEW=str(FOLDER / f"{golden}.json"))
        hashes.append((folder / "output").read_text().splitlines()[-1])
    assert hashes[0] == hashes[1] != hashes[2]


def test_an_engine_that_says_nothing_readable_fails_the_job_and_the_comment_says_so(folder: Path) -> None:
    wrong = folder / "wrong"
    wrong.write_text("error: no such stack\n")
    done = run(folder, "review.sh", "preview", "new", PREVIEW=str(wrong), ENGINE_STATUS="255")
    assert done.returncode == 2
    assert "visible=true" in (folder / "output").read_text()
    assert (folder / "report.md").read_text() == (
        "<!-- warp-edge review: new -->\n## Stack `new`\n\n**There is no report: the log of this run says why.**\n"
    )
    assert "--policy-pack-config" not in (folder / "arguments").read_text(), "a stack without a file of its own"


@pytest.mark.parametrize("golden", ["drift", "drift-refused"])
def test_drift_is_looked_for_without_touching_anything_and_is_no_failure(folder: Path, golden: str) -> None:
    done = run(folder, "review.sh", "refresh", "prod", PREVIEW=str(FOLDER / f"{golden}.json"))
    assert done.returncode == 0, done.stderr
    assert "visible=true" in (folder / "output").read_text()
    wanted = ["refresh", "--preview-only", "--run-program", "--json"]
    assert (folder / "arguments").read_text().split()[:4] == wanted, "DS records are known to the program alone"


def test_a_program_that_refuses_hides_no_drift(folder: Path) -> None:
    """The engine asks the cloud only after the program has declared something."""
    refusal = said("error", "1 setting of this stack cannot be used\n  -> correct dns.zone.name", urn(STACK, "s"))
    ends = [
        {"sequence": 0, "preludeEvent": {"config": {}}},
        refusal,
        {"sequence": 2, "summaryEvent": {"result": "failed"}},
    ]
    (folder / "refused.json").write_text("\n".join(map(json.dumps, ends)))
    moved = refreshed("same", ADDRESS, "nat", {"address": "192.0.2.1"}, {"address": "192.0.2.2"})
    (folder / "moved.json").write_text(moved)
    executable(
        folder / "bin" / "pulumi",
        'echo "$@" >> arguments\ncase "$*" in *--run-program*) cat refused.json; exit 255;; esac\ncat "$AGAIN"',
    )
    done = run(folder, "review.sh", "refresh", "prod", AGAIN="moved.json")
    assert done.returncode == 0, done.stderr
    assert "visible=true" in (folder / "output").read_text()
    first, second = (
        (folder / "report.md").read_text().split("\nThe refresh above ended before everything was compared.")
    )
    assert first.startswith("<!-- warp-edge review: prod -->\n## Drift of stack `prod`\n\n**The refresh failed: ")
    assert "  - `-> correct dns.zone.name`" in first
    assert "## Drift of stack `prod`" in second
    assert "`192.0.2.1` → `192.0.2.2`" in second
    assert [line.split()[:4] for line in (folder / "arguments").read_text().splitlines()] == [
        ["refresh", "--preview-only", "--run-program", "--json"],
        ["refresh", "--preview-only", "--json", "--non-interactive"],
    ]
    (folder / "cut.json").write_text(moved.rpartition("\n")[0])
    done = run(folder, "review.sh", "refresh", "prod", AGAIN="cut.json")
    assert done.returncode == 0, done.stderr
    assert "`-> correct dns.zone.name`" in (folder / "report.md").read_text(), "the first is reported all the same"


def test_a_moved_address_keeps_the_issue_open(folder: Path) -> None:
    """The engine calls it `same`."""
    moved = folder / "moved.json"
    moved.write_text(refreshed("same", ADDRESS, "nat", {"address": "192.0.2.1"}, {"address": "192.0.2.2"}))
    done = run(folder, "review.sh", "refresh", "prod", PREVIEW=str(moved))
    assert done.returncode == 0, done.stderr
    assert "visible=true" in (folder / "output").read_text()
    assert "`192.0.2.1` → `192.0.2.2`" in (folder / "report.md").read_text()


def test_an_update_is_done_when_a_second_preview_is_empty(folder: Path) -> None:
    """And not before: `nothing` is a preview without a change, `drain` one of an update that did not take."""
    steps_ = loaded(GITHUB / "workflows" / "deploy-stack.yml")["jobs"]["deploy"]["steps"]
    scripts = [each["run"].split()[0].rpartition("/")[2] for each in steps_ if "scripts/" in each.get("run", "")]
    assert scripts == ["review.sh", "up.sh", "settled.sh"]
    done = run(folder, "settled.sh", "prod", PREVIEW=str(FOLDER / "nothing.json"))
    assert (done.returncode, done.stderr) == (0, "")
    done = run(folder, "settled.sh", "prod", PREVIEW=str(FOLDER / "drain.json"))
    assert done.returncode == 3
    assert "::error::the update of prod did not take" in done.stdout
    summary = (folder / "summary").read_text()
    assert "**The update did not take effect.**" in summary
    assert "- `RouterNat warp-nat` differs from the settings" in summary
    assert "  - `drainNatIps[0]` `(none)` → " in summary


def test_an_update_that_fails_says_why_in_the_summary(folder: Path) -> None:
    events = folder / "events.json"
    events.write_text(
        streamed(said("error", "1 error occurred:\n\t* no such zone", urn(ADDRESS, "nat")), result="failed")
    )
    engine = 'while [ "$1" != --event-log ]; do shift; done\ncat "$PREVIEW" > "$2"\nexit 1'
    executable(folder / "bin" / "pulumi", engine)
    assert run(folder, "up.sh", "prod", PREVIEW=str(events)).returncode == 1
    assert "- `nat`: `1 error occurred:`\n  - `* no such zone`" in (folder / "summary").read_text()


def test_an_update_is_held_to_the_policies_that_were_previewed(folder: Path) -> None:
    run(folder, "up.sh", "prod", PREVIEW="/dev/null")
    used = (folder / "arguments").read_text()
    assert used.startswith("up --yes --skip-preview --non-interactive ")
    assert used.endswith("--stack prod --policy-pack policies --policy-pack-config policies/config/prod.json\n")


def test_a_promise_that_does_not_hold_fails_the_job_with_the_table_in_its_summary(folder: Path) -> None:
    (folder / "outputs.json").write_text(json.dumps(outputs("127.94.255.1", "127.94.255.2", ())))
    done = run(folder, "verify.sh", "prod", "--only", "tls", PREVIEW="outputs.json")
    assert done.returncode == 3, done.stderr
    assert "refused" in done.stdout.lower()
    summary = (folder / "summary").read_text()
    assert summary == f"## Promise of stack `prod`\n\n```\n{done.stdout}```\n"
    assert not [line for line in done.stdout.splitlines() if line.lstrip().startswith("`")]
    assert (folder / "arguments").read_text().split()[-5:] == ["stack", "output", "--json", "--stack", "prod"]


def test_the_stacks_are_those_that_are_listed_in_their_order(tmp_path: Path) -> None:
    (tmp_path / ".github").mkdir()
    for stack in ("prod", "europe-west4", "all"):
        (tmp_path / f"Pulumi.{stack}.yaml").touch()

    def listed(text: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / ".github" / "stacks").write_text(text)
        script = str(SCRIPTS / "stacks.sh")
        return subprocess.run([script], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert json.loads(listed("# why\nprod\n\nall # the names that regions share\n").stdout) == ["prod", "all"]
    assert json.loads(listed("prod\nall").stdout) == ["prod", "all"], "also without a line's end"
    for text, problem in (
        ("# none yet\n", "no stack"),
        ("prod\nall\nprod\n", "prod is listed twice"),
        ('prod\nx"];rm\n', "small letters, digits and dashes only"),
        ("prod\nasia-east1\n", "asia-east1 has no Pulumi.asia-east1.yaml"),
    ):
        done = listed(text)
        assert (done.returncode, done.stdout) == (1, "")
        assert problem in done.stderr


def test_the_stacks_of_this_repository_are_deployed_before_the_one_that_reads_them() -> None:
    done = subprocess.run([str(SCRIPTS / "stacks.sh")], cwd=ROOT, capture_output=True, text=True, check=True)
    stacks = json.loads(done.stdout)
    assert "prod" in stacks
    assert "sandbox" not in stacks
    for place, stack in enumerate(stacks):
        for region in written_config(stack).get("warp-edge:regions", {}).values():
            assert region["stack"].rsplit("/", 1)[1] in stacks[:place]


SUITES = {
    "sandbox": "sandbox-tests",
    "database": "database",
    "sip": "test-sip",
    "site": "test-site",
    "engine": "engine",
}
ALL = ["quick", "processes", "sandbox-tests", "database", "test-sip", "test-site", "engine"]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with a commit."""
    folder = tmp_path_factory.mktemp("repository")
    git(folder, "init", "--quiet")
    (folder / "moved.py").write_text("moved")
    commit(folder, {"first": "x"})
    return folder


def git(folder: Path, *arguments: str) -> str:
    me = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *me, *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


def commit(folder: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "x")
    return git(folder, "rev-parse", "HEAD").strip()


def suites(folder: Path, *since: str) -> list[str]:
    script = str(SCRIPTS / "suites.sh")
    said = subprocess.run([script, *since], cwd=folder, capture_output=True, text=True, check=True).stdout
    assert said.startswith("suites=")
    return list(json.loads(said.removeprefix("suites=")))


@pytest.mark.parametrize(
    ("files", "more"),
    [
        ([], []),
        (["docs/design.md", "README.md", "findings/x.sh", ".github/workflows/drift.yml", "tests/unit/test_x.py"], []),
        ([".github/workflows/checks.yml"], ALL[2:]),
        ([".github/scripts/suites.sh"], ALL[2:]),
        (["tests/unit/review_golden/x.md"], ["engine"]),
        (["docs/regions.md"], ["engine"]),
        (["tests/unit/published.py", "tests/database/test_x.py"], ["database", "test-site"]),
        (["tests/sandbox/test_é x.py"], ["sandbox-tests"]),
        (["tests/engine/conftest.py", "tests/sip/a.py"], ["test-sip", "engine"]),
        (["docs/ip-inventory.schema.json"], ALL[2:]),
        (["components/dns.py", "docs/design.md"], ALL[2:]),
        (["Makefile"], ALL[2:]),
        (["tests/stacks.py"], ALL[2:]),
    ],
    ids=lambda each: " ".join(each)[:50] or "nothing",
)
def test_a_change_is_tested_by_what_it_can_break(repository: Path, files: list[str], more: list[str]) -> None:
    before = git(repository, "rev-parse", "HEAD").strip()
    git(repository, "checkout", "--quiet", "--detach")
    commit(repository, dict.fromkeys(files, before))
    assert suites(repository, before) == ["quick", "processes", *more]


def imported(file: Path) -> Iterator[Path]:
    """Files of tests/ that one of them imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{each.name}" for each in node.names)]
        else:
            continue
        files = [ROOT / f"{name.replace('.', '/')}.py" for name in names if name.startswith("tests.")]
        yield from (each for each in files if each.is_file())


@pytest.mark.parametrize("suite", SUITES)
def test_what_a_suite_imports_of_another_selects_it(repository: Path, suite: str) -> None:
    own = ROOT / "tests" / suite
    found: set[Path] = set()
    left = list(own.glob("*.py"))
    while left:
        file = left.pop()
        if file not in found:
            found.add(file)
            left += imported(file)
    missing = []
    for file in sorted(each for each in found if each.parent not in (own, ROOT / "tests")):
        name = str(file.relative_to(ROOT))
        before = git(repository, "rev-parse", "HEAD").strip()
        commit(repository, {name: f"{suite} {before}"})
        if SUITES[suite] not in suites(repository, before):
            missing.append(name)
    assert missing == []


def test_what_is_moved_away_has_changed_as_well_and_without_a_commit_everything_is_tested(repository: Path) -> None:
    before = git(repository, "rev-parse", "HEAD").strip()
    (repository / "docs").mkdir(exist_ok=True)
    (repository / "moved.py").rename(repository / "docs" / "moved.md")
    commit(repository, {})
    assert suites(repository, before) == suites(repository) == suites(repository, "") == ALL
    failed = subprocess.run([SCRIPTS / "suites.sh", "0" * 40], cwd=repository, capture_output=True, check=False)
    assert failed.returncode != 0, "a commit that is not known is not taken for no change"


@pytest.mark.parametrize(
    ("answer", "proved"),
    [("echo 1", "true"), ("echo 0", "false"), ("exit 1", "false"), ("echo '{}'", "false")],
)
def test_a_commit_is_proved_by_its_own_run_in_the_merge_queue(tmp_path: Path, answer: str, proved: str) -> None:
    executable(tmp_path / "gh", f'echo "$@" > {tmp_path}/asked; {answer}')
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "GITHUB_REPOSITORY": "warp/edge",
        "GITHUB_SHA": "abc",
    }
    script = str(SCRIPTS / "proved.sh")
    done = subprocess.run([script], env=os.environ | environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"proved={proved}\n"
    assert (tmp_path / "asked").read_text().split()[1] == (
        "repos/warp/edge/actions/workflows/checks.yml/runs?head_sha=abc&event=merge_group&status=success&per_page=1"
    )
