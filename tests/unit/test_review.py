"""Visibility of changes, judged from handwritten previews of undesirable updates, in the streaming form."""

from __future__ import annotations

from typing import Any

import pytest

from review.audience import Audience
from review.markdown import markdown
from review.preview import read
from review.report import Report, report
from tests.stacks import as_engine_gives_it, changed, stack_config
from tests.unit.published import LIVE
from tests.unit.review_events import (
    ACL,
    ADDRESS,
    GANDI_RECORD,
    INSTANCE,
    NAT,
    RECORD,
    SECRET,
    SERVICE,
    UNKNOWN,
    preview_of,
    said,
    step,
    streamed,
    urn,
    violation,
)

Json = dict[str, Any]
LINKS = "https://www.googleapis.com/compute/v1/projects/warp-prod/regions/us-central1/addresses/"
CONFIG = as_engine_gives_it(stack_config("prod"))


def reported(*events: Json, **more: Any) -> Report:
    return report(preview_of(*events, **more), "prod")


def text_of(found: Report) -> str:
    return markdown(found)


def with_status(name: str, status: str, **more: Any) -> Json:
    """The live inventory with one address in another state."""
    addresses = [each | ({"status": status} | more if each["name"] == name else {}) for each in LIVE["addresses"]]
    return LIVE | {"addresses": addresses}


def without(name: str) -> Json:
    return LIVE | {"addresses": [each for each in LIVE["addresses"] if each["name"] != name]}


def gateway(active: list[int], draining: list[int] | None = None) -> Json:
    links = {"natIps": [f"{LINKS}warp-nat-ip-{each}" for each in active]}
    return links | {"drainNatIps": [f"{LINKS}warp-nat-ip-{each}" for each in draining or []]}


def inventory(before: Json | None, after: Json | str | None) -> dict[str, Json]:
    return {"before": {"ipInventory": before} if before else {}, "after": {"ipInventory": after}}


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("announced", "active", "is used from now on"),
        ("active", "draining", "drains: nothing new starts on it"),
        ("draining", "active", "is used again"),
        ("draining", "retired", "vanishes: released after its drain"),
        ("active", "retired", "VANISHES: released while in use"),
        ("active", "announced", "IS TAKEN OUT OF USE"),
        ("announced", "retired", "VANISHES: released, never used"),
        ("retired", "active", "comes back: in use at once, and NOBODY WAS TOLD BEFORE"),
    ],
)
def test_every_change_of_an_egress_addresses_state_is_for_vendors(before: str, after: str, words: str) -> None:
    name = "warp-nat-ip-2"
    found = reported(**inventory(with_status(name, before), with_status(name, after)))
    (change,) = found.addresses
    assert (change.seen_by, change.name) == (Audience.VENDORS, name)
    assert change.what.startswith(words)
    assert found.visible


@pytest.mark.parametrize(("name", "audience"), [("warp-nat-ip-1", "vendors"), ("kamailio-sip-udp-ip", "customers")])
def test_an_address_that_just_goes_shouts_to_those_who_use_it(name: str, audience: str) -> None:
    found = reported(**inventory(LIVE, without(name)))
    assert "VANISHES while in use, and is not listed as retired" in text_of(found)
    assert f"**Visible to {audience}.**" in text_of(found)


def test_another_address_under_the_same_name_shouts() -> None:
    found = reported(**inventory(LIVE, with_status("warp-nat-ip-3", "active", address="192.0.2.99")))
    assert "`136.111.96.47` → `192.0.2.99`" in text_of(found)
    assert "CHANGES: the name stays, the address is another one" in text_of(found)


def test_a_new_date_is_for_those_who_read_it() -> None:
    was = with_status("warp-nat-ip-3", "announced", announcedOn="2026-01-01", activeOn="2026-03-01")
    later = with_status("warp-nat-ip-3", "announced", announcedOn="2026-01-01", activeOn="2026-04-01")
    found = reported(**inventory(was, later))
    assert found.seen_by == {Audience.VENDORS}
    assert "active from: `2026-03-01` → `2026-04-01`" in text_of(found)


