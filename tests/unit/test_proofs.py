"""Every format and audience has its three proofs (docs/formats.md): a new one without fails here.

Twice and to the letter: the test of the format, which is for each of its audiences. Complete: here, for all of them.
"""

from __future__ import annotations

import inspect
import ipaddress
from collections.abc import Callable

import pytest

from inventory.formats import FORMATS, Audience, NothingToListError
from inventory.formats.documents import DOCUMENTS
from tests.unit import test_cloud_formats as clouds
from tests.unit import test_devices as devices
from tests.unit import test_freeswitch
from tests.unit.device_models import router
from tests.unit.format_readers import READERS, read_iptables, reader_of
from tests.unit.published import Json
from tests.unit.test_devices import NAMES, accepted, promised
from tests.unit.test_formats import render

# For people, and for programs that choose from it: nothing is loaded, so nothing can be left over.
READ = {each.name for each in DOCUMENTS} | {"json", "csv"}
LOADED = [(name, to) for name, form in FORMATS.items() if name not in READ for to in form.audiences]

Proof = Callable[..., None]
PROOFS: dict[str, Proof] = {
    "addresses": devices.test_a_plain_list_is_one_that_firewalls_fetch,
    "cidrs": devices.test_a_plain_list_is_one_that_firewalls_fetch,
    "nftables": devices.test_nftables_opens_the_devices_own_table_to_packets,
    "iptables": devices.test_iptables_opens_the_devices_own_chain_to_packets,
    "cisco-acl": devices.test_ios_replaces_its_groups_without_a_gap,
    "cisco-asa": devices.test_asa_replaces_its_groups_without_a_gap,
    "cube": devices.test_cube_trusts_what_is_ours_and_no_more_what_was,
    "mikrotik": devices.test_routeros_replaces_its_lists_without_a_gap,
    "juniper": devices.test_junos_replaces_its_prefix_lists,
    "kamailio": devices.test_kamailio_accepts_what_the_inventory_has_after_each_update,
    "kamailio-sql": devices.test_a_table_of_peers_keeps_all_that_is_not_ours,
    "opensips-sql": devices.test_a_table_of_peers_keeps_all_that_is_not_ours,
    "asterisk": devices.test_asterisk_gets_both_families_in_a_file_of_its_own,
    "freeswitch": test_freeswitch.test_freeswitch_finds_the_lists_among_its_own,
    "aws-prefix-list": clouds.test_a_prefix_list_that_was_created_is_brought_up_to_date,
    "aws-prefix-list-update": clouds.test_a_prefix_list_that_was_created_is_brought_up_to_date,
    "gcp-firewall": clouds.test_compute_engine_has_what_the_inventory_has_after_each_update,
    "gcp-address-group": clouds.test_an_address_group_is_replaced_as_a_whole,
    "azure-nsg": clouds.test_a_security_group_of_azure_has_what_the_inventory_has_after_each_deployment,
    "terraform": clouds.test_a_second_apply_replaces_no_rule_of_an_address_that_stays,
}


# Readers of the files for IPv6, where they are others.
SIXES = {
    "iptables": lambda text: read_iptables(text, "ip6tables-restore"),
    "cisco-acl": reader_of(lambda: router("ipv6 access-list")),
}


@pytest.mark.parametrize(("name", "to"), LOADED)
def test_a_format_is_loaded_twice_by_a_test_for_this_audience(name: str, to: Audience) -> None:
    proof = PROOFS[name]
    source = inspect.getsource(proof)
    cases = [repr(mark.args) for mark in getattr(proof, "pytestmark", []) if mark.name == "parametrize"]
    assert f'"{name}"' in source or any(f"'{name}'" in case for case in cases)
    assert any(repr(to) in case for case in cases) or "for to in ANYBODY" in source


def test_the_proofs_are_of_formats_that_there_are() -> None:
    assert set(PROOFS) == set(FORMATS) - READ


@pytest.mark.parametrize(("name", "to"), [each for each in LOADED if each[0] in READERS])
@pytest.mark.parametrize("document", NAMES.values(), ids=NAMES)
def test_a_format_and_its_sibling_have_every_address_of_the_audience(name: str, to: Audience, document: Json) -> None:
    form, found = FORMATS[name], set[str]()
    for family in (4, 6) if form.one_family and not form.ipv4_only else (None,):
        try:
            text = render(name, document, to=to, ip=family)
        except NothingToListError:
            assert not promised(document, to, family)
            continue
        reader = SIXES.get(name, READERS[name]) if family == 6 else READERS[name]
        found |= {str(ipaddress.ip_network(each).network_address) for each in reader(text)}
    if form.ipv4_only:
        found |= {ip for ip in accepted(to, document) if ":" in ip}
    assert found - {str(ipaddress.ip_address(each)) for each in ("127.0.0.1", "::1")} == accepted(to, document)
