"""The site in its bucket: put there by the stack, read by anybody, changed with the addresses and never lost."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import Message
from xml.etree.ElementTree import fromstring

import pytest

from inventory.reading import read
from inventory.site.files import FILES, content_type
from inventory.site.render import render
from review.markdown import markdown
from review.preview import read as read_preview
from review.report import report
from sandbox import Sandbox
from tests.engine.conftest import Stack
from tests.review_goldens import JUDGED, STREAM
from tests.stacks import stack_config

NAME = "warp-sandbox-ip-addresses"
BUCKET, OBJECT = "gcp:storage/bucket:Bucket", "gcp:storage/bucketObject:BucketObject"
SLOTS = ("warp-edge:egress", "slots")
ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture(scope="module")
def published(cloud: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    stack = Stack(tmp_path_factory.mktemp("site"), cloud, stack_config("sandbox"))
    stack.up()
    return stack


@pytest.fixture
def as_before(published: Stack) -> Iterator[Stack]:
    before = published.config
    yield published
    published.config = before
    published.workspace.configure(before)


def get(cloud: Sandbox, path: str, **headers: str) -> tuple[int, Message, bytes]:
    """As anybody on the internet would."""
    request = urllib.request.Request(cloud.storage_url(NAME, path), headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.headers, refused.read()


def test_everybody_reads_what_the_outputs_say(published: Stack, cloud: Sandbox) -> None:
    outputs = published.cli.outputs()
    url = outputs["inventorySite"]["url"]
    assert url == f"https://storage.googleapis.com/{NAME}/index.html"
    expected = render(read(json.dumps(outputs)), url.removesuffix("index.html"))
    assert set(expected) == set(FILES)
    for path, content in expected.items():
        status, headers, body = get(cloud, path)
        assert (status, body) == (200, content), path
        assert headers["Content-Type"] == content_type(path)
        assert headers["Cache-Control"] == "public, max-age=300"
        again, unchanged, nothing = get(cloud, path, **{"If-None-Match": headers["ETag"]})
        assert (again, unchanged["ETag"], nothing) == (304, headers["ETag"], b"")
    for address in outputs["vendorWhitelist"]["addresses"]:
        assert address.encode() in expected["index.html"]


def test_another_update_changes_nothing(published: Stack, cloud: Sandbox) -> None:
    writes = len(cloud.writes())
    assert published.planned() == {}
    published.up()
    assert len(cloud.writes()) == writes


def test_a_slot_that_comes_and_one_that_drains_are_on_the_page_and_the_past_is_kept(
    as_before: Stack, cloud: Sandbox
) -> None:
    token = json.loads(get(cloud, "ip-ranges.json")[2])["syncToken"]
    coming = {"state": "announced", "announcedOn": "2026-03-01", "activeOn": "2026-04-01"}
    as_before.set(coming, *SLOTS, "warp-nat-ip-4")
    as_before.set({"state": "draining", "drainedOn": "2026-03-02"}, *SLOTS, "warp-nat-ip-3")

    # The new address is not known yet, and the files are: a preview tells them as one.
    previewed = as_before.cli.run("preview", "--json", "--stack", as_before.cli.stack, *JUDGED, extra=STREAM)
    told = markdown(report(read_preview(previewed.stdout), "sandbox"))
    assert "files of the inventory's site" in told
    assert told.count("BucketObject") == 1

    as_before.up()
    by_name = {a["name"]: a["address"] for a in as_before.cli.outputs()["ipInventory"]["addresses"]}
    ranges = json.loads(get(cloud, "ip-ranges.json")[2])
    status = {each["ip_prefix"]: each["status"] for each in ranges["prefixes"]}
    assert status[f"{by_name['warp-nat-ip-4']}/32"] == "announced"
    assert status[f"{by_name['warp-nat-ip-3']}/32"] == "draining"
    assert int(ranges["syncToken"]) > int(token)
    assert ranges["createDate"] == "2026-03-02-00-00-00"
    first, second, *_ = fromstring(get(cloud, "feed.xml")[2]).findall(f"{ATOM}entry")
    assert first.findtext(f"{ATOM}title") == f"Announced: {by_name['warp-nat-ip-4']}, us-central1, from 2026-04-01"
    assert by_name["warp-nat-ip-3"] in (second.findtext(f"{ATOM}title") or "")
    page = get(cloud, "index.html")[2].decode()
    assert "will be used from 2026-04-01, accept it now" in page
    assert "since 2026-03-02: accept it until it is retired" in page
    earlier = [each.body["content"] for each in cloud.resources(f"{OBJECT}#earlier")]
    assert any(f'"syncToken": "{token}"' in content for content in earlier), "what was published can be looked up"
    assert as_before.planned() == {}


def test_what_is_not_public_is_read_by_nobody(published: Stack, cloud: Sandbox) -> None:
    try:
        cloud.set(BUCKET, NAME, "publicAccessPrevention", "enforced")
        status, _, body = get(cloud, "index.html")
        assert (status, b"AccessDenied" in body) == (403, True)
        assert get(cloud, "no-such-file")[0] == 403, "who may not read does not learn what exists"
    finally:
        cloud.set(BUCKET, NAME, "publicAccessPrevention", "inherited")
    assert get(cloud, "no-such-file")[0] == 404


def test_a_bucket_of_somebody_else_is_refused_before_anything_else_is_lost(as_before: Stack, cloud: Sandbox) -> None:
    with cloud.cloud.change("hand") as tx:
        tx.put(BUCKET, "taken", {"name": "taken", "project": "other-project", "location": "US"})
    as_before.set("taken", "warp-edge:inventorySite", "bucket")
    assert "The requested bucket name is not available" in as_before.failing("up", "--yes", "--skip-preview")
    assert get(cloud, "index.html")[0] == 200