def test_changes_of_retired_addresses_are_not_visible() -> None:
    found = reported(**inventory(LIVE, without("warp-nat-outbound-ip")))
    assert not found.visible
    assert "is no longer listed among the retired ones" in text_of(found)
    assert "**No change visible outside.**" in text_of(found)


def test_while_one_address_is_unknown_the_settings_say_what_happens_to_the_others() -> None:
    slots = ("warp-edge:egress", "slots", "warp-nat-ip-4")
    config = as_engine_gives_it(changed(stack_config("prod"), slots, {"state": "announced"}))
    new = step("create", ADDRESS, "egress-slot-warp-nat-ip-4", None, {"name": "warp-nat-ip-4"})
    before = report_inventory()
    found = reported(new, before={"ipInventory": before}, after={"ipInventory": UNKNOWN}, config=config)
    assert [(each.name, each.what) for each in found.addresses] == [
        ("warp-nat-ip-4", "appears: announced, not used yet")
    ]


def report_inventory() -> Json:
    """The live inventory with the purposes that production's settings have."""
    purposes = {"kamailio-sip-udp-ip": "Customer ingress (UDP)", "kamailio-sip-tcp-ip": "Customer ingress (TCP)"}
    purposes["sip-ringer-tel-old"] = "Customer ingress (sip.ringer.tel)"
    return LIVE | {
        "addresses": [each | {"purpose": purposes.get(each["name"], each["purpose"])} for each in LIVE["addresses"]]
    }


def test_an_address_that_is_replaced_changes_although_the_settings_do_not() -> None:
    reserved = {"name": "warp-nat-ip-1", "address": "34.57.46.26"}
    replaced = step(
        "replace", ADDRESS, "egress-slot-warp-nat-ip-1", reserved, {"name": "warp-nat-ip-1"}, keys=["subnetwork"]
    )
    outputs = {"before": {"ipInventory": report_inventory()}, "after": {"ipInventory": UNKNOWN}}
    found = reported(replaced, **outputs, config=CONFIG)
    (change,) = (each for each in found.addresses if each.seen_by is Audience.VENDORS)
    assert (change.name, change.what) == ("warp-nat-ip-1", "CHANGES: the name stays, the address is another one")
    assert "`34.57.46.26` → assigned at update" in text_of(found)
    assert "**REPLACED**" in text_of(found)


def test_without_addresses_a_change_may_be_visible_to_any() -> None:
    found = reported(before={"ipInventory": LIVE}, after={"ipInventory": UNKNOWN})
    assert found.visible
    assert "Could not be determined" in text_of(found)
    assert "No change visible" not in text_of(found)


def test_an_address_that_leaves_the_gateway_without_a_drain_cuts_calls() -> None:
    found = reported(step("update", NAT, "egress-nat", gateway([1, 2, 3]), gateway([1, 2])))
    assert "`warp-nat-ip-3`: would cut calls: calls on it end at once" in text_of(found)
    assert found.seen_by == {Audience.VENDORS}


def test_the_order_of_the_gateways_addresses_means_nothing() -> None:
    found = reported(step("update", NAT, "egress-nat", gateway([1, 2, 3]), gateway([3, 1, 2])))
    assert "would" not in text_of(found).replace("would move traffic: new calls", "")


@pytest.mark.parametrize("op", ["delete", "replace"])
def test_the_database_matters_outside_when_it_goes(op: str) -> None:
    assert not reported(
        step("update", INSTANCE, "db", {"settings": {"tier": "a"}}, {"settings": {"tier": "b"}})
    ).visible
    found = reported(step(op, INSTANCE, "db", {"name": "warp-db"}, {"name": "warp-db"} if op == "replace" else None))
    assert found.seen_by == {Audience.CUSTOMERS}
    assert "without the trunk ACL no customer can call" in text_of(found)


