"""From the first update to the last: up, drift, the site for everybody, destroy.

The stack is locked and publishes its site; the pods behind its LoadBalancers are never there, which holds nothing up.
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path
from xml.etree.ElementTree import fromstring

import psycopg
import pytest
from dns import message, query

from inventory.reading import read
from inventory.site.files import FILES, PDFS, content_type
from inventory.site.render import render
from review.markdown import markdown
from review.preview import read as read_preview
from review.report import report
from sandbox import Sandbox
from tests.engine.conftest import Stack
from tests.review_goldens import JUDGED, STREAM
from tests.stacks import changed, stack_config
from verify.__main__ import main as verify

RECORD = "gcp:dns/recordSet:RecordSet"
SIP_A = "projects/warp-sandbox/managedZones/ringer-tel/rrsets/sip.ringer.tel./A"
SITE = "warp-sandbox-ip-addresses"
BUCKET, OBJECT = "gcp:storage/bucket:Bucket", "gcp:storage/bucketObject:BucketObject"
SLOTS = ("warp-edge:egress", "slots")
ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture(scope="module")
def edge(cloud: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The sandbox's stack, locked, up without a pod."""
    cloud.pods_ready(False)
    stack = Stack(
        tmp_path_factory.mktemp("stack"), cloud, changed(stack_config("sandbox"), ("warp-edge:protect",), True)
    )
    stack.up()
    return stack


