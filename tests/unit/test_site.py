"""The site's files: the same bytes for the same inventories, and what stands in them, read by others."""

from __future__ import annotations

import copy
import json
import re
from datetime import UTC, date, datetime
from ipaddress import ip_network
from itertools import permutations
from typing import Any
from uuid import UUID

import awsipranges.data_loading as aws  # type: ignore[import-untyped]
import feedparser  # type: ignore[import-untyped]
import html5lib
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.formats import FORMATS, NothingToListError
from inventory.reading import read
from inventory.site.files import FILES, FORMS, PDFS, content_type
from inventory.site.ranges import _second_of, created_on
from inventory.site.render import render
from tests.cases import cases
from tests.unit.published import EUROPE, EUROPES_EGRESS, HOSTILE, LIVE, NAT, RETIRED, Json, address, hostile

ASIA: Json = LIVE | {
    "region": "asia-east1",
    "endpoints": [],
    "addresses": [address("a", "203.0.113.7", region="asia-east1", activeOn="2026-03-05")],
}


def site(*inventories: Json, base_url: str = "", pdf: bool = False) -> dict[str, bytes]:
    return render(read(json.dumps(list(inventories))), base_url, pdf=pdf)


def ranges(*inventories: Json) -> Json:
    document: Json = json.loads(site(*inventories)["ip-ranges.json"])
    return document


def feed(*inventories: Json, base_url: str = "") -> Any:
    parsed = feedparser.parse(site(*inventories, base_url=base_url)["feed.xml"])
    assert (parsed.version, parsed.bozo) == ("atom10", False), parsed.get("bozo_exception")
    return parsed


def with_address(inventory: Json, name: str, /, **changes: Any) -> Json:
    """A copy with one address changed; None takes a key away."""
    changed = copy.deepcopy(inventory)
    (found,) = [each for each in changed["addresses"] if each["name"] == name]
    found |= changes
    for key in [key for key, value in changes.items() if value is None]:
        del found[key]
    return changed


def upside_down(value: Any) -> Any:
    """The same JSON with all keys the other way round, as another writer of it would have them."""
    if isinstance(value, dict):
        return {key: upside_down(value[key]) for key in reversed(value)}
    return [upside_down(each) for each in value] if isinstance(value, list) else value


# What files there are


def test_a_site_has_always_the_same_files() -> None:
    nothing = LIVE | {"addresses": [], "endpoints": []}
    for inventories in ((LIVE,), (EUROPE, LIVE), (nothing,), (hostile(HOSTILE[0]),)):
        assert set(site(*inventories)) == set(FILES)
        assert set(site(*inventories, pdf=True)) == {*FILES, *PDFS}


def test_every_format_is_a_file_for_those_whom_it_is_for() -> None:
    assert {form.format for form in FORMS} == set(FORMATS)
    assert len({*FILES, *PDFS}) == len(FILES) + len(PDFS), "two formats write one file"
    files = site(LIVE, pdf=True)
    for form in FORMS:
        assert form.audience in FORMATS[form.format].audiences
        (inventory,) = read(json.dumps(LIVE, sort_keys=True))
        try:
            expected = FORMATS[form.format].select((inventory,), form.audience, form.family)
        except NothingToListError as error:
            assert form.family == 6
            expected = f"not available: {error}\n"
        assert files[form.path].decode() == expected


def test_a_format_that_cannot_be_written_says_why_where_no_program_takes_it_for_a_list() -> None:
    crowd = LIVE | {"addresses": [address(f"n{n}", f"198.51.100.{n}") for n in range(101)]}
    files = site(crowd)
    reported = "not available: 101 addresses, but AWS accepts 100 in one call"
    assert files["formats/aws-prefix-list.json"].decode() == f"{reported}\n"
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(files["formats/aws-prefix-list.json"])
    page = files["index.html"].decode()
    assert "aws-prefix-list: not available, 101 addresses" in page
    assert 'href="formats/aws-prefix-list.json"' not in page
    nobody = site(LIVE | {"addresses": []})
    for path in ("formats/addresses.txt", "formats/cidrs.txt", "formats/nftables.nft"):
        assert nobody[path].startswith(b"not available: no "), "an empty list blocks every call"