def test_changes_inside_the_cluster_are_not_visible() -> None:
    inside = step(
        "update", SERVICE, "internal", {"spec": {"type": "ClusterIP", "a": 1}}, {"spec": {"type": "ClusterIP", "a": 2}}
    )
    balancer = step(
        "update", SERVICE, "udp", {"spec": {"type": "LoadBalancer", "a": 1}}, {"spec": {"type": "ClusterIP"}}
    )
    assert not reported(inside).visible
    assert reported(balancer).seen_by == {Audience.CUSTOMERS}


def test_a_type_that_is_not_described_may_be_visible_to_any() -> None:
    found = reported(step("create", "gcp:compute/firewall:Firewall", "allow", None, {"name": "allow"}))
    assert found.visible
    assert "**This may be visible outside.**" in text_of(found)


def test_a_longer_ttl_is_reported_as_not_visible() -> None:
    was, will_be = (
        {"name": "sip.ringer.tel.", "type": "A", "rrdatas": ["192.0.2.1"], "ttl": ttl} for ttl in (300, 600)
    )
    found = reported(step("update", RECORD, "dns-sip-a", was, will_be))
    assert not found.visible
    assert "- `sip.ringer.tel.` `A` changed: TTL 300 s → 600 s" in text_of(found)


def test_a_zone_with_two_hosts_is_reported_host_by_host() -> None:
    was, will_be = (
        {"name": "sip.ringer.tel.", "type": "A", "rrdatas": [address], "ttl": 300}
        for address in ("192.0.2.1", "192.0.2.2")
    )
    found = reported(
        step("update", GANDI_RECORD, "dns-gandi-sip-a", was, will_be, detailedDiff=None),
        step("update", RECORD, "dns-sip-a", was, will_be),
    )
    assert found.seen_by == {Audience.CUSTOMERS}
    changes = [line for line in text_of(found).split("\n") if "192.0.2.1` → `192.0.2.2" in line]
    assert "- `sip.ringer.tel.` `A` changed: `192.0.2.1` → `192.0.2.2`" in changes
    assert "- `sip.ringer.tel.` `A` at Gandi changed: `192.0.2.1` → `192.0.2.2`" in changes
    assert "customers get other addresses after the TTL" in text_of(found), (
        "what it means is said of the host outside Google"
    )


def test_a_name_at_gandi_that_only_gets_another_ttl_is_not_visible() -> None:
    was, will_be = (
        {"name": "sip.ringer.tel.", "type": "A", "rrdatas": ["192.0.2.1"], "ttl": ttl} for ttl in (300, 600)
    )
    found = reported(step("update", GANDI_RECORD, "dns-gandi-sip-a", was, will_be, detailedDiff=None))
    assert not found.visible
    assert "- `sip.ringer.tel.` `A` at Gandi changed: TTL 300 s → 600 s" in text_of(found)


def test_the_settings_are_read_also_where_the_engine_hides_one() -> None:
    """A secret setting arrives as `[secret]`; that is no token in clear."""
    new = step("create", ADDRESS, "egress-slot-warp-nat-ip-9", None, {"name": "warp-nat-ip-9"})
    slots = ("warp-edge:egress", "slots", "warp-nat-ip-9")
    config = as_engine_gives_it(changed(stack_config("prod"), slots, {"state": "announced"}))
    hidden = config | {"warp-edge:gandiToken": "[secret]"}
    outputs = {"before": {"ipInventory": LIVE}, "after": {"ipInventory": UNKNOWN}}
    assert reported(new, **outputs, config=hidden).addresses == reported(new, **outputs, config=config).addresses
    assert reported(new, **outputs, config=hidden).addresses


def test_what_a_part_of_its_own_does_not_show_is_reported_among_the_others() -> None:
    record = {"name": "sip.ringer.tel.", "type": "A", "rrdatas": ["192.0.2.1"], "ttl": 300}
    found = reported(step("update", RECORD, "dns-sip-a", record, record | {"managedZone": "other", "ttl": 600}))
    assert "- `RecordSet sip.ringer.tel. A` changed\n  - `managedZone`" in text_of(found)
    assert found.visible


