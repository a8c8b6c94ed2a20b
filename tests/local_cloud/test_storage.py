"""Buckets, their objects and earlier versions: what the cloud refuses, and what it serves publicly."""

from __future__ import annotations

import base64
import hashlib
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import Message
from typing import Any

import pytest

from local_cloud.cloud import Cloud
from local_cloud.gcp.storage import BUCKET, EARLIER, MEMBER, OBJECT, crc32c
from local_cloud.storage_server import StorageServer
from tests.local_cloud.plugin import Invalid, Plugin, Refused, Resource

INPUTS: dict[str, Any] = {
    "name": "warp-ips",
    "location": "us-central1",
    "uniformBucketLevelAccess": True,
    "versioning": {"enabled": True},
}
FILE = {"bucket": "warp-ips", "name": "formats/a.txt", "content": "34.57.46.26\n", "contentType": "text/plain"}
GRANT = {"bucket": "warp-ips", "role": "roles/storage.objectViewer", "member": "allUsers"}


@pytest.fixture
def bucket(gcp: Plugin) -> Resource:
    return gcp.create(BUCKET, "bucket", INPUTS)


@pytest.fixture
def server(cloud: Cloud) -> Iterator[str]:
    running = StorageServer("127.0.0.1", 0, cloud)
    running.start()
    yield f"http://127.0.0.1:{running.port}"
    running.stop()


