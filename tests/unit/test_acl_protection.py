"""Settings of limits, unlisted sources and capture: the fragment that they become, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from kamailio import fragments
from settings import Settings, SettingsError
from tests.stacks import as_engine_gives_it
from tests.unit.recording import declare
from tests.unit.test_trunk_acl import with_acl

EVERYTHING: dict[str, Any] = {
    "callLimits": {
        "proxies": 3,
        "forbidden": True,
        "retryAfterSeconds": 7,
        "longestCallHours": 2,
        "dedicated": {"callsPerSecond": 7},
    },
    "unknownSources": {"answers": 5, "seconds": 30},
    "capture": {"collector": "fd00::5", "id": 77},
}


def published(**settings: Any) -> str | None:
    edge = declare(with_acl("enforcement", value=settings))
    text = edge.named("acl-enforcement-fragments").inputs["data"].get("protection.cfg")
    return None if text is None else str(text)


def said(text: str | None) -> list[str]:
    return [line for line in (text or "").splitlines() if line.startswith("#!")]


def test_without_them_there_is_no_such_fragment() -> None:
    assert published() is None


def test_they_become_a_fragment() -> None:
    assert said(published(**EVERYTHING)) == [
        "#!define WARP_CALLS_PER_SECOND",
        "#!define WARP_CONCURRENT_CALLS",
        "#!define WARP_PROXIES_SHARE 3",
        "#!define WARP_LIMITED_FORBIDDEN",
        '#!substdef "!WARP_RETRY_AFTER!7!g"',
        '#!substdef "!WARP_LONGEST_CALL!7200!g"',
        '#!substdef "!WARP_DEDICATED_LIMITS!7|500!g"',
        "#!define WARP_UNKNOWN_ANSWERS 5",
        '#!substdef "!WARP_UNKNOWN_SECONDS!30!g"',
        '#!substdef "!WARP_CAPTURE_TO!sip:[fd00::5]:9060!g"',
        '#!substdef "!WARP_CAPTURE_ID!77!g"',
    ]
    assert said(published(callLimits={"concurrentCalls": False})) == [
        "#!define WARP_CALLS_PER_SECOND",
        '#!substdef "!WARP_RETRY_AFTER!1!g"',
        '#!substdef "!WARP_LONGEST_CALL!14400!g"',
        '#!substdef "!WARP_DEDICATED_LIMITS!50|500!g"',
    ]


def test_every_name_in_it_is_one_that_the_fragments_read() -> None:
    text = "".join(fragments().values())
    for name in re.findall(r"WARP_\w+", "\n".join(said(published(**EVERYTHING)))):
        assert re.search(rf"\b{name}\b", text), name


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"callLimits": {"callsPerSecond": False, "concurrentCalls": False}}, "callLimits.concurrentCalls"),
        ({"capture": {"collector": "10.0.0.300"}}, "capture.collector"),
        ({"capture": {"collector": "heplify.monitoring.svc.cluster.local"}}, "capture.collector"),
        ({"capture": {"collector": 'fe80::1%x!g"'}}, "capture.collector"),
        ({"capture": {"collector": 7}}, "capture.collector"),
        ({"capture": {"collector": 'x!g"'}}, "capture.collector"),
        ({"unknownSources": {"answers": 0}}, "unknownSources.answers"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_key(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.parse(as_engine_gives_it(with_acl("enforcement", value=settings)))
    assert f"warp-edge:trunkAcl.enforcement.{key}" in str(refused.value)
