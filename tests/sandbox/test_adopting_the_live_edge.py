"""Import of everything in the seed, compared with the real plugin's results for the same resources."""

from __future__ import annotations

from typing import Any

import pytest

from local_cloud.cloud import WRITES, Cloud
from tests.local_cloud.plugin import Plugin, Props, Refused

ADDRESSES = {
    "kamailio-sip-udp-ip": "34.44.183.87",
    "kamailio-sip-tcp-ip": "34.55.182.145",
    "warp-nat-ip-1": "34.57.46.26",
    "warp-nat-ip-2": "35.223.15.88",
    "warp-nat-ip-3": "136.111.96.47",
}
REGION = "projects/warp-prod/regions/us-central1"
LINK = "https://www.googleapis.com/compute/v1/"
NETWORK = f"{LINK}projects/warp-prod/global/networks/default"


@pytest.fixture
def prod(gcp: Plugin, seeded: Cloud) -> Plugin:
    return gcp.another(project="warp-prod", region="us-central1", addPulumiAttributionLabel="false")


@pytest.mark.parametrize(("name", "address"), ADDRESSES.items())
def test_every_address_is_the_published_one(prod: Plugin, name: str, address: str) -> None:
    found = prod.adopt("gcp:compute/address:Address", f"{REGION}/addresses/{name}")
    assert found.id == f"{REGION}/addresses/{name}"
    assert found.outputs["address"] == address
    assert found.outputs["labels"] == {}
    assert len(found.outputs["users"]) == 1
    # The program's inputs: only its name, so nothing may change.
    assert prod.diff(found, {"name": name, "region": "us-central1"}).changes == {}


def test_the_legacy_addresses_are_gone(prod: Plugin) -> None:
    with pytest.raises(AssertionError, match="does not exist"):
        prod.adopt("gcp:compute/address:Address", f"{REGION}/addresses/warp-nat-outbound-ip")


# Inputs after import with the real plugin (pulumi-gcp 9.35). The network is a full link here, as Google's API answers;
# there the plugin's test server had a path.
IMPORTED: list[tuple[str, str, str, Props]] = [
    (
        "gcp:compute/router:Router",
        f"{REGION}/routers/warp-router",
        f"{REGION}/routers/warp-router",
        {
            "deletionPolicy": "DELETE",
            "name": "warp-router",
            "network": NETWORK,
            "project": "warp-prod",
            "region": "us-central1",
        },
    ),
    (
        "gcp:compute/routerNat:RouterNat",
        f"{REGION}/routers/warp-router/warp-nat",
        "warp-prod/us-central1/warp-router/warp-nat",
        {
            "deletionPolicy": "DELETE",
            "logConfig": {"__defaults": [], "enable": True, "filter": "ERRORS_ONLY"},
            "name": "warp-nat",
            "natIpAllocateOption": "MANUAL_ONLY",
            "natIps": [f"{LINK}{REGION}/addresses/warp-nat-ip-{number}" for number in (1, 2, 3)],
            "project": "warp-prod",
            "region": "us-central1",
            "router": "warp-router",
            "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
        },
    ),
    (
        "gcp:dns/recordSet:RecordSet",
        "projects/warp-prod/managedZones/ringer-tel/rrsets/sip.ringer.tel./A",
        "projects/warp-prod/managedZones/ringer-tel/rrsets/sip.ringer.tel./A",
        {
            "deletionPolicy": "DELETE",
            "managedZone": "ringer-tel",
            "name": "sip.ringer.tel.",
            "project": "warp-prod",
            "rrdatas": ["34.44.183.87"],
            "ttl": 300,
            "type": "A",
        },
    ),
    (
        "gcp:sql/databaseInstance:DatabaseInstance",
        "projects/warp-prod/instances/warp-db",
        "warp-db",
        {
            "databaseVersion": "POSTGRES_15",
            "deletionPolicy": "DELETE",
            "instanceType": "CLOUD_SQL_INSTANCE",
            "name": "warp-db",
            "project": "warp-prod",
            "region": "us-central1",
            "settings": {
                "__defaults": [],
                "connectorEnforcement": "NOT_REQUIRED",
                "diskSize": 10,
                "diskType": "PD_SSD",
                "edition": "ENTERPRISE",
                "ipConfiguration": {
                    "__defaults": [],
                    "privateNetwork": NETWORK,
                    # The API returns it; the recorded plugin's test server did not.
                    "serverCaMode": "GOOGLE_MANAGED_INTERNAL_CA",
                    "sslMode": "ALLOW_UNENCRYPTED_AND_ENCRYPTED",
                },
                "tier": "db-f1-micro",
            },
        },
    ),
]


@pytest.mark.parametrize(("type_", "import_id", "id_", "inputs"), IMPORTED)
def test_imported_inputs_and_ids_are_those_of_the_real_plugin(
    prod: Plugin, type_: str, import_id: str, id_: str, inputs: Props
) -> None:
    found = prod.adopt(type_, import_id)
    assert found.id == id_
    assert found.inputs == inputs
    assert prod.diff(found, found.inputs).changes == {}


