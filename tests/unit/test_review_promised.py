"""Drift that the engine calls `same`: what people rely on, compared between the outputs before and after."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
import trustme

from engine.differences import OURS
from review.audience import Audience
from review.markdown import markdown
from review.preview import read
from review.promised import PROMISED
from review.report import Report, report
from review.resources import SEEN_BY
from tests.stacks import changed, stack_config
from tests.unit.recording import declare
from tests.unit.review_events import ADDRESS, INSTANCE, SECRET, SERVICE, STACK, UNKNOWN, refreshed, streamed, urn

Json = dict[str, Any]
ZONE = "gcp:dns/managedZone:ManagedZone"
BUCKET = "gcp:storage/bucket:Bucket"
GRANT = "gcp:storage/bucketIAMMember:BucketIAMMember"
OBJECT = "gcp:storage/bucketObject:BucketObject"
VENDORS, CUSTOMERS, BOTH = Audience.VENDORS, Audience.CUSTOMERS, Audience.BOTH


def reported(type_: str, old: Json, new: Json, parent: str = "", op: str = "same") -> Report:
    return report(read(refreshed(op, type_, "it", old, new, parent)), "prod")


def balancer(*addresses: str) -> Json:
    return {"status": {"loadBalancer": {"ingress": [{"ip": each, "ipMode": "VIP"} for each in addresses]}}}


def authority() -> str:
    return trustme.CA().cert_pem.bytes().decode()


MOVES: dict[str, tuple[str, Json, Json, Audience]] = {
    "address": (ADDRESS, {"address": "192.0.2.1"}, {"address": "192.0.2.2"}, Audience.ANYBODY),
    "service": (SERVICE, balancer("192.0.2.1"), balancer("192.0.2.2"), CUSTOMERS),
    "service that lost its address": (SERVICE, balancer("192.0.2.1"), {"status": {"loadBalancer": {}}}, CUSTOMERS),
    "name servers": (ZONE, {"nameServers": ["a.", "b."]}, {"nameServers": ["a.", "c."]}, CUSTOMERS),
    "public address": (INSTANCE, {"publicIpAddress": "192.0.2.1"}, {"publicIpAddress": "192.0.2.2"}, CUSTOMERS),
    "private address": (INSTANCE, {"privateIpAddress": "10.0.0.1"}, {"privateIpAddress": "10.0.0.2"}, CUSTOMERS),
    "connection name": (INSTANCE, {"connectionName": "p:r:a"}, {"connectionName": "p:r:b"}, CUSTOMERS),
    "one of the addresses": (
        INSTANCE,
        {"ipAddresses": [{"type": "PRIMARY", "ipAddress": "192.0.2.1"}, {"type": "PRIVATE", "ipAddress": "10.0.0.1"}]},
        {"ipAddresses": [{"type": "PRIMARY", "ipAddress": "192.0.2.1"}, {"type": "PRIVATE", "ipAddress": "10.0.0.2"}]},
        CUSTOMERS,
    ),
    "public access": (
        BUCKET,
        {"publicAccessPrevention": "inherited"},
        {"publicAccessPrevention": "enforced"},
        BOTH,
    ),
    "access lists": (BUCKET, {"uniformBucketLevelAccess": True}, {"uniformBucketLevelAccess": False}, BOTH),
    "a file of the site": (OBJECT, {"md5hash": "a"}, {"md5hash": "b"}, BOTH),
    "DS records": (STACK, {"dns": {"dsRecords": ["1 8 2 AA"]}}, {"dns": {"dsRecords": ["2 8 2 BB"]}}, CUSTOMERS),
    "a lookup's name servers": (STACK, {"dns": {"nameServers": ["a."]}}, {"dns": {"nameServers": ["b."]}}, CUSTOMERS),
    "server's authority": (
        STACK,
        {"database": {"serverCa": authority()}},
        {"database": {"serverCa": authority()}},
        CUSTOMERS,
    ),
}


@pytest.mark.parametrize("op", ["same", "update"])
@pytest.mark.parametrize("what", MOVES)
def test_what_people_rely_on_is_drift_whatever_the_engine_calls_it(what: str, op: str) -> None:
    type_, old, new, audience = MOVES[what]
    found = reported(type_, old, new, op=op)
    (change,) = found.resources
    assert found.visible
    assert change.seen_by is audience
    assert change.effects[0].before != change.effects[0].after
    assert "**The cloud does not match the state." in markdown(found)


def test_every_row_of_the_table_is_tried() -> None:
    rows = {(each.type, path) for each in PROMISED for path in each.paths}
    tried = {
        (MOVES[what][0], effect.property)
        for what in MOVES
        for effect in reported(*MOVES[what][:3]).resources[0].effects
    }
    missing = {(type_, path.replace("[]", "")) for type_, path in rows} - tried
    assert missing == {(SERVICE, "status.loadBalancer.ingress.hostname")}, "Google's load balancers have addresses"


@pytest.mark.parametrize(
    ("component", "audience", "words"),
    [
        ("warp:edge:NatEgressPool$", VENDORS, "vendors have the old one whitelisted"),
        ("warp:edge:SipIngress$", CUSTOMERS, "customers send calls to the old one"),
        ("warp:edge:DedicatedIngress$", CUSTOMERS, "its customer sends calls to the old one"),
    ],
)
def test_an_address_that_moved_says_who_has_the_old_one(component: str, audience: Audience, words: str) -> None:
    found = reported(ADDRESS, {"address": "192.0.2.1"}, {"address": "192.0.2.2"}, component)
    assert found.seen_by == {audience}
    assert f"**The cloud does not match the state. Visible to {audience.name.lower()}.**" in markdown(found)
    assert f"- `Address it` changed\n  - `address` `192.0.2.1` → `192.0.2.2`: {words}" in markdown(found)


def test_who_sees_a_deletion_stands_in_one_pair_of_brackets() -> None:
    for component in ("warp:edge:NatEgressPool$", "warp:edge:SipIngress$"):
        text = markdown(reported(ADDRESS, {"address": "192.0.2.1"}, {}, component, op="delete"))
        (line,) = (each for each in text.splitlines() if "**DELETED**" in each)
        assert (line.count("("), line.count(")")) == (1, 1), line


def test_a_grant_that_is_gone_says_who_cannot_read_the_site() -> None:
    text = markdown(reported(GRANT, {"role": "roles/storage.objectViewer", "member": "allUsers"}, {}, op="delete"))
    assert "**The cloud does not match the state. Visible to vendors and customers.**" in text
    assert (
        "- `BucketIAMMember it` **DELETED** (visible to vendors and customers)\n"
        "  - vendors and customers cannot read the site" in text
    )


def test_of_every_type_that_is_declared_it_is_known_who_sees_it() -> None:
    config = stack_config("sandbox")
    network = {"privateNetwork": "projects/warp-sandbox/global/networks/voice", "peeringRange": "sql"}
    both = config["warp-edge:database"]["network"] | network
    edge = declare(changed(config, ("warp-edge:database", "network"), both))
    declared = {each.type for each in edge.resources if each.custom and not each.type.startswith(OURS)}
    assert len(declared) > 15
    assert declared - SEEN_BY.keys() == set()


UNTOUCHED: dict[str, tuple[str, Json, Json]] = {
    "order": (ZONE, {"nameServers": ["a.", "b."]}, {"nameServers": ["b.", "a."]}),
    "order of addresses": (SERVICE, balancer("192.0.2.1", "192.0.2.2"), balancer("192.0.2.2", "192.0.2.1")),
    "users and prints": (
        ADDRESS,
        {"address": "192.0.2.1", "users": [], "labelFingerprint": "a", "creationTimestamp": "1"},
        {"address": "192.0.2.1", "users": ["rule"], "labelFingerprint": "b", "creationTimestamp": "2"},
    ),
    "what the API server writes": (
        SERVICE,
        balancer("192.0.2.1") | {"metadata": {"resourceVersion": "1"}},
        balancer("192.0.2.1") | {"metadata": {"resourceVersion": "2"}},
    ),
    "what an older plugin did not write": (INSTANCE, {}, {"connectionName": "p:r:a"}),
    "a secret": (INSTANCE, {"connectionName": SECRET}, {"connectionName": "p:r:a"}),
    "outputs of code that is not deployed yet": (
        STACK,
        {"ipInventory": {"region": "a"}},
        {"ipInventory": {"region": "b"}},
    ),
    "a Service inside": (SERVICE, {"status": {"loadBalancer": {}}}, {"status": {"loadBalancer": {}}}),
    "another type": ("gcp:compute/router:Router", {"address": "192.0.2.1"}, {"address": "192.0.2.2"}),
}


@pytest.mark.parametrize("what", UNTOUCHED)
def test_what_people_do_not_rely_on_is_no_drift(what: str) -> None:
    found = reported(*UNTOUCHED[what])
    assert found.resources == ()
    assert not found.visible
    assert "**No drift.**" in markdown(found)


def test_what_a_targeted_update_left_unknown_is_no_move_and_no_calm_either() -> None:
    found = reported(STACK, {"dns": {"dsRecords": UNKNOWN}}, {"dns": {"dsRecords": ["1 8 2 AA"]}})
    assert found.resources == ()
    assert "- the published outputs: no value is known for dns.dsRecords: " in markdown(found)
    assert "**Whether the cloud matches the state could not be determined.**" in markdown(found)


def test_a_certificate_is_reported_by_its_fingerprint() -> None:
    text = markdown(reported(*MOVES["server's authority"][:3]))
    assert text.count("SHA-256 ") == 2
    assert "BEGIN CERTIFICATE" not in text


def test_without_the_program_the_report_says_what_it_could_not_compare() -> None:
    events = refreshed("same", ADDRESS, "it", {"address": "192.0.2.1"}, {"address": "192.0.2.1"})
    programless = events.replace(
        '"op": "same", "urn": "' + urn(STACK, "warp-edge-prod"),
        '"op": "refresh", "urn": "' + urn(STACK, "warp-edge-prod"),
    )
    found = report(read(programless), "prod")
    assert not found.visible
    assert "DS records and the CA of the database's server" in markdown(found)
    assert "DS records" not in markdown(report(read(events), "prod"))


def test_a_form_that_leaves_out_what_the_cloud_answered_never_says_no_drift() -> None:
    state = {"inputs": {"name": "it"}, "outputs": {"address": "192.0.2.1"}}
    step = {"op": "refresh", "urn": urn(ADDRESS, "it"), "oldState": state, "newState": deepcopy(state)}
    found = report(read(json.dumps({"steps": [step], "changeSummary": {"same": 1}})), "prod")
    assert found.visible
    assert "**Whether the cloud matches the state could not be determined.**" in markdown(found)


def test_a_zone_that_moved_is_reported_once() -> None:
    old, new = {"nameServers": ["a."]}, {"nameServers": ["b."]}
    zone = {"urn": urn(ZONE, "zone"), "type": ZONE}
    states = {"old": {"inputs": {}, "outputs": old}, "new": {"inputs": {}, "outputs": new}}
    events = [
        {"sequence": 1, "resourcePreEvent": {"metadata": zone | {"op": "refresh"} | {"old": states["old"]}}},
        {"sequence": 1, "resOutputsEvent": {"metadata": zone | {"op": "same"} | states}},
    ]
    found = report(read(streamed(*events, before={"dns": old}, after={"dns": new})), "prod")
    assert [each.name for each in found.resources] == ["ManagedZone zone"]


def test_what_the_cloud_has_on_neither_side_did_not_drift() -> None:
    """With a real change a plugin names the empty values of a block as well, in a refresh as `delete`."""
    condition: Json = {"age": None, "createdBefore": "", "matchesPrefixes": [], "numNewerVersions": 10}
    old, new = (
        {"publicAccessPrevention": prevention, "lifecycleRules": [{"condition": condition}]}
        for prevention in ("enforced", "inherited")
    )
    empty = {f"lifecycleRules[0].condition.{name}": {"diffKind": "delete"} for name in condition if name[0] != "n"}
    named = {**empty, "publicAccessPrevention": {"diffKind": "update"}}
    (change,) = report(read(refreshed("update", BUCKET, "site", old, new, detailedDiff=named)), "prod").resources
    (only,) = change.effects
    assert (only.property, only.before, only.after) == ("publicAccessPrevention", "enforced", "inherited")
    # Where it names nothing else, that is what there is to read.
    (change,) = report(read(refreshed("update", BUCKET, "site", old, old, detailedDiff=empty)), "prod").resources
    assert {each.after for each in change.effects} == {"(none)"}
