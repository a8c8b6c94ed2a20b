"""The settings as a whole: what is asked for, the defaults, and all problems reported at once."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pydantic import ValidationError

from settings import Settings, SettingsError
from tests.stacks import Config, as_engine_gives_it, changed, stack_config

# The least that a stack must say; everything else has a default.
LEAST: Config = {
    "gcp:project": "warp-prod",
    "warp-edge:region": "europe-west4",
    "warp-edge:cluster": {"name": "c"},
    "warp-edge:ingress": {
        "udp": {"service": "u", "address": "ua", "ports": {"sip": 5060}},
        "tcp": {"service": "t", "address": "ta", "ports": {"sip": 5060}},
    },
    "warp-edge:egress": {"router": {"name": "r"}, "slots": {"nat": {"state": "active"}}},
    "warp-edge:dns": {"domain": "example.net", "zone": {"name": "z"}},
    "warp-edge:database": {"instance": "db"},
}


def parse(config: Config) -> Settings:
    return Settings.parse(as_engine_gives_it(config))


def problems_of(config: Config) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        parse(config)
    return [problem.key for problem in refused.value.problems]


def test_the_least_is_enough_and_the_rest_is_what_the_live_edge_has() -> None:
    """live-edge: affinity 10800 s, TTL 300, POSTGRES_15 on db-f1-micro, 2 ports a call, SRV 10 50, locks on."""
    settings = parse(LEAST)
    assert settings.protect is True
    assert settings.ingress.namespace == "warp-core"
    assert settings.ingress.affinity_seconds == 10_800
    assert settings.ingress.pinning == "annotation"
    assert settings.ingress.internal is None
    assert settings.egress.ports_per_call == 2
    assert settings.egress.timeouts.udp_idle_seconds == 30
    assert settings.dns.ttl_seconds == 300
    assert (settings.dns.srv.priority, settings.dns.srv.weight) == (10, 50)
    assert (settings.dns.names.primary, settings.dns.names.udp, settings.dns.names.tcp) == ("sip", "sip-udp", "sip-tcp")
    assert (settings.database.version, settings.database.tier) == ("POSTGRES_15", "db-f1-micro")
    assert (settings.database.edition, settings.database.ssl_mode) == ("ENTERPRISE", "ENCRYPTED_ONLY")


@pytest.mark.parametrize("key", sorted(LEAST))
def test_what_is_needed_and_absent_is_named(key: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse({other: value for other, value in LEAST.items() if other != key})
    (problem,) = refused.value.problems
    assert (problem.key, problem.value, problem.wrong) == (key, "(absent)", "this setting is required")


def test_nothing_at_all_is_seven_problems() -> None:
    assert sorted(problems_of({})) == sorted(LEAST)


def test_all_problems_are_reported_at_once_in_different_groups_and_in_the_same_one() -> None:
    config = stack_config("prod")
    for path, value in (
        (("gcp:project",), "NO"),
        (("warp-edge:dns", "ttlSeconds"), 0),
        (("warp-edge:dns", "backend"), "bind"),
        (("warp-edge:dns", "zone"), {"name": "z", "nmae": "x"}),
        (("warp-edge:egress", "slots"), {"BAD": {"state": "active"}, "idle": {"state": "asleep"}}),
        (("warp-edge:egress", "router", "name"), "R"),
        (("warp-edge:database", "disk"), {"sizeGb": 1}),
        (("warp-edge:labels", "App"), "x"),
    ):
        config = changed(config, path, value)
    assert sorted(problems_of(config)) == [
        "gcp:project",
        "warp-edge:database.disk.sizeGb",
        "warp-edge:dns.backend",
        "warp-edge:dns.ttlSeconds",
        "warp-edge:dns.zone.nmae",
        "warp-edge:egress.router.name",
        "warp-edge:egress.slots.BAD",
        "warp-edge:egress.slots.idle.state",
        "warp-edge:labels.App",
    ]


def test_rules_that_span_settings_are_reported_beside_others_of_the_same_group() -> None:
    egress = {"dynamicPorts": True, "endpointIndependentMapping": True, "minPortsPerVm": 100, "maxPortsPerVm": 32}
    config = changed(LEAST, ("warp-edge:egress",), LEAST["warp-edge:egress"] | egress | {"slots": {}})
    assert sorted(problems_of(config)) == [
        "warp-edge:egress.endpointIndependentMapping",
        "warp-edge:egress.maxPortsPerVm",
        "warp-edge:egress.minPortsPerVm",
        "warp-edge:egress.slots",
    ]


@pytest.mark.parametrize(
    ("egress", "wrong", "remedy"),
    [
        ({"dynamicPorts": True, "endpointIndependentMapping": True}, "exclude each other", "turn one of them off"),
        ({"dynamicPorts": True, "minPortsPerVm": 100}, "must be a power of two from 32 to 32768", "use 64 or 128"),
        ({"dynamicPorts": True, "minPortsPerVm": 16}, "must be a power of two from 32 to 32768", "use 32"),
        ({"dynamicPorts": True, "maxPortsPerVm": 32}, "not above the minimum", "raise egress.maxPortsPerVm"),
        ({"dynamicPorts": True, "minPortsPerVm": 128, "maxPortsPerVm": 64}, "not above the minimum", "raise egress"),
    ],
)
def test_dynamic_ports_have_rules_of_their_own(egress: Config, wrong: str, remedy: str) -> None:
    config = changed(LEAST, ("warp-edge:egress",), LEAST["warp-edge:egress"] | egress)
    with pytest.raises(SettingsError) as refused:
        parse(config)
    (problem,) = refused.value.problems
    assert wrong in problem.wrong
    assert remedy in problem.remedy


@pytest.mark.parametrize(
    ("database", "key"),
    [
        (
            {"availability": "REGIONAL", "backups": {"enabled": False, "pointInTimeRecovery": False}},
            "warp-edge:database.backups",
        ),
        ({"availability": "REGIONAL", "backups": {"pointInTimeRecovery": False}}, "warp-edge:database.backups"),
        ({"iamAuthentication": True, "iamUsers": ["ann"]}, "warp-edge:database.iamUsers[0]"),
        (
            {
                "network": {
                    "public": False,
                    "privateNetwork": "projects/p/global/networks/n",
                    "authorised": {"o": "192.0.2.0/24"},
                }
            },
            "warp-edge:database.network.authorised",
        ),
    ],
)
def test_what_a_database_cannot_be_is_refused(database: Config, key: str) -> None:
    assert problems_of(changed(LEAST, ("warp-edge:database",), {"instance": "db", **database})) == [key]


def test_the_project_is_the_providers_and_has_no_second_key() -> None:
    assert problems_of(LEAST | {"warp-edge:project": "another"}) == ["warp-edge:project"]


def test_the_providers_region_may_be_left_out_but_not_differ() -> None:
    parse(LEAST | {"gcp:region": "europe-west4"})
    assert problems_of(LEAST | {"gcp:region": "us-central1"}) == ["warp-edge:region"]


@pytest.mark.parametrize("location", ["europe-west4", "europe-west4-a"])
def test_a_cluster_stands_in_the_region_or_in_one_of_its_zones(location: str) -> None:
    parse(changed(LEAST, ("warp-edge:cluster", "location"), location))


def test_settings_of_other_programs_and_providers_are_none_of_ours() -> None:
    parse(LEAST | {"gcp:impersonateServiceAccount": "x", "kubernetes:context": "y", "pulumi:tags": {"a": "b"}})


def test_settings_cannot_be_changed_once_they_are_parsed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        parse(LEAST).dns.ttl_seconds = 600  # type: ignore[misc]


@pytest.mark.parametrize("region", ["12", "true", "null"])
def test_a_name_stays_text_even_when_it_looks_like_something_else(region: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(LEAST | {"warp-edge:region": region})
    assert [problem.value for problem in refused.value.problems] == [repr(region)]


def test_numbers_of_the_plan_keep_their_cents() -> None:
    cost = parse(LEAST | {"warp-edge:cost": {"staticAddress": 2.92, "compute": {"GKE": 0.1}}}).cost
    assert (cost.static_address, cost.compute["GKE"]) == (Decimal("2.92"), Decimal("0.1"))
