"""The component: the bucket and the files, as the engine would be sent them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from inventory.reading import read
from inventory.site.files import FILES, PDFS
from inventory.site.render import render
from plan.import_ids import import_ids
from settings import Settings, SettingsError
from tests.stacks import Config, as_engine_gives_it, changed, stack_config, without_site
from tests.unit.recording import Edge, declare

BUCKET, OBJECT = "gcp:storage/bucket:Bucket", "gcp:storage/bucketObject:BucketObject"
MEMBER = "gcp:storage/bucketIAMMember:BucketIAMMember"
SITE = "warp-edge:inventorySite"


def with_site(stack: str = "prod", **settings: Any) -> Config:
    return stack_config(stack) | {SITE: {"bucket": "warp-ips", **settings}}


def site_of(config: Config) -> Settings:
    return Settings.parse(as_engine_gives_it(config))


@pytest.fixture(scope="module")
def edge() -> Edge:
    return declare(with_site())


def test_without_a_bucket_there_is_no_site() -> None:
    quiet = declare(without_site(stack_config("sandbox")))
    assert quiet.of_type(BUCKET) == quiet.of_type(OBJECT) == quiet.of_type(MEMBER) == []
    assert "inventorySite" not in quiet.outputs


def test_the_bucket_keeps_versions_and_cannot_be_lost(edge: Edge) -> None:
    (bucket,) = edge.of_type(BUCKET)
    assert bucket.protect
    assert bucket.inputs["name"] == "warp-ips"
    assert bucket.inputs["location"] == "US-CENTRAL1"
    assert bucket.inputs["versioning"] == {"enabled": True}
    assert bucket.inputs["uniformBucketLevelAccess"] is True
    assert bucket.inputs["forceDestroy"] is False
    assert bucket.inputs["website"] == {"mainPageSuffix": "index.html"}
    assert bucket.inputs["labels"] == {"platform": "warp", "component": "edge", "managed-by": "pulumi"}
    (rule,) = bucket.inputs["lifecycleRules"]
    assert rule == {
        "action": {"type": "Delete"},
        "condition": {"daysSinceNoncurrentTime": 365, "withState": "ARCHIVED"},
    }
    parent = edge.parent_of(bucket)
    assert parent
    assert parent.type == "warp:edge:InventorySite"


def test_where_nothing_is_worth_a_lock_the_bucket_goes_with_its_files() -> None:
    (bucket,) = declare(with_site("sandbox")).of_type(BUCKET)
    assert not bucket.protect
    assert bucket.inputs["forceDestroy"] is True


def test_the_public_may_read_and_has_no_other_access(edge: Edge) -> None:
    (grant,) = edge.of_type(MEMBER)
    assert grant.inputs == {"bucket": "warp-ips", "role": "roles/storage.objectViewer", "member": "allUsers"}


def test_the_files_are_those_of_the_published_inventory(edge: Edge) -> None:
    base = "https://storage.googleapis.com/warp-ips/"
    expected = render(read(json.dumps(edge.outputs["ipInventory"])), base)
    found = {each.inputs["name"]: each.inputs for each in edge.of_type(OBJECT)}
    assert set(found) == set(FILES)
    for path, inputs in found.items():
        assert inputs["content"].encode() == expected[path], path
        assert inputs["cacheControl"] == "public, max-age=300"
    assert found["feed.xml"]["contentType"] == "application/atom+xml"
    assert edge.outputs["inventorySite"] == {"schema": 1, "url": f"{base}index.html"}


def test_with_pdf_sheets_and_guides_are_published_as_text_of_that_type() -> None:
    edge = declare(with_site(pdf=True))
    base = "https://storage.googleapis.com/warp-ips/"
    expected = render(read(json.dumps(edge.outputs["ipInventory"])), base, pdf=True)
    found = {each.inputs["name"]: each.inputs for each in edge.of_type(OBJECT)}
    assert {path: inputs["content"].encode() for path, inputs in found.items()} == expected
    assert set(found) - set(FILES) == set(PDFS)
    assert len(PDFS) == 4
    for path in PDFS:
        assert found[path]["contentType"] == "application/pdf"
        assert found[path]["content"].startswith("%PDF-")
        assert path in found["index.html"]["content"]


def test_people_find_it_where_the_settings_say() -> None:
    edge = declare(with_site(baseUrl="https://ips.ringer.tel", location="EU", keepDays=7))
    assert edge.outputs["inventorySite"]["url"] == "https://ips.ringer.tel/index.html"
    (bucket,) = edge.of_type(BUCKET)
    assert bucket.inputs["location"] == "EU"
    assert bucket.inputs["lifecycleRules"][0]["condition"]["daysSinceNoncurrentTime"] == 7
    feed = next(each.inputs["content"] for each in edge.of_type(OBJECT) if each.inputs["name"] == "feed.xml")
    assert 'href="https://ips.ringer.tel/feed.xml"' in feed


def test_the_bucket_can_be_recorded_after_a_crash(edge: Edge) -> None:
    name = "inventory-site-bucket"
    assert import_ids(site_of(with_site()))[name] == "warp-prod/warp-ips"
    assert name in {each.name for each in edge.resources}
    assert name not in import_ids(site_of(stack_config("prod")))


@pytest.mark.parametrize(
    ("settings", "reported"),
    [
        ({"bucket": "Upper"}, "not a bucket's name"),
        ({"bucket": "ab"}, "not a bucket's name"),
        ({"bucket": "a" * 64}, "not a bucket's name"),
        ({"bucket": "192.0.2.1"}, "not a bucket's name"),
        ({"bucket": "a..b"}, "not a bucket's name"),
        ({"bucket": "ips\n"}, "not a bucket's name"),
        ({"bucket": "my-google-ips"}, "a bucket cannot be named after Google"),
        ({"baseUrl": "https://ips.ringer.tel"}, "there is no bucket"),
        ({"bucket": "ips", "baseUrl": "ips.ringer.tel"}, "not a valid name here"),
        ({"bucket": "ips", "baseUrl": "https://ips.ringer.tel/?a=b"}, "not a valid name here"),
        ({"bucket": "ips", "baseUrl": "javascript:alert(1)"}, "not a valid name here"),
        ({"bucket": "ips", "keepDays": 0}, "too small"),
        ({"bucket": "ips", "public": False}, "no such setting"),
    ],
)
def test_a_wrong_setting_is_refused(settings: dict[str, Any], reported: str) -> None:
    with pytest.raises(SettingsError, match=reported):
        site_of(changed(stack_config("prod"), (SITE,), settings))


@pytest.mark.parametrize("bucket", ["ips", "a" * 63, "warp_ips-1", "ips.ringer.tel", "0ab"])
def test_a_name_that_the_cloud_takes_is_taken(bucket: str) -> None:
    assert site_of(with_site(bucket=bucket)).inventory_site.bucket == bucket


def test_no_file_waits_for_what_one_customer_has_for_itself() -> None:
    """Nor does it list it in the state, and its preview is not unknown when one more customer comes."""
    dedicated = {"acme": {"ban": "100001", "targetPort": 15060}, "beta": {"ban": "100002", "targetPort": 15064}}
    retired = {
        "address": "34.1.2.9", "purpose": "old", "kind": "LoadBalancer", "direction": "inbound", "customer": "100001",
    }  # fmt: skip
    edge = declare(
        with_site("sandbox")
        | {"warp-edge:quotas": {"staticAddresses": 20}, "warp-edge:dedicated": dedicated}
        | {"warp-edge:legacy": {"sip-old-udp-ip": retired}}
    )
    files = edge.of_type(OBJECT)
    assert [each.name for each in files for urn in each.dependencies if "::dedicated-" in urn] == []
    # They tell all the same what the whole inventory tells everybody.
    assert any(each.get("customer") == "100002" for each in edge.outputs["ipInventory"]["addresses"])
    expected = render(read(json.dumps(edge.outputs["ipInventory"])), "https://storage.googleapis.com/warp-ips/")
    assert {each.inputs["name"]: each.inputs["content"] for each in files} == {
        path: content.decode() for path, content in expected.items()
    }
