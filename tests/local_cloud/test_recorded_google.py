"""The local cloud's gcp and random providers answer as the recorded plugins do (tests/conformance)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from local_cloud.cloud import Cloud
from local_cloud.gcp.provider import GcpProvider
from local_cloud.gcp.sql_servers import SqlServers
from tests.local_cloud import recorded
from tests.local_cloud.plugin import Invalid, Plugin, Props, Refused, Resource
from tests.local_cloud.recorded import Question, complaints, questions

GCP = ("gcp-9.35.0.jsonl", "gcp-9.35.0-more-types.jsonl")
RANDOM = "random-4.21.1.jsonl"
NOT_STOOD_IN_FOR: frozenset[str] = frozenset()
"""Recorded types that the local cloud does not have. None today."""
# Inputs added after the recorded version, as in a state of the pinned one.
SINCE = {"gcp:sql/databaseInstance:DatabaseInstance": ("settings", "replicationLagMaxSeconds", 0)}


@pytest.fixture
def google(cloud: Cloud, tmp_path: Path) -> Iterator[Plugin]:
    """The provider configured as for the recordings."""
    provider = GcpProvider(cloud, SqlServers(tmp_path / "postgres"))
    plugin = Plugin(provider, project="warp-real", region="us-central1", addPulumiAttributionLabel="false")
    yield plugin
    plugin.close()


def asked(file: str) -> Iterator[Question]:
    for question in questions(file):
        block, name, value = SINCE.get(question.key[1], ("", "", None))
        outputs = copy.deepcopy(question.outputs)
        if block:
            outputs[block].setdefault(name, value)
        yield replace(question, outputs=outputs)


@pytest.mark.parametrize("file", GCP)
def test_the_gcp_provider_answers_as_the_plugin_did(google: Plugin, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "questions", lambda name: list(asked(name)))
    assert complaints(google, "gcp", file) == []


def test_the_random_provider_answers_as_the_plugin_did(random: Plugin) -> None:
    assert complaints(random, "random", RANDOM) == []


def test_the_recordings_are_complete_and_every_type_is_implemented(
    google: Plugin, cloud: Cloud, tmp_path: Path
) -> None:
    counts = {file: len(list(questions(file))) for file in (*GCP, RANDOM)}
    assert counts == {GCP[0]: 202, GCP[1]: 250, RANDOM: 4}
    types = {question.key[1] for file in GCP for question in questions(file)}
    missing = types - set(GcpProvider(cloud, SqlServers(tmp_path)).types)
    assert missing == NOT_STOOD_IN_FOR


def test_an_answer_that_differs_is_a_complaint(google: Plugin, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison itself: one inverted answer is found and named."""
    first = next(asked(GCP[0]))
    wrong = replace(
        first, recorded=replace(first.recorded, delete_before_replace=not first.recorded.delete_before_replace)
    )
    monkeypatch.setattr(recorded, "questions", lambda name: [wrong])
    found = complaints(google, "gcp", GCP[0])
    assert [line.split(":")[0] for line in found] == ["gcp"], found
    assert "name change" in found[0]


def test_an_exception_excuses_one_answer_and_only_as_long_as_it_differs(
    google: Plugin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = next(asked(GCP[0]))
    own = recorded.ask(google, first)
    turned = replace(first, recorded=replace(own, delete_before_replace=not own.delete_before_replace))
    file, type_, path, how = first.key
    row = {"file": file, "type": type_, "path": path, "how": how, "answer": str(own), "reason": "x", "source": "y"}

    def complaints_about(question: Question, *rows: Props) -> list[str]:
        (tmp_path / "gcp-exceptions.yaml").write_text(yaml.safe_dump(list(rows)))
        monkeypatch.setattr(recorded, "questions", lambda _: [question])
        return complaints(google, "gcp", file)

    monkeypatch.setattr(recorded, "CONFORMANCE", tmp_path)
    assert complaints_about(turned, row) == []
    assert complaints_about(turned, row | {"file": GCP[1]}) == complaints_about(turned) != []
    [other] = complaints_about(turned, row | {"answer": "refused"})
    assert other.endswith(", the exception refused")
    [stale] = complaints_about(replace(first, recorded=own), row)
    assert stale == f"{type_} {path} {how}: an exception, but it no longer differs"
    for rows, wrong in (
        ([row | {"reason": ""}], "without a reason"),
        ([row, row], "duplicate"),
        ([{"file": file}], "file"),
    ):
        with pytest.raises(AssertionError, match=wrong):
            complaints_about(turned, *rows)


# Referenced by recorded resources, but not recorded themselves.
AROUND = {
    "gcp:monitoring/notificationChannel:NotificationChannel": ("projects/warp-real/notificationChannels/1", {}),
    "gcp:compute/regionSecurityPolicy:RegionSecurityPolicy": (
        "projects/warp-real/regions/us-central1/securityPolicies/rules",
        {"type": "CLOUD_ARMOR_NETWORK", "region": "us-central1"},
    ),
    # Advanced network protection needs it.
    "gcp:compute/projectCloudArmorTier:ProjectCloudArmorTier": (
        "projects/warp-real",
        {"cloudArmorTier": "CA_ENTERPRISE_PAYGO"},
    ),
}
DASHBOARD = "gcp:monitoring/dashboard:Dashboard"  # its recorded JSON has an empty list, which the API drops: no rest


def given(question: Question, inputs: Props) -> Props:
    """A program's inputs, without the bridge's records; a rule belongs to a policy that may have rules."""
    own = {name: value for name, value in inputs.items() if name != "__defaults"}
    if question.key[1].endswith("SecurityPolicyRule") and "securityPolicy" in own:
        own["securityPolicy"] = "rules"
    return own


def test_an_update_does_what_the_plan_says(google: Plugin, cloud: Cloud) -> None:
    """Create every recorded resource and run each recorded update: the next preview is empty, or the cloud refused.
    (Cloud SQL needs a server: test_cloud_sql.py.)"""
    with cloud.change("hand") as tx:
        for token, (path, body) in AROUND.items():
            tx.put(token, path, {"name": path, "project": "warp-real", **body})
    for name in ("warp-nat-ip-1", "warp-nat-ip-3"):
        google.create("gcp:compute/address:Address", name, {"name": name})
    made: dict[tuple[str, str], Resource] = {}
    done: list[str] = []
    for question in (each for file in GCP for each in questions(file)):
        token, inputs = question.key[1], given(question, question.inputs)
        if token.startswith("gcp:sql/") or token == DASHBOARD:
            continue
        place = question.key[:2]
        if place not in made:
            made[place] = google.create(token, "recorded", inputs)
            assert google.diff(made[place], inputs).changes == {}, f"{token} is not at rest when it is new"
        news = given(question, question.news)
        try:
            plan = google.diff(made[place], news)
            if plan.replaces or not plan.changes:
                continue
            after = google.update(made[place], news)
        except (Invalid, Refused):
            continue  # accepted by the plugin, refused by the cloud
        made[place] = after
        done.append(token)
        assert google.diff(after, news).changes == {}, question.key
    assert len(done) > 100
    assert len(set(done)) == 19
