"""Fault injection, the log, and encoding of values."""

from __future__ import annotations

import time

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from local_cloud import faults
from local_cloud.cloud import Cloud, LogRow
from local_cloud.values import decode, encode
from tests.local_cloud.plugin import UNKNOWN, Plugin, Props, Refused, secret, wire

ADDRESS = "gcp:compute/address:Address"


def switch_on(
    cloud: Cloud, kind: str, type_: str = "", operation: str = "", times: int | None = None, milliseconds: int = 0
) -> None:
    with cloud.change("hand") as tx:
        faults.add(tx, kind, type_, operation, times, milliseconds)


def log(cloud: Cloud) -> list[LogRow]:
    with cloud.view() as tx:
        return tx.log()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (
            "permission-denied",
            "Error 403: Required 'compute.addresses.create' permission for 'projects/.*/addresses/sip'",
        ),
        ("quota", "Error 403: Quota exceeded for quota metric"),
        ("http-500", "Error 500: Internal error"),
        ("http-503", "Error 503: The service is currently unavailable"),
    ],
)
def test_a_fault_refuses_in_googles_words_the_given_number_of_times(
    gcp: Plugin, cloud: Cloud, kind: str, words: str
) -> None:
    switch_on(cloud, kind, ADDRESS, "create", times=2)
    for _ in range(2):
        with pytest.raises(Refused, match=f"Error creating Address: googleapi: {words}"):
            gcp.create(ADDRESS, "sip", {"name": "sip"})
    gcp.create(ADDRESS, "sip", {"name": "sip"})


def test_a_fault_concerns_only_the_type_and_operation_it_names(gcp: Plugin, cloud: Cloud) -> None:
    switch_on(cloud, "http-503", ADDRESS, "delete")
    made = gcp.create(ADDRESS, "sip", {"name": "sip"})
    gcp.create("gcp:compute/router:Router", "router", {"name": "warp-router", "network": "default"})
    with pytest.raises(Refused, match="503"):
        gcp.delete(made)
    with cloud.change("hand") as tx:
        faults.clear(tx)
    gcp.delete(made)


def test_a_plugin_that_drops_updates_reports_success_and_plans_them_again(gcp: Plugin, cloud: Cloud) -> None:
    wanted: Props = {"name": "sip", "labels": {"app": "warp"}}
    switch_on(cloud, "drop-update", "gcp:compute/router:Router")
    made = gcp.update(gcp.create(ADDRESS, "sip", {"name": "sip"}), wanted)
    assert made.outputs["labels"] == wanted["labels"], "another type is updated"
    router = gcp.create("gcp:compute/router:Router", "r", {"name": "r", "network": "default", "description": "old"})
    asked: Props = {"name": "r", "network": "default", "description": "new"}
    dropped = gcp.update(router, asked)
    assert dropped.outputs["description"] == "old"
    assert [row.op for row in log(cloud)][-1] == "update", "the request is sent, with the old values"
    assert gcp.diff(dropped, asked).changes, "so the next preview has it again"
    with cloud.change("hand") as tx:
        faults.clear(tx)
    assert gcp.update(dropped, asked).outputs["description"] == "new"


def test_latency_makes_an_operation_take_longer(gcp: Plugin, cloud: Cloud) -> None:
    switch_on(cloud, "latency", milliseconds=300)
    started = time.monotonic()
    gcp.create(ADDRESS, "sip", {"name": "sip"})
    assert time.monotonic() - started >= 0.3


def test_the_cluster_refuses_in_its_own_words(kubernetes: Plugin, cloud: Cloud) -> None:
    switch_on(cloud, "permission-denied")
    space: Props = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "extra"}}
    with pytest.raises(Refused, match='namespaces "extra" is forbidden: User "local-cloud" cannot create'):
        kubernetes.create("kubernetes:core/v1:Namespace", "extra", space)


def test_the_log_has_every_operation_and_its_refusal(gcp: Plugin, cloud: Cloud) -> None:
    made = gcp.create(ADDRESS, "sip", {"name": "sip"})
    with pytest.raises(Refused):
        gcp.create(ADDRESS, "sip", {"name": "sip"})
    gcp.read(made)
    gcp.update(made, {"name": "sip", "labels": {"app": "warp"}})
    gcp.invoke("gcp:compute/getAddress:getAddress", name="sip")
    gcp.delete(made)
    with cloud.view() as tx:
        log = tx.log()
    assert [(row.op, bool(row.refusal)) for row in log] == [
        ("create", False),
        ("create", True),
        ("read", False),
        ("update", False),
        ("invoke", False),
        ("delete", False),
    ]
    assert {row.who for row in log} == {"engine"}


def test_a_refused_operation_changes_nothing(gcp: Plugin, cloud: Cloud) -> None:
    gcp.create(ADDRESS, "sip", {"name": "sip"})
    with cloud.view() as tx:
        before = tx.everything()
    with pytest.raises(Refused):
        gcp.create(ADDRESS, "sip", {"name": "sip"})
    with cloud.view() as tx:
        assert tx.everything() == before


def test_two_providers_of_one_run_keep_their_own_configuration(gcp: Plugin) -> None:
    other = gcp.another(project="other-project", region="europe-west1")
    assert (
        other.create(ADDRESS, "sip", {"name": "sip"}).id == "projects/other-project/regions/europe-west1/addresses/sip"
    )
    assert gcp.create(ADDRESS, "sip", {"name": "sip"}).id == "projects/warp-sandbox/regions/us-central1/addresses/sip"


def test_a_secret_input_stays_secret_in_the_outputs(gcp: Plugin) -> None:
    made = gcp.create(ADDRESS, "sip", {"name": "sip", "description": secret("who it is for")})
    assert made.outputs["description"] == "who it is for"
    assert "description" in made.secrets


values = st.recursive(
    st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=20) | st.just(UNKNOWN),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(min_size=1, max_size=8), values | values.map(secret), max_size=5))
def test_values_come_back_as_they_were_sent(sent: Props) -> None:
    decoded = decode(wire(sent))
    assert json_format.MessageToDict(encode(decoded.values, decoded.secrets)) == json_format.MessageToDict(wire(sent))
