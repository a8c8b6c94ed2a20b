"""Reports on previews that the real engine made. `python -m tests.review_goldens` makes them anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inventory.reading import PublishedInventory
from plan import plan
from review.audience import Audience
from review.preview import read
from review.report import Report, report
from settings import Settings
from tests.review_goldens import FOLDER, SCENARIOS, page
from tests.stacks import ROOT
from tests.unit.commands import called_with_bytes

NAMES = sorted(file.stem for file in FOLDER.glob("*.json"))
STATUS = {
    "acl": 3,
    "announce": 3,
    "announce-object": 3,
    "drain": 3,
    "drift": 3,
    "drift-refused": 4,
    "first": 3,
    "hostile": 3,
    "ingress-moved": 3,
    "nothing": 0,
    "purpose": 0,
    "refused-by-policy": 4,
    "refused-by-settings": 4,
    "zone-replaced": 3,
}


def golden(name: str) -> str:
    return (FOLDER / f"{name}.json").read_text()


def reported(name: str) -> Report:
    return report(read(golden(name)), "sandbox")


def test_every_scenario_is_kept_and_every_file_is_a_scenarios() -> None:
    assert set(NAMES) == {*SCENARIOS, "first", "drift", "drift-refused", "acl"} == set(STATUS)


@pytest.mark.parametrize("name", NAMES)
def test_the_report_is_the_one_that_was_read_and_approved(name: str) -> None:
    assert page(golden(name)) == (FOLDER / f"{name}.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_the_command_writes_it_and_its_exit_status_says_who_must_approve(name: str) -> None:
    done = called_with_bytes("review", "--stack", "sandbox", "--preview", str(FOLDER / f"{name}.json"))
    assert done.returncode == STATUS[name], done.stderr.decode()
    assert done.stdout.decode() == (FOLDER / f"{name}.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_the_machine_that_made_them_and_no_secret_is_kept(name: str) -> None:
    for text in (golden(name), (FOLDER / f"{name}.md").read_text()):
        for place in (str(ROOT), str(Path.home()), "/tmp/"):
            assert place not in text
        assert "ciphertext" not in text.replace('"ciphertext": "[secret]"', "")


def test_an_announced_address_is_for_vendors_and_assigned_at_update() -> None:
    (change,) = reported("announce").addresses
    assert (change.seen_by, change.name) == (Audience.VENDORS, "warp-nat-ip-4")
    assert change.after is not None
    assert change.after.address == ""
    assert "active from 2026-04-01" in page(golden("announce"))


def test_both_forms_of_one_preview_show_the_same_addresses() -> None:
    assert reported("announce").addresses == reported("announce-object").addresses
    assert reported("announce").seen_by == reported("announce-object").seen_by


def test_what_one_form_leaves_out_is_said_and_not_taken_for_nothing() -> None:
    whole, part = reported("announce"), reported("announce-object")
    assert {figure.words: figure.after for figure in whole.figures}["network, as planned"] == 103.52
    assert whole.omitted == ()
    assert part.figures == ()
    assert "This preview ran without a policy pack" not in page(golden("announce-object"))
    assert "does not include them" in page(golden("announce-object"))


def test_the_settings_declare_what_the_program_publishes() -> None:
    outputs = read(golden("nothing")).after or {}
    published = PublishedInventory.model_validate_json(json.dumps(outputs["ipInventory"]))
    settings = Settings.parse(read(golden("nothing")).config)
    by_name = {each.name: each for each in plan(settings).addresses}
    for address in published.addresses:
        same = by_name.pop(address.name)
        for field in ("purpose", "kind", "direction", "protocols", "ports", "region", "status", "announced_on"):
            assert getattr(same, field) == getattr(address, field), f"{address.name}: {field}"
    assert by_name == {}


def test_a_drain_is_no_cut() -> None:
    text = page(golden("drain"))
    assert "drains: nothing new starts on it" in text
    assert "cut" not in text


def test_a_replacement_shouts_and_says_why() -> None:
    text = page(golden("zone-replaced"))
    assert "### REPLACED OR DELETED" in text
    assert "- `ManagedZone other-zone` **REPLACED** (visible to customers)\n" in text
    assert "\n  - because of `name` `ringer-tel` → `other-zone`\n" in text
    assert "`ringer.tel` `DS` at the parent zone, to be changed by its owner" in text


def test_a_policy_that_refuses_is_reported_with_its_remedy_and_the_rest_of_the_preview() -> None:
    text = page(golden("refused-by-policy"))
    assert "**A policy refuses this: it cannot be deployed.**" in text
    assert "**REFUSED** `database-tls-only`" in text
    assert "`-> set warp-edge:database.sslMode to ENCRYPTED_ONLY`" in text
    assert "| active egress addresses | 3 | 2 | -1 |" in text


def test_a_preview_that_broke_off_claims_nothing() -> None:
    found = reported("refused-by-settings")
    assert (found.failed, found.partial, found.addresses, found.figures) == (True, True, (), ())
    text = page(golden("refused-by-settings"))
    assert "No change visible" not in text
    assert "egress slot warp-nat-ip-2 is active and cannot be removed" in text


def test_drift_shows_what_is_gone_and_what_is_different() -> None:
    text = page(golden("drift"))
    assert text.startswith("## Drift of stack `sandbox`\n\n**The cloud does not match the state. Visible to")
    assert "`sip-tcp.ringer.tel.` `A` **DELETED**" in text
    assert "TTL 300 s → 600 s" in text
    assert "`warp-nat-ip-3`: calls on it end at once" in text


def test_a_refresh_that_the_cluster_refuses_has_to_be_checked() -> None:
    text = page(golden("drift-refused"))
    assert "**The refresh failed: check manually.**" in text
    assert 'is forbidden: User "warp-edge" cannot get resource "services"' in text


def test_trunks_are_counted_customer_by_customer() -> None:
    found = reported("acl").acl
    assert found is not None
    assert (found.total_before, found.total_after) == (3, 3)
    acme, globex, hooli = found.customers
    assert (acme.ban, acme.before.ranges, acme.after.ranges, acme.after.off) == ("10001", 2, 1, 1)
    assert globex.removed == ("globex IP_ACL 10 calls/s 100 calls", "globex: 192.0.2.16/28")
    assert hooli.added[1:] == ("hooli: 192.0.2.128/28", "hooli: 192.0.2.144/28")
    assert "**Visible to customers.**" in page(golden("acl"))
