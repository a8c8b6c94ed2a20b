"""Gandi's record sets without Gandi: texts, what is the same, what the program declares, what the provider decides."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from typing import Any

import dill  # type: ignore[import-untyped]
import pytest
from pulumi.dynamic import Config as DynamicConfig
from pulumi.dynamic import ConfigureRequest
from pulumi.runtime.rpc import UNKNOWN

from components.gandi import api
from components.gandi.provider import GandiRecordSetProvider
from components.gandi.records import RecordSet, same_values
from refusal import Refusal
from settings import Settings, SettingsError
from tests.stacks import Config, as_engine_gives_it, changed, stack_config
from tests.unit.recording import declare, declare_once

RECORD = "pulumi-python:dynamic/warp:GandiRecordSet"
CLOUD_RECORD = "gcp:dns/recordSet:RecordSet"
TOKEN = "0123456789abcdef0123456789abcdef01234567"
SIP: dict[str, Any] = {
    "domain": "ringer.tel",
    "name": "sip.ringer.tel.",
    "type": "A",
    "ttl": 300.0,
    "rrdatas": ["34.44.183.87"],
    "api": "https://api.gandi.net",
    "adopt": False,
    "deadlineSeconds": 60.0,
    "__provider": "pickled",
}
OTHER = "192.0.2.9"


def stored(props: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """What the engine keeps of a record set's properties; how to find the provider is the SDK's own."""
    return {key: value for key, value in props.items() if key != "__provider"} | changed


def record(name: str = "sip.ringer.tel.", type_: str = "A", ttl: int = 300, *values: str) -> RecordSet:
    return RecordSet("ringer.tel", name, type_, ttl, values)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("sip.ringer.tel.", "sip"),
        ("_sip._udp.ringer.tel.", "_sip._udp"),
        ("ringer.tel.", "@"),
        ("ringer.tel.ringer.tel.", "ringer.tel"),
    ],
)
def test_gandi_knows_names_by_what_stands_before_the_domain(name: str, label: str) -> None:
    assert record(name).label == label


@pytest.mark.parametrize(
    ("type_", "one", "other"),
    [
        ("A", ["192.0.2.1", "192.0.2.2"], ["192.0.2.2", "192.0.2.1"]),
        ("AAAA", ["2001:db8::1"], ["2001:0DB8:0:0::1"]),
        ("SRV", ["10 50 5060 sip-udp.ringer.tel."], ["10 50 5060 sip-udp"]),
        ("SRV", ["10 50 5060 sip-udp.ringer.tel."], ["10  50 5060 SIP-UDP.Ringer.tel."]),
        (
            "CAA",
            ['0 issue "letsencrypt.org; a=b"', '0 issuewild ";"'],
            ['0  issuewild ";"', '0 issue "letsencrypt.org; a=b"'],
        ),
        ("NAPTR", ['1 50 "s" "SIP+D2U" "" _sip._udp.ringer.tel.'], ["1 50 s SIP+D2U '' _sip._udp".replace("''", '""')]),
        ("TXT", ['"one two"'], ["one two"]),
        ("CNAME", ["sip"], ["sip.ringer.tel."]),
    ],
)
def test_other_spellings_of_the_same_records_are_the_same(type_: str, one: list[str], other: list[str]) -> None:
    assert same_values("ringer.tel", type_, one, other)


@pytest.mark.parametrize(
    ("type_", "one", "other"),
    [
        ("A", ["192.0.2.1"], ["192.0.2.2"]),
        ("A", ["192.0.2.1"], ["192.0.2.1", "192.0.2.2"]),
        ("A", ["192.0.2.1"], []),
        ("SRV", ["10 50 5060 sip.example.net."], ["10 50 5060 sip.example.net"]),
        ("SRV", ["10 50 5060 sip-udp"], ["10 50 5061 sip-udp"]),
        ("TXT", ['"one" "two"'], ['"one two"']),
        ("A", ["not an address"], ["192.0.2.1"]),
    ],
)
def test_other_records_are_not_the_same(type_: str, one: list[str], other: list[str]) -> None:
    assert not same_values("ringer.tel", type_, one, other)


def test_another_ttl_is_another_record_set() -> None:
    assert record("sip.ringer.tel.", "A", 300, OTHER).same_as(record("sip.ringer.tel.", "A", 300, OTHER))
    assert not record("sip.ringer.tel.", "A", 300, OTHER).same_as(record("sip.ringer.tel.", "A", 600, OTHER))


# What the program declares


def with_backend(backend: str) -> Config:
    config = changed(stack_config("prod"), ("warp-edge:dns", "backend"), backend)
    return config if backend == "gandi" else changed(config, ("warp-edge:dns", "zone"), {"name": "ringer-tel"})


def content(inputs: dict[str, Any]) -> tuple[Any, ...]:
    return inputs["name"], inputs["type"], inputs["ttl"], tuple(inputs["rrdatas"])


def test_both_hosts_get_the_same_record_sets() -> None:
    edge = declare_once(with_backend("both"))
    here, there = ({content(each.inputs) for each in edge.of_type(type_)} for type_ in (RECORD, CLOUD_RECORD))
    assert here == there
    assert len(here) == 6


def test_the_first_host_is_not_touched_by_the_second() -> None:
    def at_cloud_dns(backend: str) -> dict[str, Any]:
        found = [each for each in declare_once(with_backend(backend)).resources if each.type.startswith("gcp:dns/")]
        return {each.urn: (each.inputs, each.protect, each.parent) for each in found}

    assert at_cloud_dns("both") == at_cloud_dns("cloud-dns")
    assert len(at_cloud_dns("both")) == 7
    assert at_cloud_dns("gandi") == {}


def test_a_record_set_carries_how_gandi_is_spoken_to_and_no_token() -> None:
    config = changed(with_backend("gandi"), ("warp-edge:dns", "gandi"), {"adopt": True, "deadlineSeconds": 5})
    edge = declare(config)
    sip = edge.named("dns-gandi-sip-a").inputs
    sip.pop("__provider")
    # live-edge.md: sip.ringer.tel A 34.44.183.87, TTL 300.
    assert sip == stored(SIP, adopt=True, deadlineSeconds=5)


def test_gandi_has_no_name_servers_to_tell() -> None:
    assert declare_once(with_backend("gandi")).outputs["dns"]["nameServers"] == []
    assert declare_once(with_backend("both")).outputs["dns"]["nameServers"], "Cloud DNS's: where the zone moves to"


# The token


def test_a_token_in_clear_is_refused_and_not_shown() -> None:
    config = as_engine_gives_it(stack_config("prod") | {"warp-edge:gandiToken": TOKEN})
    with pytest.raises(SettingsError) as refused:
        Settings.parse(config)
    (problem,) = refused.value.problems
    assert problem.key == "warp-edge:gandiToken"
    assert "pulumi config set --secret gandiToken" in problem.remedy
    assert TOKEN not in str(refused.value)
    assert TOKEN not in repr(Settings.parse(config, {"warp-edge:gandiToken"}))


def test_a_token_of_digits_stays_text() -> None:
    config = as_engine_gives_it(stack_config("prod") | {"warp-edge:gandiToken": "1234567890"})
    Settings.parse(config, {"warp-edge:gandiToken"})
    with pytest.raises(SettingsError, match="config set --secret gandiToken"):
        Settings.parse(config)


def configured(config: dict[str, Any]) -> GandiRecordSetProvider:
    provider = GandiRecordSetProvider()
    provider.configure(ConfigureRequest(DynamicConfig(config, "warp-edge")))
    return provider


@pytest.mark.parametrize(
    ("config", "environment", "token"),
    [
        ({"warp-edge:gandiToken": "ours"}, "theirs", "ours"),
        ({"warp-edge:gandiToken": ""}, "theirs", "theirs"),
        ({}, " theirs\n", "theirs"),
    ],
)
def test_the_token_is_the_settings_or_the_environments(
    config: dict[str, Any], environment: str, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def remembered(_: str, token: str, __: float) -> Memory:
        asked.append(token)
        return Memory(None)

    monkeypatch.setenv("GANDI_TOKEN", environment)
    monkeypatch.setattr(api, "Api", remembered)
    configured(config).create(dict(SIP))
    assert asked == [token]


@pytest.mark.parametrize("dumps", [pickle.dumps, dill.dumps])
def test_a_provider_that_has_a_token_is_stored_without_it(dumps: Any) -> None:
    assert TOKEN.encode() not in dumps(configured({"warp-edge:gandiToken": TOKEN}))
    assert dumps(configured({"warp-edge:gandiToken": TOKEN})) == dumps(GandiRecordSetProvider())


@pytest.mark.parametrize(
    ("token", "words"),
    [("", "there is no token for Gandi"), ("a b", "invalid characters"), ("a\r\nX: b", "invalid characters")],
)
def test_what_can_be_no_token_is_refused_before_anything_is_sent(token: str, words: str) -> None:
    with pytest.raises(Refusal, match=words) as refused:
        api.Api("https://api.gandi.net", token, 1)
    assert not token or token not in str(refused.value)


# What the provider decides


class Memory:
    """Gandi in memory: what is there, and what was sent."""

    def __init__(self, there: RecordSet | None) -> None:
        self.there = there
        self.sent: list[str] = []

    def get(self, _: RecordSet) -> RecordSet | None:
        return self.there

    def put(self, wanted: RecordSet) -> None:
        self.sent.append(f"put {wanted.data}")

    def delete(self, _: RecordSet) -> None:
        self.sent.append("delete")


@pytest.fixture
def provider() -> Iterator[GandiRecordSetProvider]:
    yield configured({"warp-edge:gandiToken": TOKEN})


def at_gandi(monkeypatch: pytest.MonkeyPatch, *values: str, ttl: int = 300) -> Memory:
    memory = Memory(record("sip.ringer.tel.", "A", ttl, *values) if values else None)
    monkeypatch.setattr(api, "Api", lambda *_: memory)
    return memory


OURS, NEW = "34.44.183.87", "34.44.183.88"
WANTED = SIP | {"rrdatas": [NEW]}


@pytest.mark.parametrize(
    ("there", "adopt", "sent"),
    [
        ((), False, [f"put {OURS} (300 s)"]),
        ((OURS,), False, []),
        ((OURS,), True, []),
        ((OTHER,), True, [f"put {OURS} (300 s)"]),
        ((OTHER,), False, None),
        ((OURS, OTHER), False, None),
    ],
)
def test_creating_takes_over_what_is_the_same_and_nothing_else(
    provider: GandiRecordSetProvider,
    monkeypatch: pytest.MonkeyPatch,
    there: tuple[str, ...],
    adopt: bool,
    sent: list[str] | None,
) -> None:
    memory = at_gandi(monkeypatch, *there)
    if sent is None:
        with pytest.raises(
            Refusal, match=r"sip\.ringer\.tel\. A at Gandi already exists with .*192\.0\.2\.9"
        ) as refused:
            provider.create(SIP | {"adopt": adopt})
        assert OURS in str(refused.value)
        assert "dns.gandi.adopt: true" in str(refused.value)
        assert memory.sent == []
    else:
        made = provider.create(SIP | {"adopt": adopt})
        assert made.id == "ringer.tel/sip/A"
        assert made.outs == stored(SIP, adopt=adopt)
        assert memory.sent == sent


@pytest.mark.parametrize(
    ("there", "adopt", "sent"),
    [
        ((OURS,), False, [f"put {NEW} (300 s)"]),
        ((NEW,), False, []),
        ((), False, [f"put {NEW} (300 s)"]),
        ((OTHER,), True, [f"put {NEW} (300 s)"]),
        ((OTHER,), False, None),
    ],
)
def test_an_update_overwrites_only_what_the_state_knows(
    provider: GandiRecordSetProvider,
    monkeypatch: pytest.MonkeyPatch,
    there: tuple[str, ...],
    adopt: bool,
    sent: list[str] | None,
) -> None:
    memory = at_gandi(monkeypatch, *there)
    if sent is None:
        with pytest.raises(Refusal, match="was changed outside this program: it has 192") as refused:
            provider.update("id", SIP, WANTED)
        assert "pulumi refresh" in str(refused.value)
        assert memory.sent == []
    else:
        assert provider.update("id", SIP, WANTED | {"adopt": adopt}).outs == stored(WANTED, adopt=adopt)
        assert memory.sent == sent


@pytest.mark.parametrize(("there", "sent"), [((), []), ((OURS,), ["delete"]), ((OTHER,), None)])
def test_only_what_the_state_knows_is_deleted_also_with_adoption_on(
    provider: GandiRecordSetProvider, monkeypatch: pytest.MonkeyPatch, there: tuple[str, ...], sent: list[str] | None
) -> None:
    memory = at_gandi(monkeypatch, *there)
    if sent is None:
        with pytest.raises(Refusal, match="it is not deleted"):
            provider.delete("id", SIP | {"adopt": True})
        assert memory.sent == []
    else:
        provider.delete("id", dict(SIP))
        assert memory.sent == sent


def test_reading_finds_what_is_there_and_what_is_gone(
    provider: GandiRecordSetProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read() -> tuple[str | None, dict[str, Any]]:
        found = provider.read("id", dict(SIP))
        assert found.inputs in (None, found.outs)
        return found.id, found.outs or {}

    at_gandi(monkeypatch, OTHER, ttl=600)
    id_, outs = read()
    assert (id_, outs["ttl"], outs["rrdatas"]) == ("id", 600, [OTHER])
    assert provider.diff("id", outs, SIP).changes is True
    at_gandi(monkeypatch, OURS)
    assert provider.diff("id", read()[1], SIP).changes is False
    at_gandi(monkeypatch)
    assert read() == ("", {})


@pytest.mark.parametrize(
    ("key", "value", "changes", "replaces"),
    [
        ("rrdatas", [NEW], True, []),
        ("rrdatas", [UNKNOWN], True, []),
        ("rrdatas", UNKNOWN, True, []),
        ("ttl", 600.0, True, []),
        ("api", "https://api.example.net", True, []),
        ("name", "voice.ringer.tel.", True, ["name"]),
        ("type", "AAAA", True, ["type"]),
        ("domain", "example.net", True, ["domain"]),
        ("adopt", True, False, []),
        ("deadlineSeconds", 5.0, False, []),
        ("__provider", "pickled otherwise", False, []),
    ],
)
def test_what_is_a_change_and_what_is_another_record_set(
    key: str, value: Any, changes: bool, replaces: list[str]
) -> None:
    found = GandiRecordSetProvider().diff("id", SIP, SIP | {key: value})
    assert (found.changes, found.replaces) == (changes, replaces)


def test_another_spelling_is_no_change() -> None:
    srv = SIP | {"name": "_sip._udp.ringer.tel.", "type": "SRV", "rrdatas": ["10 50 5060 sip-udp.ringer.tel."]}
    assert GandiRecordSetProvider().diff("id", srv, srv | {"rrdatas": ["10 50 5060 sip-udp"]}).changes is False


@pytest.mark.parametrize(
    ("ttl", "refused"), [(299.0, True), (60.0, True), (None, True), (300.0, False), (UNKNOWN, False)]
)
def test_a_ttl_that_gandi_refuses_is_refused_in_the_preview(ttl: Any, refused: bool) -> None:
    failures = GandiRecordSetProvider().check({}, SIP | {"ttl": ttl}).failures
    assert bool(failures) == refused
    assert all("300 s" in each.reason and each.property == "ttl" for each in failures)


def test_the_declared_provider_is_its_name_alone_and_no_secret() -> None:
    inputs = declare_once(with_backend("gandi")).named("dns-gandi-sip-a").clear
    assert isinstance(inputs["__provider"], str)
    assert len(inputs["__provider"]) < 200
    assert TOKEN not in json.dumps(inputs)