def test_content_types_are_those_that_browsers_show_and_readers_know() -> None:
    assert content_type("index.html") == "text/html; charset=utf-8"
    assert content_type("feed.xml") == "application/atom+xml"
    assert content_type("formats/inventory.json") == "application/json"
    assert content_type("formats/vendor-guide.pdf") == "application/pdf"
    assert content_type("formats/nftables.nft") == "text/plain; charset=utf-8"


def test_two_regions_that_claim_one_address_are_refused() -> None:
    with pytest.raises(NothingToListError, match="one of them is outdated"):
        site(LIVE, LIVE | {"region": "elsewhere"})


# Determinism


def test_the_same_inventories_give_the_same_bytes_in_any_order() -> None:
    expected = site(ASIA, EUROPE, LIVE)
    assert site(LIVE, ASIA, EUROPE, pdf=True) == site(EUROPE, LIVE, ASIA, pdf=True)
    for order in permutations((LIVE, EUROPE, ASIA)):
        assert site(*order) == expected
        assert site(*(upside_down(each) for each in order)) == expected
    assert site(LIVE, EUROPE, ASIA, upside_down(EUROPE)) == expected, "the same one twice counts once"


# ip-ranges.json


def test_ranges_are_read_by_aws_own_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "get_json_data", lambda **_: (ranges(LIVE, EUROPE), None))
    found = aws.get_ranges()
    assert {str(each.prefix) for each in found.filter(services="EGRESS", versions=4)} == {
        f"{ip}/32" for ip in (*NAT, *EUROPES_EGRESS)
    }
    assert [str(each.prefix) for each in found.ipv6_prefixes] == ["2001:db8::5/128"]
    assert found["198.51.100.1"].network_border_group == "europe-west4"
    assert found.create_date == datetime.fromtimestamp(int(found.sync_token), UTC), "readers take it for seconds"


def test_googles_shape_has_the_same_addresses() -> None:
    """The reading of docs.cloud.google.com/vpc/docs/access-apis-external-ip ("IP addresses for default domains")."""
    document = json.loads(site(LIVE, EUROPE)["goog.json"])
    found = [each.get("ipv4Prefix") or each["ipv6Prefix"] for each in document["prefixes"]]
    aws_shape = ranges(LIVE, EUROPE)
    assert sorted(found) == sorted(
        each.get("ip_prefix") or each["ipv6_prefix"] for key in ("prefixes", "ipv6_prefixes") for each in aws_shape[key]
    )
    assert {(each["service"], each["scope"]) for each in document["prefixes"] if "ipv6Prefix" in each} == {
        ("EGRESS", "europe-west4")
    }
    assert document["syncToken"] == f"{aws_shape['syncToken']}000"
    created = datetime.fromisoformat(document["creationTime"]).replace(tzinfo=UTC)
    assert created.timestamp() * 1000 == int(document["syncToken"])


def test_ranges_say_of_each_address_what_the_inventory_says() -> None:
    document = ranges(LIVE, EUROPE)
    assert list(document) == ["syncToken", "createDate", "prefixes", "ipv6_prefixes", "retired"]
    for each in document["prefixes"]:
        assert ip_network(each["ip_prefix"]).version == 4
        assert {"region", "service", "direction", "status", "protocol", "ports"} <= set(each)
    assert [each["ipv6_prefix"] for each in document["ipv6_prefixes"]] == ["2001:db8::5/128"]
    egress = {each["ip_prefix"] for each in document["prefixes"] if each["service"] == "EGRESS"}
    assert egress == {f"{ip}/32" for ip in (*NAT, *EUROPES_EGRESS)}
    coming = next(each for each in document["prefixes"] if each["ip_prefix"] == "198.51.100.1/32")
    assert (coming["status"], coming["region"], coming["activeOn"]) == ("announced", "europe-west4", "2026-01-08")


