"""Look-ups of a program, and the random provider."""

from __future__ import annotations

import ipaddress
import re

import pytest

from local_cloud.cloud import Cloud
from tests.local_cloud.plugin import Invalid, Plugin, Refused

PASSWORD = "random:index/randomPassword:RandomPassword"


def test_the_cluster_of_a_new_project_is_found_with_what_a_kubeconfig_needs(gcp: Plugin) -> None:
    found = gcp.invoke("gcp:container/getCluster:getCluster", name="warp-cluster", location="us-central1")
    assert found["endpoint"].startswith("127.93.")
    assert found["masterAuths"][0]["clusterCaCertificate"]
    assert found["masterVersion"].startswith("1.33.5")
    with pytest.raises(
        Refused, match="Error 404: Not found: projects/warp-sandbox/locations/us-central1/clusters/other"
    ):
        gcp.invoke("gcp:container/getCluster:getCluster", name="other")


def test_lookups_answer_what_is_there_and_404_otherwise(gcp: Plugin) -> None:
    made = gcp.create("gcp:compute/address:Address", "sip", {"name": "sip"})
    gcp.create("gcp:compute/router:Router", "router", {"name": "warp-router", "network": "default"})
    gcp.create("gcp:dns/managedZone:ManagedZone", "zone", {"name": "ringer-tel", "dnsName": "ringer.tel."})
    found = gcp.invoke("gcp:compute/getAddress:getAddress", name="sip")
    assert (found["address"], found["status"]) == (made.outputs["address"], "RESERVED")
    assert (
        gcp.invoke("gcp:compute/getRouter:getRouter", name="warp-router", network="default")["region"] == "us-central1"
    )
    network = gcp.invoke("gcp:compute/getNetwork:getNetwork", name="default")
    assert network["subnetworksSelfLinks"][0].endswith("/regions/us-central1/subnetworks/default")
    assert gcp.invoke("gcp:dns/getManagedZone:getManagedZone", name="ringer-tel")["dnsName"] == "ringer.tel."
    assert gcp.invoke("gcp:organizations/getProject:getProject")["projectId"] == "warp-sandbox"
    for token in ("compute/getAddress:getAddress", "compute/getRouter:getRouter", "dns/getManagedZone:getManagedZone"):
        with pytest.raises(Refused, match="Error 404"):
            gcp.invoke(f"gcp:{token}", name="missing")
    with pytest.raises(Refused, match="an argument named nmae is not expected here"):
        gcp.invoke("gcp:compute/getAddress:getAddress", nmae="sip")


def test_an_api_stays_enabled_unless_it_is_to_be_disabled(gcp: Plugin) -> None:
    inputs = {"service": "dns.googleapis.com"}
    made = gcp.create("gcp:projects/service:Service", "dns", inputs)
    assert made.id == "warp-sandbox/dns.googleapis.com"
    gcp.delete(made)
    assert gcp.read(made) is not None
    again = gcp.create("gcp:projects/service:Service", "dns", {**inputs, "disableOnDestroy": True})
    gcp.delete(again)
    assert gcp.read(again) is None


def test_deletion_policies_hold(gcp: Plugin) -> None:
    kept = gcp.create("gcp:compute/address:Address", "a", {"name": "a", "deletionPolicy": "PREVENT"})
    with pytest.raises(Refused, match="deletion_policy to something other than PREVENT"):
        gcp.delete(kept)
    left = gcp.create("gcp:compute/address:Address", "b", {"name": "b", "deletionPolicy": "ABANDON"})
    gcp.delete(left)
    assert gcp.read(left) is not None
    assert gcp.diff(left, {"name": "b"}).changes == {"deletionPolicy": "update"}, (
        "left out is the provider's own, DELETE"
    )
    gcp.delete(gcp.update(left, {"name": "b"}))
    assert gcp.read(left) is None
    with pytest.raises(Invalid, match="expected deletion_policy to be one of"):
        gcp.create("gcp:compute/address:Address", "c", {"name": "c", "deletionPolicy": "KEEP"})


def test_a_password_has_what_was_asked_for_and_is_secret(random: Plugin) -> None:
    inputs = {"length": 32, "special": False, "minNumeric": 3, "minUpper": 2}
    made = random.create(PASSWORD, "password", inputs)
    result = made.outputs["result"]
    assert re.fullmatch(r"[A-Za-z0-9]{32}", result)
    assert len(re.findall(r"\d", result)) >= 3
    assert made.id == "none"
    assert {"result", "bcryptHash"} <= made.secrets
    assert made.outputs["bcryptHash"].startswith("$2b$10$")
    assert random.diff(made, inputs).changes == {}
    assert random.diff(made, {**inputs, "length": 33}).replaced_for == {"length"}
    assert random.diff(made, {**inputs, "keepers": {"a": "1"}}).replaced_for == {"keepers"}
    seen = random.read(made)
    assert seen is not None
    assert seen.outputs["result"] == result


def test_passwords_differ_and_impossible_ones_are_refused(random: Plugin) -> None:
    first, second = (random.create(PASSWORD, name, {"length": 20}).outputs["result"] for name in ("a", "b"))
    assert first != second
    with pytest.raises(Invalid, match="sum of the minima"):
        random.create(PASSWORD, "c", {"length": 3, "minUpper": 4})
    with pytest.raises(Invalid, match="at least one of lower, upper, numeric and special"):
        nothing = {"lower": False, "upper": False, "numeric": False, "special": False}
        random.create(PASSWORD, "d", {"length": 3, **nothing})


def test_a_random_id_is_the_same_bytes_in_every_notation(random: Plugin) -> None:
    outputs = random.create("random:index/randomId:RandomId", "suffix", {"byteLength": 3, "prefix": "db-"}).outputs
    assert re.fullmatch(r"db-[0-9a-f]{6}", outputs["hex"])
    assert int(outputs["hex"].removeprefix("db-"), 16) == int(outputs["dec"].removeprefix("db-"))
    text = random.create("random:index/randomString:RandomString", "text", {"length": 5, "upper": False})
    assert text.id == text.outputs["result"]


def test_drawing_values_is_no_operation_on_the_cloud(random: Plugin, cloud: Cloud) -> None:
    random.create(PASSWORD, "password", {"length": 20})
    with cloud.view() as tx:
        assert tx.log() == []


def test_the_uptime_checkers_are_single_addresses_of_both_families(gcp: Plugin) -> None:
    found = gcp.invoke("gcp:monitoring/getUptimeCheckIPs:getUptimeCheckIPs")["uptimeCheckIps"]
    assert {ipaddress.ip_address(each["ipAddress"]).version for each in found} == {4, 6}
    assert all(each["region"] and each["location"] for each in found)
