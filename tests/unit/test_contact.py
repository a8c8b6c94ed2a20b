"""Whom vendors and customers ask: from the settings to everything that people are sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from inventory.reading import UnreadableError, read
from settings import Settings, SettingsError
from tests.stacks import as_engine_gives_it, stack_config
from tests.unit.published import LIVE, signed
from tests.unit.recording import declare
from tests.unit.test_global_stack import declare_global, with_regions
from tests.unit.test_site import site

KEY = "warp-edge:contact"
CONTACT = {"email": "noc@example.com", "phone": "+1 555 010 0100", "url": "https://noc.example.com/"}


def test_it_is_published_with_the_inventory_and_on_the_texts() -> None:
    outputs = declare(stack_config("prod") | {KEY: CONTACT}).outputs
    assert outputs["ipInventory"]["contact"] == CONTACT
    (found,) = read(json.dumps(outputs["ipInventory"]))
    assert not found.edited
    assert str(found.contact) == "noc@example.com, +1 555 010 0100, https://noc.example.com/"
    for name in ("vendorWhitelist", "customerEndpoints"):
        assert outputs[name]["text"].endswith(f"Contact: {found.contact}")


def test_the_shared_names_have_their_own() -> None:
    outputs = declare_global(with_regions() | {KEY: {"phone": CONTACT["phone"]}}).outputs
    assert outputs["ipInventory"]["contact"] == {"phone": CONTACT["phone"]}


def test_without_one_nothing_is_published() -> None:
    for config in (stack_config("prod"), stack_config("prod") | {KEY: {}}):
        outputs = declare(config).outputs
        assert "contact" not in outputs["ipInventory"]
        assert "Contact" not in outputs["vendorWhitelist"]["text"]


def test_the_page_links_it() -> None:
    page = site(signed(LIVE | {"contact": CONTACT}))["index.html"].decode()
    assert '<a href="mailto:noc@example.com">noc@example.com</a>, +1 555 010 0100, <a href="https://noc' in page
    only = site(signed(LIVE | {"contact": {"phone": CONTACT["phone"]}}))["index.html"].decode()
    assert "<p>Questions and faults: +1 555 010 0100.</p>" in only


WRONG = [
    ({"email": "NOC <noc@example.com>"}, "write an address alone"),
    ({"email": "noc"}, "write an address alone"),
    ({"phone": "555 0100"}, "write it as"),
    ({"url": "javascript:alert(1)"}, "write it as https://"),
    ({"url": "http://noc.example.com/"}, "write it as https://"),
    ({"fax": "+1 555 010 0100"}, "no such setting"),
]


@pytest.mark.parametrize(("contact", "reported"), WRONG)
def test_a_wrong_one_is_refused(contact: dict[str, Any], reported: str) -> None:
    with pytest.raises(SettingsError, match=reported):
        Settings.parse(as_engine_gives_it(stack_config("prod") | {KEY: contact}))


@pytest.mark.parametrize("contact", [wrong for wrong, _ in WRONG if "fax" not in wrong])
def test_an_inventory_whose_contact_is_none_is_refused(contact: dict[str, Any]) -> None:
    """Pages link to it."""
    with pytest.raises(UnreadableError):
        read(json.dumps(signed(LIVE | {"contact": contact})))
