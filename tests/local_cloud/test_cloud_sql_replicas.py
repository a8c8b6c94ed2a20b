"""Read replicas of Cloud SQL: refusals, with the cloud's messages, and a manual promotion."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from local_cloud.__main__ import COMMAND_LINE
from local_cloud.cloud import Cloud
from local_cloud.postgres.postmaster import wait_until
from tests.local_cloud.plugin import Plugin, Props, Refused, Resource
from tests.local_cloud.test_cloud_sql import DATABASE, INSTANCE, OPEN, USER, instance

BACKUPS = {"enabled": True, "pointInTimeRecoveryEnabled": True}
WORD = "of-the-owners-user"


def owned(**settings: Any) -> Props:
    return instance(**{"tier": "db-g1-small", "backupConfiguration": BACKUPS, "ipConfiguration": OPEN, **settings})


def copied(**settings: Any) -> Props:
    merged = instance(**{"tier": "db-g1-small", "ipConfiguration": OPEN, **settings})
    return {**merged, "name": "warp-db-east", "region": "us-east1", "masterInstanceName": "warp-db"}


@pytest.fixture
def owner(gcp: Plugin) -> Iterator[Resource]:
    """A running primary with a database and a user."""
    made = gcp.create(INSTANCE, "db", owned())
    gcp.create(DATABASE, "warp", {"name": "warp", "instance": "warp-db"})
    gcp.create(USER, "kamailio", {"name": "kamailio", "instance": "warp-db", "password": WORD})
    yield made
    if gcp.read(made) is not None:
        gcp.delete(made)


@pytest.fixture
def replica(gcp: Plugin, owner: Resource) -> Iterator[Resource]:
    made = gcp.create(INSTANCE, "copy", copied())
    yield made
    if gcp.read(made) is not None:
        gcp.delete(made)


def session(of: Resource) -> Any:
    host = of.outputs["publicIpAddress"]
    return psycopg.connect(host=host, dbname="warp", user="kamailio", password=WORD, sslmode="require", autocommit=True)


def tables(of: Resource) -> list[str]:
    with session(of) as connection:
        return [row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]


@pytest.mark.parametrize(
    ("owners", "replicas", "words"),
    [
        ({}, {"masterInstanceName": "missing"}, r"Error 403: The client is not authorized .*, notAuthorized"),
        ({}, {"databaseVersion": "POSTGRES_16"}, r"must have its version \(POSTGRES_15\), not POSTGRES_16"),
        ({}, {"tier": "db-f1-micro"}, r"The tier \(db-f1-micro\) .* no smaller than its primary's \(db-g1-small\)"),
        ({"tier": "db-custom-2-7680"}, {"tier": "db-custom-2-3840"}, r"its primary's \(db-custom-2-7680\)"),
        ({"diskSize": 50}, {"diskSize": 20}, r"no smaller than its primary's \(50 GB\)"),
        ({}, {"backupConfiguration": BACKUPS}, "Backups cannot be enabled on the read replica warp-db-east"),
        ({}, {"maintenanceWindow": {"day": 7, "hour": 4}}, "A maintenance window cannot be set on the read replica"),
        ({"backupConfiguration": {"enabled": False}}, {}, "needs automated backups and point-in-time recovery"),
        ({"activationPolicy": "NEVER"}, {}, "warp-db is not running"),
        (
            {"databaseFlags": [{"name": "max_connections", "value": "200"}]},
            {"databaseFlags": [{"name": "max_connections", "value": "90"}]},
            r"max_connections to value \[90\] on replica \(warp-db-east\) when value is 200 on primary \(warp-db\)",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_a_replica_is_refused_and_leaves_nothing(
    gcp: Plugin, cloud: Cloud, owners: Props, replicas: Props, words: str
) -> None:
    body = gcp.create(INSTANCE, "db", owned(**{**owners, "activationPolicy": "NEVER"})).outputs
    with cloud.change("hand") as tx:  # no server is needed for this
        activation = owners.get("activationPolicy", "ALWAYS")
        tx.put(
            INSTANCE,
            "projects/warp-sandbox/instances/warp-db",
            {**body, "project": "warp-sandbox", "settings": {**body["settings"], "activationPolicy": activation}},
        )
    settings = {key: value for key, value in replicas.items() if key not in ("masterInstanceName", "databaseVersion")}
    asked = {**copied(**settings), **{key: value for key, value in replicas.items() if key not in settings}}
    with pytest.raises(Refused, match=words):
        gcp.create(INSTANCE, "copy", asked)
    with cloud.view() as tx:
        assert [one.body["name"] for one in tx.all(INSTANCE)] == ["warp-db"]


def test_a_replica_has_what_its_owner_has_and_nothing_can_be_made_on_it(
    gcp: Plugin, owner: Resource, replica: Resource, cloud: Cloud
) -> None:
    assert replica.outputs["instanceType"] == "READ_REPLICA_INSTANCE"
    assert replica.outputs["publicIpAddress"] != owner.outputs["publicIpAddress"]
    seen = gcp.read(owner)
    assert seen is not None
    assert (seen.outputs["replicaNames"], seen.outputs["instanceType"]) == (["warp-db-east"], "CLOUD_SQL_INSTANCE")
    with session(owner) as connection:
        connection.execute("CREATE TABLE calls ()")
    assert wait_until(lambda: tables(replica) == ["calls"], 10)
    with session(replica) as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("CREATE TABLE more ()")
    with pytest.raises(Refused, match="cannot execute CREATE DATABASE in a read-only transaction"):
        gcp.create(DATABASE, "own", {"name": "own", "instance": "warp-db-east"})
    with pytest.raises(Refused, match="cannot execute CREATE ROLE in a read-only transaction"):
        gcp.create(USER, "own", {"name": "own", "instance": "warp-db-east", "password": "word"})
    with pytest.raises(Refused, match="is a replica itself"):
        gcp.create(INSTANCE, "third", {**copied(), "name": "warp-db-third", "masterInstanceName": "warp-db-east"})
    with pytest.raises(Refused, match=r"not valid for a replication master instance\., errorReplicationMaster"):
        gcp.delete(owner)
    backed = {**replica.inputs["settings"], "backupConfiguration": BACKUPS}
    with pytest.raises(Refused, match="Backups cannot be enabled"):
        gcp.update(replica, {**replica.inputs, "settings": backed})
    with cloud.view() as tx:
        assert all(WORD not in str(one.body) for one in tx.everything())


def test_another_owner_means_another_replica_and_none_means_no_change(gcp: Plugin, replica: Resource) -> None:
    changes = gcp.diff(replica, {**replica.inputs, "masterInstanceName": "other"}).changes
    assert changes == {"masterInstanceName": "update_replace"}
    without = {key: value for key, value in replica.inputs.items() if key != "masterInstanceName"}
    assert gcp.diff(replica, without).changes == {}


def test_a_promoted_replica_is_an_instance_of_its_own(
    gcp: Plugin, owner: Resource, replica: Resource, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert COMMAND_LINE.main(["--dir", str(tmp_path), "promote", "warp-db-east"]) == 0
    for name, words in (("warp-db", "is not a read replica"), ("missing", "the cloud has no")):
        assert COMMAND_LINE.main(["--dir", str(tmp_path), "promote", name]) == 1
        assert words in capsys.readouterr().err
    seen = gcp.read(replica)
    assert seen is not None
    assert (seen.outputs["instanceType"], seen.outputs["masterInstanceName"]) == ("CLOUD_SQL_INSTANCE", "")
    with session(replica) as connection:
        connection.execute("CREATE TABLE more ()")
    assert gcp.read(gcp.adopt(DATABASE, "projects/warp-sandbox/instances/warp-db-east/databases/warp")) is not None
    with pytest.raises(Refused, match="already exists"):
        gcp.create(DATABASE, "warp", {"name": "warp", "instance": "warp-db-east"})
    gcp.create(USER, "kamailio", {"name": "kamailio", "instance": "warp-db-east", "password": "another"})
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        session(replica)
    session(owner).close()
    without = {key: value for key, value in replica.inputs.items() if key != "masterInstanceName"}
    backed = {**without, "settings": {**without["settings"], "backupConfiguration": BACKUPS}}
    assert not [kind for kind in gcp.diff(replica, backed).changes.values() if "replace" in kind]
    updated = gcp.update(replica, backed)  # by a state from before the promotion
    assert updated.outputs["masterInstanceName"] == ""
    gcp.delete(owner)
