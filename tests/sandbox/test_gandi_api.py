"""The simulated Gandi API, and our client against it and against faulty servers."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from dns import message, query

from components.gandi import api as client
from components.gandi.api import Api
from components.gandi.records import RecordSet
from local_cloud import faults
from local_cloud.cloud import Cloud
from local_cloud.dns_server import DnsServer
from local_cloud.gandi.server import REQUESTS_PER_MINUTE, GandiServer
from local_cloud.gandi.zones import RECORD, served
from local_cloud.layout import GANDI_TOKEN
from refusal import Refusal

WRONG = "f" * 40
SIP = RecordSet("ringer.tel", "sip.ringer.tel.", "A", 300, ("34.44.183.87",))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's pauses, not the server's."""
    monkeypatch.setattr(client, "FIRST_PAUSE", 0.01)


@pytest.fixture
def server(cloud: Cloud) -> Iterator[GandiServer]:
    server = GandiServer(cloud)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def token(server: GandiServer, cloud: Cloud) -> str:
    with cloud.view() as tx:
        return tx.setting(GANDI_TOKEN)


@pytest.fixture
def gandi(server: GandiServer, token: str) -> Api:
    return Api(f"http://127.0.0.1:{server.port}", token, 5)


def asked(server: GandiServer, method: str, path: str, token: str, body: Any = None) -> tuple[int, Any]:
    """An independent client: as Gandi documents it, without our code."""
    found = requests.request(
        method,
        f"http://127.0.0.1:{server.port}/v5/livedns/{path}",
        headers={"Authorization": f"Bearer {token}"} if token else {},
        data=body if isinstance(body, str) else json.dumps(body),
        timeout=5,
    )
    return found.status_code, found.json() if found.content else None


def switch_on(cloud: Cloud, kind: str, operation: str = "", times: int | None = None) -> None:
    with cloud.change("hand") as tx:
        faults.add(tx, kind, RECORD, operation, times, 0)


def written(cloud: Cloud) -> list[tuple[str, str]]:
    with cloud.view() as tx:
        return [(row.op, row.id) for row in tx.log() if row.type == RECORD and row.op != "read" and not row.refusal]


# What Gandi refuses


@pytest.mark.parametrize(
    ("ttl", "description"),
    [
        # Gandi's documentation, verbatim.
        (60, "60 is less than minimum value 300"),
        (299, "299 is less than minimum value 300"),
    ],
)
def test_a_ttl_below_300_is_refused_as_gandi_documents_it(
    server: GandiServer, token: str, ttl: int, description: str
) -> None:
    body = {"rrset_ttl": ttl, "rrset_values": ["192.0.2.1"]}
    assert asked(server, "PUT", "domains/ringer.tel/records/sip/A", token, body) == (
        400,
        {"status": "error", "errors": [{"location": "body", "name": "rrset_ttl", "description": description}]},
    )


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("sip/A", {"rrset_values": ["300.0.0.1"]}, "rrset_values.0"),
        ("sip/A", {"rrset_values": ["192.0.2.1", "192.0.2.1"]}, "rrset_values.0"),
        ("sip/A", {"rrset_values": []}, "rrset_values"),
        ("sip/A", {"rrset_values": "192.0.2.1"}, "rrset_values"),
        ("sip/A", {"rrset_values": ["192.0.2.1"], "rrset_ttl": "300"}, "rrset_ttl"),
        ("sip/A", {"rrset_values": ["192.0.2.1"], "ttl": 300}, "ttl"),
        ("sip/SRV", {"rrset_values": ["10 50 sip"]}, "rrset_values.0"),
        ("sip/CNAME", {"rrset_values": ["a", "b"]}, "rrset_values"),
        ("sip/SOA", {"rrset_values": ["x"]}, "rrset_type"),
        ("@/CNAME", {"rrset_values": ["sip"]}, "rrset_type"),
        ("-x/A", {"rrset_values": ["192.0.2.1"]}, "rrset_name"),
        ("sip/A", [], ""),
    ],
)
def test_an_invalid_record_set_is_refused_and_changes_nothing(
    server: GandiServer, cloud: Cloud, token: str, path: str, body: Any, name: str
) -> None:
    status, refusal = asked(server, "PUT", f"domains/ringer.tel/records/{path}", token, body)
    assert status == 400
    assert name in {each["name"] for each in refusal["errors"]}
    assert written(cloud) == []


def test_an_alias_stands_alone(server: GandiServer, cloud: Cloud, token: str) -> None:
    body = {"rrset_values": ["192.0.2.1"]}
    assert asked(server, "PUT", "domains/ringer.tel/records/www/A", token, body)[0] == 409
    assert written(cloud) == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("domains/ringer.tel/records/nothing/A", 404),
        ("domains/unknown.example/records/sip/A", 404),
        ("domains/unknown.example", 404),
        ("domains/other-owner.example/records/sip/A", 403),
        ("elsewhere", 404),
        ("domains/ringer.tel/records", 200),
    ],
)
def test_access_depends_on_token_and_domain(server: GandiServer, token: str, path: str, status: int) -> None:
    assert asked(server, "GET", path, token)[0] == status
    assert asked(server, "GET", path, WRONG)[0] == 401
    assert asked(server, "GET", path, "")[0] == 401


