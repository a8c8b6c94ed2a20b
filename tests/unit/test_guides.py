"""The guides: what they show is what devices load, read by the readers of the formats and of each telephone system."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest
from hier_config import Platform, get_hconfig

from inventory import sheet_texts
from inventory.address import Status
from inventory.formats import FORMATS, visible_to
from inventory.formats.telephone_systems import CODEC_NAMES
from inventory.reading import read
from tests.stacks import ROOT
from tests.unit.format_readers import READERS, ranges
from tests.unit.published import (
    EUROPE,
    EUROPES_EGRESS,
    HOSTILE,
    LIVE,
    NAT,
    RETIRED,
    TCP,
    UDP,
    Json,
    address,
    endpoint,
    hostile,
    signed,
)
from tests.unit.test_formats import render
from tests.unit.test_sheets import cells, html_page, structure
from tests.unit.test_site import site

CONTACT = {"email": "noc@example.com", "phone": "+1 555 010 0100", "url": "https://noc.example.com/"}
GUIDES = ("vendor-guide", "customer-guide")
FILES = {form.file: name for name, form in FORMATS.items()}


def words(element: Any) -> str:
    return " ".join("".join(element.itertext()).split())


def sections(page: Any) -> dict[str, Any]:
    """Heading to section; of several with one heading, the heading of the block above is put in front."""
    found, above = {}, ""
    for each in page.iter("section"):
        heading = each[0]
        above = words(heading) if heading.tag == "h2" else above
        found[words(heading) if heading.tag == "h2" else f"{above}/{words(heading)}"] = each
    return found


def guide(name: str, *documents: Json) -> dict[str, Any]:
    return sections(html_page(render(name, *(documents or (LIVE,)))))


def listing(section: Any) -> str:
    return "".join(section.find("pre").itertext())


def rows(section: Any) -> dict[str, str]:
    return {row[0]: row[-1] for row in cells(section)}


# --- Lists. ---


@pytest.mark.parametrize(("name", "count"), [("vendor-guide", 5), ("customer-guide", 3)])
def test_a_list_in_a_guide_is_the_file_that_it_links_and_lets_in_the_inventory(name: str, count: int) -> None:
    files = site(LIVE, EUROPE)
    found = []
    for section in guide(name, EUROPE, LIVE).values():
        if section.find("pre") is not None and section.find("ul") is not None:
            path = section.find("ul/li/a").get("href")
            shown = listing(section)
            assert shown == files[f"formats/{path}"].decode()
            found.append(FILES[path])
            if path != "kamailio-address.list":
                six = [] if FORMATS[FILES[path]].one_family else ["2001:db8::5"]
                assert sorted(READERS[FILES[path]](shown)) == sorted(ranges(*NAT, *EUROPES_EGRESS, *six))
    assert len(set(found)) == count


@pytest.mark.parametrize("name", GUIDES)
def test_links_of_a_guide_lead_to_files_of_the_site(name: str) -> None:
    files = site(LIVE, EUROPE)
    links = re.findall(r'<a href="([^"]+)"', files[f"formats/{name}.html"].decode())
    assert len(links) > 6
    for link in links:
        path = link.removeprefix("../") if link.startswith("../") else f"formats/{link}"
        assert not files[path].startswith(b"not available"), link


@pytest.mark.parametrize("name", [*GUIDES, "vendor-sheet-html", "customer-sheet-html"])
def test_on_paper_it_says_where_the_site_is(name: str) -> None:
    files = site(LIVE, EUROPE, base_url="https://ips.example.com/a")
    page = html_page(files[f"formats/{FORMATS[name].file.removeprefix('formats/')}"].decode())
    assert "All addresses, and every change of them: https://ips.example.com/a/index.html" in words(page)
    for link in page.iter("a"):
        assert words(link) == link.get("href"), "what is printed"
        assert link.get("href").removeprefix("https://ips.example.com/a/") in files
    assert len(list(page.iter("a"))) == 0 or name in GUIDES
    assert "This page: https://ips.example.com/a/" in words(html_page(files["index.html"].decode()))


# --- Worked set-ups. ---


def asterisk_sections(text: str) -> list[tuple[str, dict[str, str]]]:
    """As Asterisk reads its files: sections may repeat, `;` begins a comment unless it is escaped."""
    found: list[tuple[str, dict[str, str]]] = []
    for line in text.splitlines():
        told = re.split(r"(?<!\\);", line)[0].strip()
        if re.fullmatch(r"\[[a-z-]+\]", told):
            found.append((told[1:-1], {}))
        elif told:
            key, separator, value = told.partition("=")
            assert separator
            found[-1][1][key] = value.replace(r"\;", ";")
    return found


def test_asterisk_sends_to_the_first_server_and_knows_our_calls() -> None:
    found = guide("customer-guide")
    trunk = asterisk_sections(listing(found["Asterisk/The trunk"]))
    (aor, one), (name, two), *second = trunk
    assert (aor, one["type"], name, two["type"], two["aors"]) == ("warp", "aor", "warp", "endpoint", "warp")
    assert one["contact"] == "sip:sip.ringer.tel:5060"
    assert two["allow"] == "ulaw,alaw,g729"
    assert one["qualify_2xx_only"] == "yes", "or our 403 makes the trunk available"
    assert [(name, each["type"]) for name, each in second] == [("warp-second", "aor"), ("warp-second", "endpoint")]
    assert second[0][1]["contact"] == r"sip:sip-tcp.ringer.tel:5060;transport=tcp"
    assert second[1][1]["aors"] == "warp-second"
    ((_, ours),) = asterisk_sections(listing(found["Asterisk/Our calls to you"]))
    assert ours["endpoint"] == name, "our calls are those of this endpoint"


def test_asterisk_is_told_of_a_transport_that_is_not_udp() -> None:
    tcp = signed(LIVE | {"endpoints": [endpoint("primary", "sip.ringer.tel", "34.55.182.145", 5060, "TCP")]})
    (_, aor), _ = asterisk_sections(listing(guide("customer-guide", tcp)["Asterisk/The trunk"]))
    assert aor["contact"] == "sip:sip.ringer.tel:5060;transport=tcp"


def test_freeswitch_has_a_gateway_that_does_not_register() -> None:
    include = ElementTree.fromstring(listing(guide("customer-guide")["FreeSWITCH/The gateway"]))
    gateway, second = include
    backup = {each.get("name"): each.get("value") for each in second.iter("param")}
    assert (backup["proxy"], backup["register-transport"]) == ("sip-tcp.ringer.tel:5060", "tcp")
    assert (gateway.get("name"), second.get("name")) == ("warp", "warp-second")
    parameters = {each.get("name"): each.get("value") for each in gateway.iter("param")}
    assert parameters["proxy"] == "sip.ringer.tel:5060"
    assert parameters["register"] == "false"
    assert {"username", "password"} <= set(parameters), "older versions refuse a gateway without"
    variables = {each.get("name"): each.get("value") for each in gateway.iter("variable")}
    assert variables == {"absolute_codec_string": "PCMU,PCMA,G729", "dtmf_type": "rfc2833"}


def cube(*documents: Json) -> dict[str, list[str]]:
    text = listing(guide("customer-guide", *documents)["Cisco CUBE/The dial peers"])
    tree = get_hconfig(Platform.CISCO_IOS, "\n".join(line for line in text.splitlines() if line[:1] != "!"))
    return {each.text: [child.text for child in each.children] for each in tree.children}


def test_cube_has_dial_peers_with_its_codecs() -> None:
    parsed = cube()
    assert list(parsed) == [
        "voice service voip",
        "voice class codec 100",
        *(f"dial-peer voice {number} voip" for number in (100, 101, 102)),
    ]
    assert parsed["voice service voip"] == ["allow-connections sip to sip"]
    assert {"preference 1", "session target dns:sip-tcp.ringer.tel:5060", "session transport tcp"} <= set(
        parsed["dial-peer voice 101 voip"]
    )
    assert {"incoming called-number .", "voice-class codec 100", "dtmf-relay rtp-nte"} <= set(
        parsed["dial-peer voice 102 voip"]
    )
    assert parsed["voice class codec 100"] == [
        "codec preference 1 g711ulaw",
        "codec preference 2 g711alaw",
        "codec preference 3 g729r8",
    ]
    peer = parsed["dial-peer voice 100 voip"]
    assert {"session target dns:sip.ringer.tel:5060", "session transport udp", "voice-class codec 100"} <= set(peer)


def test_a_form_has_the_values_of_the_inventory() -> None:
    found = rows(guide("customer-guide")["FreePBX, 3CX and other systems with forms"])
    assert found["SIP server, host or registrar"] == "sip.ringer.tel"
    assert (found["Port"], found["Transport"]) == ("5060", "UDP")
    assert found["Second server"] == "sip-tcp.ringer.tel, port 5060, TCP"
    assert found["Our addresses: Match (Permit), source identification"] == ", ".join(NAT)
    assert found["Codecs, in this order"] == ", ".join(sheet_texts.CODECS)


@pytest.mark.parametrize(
    ("server", "ip", "target"),
    [
        ("34.1.3.1", "34.1.3.1", "ipv4:34.1.3.1:5060"),
        ("2001:db8::7", "2001:db8::7", "ipv6:[2001:db8::7]:5060"),
        ("sip.ringer.tel", UDP, "dns:sip.ringer.tel:5060"),
    ],
)
def test_cube_has_an_address_as_an_address(server: str, ip: str, target: str) -> None:
    parsed = cube(signed(LIVE | {"endpoints": [endpoint("primary", server, ip, 5060, "UDP")]}))
    assert f"session target {target}" in parsed["dial-peer voice 100 voip"]


def test_cube_calls_tls_as_ios_does_and_never_tries_websocket() -> None:
    ways = [endpoint(way.lower(), "sip.ringer.tel", TCP, port, way) for way, port in (("WSS", 8443), ("TLS", 5061))]
    parsed = cube(signed(LIVE | {"endpoints": ways}))
    assert "session transport tcp tls" in parsed["dial-peer voice 100 voip"]
    assert not [each for each in parsed if "101" in each]


@pytest.mark.parametrize(
    "further",
    [
        [endpoint("primary", "sip.ringer.tel", "2001:db8::1", 5060, "UDP")],
        [
            endpoint("tls", "sip-tcp.ringer.tel", TCP, 5061, "TLS"),
            endpoint("wss", "sip-tcp.ringer.tel", TCP, 8443, "WSS"),
        ],
    ],
)
def test_the_second_server_is_another_one_and_plain_if_there_is_one(further: list[Json]) -> None:
    first, second, _ = LIVE["endpoints"]
    found = guide("customer-guide", signed(LIVE | {"endpoints": [first, *further, second]}))
    told = rows(found["FreePBX, 3CX and other systems with forms"])
    assert told["Second server"] == "sip-tcp.ringer.tel, port 5060, TCP"


def test_with_several_regions_a_guide_says_whose_servers_it_shows() -> None:
    told = words(guide("customer-guide", LIVE, EUROPE)["Which region"])
    assert "We have servers in us-central1, europe-west4. The examples have those of us-central1;" in told
    assert "Which region" not in guide("customer-guide")


OWN = "34.1.3.1"


def customers_guide() -> dict[str, Any]:
    """Of a customer with an address of its own, as the command line renders it."""
    document = signed(
        LIVE
        | {
            "endpoints": [*LIVE["endpoints"], endpoint("dedicated", OWN, OWN, 5060, "UDP") | {"customer": "100001"}],
            "addresses": [*LIVE["addresses"], address("acme", OWN, "inbound", protocol="UDP", customer="100001")],
        }
    )
    found = visible_to("100001", read(json.dumps(document)))
    return sections(html_page(FORMATS["customer-guide"].select(tuple(found))))


def test_a_dedicated_customer_is_led_to_its_own_address_everywhere() -> None:
    found = customers_guide()
    assert cells(found["Where to send calls"])[1][2] == OWN
    assert asterisk_sections(listing(found["Asterisk/The trunk"]))[0][1]["contact"] == f"sip:{OWN}:5060"
    assert f'value="{OWN}:5060"' in listing(found["FreeSWITCH/The gateway"])
    assert f"session target ipv4:{OWN}:5060" in listing(found["Cisco CUBE/The dial peers"])
    assert rows(found["FreePBX, 3CX and other systems with forms"])["SIP server, host or registrar"] == OWN
    assert f"-s sip:{OWN}:5060" in words(found["Test"])


def test_a_dedicated_customer_gets_no_link_to_files_without_its_address() -> None:
    found = customers_guide()
    assert [each.get("href") for section in found.values() for each in section.iter("a")] == []
    commands = rows(next(each for heading, each in found.items() if heading.endswith("Firewall rules as files")))
    assert (
        commands["Linux nftables, your calls to us"]
        == "python -m inventory render --customer 100001 --for customers --format nftables"
    )


def test_a_test_shows_the_answer_and_not_that_there_is_one() -> None:
    told = cells(guide("customer-guide")["Test"])[1:]
    assert {row[2].split(",")[0] for row in told} == {"SIP/2.0 200 OK"}
    assert told[-1][1:] == ["sipsak -vv -s sip:sip.ringer.tel:5060; echo $?", "SIP/2.0 200 OK, and then 0"]
    tcp = signed(LIVE | {"endpoints": [endpoint("primary", "sip.ringer.tel", TCP, 5060, "TCP")]})
    assert "sipsak -vv --transport=tcp -s" in words(guide("customer-guide", tcp)["Test"])


@pytest.mark.parametrize("name", ["kamailio", "kamailio-sql"])
def test_kamailio_is_asked_for_the_list_and_keeps_its_database(name: str) -> None:
    head = [line for line in render(name, LIVE).splitlines() if line.startswith(("#", "--"))]
    assert any("in request_route" in line and 'if (allow_source_address("1")) { ... }' in line for line in head)
    if name == "kamailio":
        told = " ".join(line.strip("# ") for line in head)
        assert "Only if `permissions` has no db_url" in told
        assert "Else load kamailio-address.sql." in told


def test_every_codec_has_its_name_in_every_system() -> None:
    assert tuple(CODEC_NAMES) == sheet_texts.CODECS


# --- What people are told. ---


def test_the_answers_are_those_that_the_edge_gives() -> None:
    # rpc.cfg answers the reloader.
    text = "".join(file.read_text() for file in (ROOT / "kamailio").glob("*.cfg") if file.name != "rpc.cfg")
    given = set(re.findall(r'send_reply\("(\d+)"', text))
    told = {row[0].split()[0] for row in cells(guide("customer-guide")["What answers mean"])[1:]} - {"No"}
    assert given == told == {"400", "403", "503"}


def test_a_vendor_is_told_what_to_do_in_every_state() -> None:
    found = rows(guide("vendor-guide")["Keep the list right"])
    assert list(found)[1:] == [str(status) for status in Status]
    for status in Status:
        assert ("Remove" in found[status]) == (not status.state.listed)


def test_a_customer_learns_of_every_transport_and_of_the_domain() -> None:
    wss = endpoint("wss", "sip-tcp.ringer.tel", TCP, 8443, "WSS")
    told = rows(
        guide("customer-guide", signed(LIVE | {"endpoints": [*LIVE["endpoints"], wss]}))["Other ways to send calls"]
    )
    assert list(told) == ["What", "TLS", "SRTP", "WS, WSS", "Domain"]
    assert "version 1.2 or later" in told["TLS"]
    assert "can have ringer.tel as its server" in told["Domain"]
    # The same of every proxy of ours.
    assert set(re.findall(r"^method = (\S+)$", (ROOT / "kamailio/tls.cfg").read_text(), re.M)) == {"TLSv1.2+"}
    plain = signed(LIVE | {"endpoints": LIVE["endpoints"][:1]})
    assert list(rows(guide("customer-guide", plain)["Other ways to send calls"])) == ["What", "Domain"]


def test_freeswitch_learns_which_profile_takes_our_calls() -> None:
    found = guide("customer-guide")
    assert "the list belongs to the profile that listens on 5060" in words(found["FreeSWITCH"])
    assert "the SIP profile that listens on port 5060" in render("freeswitch", LIVE)


def test_a_vendor_learns_how_to_get_a_test_call_and_what_to_ask() -> None:
    told = words(guide("vendor-guide", signed(LIVE | {"contact": CONTACT}))["What a test call looks like"])
    assert f"before the first call: {', '.join(CONTACT.values())}." in told
    assert {"Codecs, DTMF", "Number format, and caller in From and P-Asserted-Identity"} <= set(
        rows(guide("vendor-guide")["What a test call looks like"])
    )


def test_a_vendor_guide_promises_no_more_notice_than_there_is() -> None:
    found = guide("vendor-guide", LIVE, EUROPE)
    assert "at least 30 days before its first call. Where one had less, it is below, with the reason." in words(
        found["How changes are announced"]
    )
    assert ["198.51.100.1", "2026-01-01 to 2026-01-08", "the carrier asked for it"] in cells(found["Shortened notice"])
    assert "Where one had less" not in words(guide("vendor-guide")["How changes are announced"])
    for none in ({"noticeDays": 0}, {"noticeDays": None}):
        soon = signed({key: value for key, value in (EUROPE | none).items() if value is not None})
        told = words(guide("vendor-guide", LIVE, soon)["How changes are announced"])
        assert "us-central1 at least 30 days, europe-west4 without a promised time." in told


@pytest.mark.parametrize("name", GUIDES)
def test_a_guide_lists_what_is_to_be_removed(name: str) -> None:
    gone = cells(guide(name)["Retired"])[1:]
    assert [row[0] for row in gone] == [RETIRED[name == "customer-guide"]]


def test_a_capture_shows_every_address() -> None:
    shown = listing(guide("vendor-guide", LIVE, EUROPE)["What a test call looks like"])
    assert re.findall(r"host (\S+?)[ )]", shown) == [*NAT, *EUROPES_EGRESS[:2], EUROPES_EGRESS[2], "2001:db8::5"]
    assert "(port 5060) and (host " in shown


@pytest.mark.parametrize("name", [*GUIDES, "vendor-sheet-html", "customer-sheet-html"])
def test_whoever_reads_it_learns_of_when_it_is_whom_to_ask_and_where_media_goes(name: str) -> None:
    known = words(html_page(render(name, signed(LIVE | {"contact": CONTACT}), EUROPE)))
    assert "Issued 2026-02-01, the day of the last change of an address." in known
    assert f"Questions and faults: {', '.join(CONTACT.values())}" in known
    assert "These addresses are for signalling." in known
    without = words(html_page(render(name, LIVE)))
    assert "before the first dated change" in without, "no clock is read"
    assert "Questions and faults" not in without
    if name in GUIDES:
        assert "The person at WARP who sent you this guide." in without


@pytest.mark.parametrize("name", GUIDES)
def test_headings_go_down_one_step_at_a_time(name: str) -> None:
    levels = [
        int(each.tag[1]) for each in html_page(render(name, LIVE, EUROPE)).iter() if re.fullmatch("h[1-6]", each.tag)
    ]
    assert levels[0] == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:30])
@pytest.mark.parametrize("name", GUIDES)
def test_free_text_stays_text_in_a_guide(name: str, text: str) -> None:
    page = html_page(render(name, hostile(text)))
    # Without a domain, there is no row on it.
    plain = signed(EUROPE | {"domain": EUROPE["domain"] if text else ""})
    assert structure(page) == structure(html_page(render(name, plain)))
    assert {each.get("href") for each in page.iter("a")} <= {
        each.get("href") for each in html_page(render(name, EUROPE)).iter("a")
    }
    assert not [each for each in page.iter() if {"src", "onerror"} & set(each.attrib)]


def test_without_egress_a_customer_still_gets_a_guide() -> None:
    alone = signed(LIVE | {"addresses": [each for each in LIVE["addresses"] if each["direction"] == "inbound"]})
    found = guide("customer-guide", alone)
    assert "Asterisk/The trunk" in found
    assert "Asterisk/Our calls to you" not in found