# Output names of the real plugin, all of which must exist here.
OUTPUTS = {
    "gcp:compute/address:Address": (
        f"{REGION}/addresses/warp-nat-ip-2",
        "address addressId addressType creationTimestamp deletionPolicy description effectiveLabels id ipCollection "
        "ipVersion ipv6EndpointType labelFingerprint labels name network networkTier prefixLength project pulumiLabels "
        "purpose region selfLink subnetwork users",
    ),
    "gcp:dns/managedZone:ManagedZone": (
        "projects/warp-prod/managedZones/ringer-tel",
        "cloudLoggingConfig creationTime deletionPolicy description dnsName dnssecConfig effectiveLabels forceDestroy "
        "forwardingConfig id labels managedZoneId name nameServers peeringConfig privateVisibilityConfig project "
        "pulumiLabels reverseLookup serviceDirectoryConfig visibility",
    ),
    "gcp:sql/database:Database": (
        "projects/warp-prod/instances/warp-db/databases/warp",
        "charset collation deletionPolicy id instance name project selfLink",
    ),
    "gcp:sql/databaseInstance:DatabaseInstance": (
        "projects/warp-prod/instances/warp-db",
        "availableMaintenanceVersions backupdrBackup clone connectionName databaseVersion deletionPolicy "
        "deletionProtection dnsName dnsNames encryptionKeyName enforceNewSqlNetworkArchitecture finalBackupDescription "
        "firstIpAddress id includeReplicasForMajorVersionUpgrade instanceType ipAddresses maintenanceVersion "
        "masterInstanceName name nodeCount pointInTimeRestoreContext privateIpAddress project pscServiceAttachmentLink "
        "publicIpAddress region replicaConfiguration replicaNames replicationCluster restoreBackupContext rootPassword "
        "rootPasswordWo rootPasswordWoVersion selfLink serverCaCerts serviceAccountEmailAddress settings "
        "switchTransactionLogsToCloudStorageEnabled",
    ),
}


@pytest.mark.parametrize("type_", OUTPUTS)
def test_outputs_are_those_of_the_real_plugin(prod: Plugin, type_: str) -> None:
    import_id, names = OUTPUTS[type_]
    assert set(prod.adopt(type_, import_id).outputs) == set(names.split())


def test_importing_writes_nothing(prod: Plugin, seeded: Cloud) -> None:
    with seeded.view() as tx:
        before = [row for row in tx.log() if row.op in WRITES]
    for type_, import_id, _, _ in IMPORTED:
        prod.adopt(type_, import_id)
    with seeded.view() as tx:
        assert [row for row in tx.log() if row.op in WRITES] == before
        assert all(row.who == "hand" for row in before)


def test_shorter_import_ids_work_and_others_are_explained(prod: Plugin) -> None:
    assert prod.adopt("gcp:compute/address:Address", "us-central1/warp-nat-ip-1").outputs["address"] == "34.57.46.26"
    assert prod.adopt("gcp:compute/routerNat:RouterNat", "warp-router/warp-nat").outputs["name"] == "warp-nat"
    with pytest.raises(Refused, match="doesn't match any of the accepted formats"):
        prod.adopt("gcp:compute/address:Address", "a/b/c/d")


def test_the_database_is_the_published_one(prod: Plugin) -> None:
    found = prod.adopt("gcp:sql/databaseInstance:DatabaseInstance", "warp-db").outputs
    assert (found["publicIpAddress"], found["privateIpAddress"]) == ("34.42.208.57", "10.126.0.3")


def test_every_published_record_is_served_and_importable(prod: Plugin) -> None:
    records = {
        ("sip-udp", "A"): "34.44.183.87",
        ("sip-tcp", "A"): "34.55.182.145",
        ("_sip._udp", "SRV"): "10 50 5060 sip-udp.ringer.tel.",
        ("_sip._tcp", "SRV"): "10 50 5060 sip-tcp.ringer.tel.",
        ("_sips._tcp", "SRV"): "10 50 5061 sip-tcp.ringer.tel.",
    }
    for (label, type_), rrdata in records.items():
        id_ = f"projects/warp-prod/managedZones/ringer-tel/rrsets/{label}.ringer.tel./{type_}"
        found = prod.adopt("gcp:dns/recordSet:RecordSet", id_).outputs
        assert (found["ttl"], found["rrdatas"]) == (300, [rrdata])


def test_labels_on_an_adopted_address_are_an_update_and_strangers_labels_stay(prod: Plugin, seeded: Cloud) -> None:
    key = f"{REGION}/addresses/warp-nat-ip-1"
    with seeded.change("hand") as tx:
        body = tx.get("gcp:compute/address:Address", key)
        assert body is not None
        tx.update("gcp:compute/address:Address", key, {**body, "effectiveLabels": {"owner": "voice"}})
    found = prod.adopt("gcp:compute/address:Address", key)
    inputs: Props = {"name": "warp-nat-ip-1", "labels": {"app": "warp"}}
    assert not prod.diff(found, inputs).replaces
    after: dict[str, Any] = prod.update(found, inputs).outputs
    assert after["effectiveLabels"] == {"owner": "voice", "app": "warp"}
    assert after["labels"] == {"app": "warp"}