def get(url: str, method: str = "GET", **headers: str) -> tuple[int, Message, bytes]:
    request = urllib.request.Request(url, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.headers, refused.read()


def earlier(cloud: Cloud) -> list[str]:
    with cloud.view() as tx:
        return [one.body["content"] for one in tx.all(EARLIER)]


def test_a_bucket_comes_with_googles_defaults(gcp: Plugin, bucket: Resource) -> None:
    assert bucket.id == "warp-ips"
    assert bucket.outputs["location"] == "US-CENTRAL1"
    assert bucket.outputs["publicAccessPrevention"] == "inherited"
    assert bucket.outputs["url"] == "gs://warp-ips"
    assert gcp.diff(bucket, INPUTS | {"location": "US-CENTRAL1"}).changes == {}
    assert gcp.adopt(BUCKET, "warp-sandbox/warp-ips").outputs["name"] == "warp-ips"


@pytest.mark.parametrize(
    "name", ["Upper", "ab", "-a-b", "a..b", "a" * 64, "192.0.2.1", "goog-a", "my-google-bucket", "a_", "a b"]
)
def test_a_name_that_no_bucket_can_have_is_refused(gcp: Plugin, name: str) -> None:
    with pytest.raises(Invalid, match="Error 400: Invalid bucket name"):
        gcp.create(BUCKET, "bucket", INPUTS | {"name": name})


def test_a_name_in_use_is_refused_in_every_project(gcp: Plugin, bucket: Resource) -> None:
    with pytest.raises(Refused, match="Error 409: Your previous request to create the named bucket succeeded"):
        gcp.create(BUCKET, "again", INPUTS)
    stranger = gcp.another(project="other-project", region="us-central1")
    with pytest.raises(Refused, match="Error 409: The requested bucket name is not available"):
        stranger.create(BUCKET, "theirs", INPUTS)


def test_a_bucket_with_files_or_earlier_versions_is_not_deleted_unless_forced(
    gcp: Plugin, cloud: Cloud, bucket: Resource
) -> None:
    file = gcp.create(OBJECT, "file", FILE)
    with pytest.raises(Refused, match="containing objects without `force_destroy` set to true"):
        gcp.delete(bucket)
    gcp.delete(file)
    with pytest.raises(Refused, match="containing objects"):
        gcp.delete(bucket)
    gcp.delete(gcp.update(bucket, INPUTS | {"forceDestroy": True}))
    assert gcp.read(bucket) is None
    assert earlier(cloud) == []


def test_a_file_needs_its_bucket_and_something_in_it(gcp: Plugin, bucket: Resource) -> None:
    with pytest.raises(Refused, match=r"Error 404: The specified bucket does not exist"):
        gcp.create(OBJECT, "file", FILE | {"bucket": "nowhere"})
    with pytest.raises(Refused, match='either "content" or "source" must be specified'):
        gcp.create(OBJECT, "file", FILE | {"content": ""})
    with pytest.raises(Invalid, match="one of `content,source` must be specified"):
        gcp.create(OBJECT, "file", {"bucket": "warp-ips", "name": "a"})
    for name in ("a\nb", ".well-known/acme-challenge/x", "x" * 1025):
        with pytest.raises(Invalid, match="Invalid object name"):
            gcp.create(OBJECT, "file", FILE | {"name": name})


def test_a_files_content_is_secret_and_its_hashes_are_outputs(gcp: Plugin, bucket: Resource) -> None:
    file = gcp.create(OBJECT, "file", FILE)
    assert "content" in file.secrets
    content = FILE["content"].encode()
    assert base64.b64decode(file.outputs["md5hash"]) == hashlib.md5(content).digest()
    assert file.id == "warp-ips-formats/a.txt"
    # RFC 3720, appendix B.4: 32 bytes of zeros, and of ones.
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43


def test_new_content_is_an_update_and_a_new_type_a_replacement(gcp: Plugin, cloud: Cloud, bucket: Resource) -> None:
    file = gcp.create(OBJECT, "file", FILE)
    new = FILE | {"content": "35.223.15.88\n"}
    assert file.outputs["detectMd5hash"] == file.outputs["md5hash"], "the plugin has the content's hash there"
    assert set(gcp.diff(file, new).changes) == {"content", "crc32c", "detectMd5hash", "generation", "md5hash"}
    assert gcp.diff(file, FILE | {"cacheControl": "no-store"}).replaces
    after = gcp.update(file, new)
    assert after.outputs["generation"] > file.outputs["generation"]
    assert earlier(cloud) == [FILE["content"]]
    assert gcp.read(after) is not None
    gcp.delete(after)
    assert sorted(earlier(cloud)) == sorted([FILE["content"], "35.223.15.88\n"])


def test_a_bucket_without_versions_forgets(gcp: Plugin, cloud: Cloud) -> None:
    gcp.create(BUCKET, "bucket", {"name": "warp-ips", "location": "US"})
    gcp.delete(gcp.create(OBJECT, "file", FILE))
    assert earlier(cloud) == []


def test_grants_that_the_cloud_does_not_know_are_refused(gcp: Plugin, bucket: Resource) -> None:
    with pytest.raises(Invalid, match="invalid value for member"):
        gcp.create(MEMBER, "grant", GRANT | {"member": "everybody"})
    with pytest.raises(Refused, match=r"Error 400: Role roles/storage.reader is not supported"):
        gcp.create(MEMBER, "grant", GRANT | {"role": "roles/storage.reader"})
    with pytest.raises(Refused, match="Error 404: The specified bucket does not exist"):
        gcp.create(MEMBER, "grant", GRANT | {"bucket": "nowhere"})
    gcp.update(bucket, INPUTS | {"publicAccessPrevention": "enforced"})
    with pytest.raises(Refused, match=r"Error 412: .* public access prevention is enforced"):
        gcp.create(MEMBER, "grant", GRANT)
    assert gcp.create(MEMBER, "named", GRANT | {"member": "user:a@example.com"}).outputs["etag"]


def test_only_public_objects_are_served(gcp: Plugin, bucket: Resource, server: str) -> None:
    gcp.create(OBJECT, "file", FILE | {"cacheControl": "public, max-age=300"})
    url = f"{server}/warp-ips/formats/a.txt"
    assert get(url)[0] == 403
    assert get(f"{server}/warp-ips/none")[0] == 403, "without read access the error does not reveal what exists"
    assert b"NoSuchBucket" in get(f"{server}/nowhere/a")[2]
    gcp.create(MEMBER, "writer", GRANT | {"role": "roles/storage.objectCreator"})
    assert get(url)[0] == 403, "write access does not include read access"
    grant = gcp.create(MEMBER, "grant", GRANT)
    status, headers, body = get(url)
    assert (status, body) == (200, FILE["content"].encode())
    assert headers["Content-Type"] == "text/plain"
    assert headers["Cache-Control"] == "public, max-age=300"
    assert headers["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert headers["Last-Modified"].endswith("GMT")
    assert get(f"{server}/warp-ips/none")[0] == 404
    gcp.delete(grant)
    assert get(url)[0] == 403


def test_a_conditional_request_for_the_current_version_gets_304(gcp: Plugin, bucket: Resource, server: str) -> None:
    file = gcp.create(OBJECT, "file", FILE)
    gcp.create(MEMBER, "grant", GRANT)
    url = f"{server}/warp-ips/formats/a.txt"
    etag = get(url)[1]["ETag"]
    for asked in (etag, f'"other", W/{etag}', "*"):
        status, headers, body = get(url, **{"If-None-Match": asked})
        assert (status, headers["ETag"], body) == (304, etag, b"")
    assert get(url, "HEAD")[1]["Content-Length"] == str(len(FILE["content"]))
    gcp.update(file, FILE | {"content": "new\n"})
    status, headers, body = get(url, **{"If-None-Match": etag})
    assert (status, body) == (200, b"new\n")
    assert headers["ETag"] != etag


def test_requests_that_are_not_implemented_are_refused_as_such(gcp: Plugin, bucket: Resource, server: str) -> None:
    assert get(f"{server}/warp-ips/")[0] == 501
    assert get(f"{server}/warp-ips/a", "DELETE")[0] == 501