def test_a_retired_address_is_in_no_list_of_addresses_to_accept() -> None:
    document = ranges(LIVE)
    assert {each["ip_prefix"] for each in document["retired"]} == {f"{ip}/32" for ip in RETIRED}
    assert not {f"{ip}/32" for ip in RETIRED} & {each["ip_prefix"] for each in document["prefixes"]}
    assert document["retired"][0]["replacedBy"] == NAT


def test_the_date_is_that_of_the_last_thing_that_happened_and_not_of_one_to_come() -> None:
    assert created(EUROPE) == "2026-02-01"
    later = with_address(EUROPE, "eu-new", activeOn="2027-01-01", noticeOverride=None)
    assert created(later) == "2026-02-01", "it is not in use yet"
    assert created(with_address(later, "eu-new", status="active")) == "2027-01-01"
    assert created(LIVE) == "1970-01-01", "no date was recorded"


def created(inventory: Json) -> str:
    moment = ranges(inventory)["createDate"]
    assert re.fullmatch(r"\d{4}(-\d\d){5}", moment)
    return str(moment[: len("2026-02-01")])


CHANGES: list[Json] = [
    EUROPE | {"domain": "other.example"},
    EUROPE | {"noticeDays": 31},
    EUROPE | {"somethingNew": 1},
    with_address(EUROPE, "eu-one", purpose="another"),
    with_address(EUROPE, "eu-one", ports=[5061]),
    with_address(EUROPE, "eu-new", activeOn="2026-01-09"),
    with_address(EUROPE, "eu-one", status="draining"),
    with_address(EUROPE, "eu-gone", replacedBy=["198.51.100.2"]),
]


def test_the_token_changes_with_every_change_and_with_nothing_else() -> None:
    tokens = [ranges(each)["syncToken"] for each in (EUROPE, *CHANGES)]
    assert len(set(tokens)) == len(tokens)
    assert ranges(upside_down(EUROPE))["syncToken"] == tokens[0]
    assert ranges(LIVE, EUROPE)["syncToken"] == ranges(EUROPE, LIVE)["syncToken"] != tokens[0]


@cases(200)
@given(st.dates(date(2000, 1, 1), date(2199, 12, 31)), st.text())
def test_the_token_is_a_moment_of_the_day_of_creation(day: date, purpose: str) -> None:
    inventory = with_address(ASIA, "a", activeOn=day.isoformat(), purpose=purpose)
    assert datetime.fromtimestamp(int(ranges(inventory)["syncToken"]), UTC).date() == day


def test_the_token_rises_with_every_change_of_state_also_on_one_day() -> None:
    day = "2026-03-05"
    drained, retired = {"status": "draining", "drainedOn": day}, {"status": "retired", "retiredOn": day}
    lives: list[Json] = [{}, drained, drained | retired]
    tokens = [int(ranges(ASIA | {"addresses": [ASIA["addresses"][0] | life]})["syncToken"]) for life in lives]
    assert tokens == sorted(set(tokens))
    busy = [address(f"a{n}", f"203.0.113.{n}", activeOn=day) for n in range(1, 60)]
    assert created(ASIA | {"addresses": busy}) == day, "more changes than a day has hours"


def test_the_token_rises_with_a_change_that_is_entered_late() -> None:
    """Whatever is recorded: a state with an earlier day, one without a day, an address, a day that was not known."""
    drained = {"status": "draining", "drainedOn": "2026-01-01"}
    lives = [
        EUROPE,
        with_address(EUROPE, "eu-one", activeOn="2020-01-01"),
        with_address(EUROPE, "eu-one", activeOn="2020-01-01", **drained),
        with_address(EUROPE, "eu-one", activeOn="2020-01-01", status="retired", drainedOn="2026-01-01"),
    ]
    lives.append(lives[-1] | {"addresses": [*lives[-1]["addresses"], address("late", "198.51.100.77")]})
    lives.append(with_address(lives[-1], "late", activeOn="2025-06-01"))
    found = [ranges(each) for each in lives]
    assert {each["createDate"][:10] for each in found} == {"2026-02-01"}
    tokens = [int(each["syncToken"]) for each in found]
    assert tokens == sorted(set(tokens))


