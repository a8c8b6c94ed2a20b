"""TXT values at Cloud DNS and Gandi: beside those of others, and again where another writer was faster."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import dns.exception
import dns.query
import pytest

from kamailio.reloader.environment import Endpoint
from kamailio.renewer.cloud_dns import METADATA, TOKEN_PATH, CloudDnsHost
from kamailio.renewer.configuration import CloudDns, Gandi
from kamailio.renewer.dns_host import bare
from kamailio.renewer.failures import Failure
from kamailio.renewer.gandi import GandiHost
from kamailio.renewer.propagation import NameServers, challenge_name
from local_cloud.dns_server import DnsServer, RecordData, ZoneData

NAME = "_acme-challenge.ringer.tel"
OURS, THEIRS = "b3Vycw", "dGhlaXJz"
Answer = tuple[int, dict[str, str], Any]


@contextmanager
def serving(answer: Callable[[str, str, dict[str, str], Any], Answer]) -> Iterator[str]:
    """HOST:PORT of a server with these answers to method, path, headers and body."""

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, body = answer(self.command, self.path, dict(self.headers), json.loads(text or "null"))
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = _serve

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class CloudZone:
    """Cloud DNS as far as its documentation goes: a change names what it replaces, and is refused for another."""

    def __init__(self) -> None:
        self.sets: dict[tuple[str, str], dict[str, Any]] = {}
        self.tokens, self.changes, self.refuse = 0, list[Any](), 0
        self.before_change: Callable[[], None] = lambda: None

    def put(self, *values: str, ttl: int = 60) -> None:
        rrdatas = [f'"{each}"' for each in values]
        self.sets[f"{NAME}.", "TXT"] = {"name": f"{NAME}.", "type": "TXT", "ttl": ttl, "rrdatas": rrdatas}

    @property
    def values(self) -> list[str]:
        return list(self.sets.get((f"{NAME}.", "TXT"), {}).get("rrdatas", ()))

    def __call__(self, method: str, path: str, headers: dict[str, str], body: Any) -> Answer:
        if path == TOKEN_PATH:
            assert headers["Metadata-Flavor"] == "Google"
            self.tokens += 1
            return 200, {}, {"access_token": f"token-{self.tokens}", "expires_in": 3599, "token_type": "Bearer"}
        assert headers["Authorization"] == f"Bearer token-{self.tokens}"
        if self.refuse:
            return self.refuse, {}, {"error": {"message": "Forbidden: dns.changes.create"}}
        url = urlsplit(path)
        asked = {key: each[0] for key, each in parse_qs(url.query).items()}
        assert url.path.startswith("/dns/v1/projects/p/managedZones/z/")
        if url.path.endswith("/rrsets"):
            found = self.sets.get((asked["name"], asked["type"]))
            return 200, {}, {"rrsets": [{**found, "kind": "dns#resourceRecordSet"}] if found else []}
        self.before_change()
        self.changes.append(body)
        for each in body["deletions"]:
            if (each["name"], each["type"]) not in self.sets:
                words = f"The 'entity.change.deletions[0]' resource named '{each['name']} (TXT)' does not exist."
                return 404, {}, {"error": {"message": words}}
            if self.sets[each["name"], each["type"]] != each:
                return 412, {}, {"error": {"message": "Precondition not met for 'entity.change.deletions[0]'"}}
        for each in body["additions"]:
            if (each["name"], each["type"]) in self.sets and not body["deletions"]:
                return 409, {}, {"error": {"message": "The resource 'entity.change.additions[0]' already exists"}}
        for each in body["deletions"]:
            del self.sets[each["name"], each["type"]]
        for each in body["additions"]:
            self.sets[each["name"], each["type"]] = each
        return 200, {}, {"status": "pending"}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[CloudZone, CloudDnsHost, Clock]]:
    zone, clock = CloudZone(), Clock()
    with serving(zone) as place:
        monkeypatch.setenv(METADATA, place)
        yield zone, CloudDnsHost(CloudDns(f"http://{place}", "p", "z", "ringer.tel"), lambda _: None, clock), clock


def test_cloud_dns_has_our_value_beside_others_and_only_ours_goes(
    cloud: tuple[CloudZone, CloudDnsHost, Clock],
) -> None:
    zone, host, _ = cloud
    zone.put(THEIRS, ttl=77)
    host.add(NAME, OURS)
    host.add(NAME, OURS)
    assert host.values(NAME) == [THEIRS, OURS]
    assert zone.sets[f"{NAME}.", "TXT"]["ttl"] == 77, "the set is another one's as well"
    host.remove(NAME, OURS)
    host.remove(NAME, OURS)
    assert zone.values == [f'"{THEIRS}"']
    assert len(zone.changes) == 2


def test_cloud_dns_has_no_empty_record_set(cloud: tuple[CloudZone, CloudDnsHost, Clock]) -> None:
    zone, host, _ = cloud
    host.add(NAME, OURS)
    host.remove(NAME, OURS)
    assert zone.sets == {}


@pytest.mark.parametrize("theirs", [(), (THEIRS,)])
def test_a_change_that_came_too_late_is_made_again_from_what_is_there(
    cloud: tuple[CloudZone, CloudDnsHost, Clock], theirs: tuple[str, ...]
) -> None:
    """409 where there was none, 412 where there was one."""
    zone, host, _ = cloud
    if theirs:
        zone.put(*theirs)

    def another_writer() -> None:
        zone.before_change = lambda: None
        zone.put(*theirs, "YW5vdGhlcg")

    zone.before_change = another_writer
    host.add(NAME, OURS)
    assert host.values(NAME) == [*theirs, "YW5vdGhlcg", OURS]


def test_a_record_set_that_went_meanwhile_is_made_anew(cloud: tuple[CloudZone, CloudDnsHost, Clock]) -> None:
    """404: another writer took its value away, which was the last one."""
    zone, host, _ = cloud
    zone.put(THEIRS)

    def another_writer() -> None:
        zone.before_change = lambda: None
        zone.sets.clear()

    zone.before_change = another_writer
    host.add(NAME, OURS)
    assert host.values(NAME) == [OURS]


def test_a_writer_who_is_always_faster_is_told_and_not_fought_for_ever(
    cloud: tuple[CloudZone, CloudDnsHost, Clock],
) -> None:
    zone, host, _ = cloud
    numbers = iter(range(100))
    zone.before_change = lambda: zone.put(str(next(numbers)))
    with pytest.raises(Failure, match="another writer changes the TXT record again and again"):
        host.add(NAME, OURS)


def test_a_token_is_asked_for_anew_before_it_ends(cloud: tuple[CloudZone, CloudDnsHost, Clock]) -> None:
    zone, host, clock = cloud
    host.values(NAME)
    host.values(NAME)
    assert zone.tokens == 1
    clock.now += 3550
    host.values(NAME)
    assert zone.tokens == 2


def test_a_refusal_of_cloud_dns_is_told_with_its_words(cloud: tuple[CloudZone, CloudDnsHost, Clock]) -> None:
    zone, host, _ = cloud
    zone.refuse = 403
    with pytest.raises(Failure, match=r"Cloud DNS refuses .* in z: HTTP 403 Forbidden: dns.changes.create") as refused:
        host.add(NAME, OURS)
    assert refused.value.cause == "dns-host"
    with pytest.raises(Failure, match=r"other\.tel is not in ringer\.tel; see `dns.domain`"):
        host.add("other.tel", OURS)


def test_a_value_in_several_pieces_is_one() -> None:
    assert (bare('"abc"'), bare('"ab" "c"'), bare("abc")) == ("abc", "abc", "abc")


# Gandi: its API is rehearsed against the sandbox's in tests/sip; here, what that one does not do.


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("secret-token\n")
    return file


def test_a_limit_of_the_host_is_waited_for_and_a_long_one_is_left_to_the_next_attempt(token: Path) -> None:
    answers: list[Answer] = [(429, {"Retry-After": "7"}, {}), (503, {}, {}), (404, {}, {})]
    waited = list[float]()
    with serving(lambda *_: answers.pop(0)) as place:
        host = GandiHost(Gandi(f"http://{place}", "ringer.tel", token), waited.append)
        assert host.values(NAME) == []
        assert waited == [7.0, 2.0]
        answers.append((429, {"Retry-After": "3600"}, {}))
        with pytest.raises(Failure, match="HTTP 429") as refused:
            host.values(NAME)
    assert (refused.value.cause, refused.value.retry_after, waited) == ("dns-host", 3600.0, [7.0, 2.0])


@pytest.mark.parametrize(
    ("name", "path"), [(NAME, "_acme-challenge"), ("ringer.tel", "@"), (f"a.{NAME}", "a._acme-challenge")]
)
def test_gandi_is_asked_by_label_and_never_shown_a_token_in_the_url(token: Path, name: str, path: str) -> None:
    asked = list[str]()

    def answer(method: str, url: str, headers: dict[str, str], body: Any) -> Answer:
        assert headers["Authorization"] == "Bearer secret-token"
        asked.append(url)
        return 200, {}, {"rrset_values": [f'"{THEIRS}"']}

    with serving(answer) as place:
        host = GandiHost(Gandi(f"http://{place}/v5", "ringer.tel", token), lambda _: None)
        assert host.values(name) == [THEIRS]
    assert asked == [f"/v5/livedns/domains/ringer.tel/records/{path}/TXT"]


@pytest.mark.parametrize("body", ["<html>", [], {"rrset_values": 1}, {"rrsets": [{"name": "a."}]}])
def test_an_answer_that_is_none_of_the_api_s_is_a_failure_and_no_crash(
    token: Path, monkeypatch: pytest.MonkeyPatch, body: Any
) -> None:
    def answer(method: str, path: str, headers: dict[str, str], given: Any) -> Answer:
        return 200, {}, {"access_token": "t", "expires_in": 3599} if path == TOKEN_PATH else body

    with serving(answer) as place:
        monkeypatch.setenv(METADATA, place)
        for host in (
            GandiHost(Gandi(f"http://{place}", "ringer.tel", token), lambda _: None),
            CloudDnsHost(CloudDns(f"http://{place}", "p", "z", "ringer.tel"), lambda _: None, Clock()),
        ):
            if isinstance(body, dict) and ("rrsets" in body) != isinstance(host, CloudDnsHost):
                continue
            with pytest.raises(Failure, match="is not one of its API"):
                host.values(NAME)


def test_another_zone_s_name_and_a_missing_token_are_told(token: Path) -> None:
    host = GandiHost(Gandi("http://127.0.0.1:9", "ringer.tel", token), lambda _: None)
    with pytest.raises(Failure, match=r"other\.tel is not in zone ringer\.tel"):
        host.values("other.tel")
    token.unlink()
    with pytest.raises(Failure, match=r"Gandi's token, .*: No such file"):
        host.values(NAME)


# Propagation


def zone(*values: str, cname: str = "") -> list[ZoneData]:
    records = [
        RecordData("ringer.tel.", "SOA", 60, ("ns. hostmaster. 1 60 60 60 60",)),
        *([RecordData(f"{NAME}.", "TXT", 60, tuple(f'"{each}"' for each in values))] if values else ()),
        *([RecordData(f"{NAME}.", "CNAME", 60, (f"{cname}.",))] if cname else ()),
    ]
    return [ZoneData("ringer.tel.", tuple(records))]


@contextmanager
def name_server(records: list[ZoneData]) -> Iterator[Endpoint]:
    server = DnsServer("127.0.0.1", 0, lambda: records)
    server.start()
    try:
        yield Endpoint("127.0.0.1", server.port)
    finally:
        server.stop()


def servers(*given: Endpoint) -> NameServers:
    return NameServers(given, lambda _: None)


def test_a_value_is_there_when_every_server_gives_it() -> None:
    with name_server(zone(THEIRS, OURS)) as first, name_server(zone(THEIRS)) as second:
        assert servers(first).lacking(NAME, OURS) == ""
        assert servers(first, second).lacking(NAME, OURS) == f"{second} has 1 TXT values for {NAME}, not this one"
    with name_server(zone()) as empty:
        assert "has 0 TXT values" in servers(empty).lacking(NAME, OURS)
    with pytest.raises(Failure, match="does not answer"):
        servers(empty).lacking(NAME, OURS)


def test_a_server_that_is_silent_is_asked_once_and_holds_nothing_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A CA asks the others as well. Where all are silent, nothing is known, and they are asked again."""
    dead, steps, silences = Endpoint("127.0.0.1", 9), list[float](), list[int]()
    ask = dns.query.udp_with_fallback

    def asked(query: Any, host: str, seconds: float, port: int) -> Any:
        if port == dead.port:
            silences.append(port)
            raise dns.exception.Timeout
        return ask(query, host, seconds, port)

    monkeypatch.setattr(dns.query, "udp_with_fallback", asked)
    with name_server(zone(OURS)) as good:
        found = NameServers((dead, good), steps.append)
        for _ in range(5):
            assert found.lacking(NAME, OURS) == ""
            assert "has 1 TXT values" in found.lacking(NAME, THEIRS)
        assert len(silences) == 1
        assert steps == [0] * 11, "a sign of life before each question"
        assert caplog.text.count(f"{dead} does not answer for {NAME}") == 1
        alone = servers(dead)
        for _ in range(2):
            with pytest.raises(Failure, match="does not answer"):
                alone.lacking(NAME, OURS)
        assert len(silences) == 3


def test_a_challenge_that_is_not_delegated_as_configured_is_told_with_the_record_to_publish() -> None:
    target = challenge_name("ringer.tel", "acme.example.net")
    with name_server(zone(cname=target)) as server:
        servers(server).delegated("ringer.tel", target)
        with pytest.raises(Failure, match=r"has no `_acme-challenge.ringer.tel CNAME other.` \(but ringer.tel.acme"):
            servers(server).delegated("ringer.tel", "other")
    with name_server(zone()) as server, pytest.raises(Failure, match="but nothing"):
        servers(server).delegated("ringer.tel", target)
