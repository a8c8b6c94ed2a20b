"""What an engine made and no state knows of: found by the cloud's own ids, whatever the plugin calls them."""

from __future__ import annotations

from pathlib import Path

import pytest

from local_cloud.cloud import Cloud
from local_cloud.layout import CLOUD
from sandbox import Sandbox
from sandbox.recovery import gone, means, unrecorded
from settings import Settings
from tests.stacks import as_engine_gives_it, stack_config

P = "projects/warp-sandbox"
CONTEXT = "gke_warp-sandbox_us-central1_warp-cluster"
# Type, id in the cloud, the engine's id, the id that the plugin imports.
MADE = {
    "address": (
        "gcp:compute/address:Address",
        f"{P}/regions/us-central1/addresses/nat-1",
        f"{P}/regions/us-central1/addresses/nat-1",
        f"{P}/regions/us-central1/addresses/nat-1",
    ),
    "nat": (
        "gcp:compute/routerNat:RouterNat",
        f"{P}/regions/us-central1/routers/r/n",
        "warp-sandbox/us-central1/r/n",
        f"{P}/regions/us-central1/routers/r/n",
    ),
    "user": ("gcp:sql/user:User", f"{P}/instances/db/users/u", "u//db", "warp-sandbox/db/u"),
    "bucket": ("gcp:storage/bucket:Bucket", "site", "site", "warp-sandbox/site"),
    "file": ("gcp:storage/bucketObject:BucketObject", "site/a/b.txt", "site-a/b.txt", ""),
    "service": ("kubernetes:core/v1:Service", f"{CONTEXT}/core/sip", "core/sip", "core/sip"),
}
BODY = {"project": "warp-sandbox", "region": "us-central1", "router": "r", "instance": "db"}


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    with Cloud(tmp_path / CLOUD).change() as tx:
        for type_, id_, *_ in MADE.values():
            tx.create(type_, id_, BODY | {"name": id_.rpartition("/")[2]})
    return Sandbox(tmp_path)


@pytest.mark.parametrize("name", MADE)
def test_what_the_state_has_not_is_found(sandbox: Sandbox, name: str) -> None:
    state = [{"type": type_, "id": id_} for key, (type_, _, id_, _) in MADE.items() if key != name]
    assert unrecorded(sandbox, state) == {MADE[name][1]}


def test_nothing_is_missing_where_all_is_recorded(sandbox: Sandbox) -> None:
    state = [{"type": type_, "id": id_} for type_, _, id_, _ in MADE.values()]
    assert unrecorded(sandbox, [*state, {"type": "warp:edge:Dns"}]) == set()


def test_manual_creations_and_deletions_are_not_ours(sandbox: Sandbox) -> None:
    with sandbox.cloud.change("hand") as tx:
        tx.create("gcp:compute/address:Address", f"{P}/regions/us-central1/addresses/theirs", BODY)
        tx.delete("gcp:storage/bucket:Bucket", "site")
    assert unrecorded(sandbox, []) == {id_ for key, (_, id_, *_) in MADE.items() if key != "bucket"}


@pytest.mark.parametrize("name", MADE)
def test_what_an_engine_deleted_and_the_state_still_has_is_found(sandbox: Sandbox, name: str) -> None:
    state = [{"type": type_, "id": id_, "urn": key} for key, (type_, _, id_, _) in MADE.items()]
    assert gone(sandbox, state) == set()
    with sandbox.cloud.change() as tx:
        tx.delete(*MADE[name][:2])
    assert gone(sandbox, [*state, {"type": "warp:edge:Dns", "urn": "dns"}]) == {name}
    with sandbox.cloud.change() as tx:
        tx.create(*MADE[name][:2], BODY)
    assert gone(sandbox, state) == set()


def test_a_manual_deletion_is_drift_and_stays_so(sandbox: Sandbox) -> None:
    with sandbox.cloud.change("hand") as tx:
        tx.delete(*MADE["address"][:2])
    assert gone(sandbox, [{"type": MADE["address"][0], "id": MADE["address"][2], "urn": "address"}]) == set()


@pytest.mark.parametrize("name", [name for name, row in MADE.items() if row[3]])
def test_an_import_id_means_one_of_the_clouds(name: str) -> None:
    settings = Settings.parse(as_engine_gives_it(stack_config("sandbox")))
    assert [key for key, row in MADE.items() if means(MADE[name][3], row[1], settings)] == [name]


def test_an_object_of_another_regions_cluster_is_not_ours() -> None:
    settings = Settings.parse(as_engine_gives_it(stack_config("sandbox")))
    assert not means("core/sip", "gke_warp-sandbox_us-east1_warp-cluster/core/sip", settings)
