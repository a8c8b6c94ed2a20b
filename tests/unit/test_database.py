"""`TrunkDatabase`: locks, network, users and what is left to the cloud."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from components.database import explain_peering
from settings.principal import database_user
from tests.stacks import Config, changed, stack_config
from tests.unit.recording import Declared, Edge, declare

INSTANCE = "gcp:sql/databaseInstance:DatabaseInstance"
USER = "gcp:sql/user:User"
CONNECTION = "gcp:servicenetworking/connection:Connection"
RANGE = "gcp:compute/globalAddress:GlobalAddress"
CA_MODE = "settings.ipConfiguration.serverCaMode"  # the API refuses a change of it
NETWORK = "projects/warp-prod/global/networks/default"


def with_database(**settings: Any) -> Config:
    config = stack_config("prod")
    for name, value in settings.items():
        config = changed(config, ("warp-edge:database", name), value)
    return config


def instance_of(edge: Edge) -> Declared:
    (instance,) = edge.of_type(INSTANCE)
    return instance


def test_the_defaults_are_careful() -> None:
    settings = instance_of(declare(stack_config("prod"))).inputs["settings"]
    backups = settings["backupConfiguration"]
    assert (backups["enabled"], backups["pointInTimeRecoveryEnabled"], backups["startTime"]) == (True, True, "03:00")
    assert (backups["transactionLogRetentionDays"], backups["backupRetentionSettings"]["retainedBackups"]) == (7, 7)
    assert (settings["availabilityType"], settings["edition"]) == ("ZONAL", "ENTERPRISE")
    assert settings["maintenanceWindow"] == {"day": 7, "hour": 4, "updateTrack": "stable"}
    assert settings["insightsConfig"] == {"queryInsightsEnabled": False}
    assert settings["databaseFlags"] == []
    assert settings["ipConfiguration"] == {
        "ipv4Enabled": True,
        "privateNetwork": NETWORK,
        "sslMode": "ENCRYPTED_ONLY",
        "serverCaMode": "GOOGLE_MANAGED_INTERNAL_CA",  # what `serverCa` is the authority of
        "authorizedNetworks": [],
    }


@pytest.mark.parametrize(
    ("disk", "ignored"),
    [({"autoresize": True, "limitGb": 100}, ["settings.diskSize"]), ({"autoresize": False, "sizeGb": 20}, [])],
)
def test_a_disk_that_grows_by_itself_is_not_shrunk_by_the_next_update(disk: Config, ignored: list[str]) -> None:
    instance = instance_of(declare(with_database(disk=disk)))
    assert instance.ignore_changes == [CA_MODE, *ignored]
    settings = instance.inputs["settings"]
    assert settings["diskAutoresize"] is disk["autoresize"]
    assert (settings["diskSize"], settings["diskAutoresizeLimit"]) == (disk.get("sizeGb", 10), disk.get("limitGb", 0))
    assert settings["diskType"] == "PD_SSD"


def test_what_is_set_is_what_is_sent() -> None:
    edge = declare(
        with_database(
            version="POSTGRES_17",
            edition="ENTERPRISE_PLUS",
            tier="db-perf-optimized-N-2".lower(),
            availability="REGIONAL",
            backups={"startTime": "23:30", "retained": 30, "logRetentionDays": 5},
            maintenance={"day": 2, "hour": 5, "track": "week5"},
            insights=True,
            sslMode="TRUSTED_CLIENT_CERTIFICATE_REQUIRED",
            flags={"work_mem": "4096", "log_statement": "ddl"},
            name="trunks",
            user="edge",
        )
    )
    inputs = instance_of(edge).inputs
    settings = inputs["settings"]
    assert (inputs["databaseVersion"], settings["edition"], settings["tier"]) == (
        "POSTGRES_17",
        "ENTERPRISE_PLUS",
        "db-perf-optimized-n-2",
    )
    assert settings["availabilityType"] == "REGIONAL"
    assert settings["backupConfiguration"]["startTime"] == "23:30"
    assert settings["backupConfiguration"]["transactionLogRetentionDays"] == 5
    assert settings["backupConfiguration"]["backupRetentionSettings"] == {"retainedBackups": 30}
    assert settings["maintenanceWindow"] == {"day": 2, "hour": 5, "updateTrack": "week5"}
    assert settings["insightsConfig"] == {"queryInsightsEnabled": True}
    assert settings["ipConfiguration"]["sslMode"] == "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"
    assert settings["databaseFlags"] == [
        {"name": "log_statement", "value": "ddl"},
        {"name": "work_mem", "value": "4096"},
    ]
    assert edge.named("database-database").inputs["name"] == "trunks"
    assert edge.named("database-user").inputs["name"] == "edge"


def test_private_services_access_is_created_before_the_instance_when_asked_for() -> None:
    network = {"privateNetwork": NETWORK, "peeringRange": "warp-peering"}
    edge = declare(changed(with_database(network=network), ("warp-edge:labels",), {"owner": "voice"}))
    (addresses,) = edge.of_type(RANGE)
    assert addresses.inputs["name"] == "warp-peering"
    assert (addresses.inputs["purpose"], addresses.inputs["addressType"]) == ("VPC_PEERING", "INTERNAL")
    assert (addresses.inputs["network"], addresses.inputs["prefixLength"]) == (NETWORK, 16)
    assert addresses.inputs["labels"] == {"owner": "voice"}
    (connection,) = edge.of_type(CONNECTION)
    assert connection.inputs["network"] == NETWORK
    assert connection.inputs["service"] == "servicenetworking.googleapis.com"
    assert connection.inputs["reservedPeeringRanges"] == ["warp-peering"]
    # A stack that goes leaves it, because Google keeps it for days.
    assert connection.inputs["deletionPolicy"] == "ABANDON"
    # The network's one connection may be others' as well: the plugin would give it our range alone.
    assert "updateOnCreationFail" not in connection.inputs
    assert connection.error_hooks == ["database-explain-peering"]
    assert connection.urn in instance_of(edge).dependencies
    assert (addresses.protect, connection.protect) == (True, True)


@pytest.mark.parametrize(
    ("words", "explained"),
    [
        (
            "Error 400: Cannot modify allocated ranges in CreateConnection. Please use UpdateConnection., badRequest",
            True,
        ),
        ("Error 403: Permission denied to add peering for service, forbidden", False),
    ],
)
def test_a_connection_that_the_network_has_already_is_explained(
    words: str, explained: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "error", said.append)
    failed = pulumi.ErrorHookArgs(
        urn="urn:pulumi:prod::warp-edge::gcp:servicenetworking/connection:Connection::database-peering",
        id="",
        name="database-peering",
        type=CONNECTION,
        new_inputs={"network": NETWORK},
        old_inputs=None,
        old_outputs=None,
        failed_operation="create",
        errors=[words],
    )
    assert explain_peering(failed) is False, "it must not try again by itself"
    assert len(said) == explained
    for text in said:
        assert f"network {NETWORK} already has its connection" in text
        assert "-> if a destruction of this stack left it, import it with `python -m adopt`" in text
        assert "remove warp-edge:database.network.peeringRange" in text


def test_private_services_access_that_exists_is_left_alone() -> None:
    edge = declare(with_database(network={"privateNetwork": NETWORK}))
    assert edge.of_type(RANGE) == edge.of_type(CONNECTION) == []


def test_only_named_ranges_reach_the_public_address() -> None:
    network = {"authorised": {"office": "192.0.2.0/24", "desk": "198.51.100.7/32"}}
    sent = instance_of(declare(with_database(network=network))).inputs["settings"]["ipConfiguration"]
    assert {(each["name"], each["value"]) for each in sent["authorizedNetworks"]} == {
        ("office", "192.0.2.0/24"),
        ("desk", "198.51.100.7/32"),
    }
    assert "privateNetwork" not in sent


def test_iam_principals_sign_in_as_people_and_as_service_accounts() -> None:
    service_account = "kamailio@warp-prod.iam.gserviceaccount.com"
    edge = declare(with_database(iamAuthentication=True, iamUsers=["ann@example.com", service_account]))
    users = {each.inputs["name"]: each for each in edge.of_type(USER)}
    assert users["ann@example.com"].inputs["type"] == "CLOUD_IAM_USER"
    assert users["kamailio@warp-prod.iam"].inputs["type"] == "CLOUD_IAM_SERVICE_ACCOUNT"
    assert not [name for name, each in users.items() if "@" in name and "password" in each.inputs]
    assert {"name": "cloudsql.iam_authentication", "value": "on"} in instance_of(edge).inputs["settings"][
        "databaseFlags"
    ]


@pytest.mark.parametrize(
    ("principal", "user"),
    [
        ("ann@example.com", "ann@example.com"),
        ("proxy@p.iam.gserviceaccount.com", "proxy@p.iam"),
    ],
)
def test_the_database_knows_a_principal_by_this_name(principal: str, user: str) -> None:
    assert database_user(principal) == user


def test_what_owns_objects_is_abandoned_and_never_dropped() -> None:
    edge = declare(with_database(iamAuthentication=True, iamUsers=["ann@example.com"]))
    for each in [edge.named("database-database"), *edge.of_type(USER)]:
        assert each.inputs["deletionPolicy"] == "ABANDON", each.name
        assert each.protect, each.name


def test_a_stack_that_comes_and_goes_never_reuses_an_instance_name() -> None:
    edge = declare(with_database(uniqueName=True))
    assert instance_of(edge).inputs["name"] == "warp-db-abcdef"
    assert edge.named("database-suffix").inputs == {"byteLength": 3}
    assert edge.named("database-database").inputs["instance"] == "warp-db-abcdef"


def test_the_password_is_generated_long_and_without_characters_that_break_a_dsn() -> None:
    password = declare(stack_config("prod")).named("database-password").inputs
    assert password == {"length": 32, "special": False}
