"""After an update: what is left to do, by property."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from review.preview import read
from review.settled import Settled, page, settled
from tests.review_goldens import FOLDER
from tests.unit.commands import called
from tests.unit.review_events import INSTANCE, SECRET, UNKNOWN, preview_of, said, step, streamed

Json = dict[str, Any]
SUMMARY_ALONE = '{"sequence": 9, "summaryEvent": {"result": "succeeded"}}'


def after(*events: Json, **more: Any) -> Settled:
    return settled(preview_of(*events, **more), "prod")


def dropped(before: Any, now: Any, key: str = "retained") -> Json:
    old, new = ({"name": "warp-db", "settings": {key: value}} for value in (before, now))
    return step("update", INSTANCE, "db", old, new, detailedDiff={f"settings.{key}": {"diffKind": "update"}})


def test_an_empty_preview_says_that_the_update_took() -> None:
    found = after(step("same", INSTANCE, "db", {"name": "a"}, {"name": "a"}), before={"a": 1}, after={"a": 1})
    assert found.holds
    assert page(found) == "## After the update of stack `prod`\n\n**The update took effect: nothing is left to do.**\n"


def test_what_was_dropped_is_reported_by_property() -> None:
    found = after(dropped(7, 14))
    assert not found.holds
    assert "**The update did not take effect.**" in page(found)
    assert "- `DatabaseInstance warp-db` differs from the settings\n  - `settings.retained` `7` → `14`" in page(found)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (step("create", INSTANCE, "db", None, {"name": "warp-db"}), "`DatabaseInstance warp-db` is missing"),
        (step("delete", INSTANCE, "db", {"name": "warp-db"}, None), "`DatabaseInstance warp-db` is still there"),
        (
            step("replace", INSTANCE, "db", {"name": "a"}, {"name": "b"}, keys=["name"]),
            "`DatabaseInstance b` is to be replaced\n  - `name` `a` → `b`",
        ),
        (
            step("update", "random:index/randomId:RandomId", "suffix", {"byteLength": 3}, {"byteLength": 4}),
            "`RandomId suffix` differs from the settings\n  - `byteLength`",
        ),
        (
            step("update", "pulumi:providers:kubernetes", "cluster", {"kubeconfig": "a"}, {"kubeconfig": "b"}),
            "`kubernetes cluster` differs from the settings\n  - `kubeconfig`",
        ),
    ],
)
def test_everything_that_is_left_is_reported_whatever_it_is(event: Json, words: str) -> None:
    assert f"- {words}" in page(after(event))


def test_outputs_that_another_update_would_publish_otherwise_are_reported() -> None:
    found = after(before={"dns": {"dsRecords": []}, "a": 1}, after={"dns": {"dsRecords": ["1 8 2 AA"]}, "a": 1})
    assert not found.holds
    assert page(found) == (
        "## After the update of stack `prod`\n\n**The update took effect, but its published outputs are out of"
        " date.**\n"
        "Some values were known only after the update. Run `pulumi up` once more to publish them.\n"
        "\n### Outputs to publish again\n\n- `dns`\n"
    )
    marked = after(before={"dns": UNKNOWN}, after={"dns": {"domain": "example.com"}})
    assert marked.outputs == ("dns",)


def test_outputs_beside_something_that_is_left_follow_from_it() -> None:
    found = page(after(dropped(7, 14), before={"a": 1}, after={"a": 2}))
    assert "**The update did not take effect.**" in found
    assert "### Outputs that differ from the published ones\n\n- `a`\n" in found


def test_a_secret_that_is_left_is_not_shown() -> None:
    found = after(dropped(SECRET, "hunter2", key="rootPassword"))
    assert "rootPassword` `[secret]` → `[secret]`" in page(found)
    assert "hunter2" not in page(found)


def test_a_preview_that_fails_says_that_it_is_not_known() -> None:
    found = after(said("error", "no such zone"), result="failed")
    assert not found.holds
    assert "**Whether the update took effect is not known: the preview after it failed.**" in page(found)
    assert "- `no such zone`" in page(found)
    assert "Outputs" not in page(found)


@pytest.mark.parametrize(("golden", "status"), [("nothing", 0), ("drain", 3), ("refused-by-settings", 4)])
def test_the_command_says_it_by_its_exit_status(golden: str, status: int) -> None:
    done = called("review", "--settled", "--stack", "prod", "--preview", str(FOLDER / f"{golden}.json"))
    assert done.returncode == status, done.stderr
    assert done.stdout == page(settled(read((FOLDER / f"{golden}.json").read_text()), "prod"))


def test_a_cut_off_preview_is_no_answer(tmp_path: Path) -> None:
    file = tmp_path / "cut"
    file.write_text(streamed(dropped(7, 14)).rpartition("\n")[0])
    assert called("review", "--settled", "--preview", str(file)).returncode == 2


@pytest.mark.parametrize("kind", [["--settled"], []])
@pytest.mark.parametrize("given", ['{"steps": null}', '{"steps": []}', '{"duration": 1, "config": {}}', SUMMARY_ALONE])
def test_a_preview_without_the_stack_itself_is_not_conclusive(given: str, kind: list[str]) -> None:
    done = called("review", *kind, given=given)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("standard input: it has no step of the stack itself, so it does not show what would")
    assert "\n  -> PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true pulumi preview --json" in done.stderr