def test_more_than_the_limit_of_requests_has_to_wait(server: GandiServer, cloud: Cloud, token: str) -> None:
    with cloud.change("hand") as tx:
        tx.set_quota(REQUESTS_PER_MINUTE, 3)
    statuses = [asked(server, "GET", "domains/ringer.tel", token)[0] for _ in range(4)]
    assert statuses == [200, 200, 200, 429]


def test_what_is_put_is_answered_by_its_name_servers(gandi: Api, cloud: Cloud) -> None:
    gandi.put(SIP)
    gandi.put(RecordSet("ringer.tel", "_sip._udp.ringer.tel.", "SRV", 600, ("10 50 5060 sip",)))
    with cloud.view() as tx:
        zones = list(served(tx))
    server = DnsServer("127.0.0.1", 0, lambda: zones)
    server.start()
    try:
        question = message.make_query("_sip._udp.ringer.tel", "SRV")
        answer = query.udp(question, "127.0.0.1", port=server.port, timeout=5).answer[0]
    finally:
        server.stop()
    assert (answer.ttl, [each.to_text() for each in answer]) == (600, ["10 50 5060 sip.ringer.tel."])


def test_after_a_restart_port_and_token_are_the_same(cloud: Cloud) -> None:
    places = []
    for _ in range(2):
        server = GandiServer(cloud)
        server.start()
        with cloud.view() as tx:
            places.append((server.port, tx.setting(GANDI_TOKEN)))
        server.stop()
    assert places[0] == places[1]


# Our client


def test_a_record_set_is_put_whole_read_and_deleted(gandi: Api, cloud: Cloud) -> None:
    assert gandi.get(SIP) is None
    gandi.put(SIP)
    assert gandi.get(SIP) == SIP
    other = RecordSet("ringer.tel", "sip.ringer.tel.", "A", 600, ("192.0.2.1", "192.0.2.2"))
    gandi.put(other)
    assert gandi.get(SIP) == other
    gandi.delete(SIP)
    gandi.delete(SIP)
    assert gandi.get(SIP) is None
    id_ = "ringer.tel/sip/A"
    assert written(cloud) == [("create", id_), ("update", id_), ("delete", id_)]


def test_the_apex_is_put_under_its_own_sign(gandi: Api, cloud: Cloud) -> None:
    gandi.put(RecordSet("ringer.tel", "ringer.tel.", "NAPTR", 300, ('1 50 "s" "SIP+D2U" "" _sip._udp.ringer.tel.',)))
    assert written(cloud) == [("create", "ringer.tel/@/NAPTR")]


@pytest.mark.parametrize(
    ("domain", "value", "words", "remedy"),
    [
        ("ringer.tel", "300.0.0.1", "refused (400 rrset_values.0: 300.0.0.1 is not a valid A value)", "correct what"),
        ("unknown.example", "192.0.2.1", "unknown.example is not a domain at LiveDNS", "dns.domain"),
        (
            "other-owner.example",
            "192.0.2.1",
            "the token has no permission for this, or is expired (403",
            "give it access to other-owner",
        ),
    ],
)
def test_a_refusal_names_the_record_and_says_what_gandi_says(
    gandi: Api, domain: str, value: str, words: str, remedy: str
) -> None:
    began = time.monotonic()
    with pytest.raises(Refusal) as refused:
        gandi.put(RecordSet(domain, f"sip.{domain}.", "A", 300, (value,)))
    what, _, told_remedy = str(refused.value).partition("\n  -> ")
    assert what.startswith(f"sip.{domain}. A at Gandi: {words}")
    assert remedy in told_remedy
    assert time.monotonic() - began < 4, "asked once"


def test_a_domain_that_is_not_there_is_not_taken_for_an_empty_one(gandi: Api) -> None:
    with pytest.raises(Refusal, match=r"unknown\.example is not a domain at LiveDNS"):
        gandi.get(RecordSet("unknown.example", "sip.unknown.example.", "A", 300, ()))


def test_a_short_ttl_is_not_even_sent(gandi: Api, cloud: Cloud) -> None:
    with pytest.raises(Refusal, match="TTL 299 s is less than 300 s"):
        gandi.put(RecordSet("ringer.tel", "sip.ringer.tel.", "A", 299, ("192.0.2.1",)))
    with cloud.view() as tx:
        assert [row for row in tx.log() if row.type == RECORD] == []


def test_an_expired_token_says_so_and_how_to_make_another(gandi: Api, cloud: Cloud) -> None:
    switch_on(cloud, "token-expired")
    with pytest.raises(Refusal) as refused:
        gandi.get(SIP)
    assert "the token is expired, revoked or unknown (401" in str(refused.value)
    assert "pulumi config set --secret gandiToken" in str(refused.value)


@pytest.mark.parametrize("kind", ["quota", "http-500", "http-503", "answer-lost"])
def test_what_passes_is_tried_again(gandi: Api, cloud: Cloud, kind: str) -> None:
    switch_on(cloud, kind, "update", times=2)
    gandi.put(SIP)
    assert gandi.get(SIP) == SIP