@cases(100)
@given(st.integers(0, 3000), st.integers(1, 400))
def test_the_token_rises_with_every_record_of_one_day(before: int, more: int) -> None:
    assert 0 <= _second_of(before) <= _second_of(before + more) < 86_400
    assert before + more > 2000 or _second_of(before) < _second_of(before + more)


# The feed


def test_what_is_to_come_stands_first_and_then_the_newest() -> None:
    titles = [entry.title for entry in feed(LIVE, EUROPE).entries]
    assert titles[:4] == [
        "Announced: 198.51.100.1, europe-west4, from 2026-01-08",
        "Announced: 192.0.2.2, europe-west4, from 2026-02-01",
        "Draining: 198.51.100.3, europe-west4",
        "Retired: 198.51.100.4, europe-west4",
    ]


def test_every_entry_of_the_feed_leads_to_its_place_on_the_page() -> None:
    page = site(LIVE, EUROPE, ASIA)["index.html"].decode()
    changes = re.findall(r'<li id="([^"]+)">', page)
    for entry in feed(LIVE, EUROPE, ASIA).entries:
        assert entry.link.rpartition("#")[2] in changes
    (announced,) = [each for each in changes if each.endswith("198.51.100.1-announced")]
    shown = page[page.index(f'<li id="{announced}">') :].partition("</li>")[0]
    assert "2026-01-01" in shown, "the day of the announcement"
    assert "from 2026-01-08" in shown


def test_an_address_has_an_entry_for_every_state_that_it_reached() -> None:
    life = {"announcedOn": "2025-01-01", "activeOn": "2025-02-01", "drainedOn": "2026-02-01", "retiredOn": "2026-03-01"}
    entries = feed(with_address(ASIA, "a", status="retired", **life)).entries
    assert [(entry.title.partition(":")[0], entry.updated) for entry in entries] == [
        ("Retired", "2026-03-01T00:00:00Z"),
        ("Draining", "2026-02-01T00:00:00Z"),
        ("In use", "2025-02-01T00:00:00Z"),
        ("Announced", "2025-01-01T00:00:00Z"),
    ]


def test_entries_say_what_it_means_and_what_to_do() -> None:
    reported = {entry.title.split(",")[0]: entry.content[0].value for entry in feed(LIVE, EUROPE).entries}
    assert "will be used from 2026-01-08, accept it now" in reported["Announced: 198.51.100.1"]
    assert "Less notice than promised: the carrier asked for it" in reported["Announced: 198.51.100.1"]
    assert "open your firewall to it now" in reported["Announced: 192.0.2.2"]
    assert "keep it in your list" in reported["Draining: 198.51.100.3"]
    leaving = with_address(EUROPE, "eu-udp", status="draining", drainedOn="2026-02-01")
    (inward,) = [each for each in feed(leaving).entries if each.title.startswith("Draining: 192.0.2.1,")]
    assert "Send no new calls to it" in inward.content[0].value
    assert "come from it" not in inward.content[0].value
    assert "remove it from your lists" in reported["Retired: 198.51.100.4"]
    assert f"Replaced by {', '.join(NAT)}." in reported[f"Retired: {RETIRED[0]}"]
    assert "the day was not written down" in reported[f"Retired: {RETIRED[0]}"]


def test_a_state_without_a_date_is_reported_while_it_lasts() -> None:
    undated = with_address(EUROPE, "eu-new", announcedOn=None, activeOn=None, noticeOverride=None)
    (entry,) = [each for each in feed(undated).entries if "198.51.100.1," in each.title]
    assert (entry.title, entry.updated) == ("Announced: 198.51.100.1, europe-west4", "2025-12-31T00:00:00Z")
    assert not feed(LIVE).entries, "where no day is known, no entry can have one"
    assert not [each for each in feed(LIVE, EUROPE).entries if each.updated < "2025"]
    assert "will be used soon" in entry.content[0].value
    assert not [each for each in feed(LIVE).entries if "In use" in each.title], "that is no news"