def test_a_published_text_that_changes_is_reported_although_no_address_changes() -> None:
    was, will_be = ({"text": f"SIP server\nCodecs: {codec}"} for codec in ("G.711", "Opus"))
    found = reported(
        before={"ipInventory": LIVE, "customerEndpoints": was},
        after={"ipInventory": LIVE, "customerEndpoints": will_be},
    )
    assert found.seen_by == {Audience.CUSTOMERS}
    assert "- added: `Codecs: Opus`" in text_of(found)


def test_trunks_that_only_move_to_other_lines_of_a_file_are_not_visible() -> None:
    same = {"trunks": {"10001": "acme IP_ACL 1 calls/s 1 calls"}}
    found = reported(
        step("update", ACL, "acl-rows", same | {"places": {"10001": "a:1"}}, same | {"places": {"10001": "a:9"}})
    )
    assert not found.visible


def test_trunks_that_are_not_known_yet_are_customers() -> None:
    found = reported(step("update", ACL, "acl-rows", {"trunks": {}}, {"trunks": UNKNOWN}))
    assert found.seen_by == {Audience.CUSTOMERS}
    assert "not known before the update" in text_of(found)


def test_what_the_engine_marks_as_secret_is_never_there() -> None:
    was, will_be = ({"settings": {"password": SECRET, "n": n}, "rootPassword": SECRET} for n in (1, 2))
    found = read(streamed(step("update", INSTANCE, "db", was, will_be), before={"database": {"password": SECRET}}))
    assert "hunter2" not in repr(found)
    assert "hunter2" not in markdown(report(found, "prod"))


@pytest.mark.parametrize(
    "value",
    [
        {"adminToken": "hunter2"},
        {"note": "postgres://warp:hunter2@10.0.0.1/warp"},
        {"note": "-----BEGIN PRIVATE KEY-----\nhunter2"},
    ],
)
def test_what_looks_like_a_secret_is_not_shown_even_if_it_is_not_marked(value: Json) -> None:
    found = reported(step("update", "gcp:x/y:Z", "z", dict.fromkeys(value, ""), value))
    assert "[secret]" in text_of(found)
    assert "hunter2" not in text_of(found)


def test_a_message_that_holds_a_secret_is_not_shown() -> None:
    found = reported(
        said("error", "cannot connect to postgres://warp:hunter2@10.0.0.1/warp\n  -> look"), result="failed"
    )
    assert "hunter2" not in text_of(found)
    assert "`-> look`" in text_of(found)


def test_violations_are_reported_worst_first_with_every_line() -> None:
    found = reported(
        violation("a-note", "Says\nwhat\n-> remedy", "advisory"),
        violation("a-rule", "Says so\nwhat\n-> remedy", about=urn(INSTANCE, "db")),
        result="failed",
    )
    text = text_of(found)
    assert text.index("**REFUSED** `a-rule`: `Says so`\n  - `what`\n  - `-> remedy`") < text.index("advisory `a-note`")


def test_a_replacement_in_three_steps_is_one() -> None:
    old, new = {"name": "warp-db"}, {"name": "warp-db-2"}
    steps = [step(op, INSTANCE, "db", old, new) for op in ("create-replacement", "replace")]
    found = preview_of(*steps, step("delete-replaced", INSTANCE, "db", old, None))
    (only,) = found.changes
    assert (only.op, only.state("newState", "inputs")["name"]) == ("replace", "warp-db-2")


def test_the_outputs_of_a_file_count_more_than_those_of_the_preview() -> None:
    preview = preview_of(**inventory(None, LIVE))
    assert report(preview, "prod", {"ipInventory": LIVE}).addresses == ()


def test_what_is_adopted_and_not_published_yet_does_not_appear_anew() -> None:
    reserved = [
        step("same", ADDRESS, each["name"], {"name": each["name"], "address": each["address"]}, {"name": each["name"]})
        for each in LIVE["addresses"]
        if each["status"] == "active"
    ]
    nat = step("same", NAT, "egress-nat", gateway([1, 2, 3]), gateway([1, 2, 3]))
    found = reported(*reserved, nat, before={}, after={"ipInventory": report_inventory()}, config=CONFIG)
    assert {each.seen_by for each in found.addresses} <= {Audience.NOBODY}