def test_what_does_not_pass_ends_at_the_deadline_with_the_servers_words(gandi: Api, cloud: Cloud) -> None:
    switch_on(cloud, "http-503")
    began = time.monotonic()
    with pytest.raises(Refusal, match=r"sip\.ringer\.tel\. A at Gandi: not done within 1 s: 503 The server") as refused:
        Api(gandi.base, gandi.token, 1).get(SIP)
    assert time.monotonic() - began < 5
    assert "nothing is lost" in str(refused.value)


def test_a_wait_that_the_server_asks_for_is_kept(gandi: Api, cloud: Cloud) -> None:
    switch_on(cloud, "quota", times=1)  # Retry-After: 1
    began = time.monotonic()
    gandi.get(SIP)
    assert time.monotonic() - began >= 1


def test_a_wait_longer_than_the_deadline_is_not_begun(gandi: Api, cloud: Cloud) -> None:
    with cloud.change("hand") as tx:
        tx.set_quota(REQUESTS_PER_MINUTE, 0)
    began = time.monotonic()
    with pytest.raises(Refusal, match="not done within 5 s: 429 Too many requests"):
        gandi.get(SIP)
    assert time.monotonic() - began < 4


def test_a_server_that_is_down_is_reported_without_a_traceback(gandi: Api) -> None:
    with pytest.raises(Refusal, match="Connection refused"):
        Api("http://127.0.0.1:1", gandi.token, 0.5).get(SIP)


# Faulty servers


class Strange(BaseHTTPRequestHandler):
    """Answers every request with the test's response."""

    status = 200
    body = b""
    headers_sent: dict[str, str]
    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(f"{self.path} {self.headers.get('Authorization')}")
        self.send_response(self.status)
        for name, value in {"Content-Length": str(len(self.body)), **self.headers_sent}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.body)

    do_PUT = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def strange(status: int, body: bytes, **headers: str) -> Iterator[tuple[str, list[str]]]:
    seen: list[str] = []
    kind = type("One", (Strange,), {"status": status, "body": body, "headers_sent": headers, "seen": seen})
    server = HTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, b"<html>welcome</html>", "its answer is not a record set"),
        (200, b"[]", "its answer is not a record set"),
        (200, b"[" * 100_000, "its answer is not a record set"),
        (200, b'{"rrset_ttl": true, "rrset_values": ["192.0.2.1"]}', "its answer is not a record set"),
        (200, b'{"rrset_ttl": 300, "rrset_values": [1]}', "its answer is not a record set"),
        (200, b"\xff" * (client.LONGEST_BODY + 1), "its answer is too long"),
        (302, b"", "it redirects to another URL (302)"),
        (418, b"teapot", "refused (418 without a word)"),
        (400, b'{"errors": "?", "message": 5}', "refused (400 without a word)"),
        (400, b'{"errors": [5, {}, {"description": "a"}], "message": "b"}', "refused (400 a; b)"),
    ],
)
def test_an_answer_that_is_none_of_gandis_is_one_line_and_no_traceback(status: int, body: bytes, words: str) -> None:
    with strange(status, body, Location="http://127.0.0.1:1/") as (place, _), pytest.raises(Refusal) as refused:
        Api(place, WRONG, 0.5).get(SIP)
    what = str(refused.value).split("\n  -> ")[0]
    assert words in what
    assert "\n" not in what
    assert len(what) < 400


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
def test_a_server_that_returns_our_token_is_not_quoted(
    status: int, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    body = json.dumps({"message": f"\x1b[31mBearer {WRONG} is bad\r\n{WRONG}"}).encode()
    with strange(status, body) as (place, seen), pytest.raises(Refusal) as refused:
        Api(place, WRONG, 0.2).put(SIP)
    assert seen[0].endswith(f"Bearer {WRONG}"), "it was sent"
    printed = capsys.readouterr()
    for text in (str(refused.value), repr(refused.value), caplog.text, printed.out, printed.err):
        assert WRONG not in text
        assert "\x1b" not in text
    assert "[token] is bad" in str(refused.value)
    assert WRONG not in repr(Api(place, WRONG, 1))


def test_a_password_for_the_same_host_in_the_users_files_does_not_take_the_tokens_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ann password hunter2\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with strange(200, b'{"rrset_ttl": 300, "rrset_values": ["192.0.2.1"]}') as (place, seen):
        Api(place, WRONG, 1).get(SIP)
    assert seen == [f"/v5/livedns/domains/ringer.tel/records/sip/A Bearer {WRONG}"]


def test_a_token_is_not_carried_to_where_a_server_points(token: str) -> None:
    with (
        strange(200, b'{"rrset_ttl": 300, "rrset_values": ["192.0.2.1"]}') as (elsewhere, seen),
        strange(307, b"", Location=f"{elsewhere}/v5") as (place, _),
        pytest.raises(Refusal, match="redirects to another URL"),
    ):
        Api(place, WRONG, 1).get(SIP)
    assert seen == []