def test_ids_are_for_ever() -> None:
    def ids(*inventories: Json, base_url: str = "") -> dict[str, str]:
        return {entry.title.split(",")[0]: entry.id for entry in feed(*inventories, base_url=base_url).entries}

    before = ids(EUROPE)
    assert len(set(before.values())) == len(before)
    for each in before.values():
        assert UUID(each.removeprefix("urn:uuid:")).version == 5
    assert ids(LIVE, EUROPE, base_url="https://ips.example.com/") | before == ids(LIVE, EUROPE)
    corrected = with_address(EUROPE, "eu-old", drainedOn="2026-02-02", purpose="another", name="renamed")
    assert ids(corrected) == before
    # Fixed values: another way of making ids would show every entry as new to all readers.
    assert before["Draining: 198.51.100.3"] == "urn:uuid:04459a77-a5df-5b72-9346-1bc3446041ac"


def test_the_feed_is_what_rfc_4287_asks_for() -> None:
    parsed = feed(EUROPE, base_url="https://ips.example.com/a")
    assert (parsed.feed.title, parsed.feed.author) == ("Changes of WARP IP addresses", "WARP")
    assert parsed.feed.id.startswith("urn:uuid:")
    assert parsed.feed.updated == "2026-02-01T00:00:00Z"
    links = {link.rel: link.href for link in parsed.feed.links}
    assert links == {
        "self": "https://ips.example.com/a/feed.xml",
        "alternate": "https://ips.example.com/a/index.html",
    }
    for entry in parsed.entries:
        assert entry.id
        assert entry.title
        assert entry.updated_parsed
        assert entry.updated <= parsed.feed.updated


def test_dates_that_are_to_come_have_not_happened() -> None:
    (found,) = read(json.dumps(EUROPE))
    coming = next(each for each in found.addresses if each.name == "eu-new")
    assert list(coming.reached) == ["announced"]
    assert created_on([found]) == date(2026, 2, 1)


# The page


def test_the_page_is_html_without_a_mistake() -> None:
    for inventories in ((LIVE,), (LIVE, EUROPE), (LIVE | {"addresses": [], "endpoints": []},)):
        html5lib.HTMLParser(strict=True).parse(site(*inventories)["index.html"].decode())


def test_the_pages_links_lead_to_files_of_the_site() -> None:
    for pdf in (False, True):
        files = site(LIVE, EUROPE, pdf=pdf)
        page = files["index.html"].decode()
        links = set(re.findall(r'href="([^"#]+)"', page)) - {"data:,"}
        missing = {path for path, content in files.items() if content.startswith(b"not available: no IPv6 address")}
        assert links == set(files) - {"index.html"} - missing
        assert not re.search(r'(src|href)="(https?:)?//', page)


# Hostile text


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:20].encode().hex())
def test_text_that_means_harm_stays_text_everywhere(text: str) -> None:
    files = site(hostile(text))
    document = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(files["index.html"].decode())
    assert len(document.findall(".//script")) == 1
    assert document.findall(".//img") == []
    parsed = feedparser.parse(files["feed.xml"])
    assert (parsed.version, parsed.bozo) == ("atom10", False)
    assert len(parsed.entries) == len(feed(EUROPE).entries)
    prefixes = json.loads(files["ip-ranges.json"])["prefixes"]
    assert {each["region"] for each in prefixes} == {text}
    jsonschema.validate(json.loads(files["formats/inventory.json"]), json.loads(files["formats/inventory.schema.json"]))


@cases(100)
@given(st.text(max_size=40))
def test_any_text_at_all_gives_a_page_and_a_feed(text: str) -> None:
    files = site(hostile(text))
    html5lib.HTMLParser(strict=True).parse(files["index.html"].decode())
    assert not feedparser.parse(files["feed.xml"]).bozo
