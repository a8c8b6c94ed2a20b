"""Changes of adopted resources that were created manually: Services created with kubectl, and the database."""

from __future__ import annotations

from typing import Any

import pytest

from local_cloud.cloud import Cloud
from tests.local_cloud.plugin import Plugin, Props, Refused, Resource
from tests.local_cloud.test_cloud_sql import INSTANCE
from tests.local_cloud.test_services import SERVICE, ingress


def as_it_is(live: Resource, annotations: Props | None = None, **spec: Any) -> Props:
    """An imported Service as a program declares it: unchanged, except for the given fields."""
    metadata = {**live.inputs["metadata"], "labels": live.outputs["metadata"]["labels"]}
    given = {"metadata": {**metadata, "annotations": annotations}} if annotations else {"metadata": metadata}
    names = ("type", "loadBalancerIP", "ports", "selector", "externalTrafficPolicy")
    return {
        **live.inputs,
        **given,
        "spec": {**{name: live.outputs["spec"][name] for name in names}, **spec},
    }


def test_importing_a_service_made_with_kubectl_changes_nothing(live_services: Plugin, seeded: Cloud) -> None:
    with seeded.view() as tx:
        before = tx.everything()
    live = live_services.adopt(SERVICE, "warp-core/kamailio-sip-udp")
    # Only the object's identity: observed with the real plugin (tests/conformance has no imports).
    metadata = {"name": "kamailio-sip-udp", "namespace": "warp-core"}
    assert live.inputs == {"apiVersion": "v1", "kind": "Service", "metadata": metadata}
    assert ingress(live) == "34.44.183.87"
    assert live_services.diff(live, live.inputs).changes == {}
    # So everything the program declares is new to the plugin, even where it equals the live object.
    assert live_services.diff(live, as_it_is(live, {"team": "voice"})).changes == {
        "spec": "add",
        "metadata.labels": "add",
        "metadata.annotations": "add",
    }
    with seeded.view() as tx:
        assert tx.everything() == before


def test_a_field_that_kubectl_owns_conflicts_in_the_preview_unless_forced(live_services: Plugin) -> None:
    live = live_services.adopt(SERVICE, "warp-core/kamailio-sip-udp")
    local = as_it_is(live, externalTrafficPolicy="Local")
    for preview in (True, False):
        with pytest.raises(
            Refused,
            match=r'field conflict detected[^"]*"pulumi-kubernetes"[^"]*"kubectl-client-side-apply" using v1: '
            r".spec.externalTrafficPolicy",
        ):
            live_services.update(live, local, preview=preview)
    forced = as_it_is(live, {"pulumi.com/patchForce": "true"}, externalTrafficPolicy="Local")
    taken = live_services.update(live, forced)
    assert taken.outputs["spec"]["externalTrafficPolicy"] == "Local"
    assert ingress(taken) == "34.44.183.87"
    assert live_services.diff(taken, forced).changes == {}
    # The program owns it from now on: changing it again needs no force.
    again = as_it_is(live, externalTrafficPolicy="Cluster")
    assert live_services.diff(taken, again).changes == {
        "spec.externalTrafficPolicy": "update",
        "metadata.annotations": "delete",
    }
    assert live_services.update(taken, again).outputs["spec"]["externalTrafficPolicy"] == "Cluster"


def test_undeclared_fields_stay_after_adoption(live_services: Plugin) -> None:
    live = live_services.adopt(SERVICE, "warp-core/kamailio-sip-udp")
    named = as_it_is(live)
    spec = {name: value for name, value in named["spec"].items() if name != "loadBalancerIP"}
    labelled = {**named, "metadata": {**named["metadata"], "labels": {"team": "voice"}}, "spec": spec}
    after = live_services.update(live, labelled)
    assert after.outputs["spec"]["loadBalancerIP"] == "34.44.183.87"
    assert after.outputs["metadata"]["labels"] == {"app": "kamailio", "team": "voice"}


def test_the_mode_of_the_servers_authority_stays_as_it_was_created(gcp: Plugin, seeded: Cloud) -> None:
    live = gcp.adopt(INSTANCE, "projects/warp-prod/instances/warp-db")
    network = live.inputs["settings"]["ipConfiguration"]
    other = {**live.inputs["settings"], "ipConfiguration": {**network, "serverCaMode": "GOOGLE_MANAGED_CAS_CA"}}
    changed = {**live.inputs, "settings": other}
    assert gcp.diff(live, changed).changes == {"settings.ipConfiguration.serverCaMode": "update"}
    with pytest.raises(Refused, match="Error 400: Invalid request: Updating server CA mode is currently not supported"):
        gcp.update(live, changed)


def test_a_mode_that_is_not_said_is_kept(gcp: Plugin, seeded: Cloud) -> None:
    key = "projects/warp-prod/instances/warp-db"
    with seeded.change("hand") as tx:
        body = tx.get(INSTANCE, key) or {}
        body["settings"]["ipConfiguration"]["serverCaMode"] = "GOOGLE_MANAGED_CAS_CA"
        tx.put(INSTANCE, key, body)
    live = gcp.adopt(INSTANCE, key)
    assert live.inputs["settings"]["ipConfiguration"]["serverCaMode"] == "GOOGLE_MANAGED_CAS_CA"
    network = {**live.inputs["settings"]["ipConfiguration"], "sslMode": "ENCRYPTED_ONLY"}
    del network["serverCaMode"]
    after = gcp.update(live, {**live.inputs, "settings": {**live.inputs["settings"], "ipConfiguration": network}})
    assert after.outputs["settings"]["ipConfiguration"]["serverCaMode"] == "GOOGLE_MANAGED_CAS_CA"


def test_a_smaller_disk_means_another_instance(gcp: Plugin, seeded: Cloud) -> None:
    live = gcp.adopt(INSTANCE, "projects/warp-prod/instances/warp-db")
    inputs = {**live.inputs, "settings": {**live.inputs["settings"], "diskSize": 20}}
    assert gcp.diff(live, inputs).changes == {"settings.diskSize": "update"}
    grown = gcp.update(live, inputs)
    assert gcp.diff(grown, live.inputs).changes["settings.diskSize"] == "update_replace"