def get(cloud: Sandbox, path: str, **headers: str) -> tuple[int, Message, bytes]:
    """As anybody on the internet would."""
    request = urllib.request.Request(cloud.storage_url(SITE, path), headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.headers, refused.read()


def test_a_second_preview_shows_no_change(edge: Stack) -> None:
    assert edge.planned() == {}


def test_refresh_finds_no_drift_and_a_second_up_changes_nothing(edge: Stack, cloud: Sandbox) -> None:
    before = len(cloud.writes())
    edge.cli.text("refresh", "--stack", edge.cli.stack, "--yes", "--skip-preview", "--expect-no-changes")
    assert edge.changes() == {}
    assert len(cloud.writes()) == before


def test_the_zone_answers_with_the_ingress_address(edge: Stack, cloud: Sandbox) -> None:
    host, port = cloud.dns_endpoint()
    inventory = edge.cli.outputs()["ipInventory"]["addresses"]
    udp = next(address["address"] for address in inventory if address["name"] == "kamailio-sip-udp-ip")
    answer = query.udp(message.make_query("sip.ringer.tel", "A"), host, port=port, timeout=5)
    assert [record.to_text() for record in answer.answer[0]] == [udp]


def test_the_promise_holds_from_outside_until_somebody_changes_a_record_by_hand(
    edge: Stack, cloud: Sandbox, tmp_path: Path
) -> None:
    """docs/verify.md, on the outputs as the engine gives them."""
    file, (host, port) = tmp_path / "outputs.json", cloud.dns_endpoint()
    file.write_text(json.dumps(edge.cli.outputs()))
    places = ["--resolver", f"{host}:{port}", "--authority", f"{host}:{port}"]
    verified = ["--outputs", str(file), "--only", "dns", *places]
    assert verify(verified) == 0
    right = cloud.resource(RECORD, SIP_A)["rrdatas"]
    cloud.set(RECORD, SIP_A, "rrdatas", ["127.9.9.9"])
    assert verify(verified) == 3
    cloud.set(RECORD, SIP_A, "rrdatas", right)
    assert verify(verified) == 0


def test_the_database_lets_its_user_in_over_tls_and_nobody_in_without(edge: Stack) -> None:
    shown = edge.cli.text("stack", "output", "database", "--json", "--show-secrets", "--stack", edge.cli.stack)
    database = json.loads(shown)
    where = {
        "host": database["publicAddress"],
        "port": database["port"],
        "dbname": database["name"],
        "user": database["user"],
        "password": database["password"],
    }
    with psycopg.connect(**where, sslmode="require") as connection:
        assert connection.execute("select current_user").fetchone() == ("warp_edge",)
    try:
        psycopg.connect(**where, sslmode="disable").close()
    except psycopg.OperationalError as error:
        assert "encryption" in str(error)
    else:
        raise AssertionError("an unencrypted connection was let in")


def test_no_secret_is_in_clear_in_state_or_output(edge: Stack) -> None:
    shown = edge.cli.text("stack", "output", "database", "--json", "--show-secrets", "--stack", edge.cli.stack)
    password = json.loads(shown)["password"]
    assert len(password) >= 32
    assert password not in edge.state()
    assert password not in json.dumps(edge.cli.outputs())
    assert edge.cli.outputs()["database"]["password"] == "[secret]"


def test_a_hand_made_change_is_found_by_refresh_and_put_right_by_up(edge: Stack, cloud: Sandbox) -> None:
    right = cloud.resource(RECORD, SIP_A)["rrdatas"]
    cloud.set(RECORD, SIP_A, "rrdatas", ["127.9.9.9"])
    found = edge.cli.text("refresh", "--stack", edge.cli.stack, "--yes", "--skip-preview", "--diff")
    assert "127.9.9.9" in found
    assert edge.changes() == {"dns-sip-a": "update"}
    assert cloud.resource(RECORD, SIP_A)["rrdatas"] == right


def test_everybody_reads_what_the_outputs_say(edge: Stack, cloud: Sandbox) -> None:
    outputs = edge.cli.outputs()
    url = outputs["inventorySite"]["url"]
    assert url == f"https://storage.googleapis.com/{SITE}/index.html"
    expected = render(read(json.dumps(outputs)), url.removesuffix("index.html"), pdf=True)
    assert set(expected) == {*FILES, *PDFS}
    for path, content in expected.items():
        status, headers, body = get(cloud, path)
        assert (status, body) == (200, content), path
        assert headers["Content-Type"] == content_type(path)
        assert headers["Cache-Control"] == "public, max-age=300"
        again, unchanged, nothing = get(cloud, path, **{"If-None-Match": headers["ETag"]})
        assert (again, unchanged["ETag"], nothing) == (304, headers["ETag"], b"")
    for address in outputs["vendorWhitelist"]["addresses"]:
        assert address.encode() in expected["index.html"]


def test_a_slot_that_comes_and_one_that_drains_are_on_the_page_and_the_past_is_kept(
    edge: Stack, cloud: Sandbox
) -> None:
    token = json.loads(get(cloud, "ip-ranges.json")[2])["syncToken"]
    coming = {"state": "announced", "announcedOn": "2026-03-01", "activeOn": "2026-04-01"}
    edge.set(coming, *SLOTS, "warp-nat-ip-4")
    edge.set({"state": "draining", "drainedOn": "2026-03-02"}, *SLOTS, "warp-nat-ip-3")

    # The new address is not known yet, and the files are: a preview tells them as one.
    previewed = edge.cli.run("preview", "--json", "--stack", edge.cli.stack, *JUDGED, extra=STREAM)
    told = markdown(report(read_preview(previewed.stdout), "sandbox"))
    assert "files of the inventory's site" in told
    assert told.count("BucketObject") == 1

    edge.up()
    by_name = {a["name"]: a["address"] for a in edge.cli.outputs()["ipInventory"]["addresses"]}
    ranges = json.loads(get(cloud, "ip-ranges.json")[2])
    status = {each["ip_prefix"]: each["status"] for each in ranges["prefixes"]}
    assert status[f"{by_name['warp-nat-ip-4']}/32"] == "announced"
    assert status[f"{by_name['warp-nat-ip-3']}/32"] == "draining"
    assert int(ranges["syncToken"]) > int(token)
    assert ranges["createDate"].startswith("2026-03-02-")
    first, second, *_ = fromstring(get(cloud, "feed.xml")[2]).findall(f"{ATOM}entry")
    assert first.findtext(f"{ATOM}title") == f"Announced: {by_name['warp-nat-ip-4']}, us-central1, from 2026-04-01"
    assert by_name["warp-nat-ip-3"] in (second.findtext(f"{ATOM}title") or "")
    page = re.sub("<[^>]*>", "", get(cloud, "index.html")[2].decode())
    assert "will be used from 2026-04-01, accept it now" in page
    assert "since 2026-03-02: accept it until it is retired" in page
    earlier = [each.body["content"] for each in cloud.resources(f"{OBJECT}#earlier")]
    assert any(f'"syncToken": "{token}"' in content for content in earlier), "what was published can be looked up"
    assert edge.planned() == {}


def test_what_is_not_public_is_read_by_nobody(edge: Stack, cloud: Sandbox) -> None:
    try:
        cloud.set(BUCKET, SITE, "publicAccessPrevention", "enforced")
        status, _, body = get(cloud, "index.html")
        assert (status, b"AccessDenied" in body) == (403, True)
        assert get(cloud, "no-such-file")[0] == 403, "who may not read does not learn what exists"
    finally:
        cloud.set(BUCKET, SITE, "publicAccessPrevention", "inherited")
    assert get(cloud, "no-such-file")[0] == 404


def test_destroy_is_refused_while_protected(edge: Stack, cloud: Sandbox) -> None:
    assert "protected" in edge.failing("destroy", "--yes", "--skip-preview")
    assert cloud.resource(RECORD, SIP_A)
    edge.set(False, "warp-edge:protect")
    edge.up()


def test_a_bucket_of_somebody_else_is_refused_before_anything_else_is_lost(edge: Stack, cloud: Sandbox) -> None:
    with cloud.cloud.change("hand") as tx:
        tx.put(BUCKET, "taken", {"name": "taken", "project": "other-project", "location": "US"})
    edge.set("taken", "warp-edge:inventorySite", "bucket")
    assert "The requested bucket name is not available" in edge.failing("up", "--yes", "--skip-preview")
    assert get(cloud, "index.html")[0] == 200


def test_destroy_works_when_not(edge: Stack, cloud: Sandbox) -> None:
    edge.cli.text("destroy", "--stack", edge.cli.stack, "--yes", "--skip-preview")
    assert cloud.resources("gcp:compute/address:Address") == []
    assert [each.id for each in cloud.resources(BUCKET)] == ["taken"]
