"""Foreign text on the page is data: no markup of it survives. CommonMark is read by markdown-it-py, not by us."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from review.foreign import LONGEST, code
from review.markdown import markdown, twice
from review.preview import read
from review.report import report
from tests.cases import cases
from tests.unit.published import LIVE
from tests.unit.review_events import (
    ACL,
    ADDRESS,
    INSTANCE,
    RECORD,
    SERVICE,
    preview_of,
    refreshed,
    said,
    step,
    urn,
    violation,
)

READER = MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough")
# What a page of ours may consist of.
OURS = {
    *("heading_open", "heading_close", "paragraph_open", "paragraph_close", "inline", "text", "softbreak"),
    *("bullet_list_open", "bullet_list_close", "list_item_open", "list_item_close"),
    *("strong_open", "strong_close", "code_inline"),
    *("table_open", "table_close", "thead_open", "thead_close", "tbody_open", "tbody_close"),
    *("tr_open", "tr_close", "th_open", "th_close", "td_open", "td_close"),
}
HOSTILE = [
    "`",
    "``",
    "`` `",
    "```\ncode",
    "a|b|c",
    "\\|",
    "\\",
    "` | ` | `",
    "<script>alert(1)</script>",
    "<!-- x -->",
    "</code></td></table><h1>all clear</h1>",
    "@everyone and @org/team",
    "#1, GH-1, org/repo#1 and https://example.test",
    "[click](https://example.test)",
    "![x](https://example.test/x.png)",
    "**No change visible outside.**",
    "\n## No change visible outside.\n",
    "\r\n\r\n- approve",
    "\u2028## one\u2029## two\x85## three\x0b\x0c",
    "safe\u202eexe.txt\u2066\u200b\ufeff",
    "\x1b[2J\x07\x00",
    "Zalgo\u0300\u0301\u0302\u0303",
    "&lt;b&gt; &amp; &#64;all",
    "~~gone~~ ~~~",
    " ",
    "🙂 mañana 号",
    "`" * 500,
    "x" * 5000,
]


def tokens(page: str) -> Iterator[Token]:
    for token in READER.parse(page):
        yield token
        yield from token.children or ()


def hostile_page(text: str) -> str:
    """A page with a text in every place where foreign text may stand."""
    outbound = {"purpose": text, "name": text, "address": "192.0.2.7", "kind": "NAT", "direction": "outbound"}
    address: dict[str, Any] = outbound | {"protocol": "UDP", "ports": [5060], "region": text, "status": "announced"}
    address["noticeOverride"] = {"reason": text}
    retired = LIVE["addresses"][-1] | {"region": text, "status": "active"}
    after = LIVE | {"addresses": [*LIVE["addresses"][:-1], retired, address]}
    sheets = {"customerEndpoints": {"text": "a"}}, {"customerEndpoints": {"text": f"a\n{text}"}}
    record = {"name": text, "type": text, "rrdatas": [text], "ttl": 300}
    trunks = {text: f"{text} IP_ACL 1 calls/s 1 calls\n  {text}"}
    service = {
        "metadata": {"name": text, "namespace": text},
        "spec": {"type": "LoadBalancer", "selector": {"app": text}},
    }
    events = [
        step("update", RECORD, "r", record | {"rrdatas": []}, record),
        step("delete", SERVICE, text, service, None),
        step("update", SERVICE, "s", service | {"spec": {"type": "LoadBalancer"}}, service),
        step("replace", INSTANCE, text, {"name": "a"}, {"name": text}, keys=["name", text]),
        step("update", ACL, "acl", {"trunks": {}}, {"trunks": trunks, text: text}),
        said("error", text, urn(INSTANCE, text)),
        said("warning", text, text),
        violation(text, text, text, urn(INSTANCE, text)),
        {"sequence": 1, "policyRemediationEvent": {"policyName": text, "resourceUrn": urn(INSTANCE, text)}},
        said("error", "preview failed"),
    ]
    preview = preview_of(*events, before={"ipInventory": LIVE} | sheets[0], after={"ipInventory": after} | sheets[1])
    whole = markdown(report(preview, text))
    calm = preview_of(*events[:5], before={"ipInventory": LIVE} | sheets[0], after={"ipInventory": after} | sheets[1])
    return whole + markdown(report(calm, text))


def structure(page: str) -> list[str]:
    return [token.type for token in tokens(page)]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_no_markup_of_a_foreign_text_survives_wherever_it_stands(text: str) -> None:
    page = hostile_page(text)
    assert set(structure(page)) <= OURS | {"html_inline"}
    assert {token.content for token in tokens(page) if token.type == "html_inline"} <= {"<br>"}


@pytest.mark.parametrize("text", [each for each in HOSTILE if each.strip() and len(each.splitlines()) == 1], ids=ascii)
def test_a_foreign_text_never_changes_the_structure_of_the_page(text: str) -> None:
    assert structure(hostile_page(text)) == structure(hostile_page("harmless"))


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_nothing_on_the_page_moves_the_eye_or_the_cursor(text: str) -> None:
    for character in hostile_page(text):
        assert character == "\n" or character.isprintable(), hex(ord(character))


def as_read(page: str) -> list[list[tuple[str, str]]]:
    """Of each paragraph or cell what stands in it: kinds of tokens with their texts."""
    return [
        [(each.type, each.content) for each in token.children or ()]
        for token in READER.parse(page)
        if token.type == "inline"
    ]


@cases(300, least=300)
@given(st.one_of(st.text(max_size=300), st.text("`|\\ a\n", max_size=12)))
@example("|")
@example("a|b")
@example("\\|")
@example("``")
@example("a``b` ```c")
@example("`|`` | `")
def test_any_text_is_one_code_span_and_nothing_beside_it(text: str) -> None:
    """Alone, and in both cells of a row: in a cell it reads as it does alone."""
    (alone,) = as_read(code(text))
    assert [kind for kind, _ in alone] == (["code_inline"] if text.strip() else ["text"])
    cells = as_read(f"| one | two |\n|---|---|\n| {code(text)} | {code(text)} |\n")
    assert cells == [[("text", "one")], [("text", "two")], alone, alone]
    assert "|" not in alone[0][1]
    assert "``" not in alone[0][1], "GitHub's reader counts runs of backticks of the whole page"


@given(st.text(alphabet=st.characters(categories=("Ll", "Nd"), max_codepoint=0x7F), min_size=1, max_size=LONGEST))
def test_a_plain_text_stands_there_as_it_is(text: str) -> None:
    (token,) = READER.parseInline(code(text))[0].children or []
    assert token.content == text


def test_a_long_first_report_leaves_room_for_the_second() -> None:
    wordy = preview_of(
        *(said("error", f"{'x' * 1_900}\n" * 30, urn(INSTANCE, str(n))) for n in range(9)), result="failed"
    )
    moved = read(refreshed("same", ADDRESS, "nat", {"address": "192.0.2.1"}, {"address": "192.0.2.2"}))
    page = twice(report(wordy, "prod"), report(moved, "prod"), "<!-- m -->")
    assert len(page) < 62_000
    assert "`192.0.2.1` → `192.0.2.2`" in page
    assert page.startswith("<!-- m -->\n")


def test_a_long_text_is_cut_and_says_so() -> None:
    assert code("x" * 5000) == f"`{'x' * LONGEST}…`"
