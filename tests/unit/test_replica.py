"""A read replica of the trunk ACL's database: the owner writes, this region reads."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest

from engine.record import owners_reader
from engine.refusal import RefusedError
from plan.import_ids import import_ids
from policies.declared import Declared
from policies.rule import InProduction
from policies.rules.database import _backups
from settings import Settings, SettingsError
from tests.stacks import Config, as_engine_gives_it, changed, stack_config
from tests.unit.cloud import Cloud
from tests.unit.recording import HIDDEN, Edge, declare, run

OWNER = "organization/warp-edge/prod"
READER_PASSWORD = "of-the-owner-and-never-to-be-read"
INSTANCE = "gcp:sql/databaseInstance:DatabaseInstance"
ACL = {
    "schema": 1.0,
    "reader": "warp_acl_reader",
    "readerPassword": READER_PASSWORD,
    "writer": "w",
    "writerPassword": "x",
}


class Backend(Cloud):
    """Knows the owner's outputs."""

    def __init__(self, acl: Any = ACL) -> None:
        super().__init__("warp-prod")
        self.acl = acl

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        if args.token != "pulumi:pulumi:readStackOutputs":
            return super().call(args)
        assert args.args["name"] == OWNER
        return {"name": OWNER, "outputs": {"trunkAcl": self.acl} if self.acl else {}, "secretOutputNames": []}, []


def config(**acl: Any) -> Config:
    return changed(stack_config("prod-us-east1"), ("warp-edge:trunkAcl",), acl)


def enforced(backend: Backend | None = None) -> Edge:
    return declare(config(enforcement={}), cloud=backend or Backend())


def test_a_replica_is_the_instance_alone_without_backups() -> None:
    edge = declare(stack_config("prod-us-east1"), cloud=Backend())
    (instance,) = edge.of_type(INSTANCE)
    assert (instance.inputs["masterInstanceName"], instance.inputs["region"]) == ("warp-db", "us-east1")
    assert not {"backupConfiguration", "maintenanceWindow"} & set(instance.inputs["settings"])
    assert instance.protect
    assert edge.of_type("gcp:sql/database:Database") == edge.of_type("gcp:sql/user:User") == []
    reported = edge.outputs["database"]
    assert (reported["name"], reported["user"], reported["password"], reported["replicaOf"]) == (
        "warp",
        "",
        "",
        "warp-db",
    )


def test_an_own_database_is_not_a_replica() -> None:
    edge = declare(stack_config("prod"))
    (instance,) = edge.of_type(INSTANCE)
    assert "masterInstanceName" not in instance.inputs
    assert "replicaOf" not in edge.outputs["database"]


def test_the_proxies_read_the_replica_as_the_owners_reader_and_the_password_stays_secret() -> None:
    edge = enforced()
    secret = edge.named("acl-enforcement-credentials")
    url = secret.inputs["stringData"]["WARP_ACL_DB_URL"]
    assert url == f"postgres://warp_acl_reader:{READER_PASSWORD}@10.126.0.3:5432/warp"
    assert READER_PASSWORD not in json.dumps([each.clear for each in edge.resources])
    assert READER_PASSWORD not in json.dumps(edge.clear_outputs)
    assert not [each for each in edge.resources if "TrunkAcl" in each.type], "the owner applies it"


def test_a_replicas_stack_publishes_only_what_a_sip_proxy_needs() -> None:
    edge = enforced()
    assert edge.outputs["trunkAcl"] == {"schema": 1, "reader": "warp_acl_reader", "readerPassword": READER_PASSWORD}
    assert edge.clear_outputs["trunkAcl"] != edge.outputs["trunkAcl"]
    assert "trunkAcl" not in declare(stack_config("prod-us-east1"), cloud=Backend()).outputs


def test_what_is_read_of_the_owner_is_a_secret_from_the_start() -> None:
    found = run(lambda: pulumi.export("password", owners_reader(OWNER).reader_password), Backend())
    assert (found.outputs["password"], found.clear_outputs["password"]) == (READER_PASSWORD, HIDDEN)


def test_without_enforcement_the_owner_is_not_queried() -> None:
    backend = Backend()
    declare(stack_config("prod-us-east1"), cloud=backend)
    assert not [token for token, _ in backend.invocations if "readStackOutputs" in token]


@pytest.mark.parametrize("acl", [None, "text", {}, {"reader": "warp_acl_reader"}, ACL | {"reader": "x@y/z"}])
def test_an_owner_that_says_no_reader_is_refused_before_anything_is_declared(acl: Any) -> None:
    with pytest.raises(RefusedError) as refused:
        enforced(Backend(acl))
    assert OWNER in str(refused.value)
    assert "trunkAcl.manage: true" in str(refused.value)
    assert READER_PASSWORD not in str(refused.value)


@pytest.mark.parametrize(
    ("path", "value", "wrong"),
    [
        (("warp-edge:trunkAcl",), {"manage": True}, "a read replica cannot be written to"),
        (("warp-edge:database", "iamUsers"), ["a@example.com"], "a replica has the same users as its owner"),
        (("warp-edge:dedicated",), {"acme": {"ban": "B1", "targetPort": 6000, "udp": {}}}, "read replica"),
        (("warp-edge:database", "replicaOf"), {"instance": "warp-db"}, "this setting is required"),
        (("warp-edge:database", "replicaOf", "stack"), "prod", "not a valid name here"),
    ],
)
def test_what_only_the_owner_can_do_is_refused(path: tuple[str, ...], value: Any, wrong: str) -> None:
    given = changed(stack_config("prod-us-east1"), ("warp-edge:database", "iamAuthentication"), True)
    with pytest.raises(SettingsError) as refused:
        Settings.parse(as_engine_gives_it(changed(given, path, value)))
    assert wrong in str(refused.value)


def test_of_a_replica_the_instance_alone_is_adopted() -> None:
    settings = Settings.parse(as_engine_gives_it(stack_config("prod-us-east1")))
    found = import_ids(settings)
    assert {name: each for name, each in found.items() if name.startswith("database-")} == {
        "database-instance": "projects/warp-prod/instances/warp-db-us-east1"
    }


def test_production_asks_no_backups_of_a_replica_but_of_its_owner() -> None:
    rules = InProduction(production=True)
    replica = Declared(INSTANCE, "i", "urn", {"masterInstanceName": "warp-db", "settings": {}})
    assert list(_backups(replica, rules)) == []
    assert len(list(_backups(Declared(INSTANCE, "i", "urn", {"settings": {}}), rules))) == 2
