"""The page in a real Chromium: light and dark, on phones, with a keyboard, with and without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import feedparser  # type: ignore[import-untyped]
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, ViewportSize

from inventory import folder
from tests.site.conftest import Scheme, served
from tests.site.inventories import EVERYTHING, rendered
from tests.unit.published import HOSTILE, NAT, hostile

PHONE, DESK = ViewportSize(width=360, height=780), ViewportSize(width=1280, height=900)
EGRESS = ["198.51.100.1", "198.51.100.2", "198.51.100.3", "2001:db8::5", *NAT]


class Seen:
    """A page, and everything that the browser said and asked for while it was open."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.said: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        page.on("request", lambda request: self.asked.append(request.url))

    def clipboard(self) -> str:
        return str(self.page.evaluate("navigator.clipboard.readText()"))

    def overflow(self) -> int:
        """How many pixels the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@contextmanager
def opened(browser: Browser, address: str, **options: Any) -> Iterator[Seen]:
    context = browser.new_context(**({"viewport": DESK} | options))
    try:
        if options.get("java_script_enabled", True):
            context.grant_permissions(["clipboard-read", "clipboard-write"])
        seen = Seen(context.new_page())
        seen.page.goto(address)
        yield seen
    finally:
        context.close()


def test_the_page_makes_no_requests_and_has_no_errors(browser: Browser, site: str, scheme: Scheme) -> None:
    with opened(browser, f"{site}index.html", color_scheme=scheme) as seen:
        seen.page.wait_for_load_state("networkidle")
        assert seen.asked == [f"{site}index.html"]
        assert seen.said == []


def test_it_is_light_in_the_light_and_dark_in_the_dark(browser: Browser, site: str) -> None:
    def brightness(scheme: Scheme) -> tuple[int, int]:
        with opened(browser, f"{site}index.html", color_scheme=scheme) as seen:
            style = "(p) => getComputedStyle(document.body)[p].match(/\\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0)"
            return seen.page.evaluate(style, "color"), seen.page.evaluate(style, "backgroundColor")

    text, page = brightness("light")
    assert text < 255 < 700 < page
    text, page = brightness("dark")
    assert page < 150 < 600 < text


def test_what_to_whitelist_what_comes_and_when_is_there_to_read(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}index.html") as seen:
        coming = seen.page.locator("section", has=seen.page.locator("h2#coming")).first.inner_text()
        for told in ("198.51.100.1", "from 2026-01-08", "192.0.2.2", "from 2026-02-01", "198.51.100.3"):
            assert told in coming
        assert coming.index("2026-01-08") < coming.index("2026-02-01"), "the next one first"
        vendors = seen.page.locator("section", has=seen.page.locator("h2#vendors")).first
        assert vendors.locator("tbody th code").all_inner_texts() == EGRESS
        assert vendors.locator("h3").all_inner_texts() == ["europe-west4", "us-central1"]
        customers = seen.page.locator("section", has=seen.page.locator("h2#customers")).first.inner_text()
        for told in ("sip.ringer.tel", "UDP 5060", "TLS 5061", "34.44.183.87"):
            assert told in customers
        retired = seen.page.locator("section", has=seen.page.locator("h2#retired")).first.inner_text()
        assert "34.58.165.135" in retired
        assert "34.58.165.135" not in vendors.inner_text()


def test_a_click_copies_one_address_and_another_all_of_them(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}index.html") as seen:
        seen.page.get_by_role("button", name="Copy 34.57.46.26", exact=True).click()
        seen.page.get_by_text("Copied 34.57.46.26.").wait_for()
        assert seen.clipboard() == "34.57.46.26"
        seen.page.get_by_role("button", name="Copy all 7 addresses that vendors whitelist").click()
        seen.page.get_by_text("Copied all 7 addresses").wait_for()
        assert seen.clipboard().split("\n") == EGRESS
        seen.page.get_by_role("button", name="Copy 3 addresses of us-central1").click()
        seen.page.get_by_text("Copied 3 addresses of us-central1").wait_for()
        assert seen.clipboard().split("\n") == NAT
        assert seen.said == []


def test_a_keyboard_is_enough_to_copy(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}index.html") as seen:
        for key in ("Enter", "Space"):
            seen.page.evaluate("navigator.clipboard.writeText('')")
            seen.page.reload()
            for _ in range(200):
                seen.page.keyboard.press("Tab")
                if seen.page.evaluate("document.activeElement.ariaLabel") == "Copy 35.223.15.88":
                    break
            assert seen.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
            seen.page.keyboard.press(key)
            seen.page.get_by_text("Copied 35.223.15.88.").wait_for()
            assert seen.clipboard() == "35.223.15.88"


def test_a_browser_that_refuses_to_copy_says_what_to_do_instead(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}index.html") as seen:
        seen.page.evaluate("void (navigator.clipboard.writeText = () => Promise.reject(new Error('no')))")
        seen.page.get_by_role("button", name="Copy 34.57.46.26", exact=True).click()
        seen.page.get_by_text("select the text instead").wait_for()


def test_without_javascript_everything_is_there_but_the_buttons(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}index.html", java_script_enabled=False) as seen:
        assert seen.page.get_by_role("button").count() == 0
        assert seen.page.locator("button:visible").count() == 0
        text = seen.page.locator("main").inner_text()
        for each in EGRESS:
            assert each in text


def test_the_feeds_link_answers_with_atom_and_every_link_with_a_file(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}index.html") as seen:
        alternate = seen.page.locator('link[type="application/atom+xml"]')
        assert alternate.get_attribute("type") == "application/atom+xml"
        links = {seen.page.evaluate("(e) => e.href", link) for link in seen.page.locator("a").element_handles()}
        files = {link for link in links if "#" not in link}
        assert f"{site}{alternate.get_attribute('href')}" in files, "the feed is linked where people see it, too"
        for link in files:
            assert link.startswith(site)
            answer = seen.page.request.get(link)
            assert answer.status == 200, link
        answer = seen.page.request.get(f"{site}feed.xml")
        assert answer.headers["content-type"] == "application/atom+xml"
        parsed = feedparser.parse(answer.body())
        assert (parsed.version, parsed.bozo) == ("atom10", False)
        assert parsed.entries


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_nothing_scrolls_sideways(browser: Browser, site: str, crowd: str, viewport: ViewportSize) -> None:
    for address in (site, crowd):
        with opened(browser, f"{address}index.html", viewport=viewport) as seen:
            assert seen.overflow() <= 0
            widest = "Math.max(...[...document.querySelectorAll('*')].map((e) => e.getBoundingClientRect().right))"
            assert seen.page.evaluate(widest) <= viewport["width"]


def test_an_ipv4_address_stays_on_one_line_on_a_phone(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}index.html", viewport=PHONE) as seen:
        lines = "(e) => e.getClientRects().length"
        for each in seen.page.locator("section table code").element_handles():
            text = each.inner_text()
            if text.count(".") == 3 and text.replace(".", "").isdigit():
                assert each.evaluate(lines) == 1, text


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_axe_finds_no_violation(
    browser: Browser, site: str, crowd: str, scheme: Scheme, viewport: ViewportSize
) -> None:
    for address in (site, crowd):
        # The page's own policy keeps foreign scripts out, axe's as well.
        with opened(browser, f"{address}index.html", color_scheme=scheme, viewport=viewport, bypass_csp=True) as seen:
            results = Axe().run(seen.page)
            assert results.violations_count == 0, results.generate_report()
            checked = {each["id"] for each in results.response["passes"]}
            assert {"color-contrast", "button-name", "document-title", "html-has-lang"} <= checked


def test_text_that_means_harm_is_text(browser: Browser, tmp_path: Path) -> None:
    for number, text in enumerate(HOSTILE):
        folder.replace(tmp_path / str(number), rendered(hostile(text)))
    with served(tmp_path) as address:
        for number in range(len(HOSTILE)):
            with opened(browser, f"{address}{number}/index.html", viewport=PHONE) as seen:
                assert seen.said == []
                assert seen.asked == [f"{address}{number}/index.html"]
                assert seen.page.locator("script").count() == 1
                assert seen.page.locator("img").count() == 0
                assert seen.overflow() <= 0


def test_it_is_light_for_the_wire_too() -> None:
    assert len(rendered(*EVERYTHING)["index.html"]) < 40_000


def test_a_feeds_entry_leads_to_its_place_on_the_page(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}index.html") as seen:
        entries = feedparser.parse(seen.page.request.get(f"{site}feed.xml").text()).entries
        for entry in entries:
            place = seen.page.locator(f"li[id='{entry.link.partition('#')[2]}']")
            assert place.count() == 1
            words = " ".join(place.inner_text().split())
            assert entry.title.partition(", from")[0] in words
        assert len(entries) == seen.page.locator(".changes li").count() > 3


def test_one_click_selects_a_whole_address(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}index.html", java_script_enabled=True) as seen:
        seen.page.locator("code", has_text=NAT[0]).first.click()
        assert seen.page.evaluate("getSelection().toString()") == NAT[0]


# Every address and every date in a text, with the number of lines that it stands on.
LINES = """
() => {
  const figure = /(\\d+\\.){3}\\d+(\\/\\d+)?(:\\d+)?|[0-9a-f]*:[0-9a-f:]*:[0-9a-f]+(\\/\\d+)?|\\d{4}-\\d\\d-\\d\\d/gi;
  const walker = document.createTreeWalker(document.querySelector("body"), NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    for (const each of walker.currentNode.data.matchAll(figure)) {
      const range = document.createRange();
      range.setStart(walker.currentNode, each.index);
      range.setEnd(walker.currentNode, each.index + each[0].length);
      found.push([each[0], new Set([...range.getClientRects()].map(place => Math.round(place.top))).size]);
    }
  }
  return found;
}
"""


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_the_page_breaks_no_ipv4_address_and_no_date(browser: Browser, site: str, viewport: ViewportSize) -> None:
    with opened(browser, f"{site}index.html", viewport=viewport) as seen:
        figures = [each for each in seen.page.evaluate(LINES) if ":" not in each[0]]
        assert len(figures) > 30
        assert [figure for figure, lines in figures if lines != 1] == []