def test_the_same_preview_gives_the_same_report_whatever_order_the_engine_shows_it_in() -> None:
    events = [
        step("create", RECORD, "b", None, {"name": "b.", "type": "A", "rrdatas": ["192.0.2.1"], "ttl": 300}),
        step("create", RECORD, "a", None, {"name": "a.", "type": "A", "rrdatas": ["192.0.2.1"], "ttl": 300}),
        said("warning", "one"),
        said("warning", "another"),
        violation("x", "Says", "advisory"),
        violation("a", "Says", "advisory"),
    ]
    assert text_of(reported(*events)) == text_of(reported(*reversed(events)))


def test_a_preview_of_thousands_of_changes_fits_into_a_comment() -> None:
    many = [
        step("create", RECORD, f"r{n}", None, {"name": f"{n:0>60}.", "type": "A", "rrdatas": ["x" * 200] * 60})
        for n in range(2000)
    ]
    page = text_of(reported(*many))
    assert len(page.encode("utf-16-le")) // 2 < 65_536
    assert page.endswith("Run the preview for the complete report.**\n")


OBJECT = "gcp:storage/bucketObject:BucketObject"


def test_files_of_the_site_are_reported_as_one_and_a_lost_one_by_itself() -> None:
    files = [
        step(
            "update",
            OBJECT,
            f"inventory-site-{n}",
            {"name": f"{n}.txt", "content": "a"},
            {"name": f"{n}.txt", "content": UNKNOWN},
        )
        for n in range(28)
    ]
    lost = step("delete", OBJECT, "inventory-site-feed.xml", {"name": "feed.xml"})
    quiet, loud = reported(*files, before={}, after={}), reported(*files, lost, before={}, after={})
    (change,) = quiet.resources
    assert (change.seen_by, change.name) == (Audience.NOBODY, "BucketObject: 28 files of the inventory's site")
    assert "`BucketObject: 28 files of the inventory's site` changed" in text_of(quiet)
    deleted = loud.resources[0]
    assert (deleted.seen_by, deleted.name) == (Audience.BOTH, "BucketObject feed.xml")


def test_a_grant_on_the_bucket_lets_vendors_and_customers_read() -> None:
    member = "gcp:storage/bucketIAMMember:BucketIAMMember"
    found = reported(step("delete", member, "inventory-site-everybody", {"role": "r"}), before={}, after={})
    assert [each.seen_by for each in found.resources] == [Audience.BOTH]
    assert "**Visible to vendors and customers.** It needs an extra approval." in text_of(found)
    assert "would change who can connect: vendors and customers cannot read the site" in text_of(found)


def test_a_policy_is_reported_by_what_it_chooses_from() -> None:
    plain = {"name": "sip-tcp.ringer.tel.", "type": "A", "rrdatas": ["192.0.2.1"], "ttl": 300}
    backup = {"location": "us-east1", "healthCheckedTargets": {"externalEndpoints": ["192.0.2.2"]}}
    failover = {"primary": {"externalEndpoints": ["192.0.2.1"]}, "backupGeos": [backup]}
    before = {key: value for key, value in plain.items() if key != "rrdatas"} | {
        "routingPolicy": {"healthCheck": "probe", "primaryBackup": failover}
    }
    found = text_of(reported(step("update", RECORD, "dns-sip-tcp-a", plain, before)))
    assert "changed: `192.0.2.1` → `failover: 192.0.2.1`, `us-east1: 192.0.2.2`" in found
    assert "Visible to customers" in found
    drained = before | {"routingPolicy": {"healthCheck": "probe", "geos": [backup]}}
    found = text_of(reported(step("update", RECORD, "dns-sip-tcp-a", before, drained)))
    assert "→ `us-east1: 192.0.2.2`" in found
    assert "Other changes" not in found, "once is enough"
