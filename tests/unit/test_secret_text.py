"""No part of a secret is shown: what looks like one is looked for before anything of a text is left out."""

from __future__ import annotations

import time

import pytest

from engine.differences import LONGEST as OF_A_DIFFERENCE
from engine.differences import compare
from review.foreign import ERROR_LINES, ERROR_LONGEST, LINES, code, error_text, message_text
from secret_text import SECRET, hidden
from settings.problems import SHOWN, show

BODY = [f"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj{number:024}" for number in range(26)]
KEY = "\n".join(["-----BEGIN PRIVATE KEY-----", *BODY, "-----END PRIVATE KEY-----"])
URL = "postgres://warp:Sup3rS3cretPassw0rd@db.example.com/warp"
LONG_URL = f"postgres://warp:{'Sup3rS3cret' * 60}@db.example.com/warp"
TEXTS = (error_text, message_text)


def bits(shown: object) -> list[str]:
    """The parts of the secrets above that can be read in it."""
    return [each for each in ("Sup3r", "S3cret", "MIIEvQ") if each in str(shown)]


@pytest.mark.parametrize("url", [URL, LONG_URL])
@pytest.mark.parametrize("before", [0, ERROR_LONGEST // 2 - 25, ERROR_LONGEST // 2 - 5, ERROR_LONGEST])
def test_a_secret_at_the_place_of_a_cut_is_not_shown(url: str, before: int) -> None:
    line = f"{'z' * before} {url} {'y' * ERROR_LONGEST}"
    for text in TEXTS:
        assert text(f"cannot connect\n{line}\n-> look") == ["`cannot connect`", f"`{SECRET}`", "`-> look`"]


@pytest.mark.parametrize("kind", ["", "RSA ", "ENCRYPTED ", "OPENSSH "])
def test_of_a_key_no_line_is_shown(kind: str) -> None:
    key = KEY.replace("PRIVATE", f"{kind}PRIVATE")
    for text in TEXTS:
        reported = text(f"the key\n{key}\nis refused")
        assert reported == ["`the key`", f"`{SECRET}`", "`is refused`"]
    crlf = key.replace("\n", "\r\n")
    assert hidden(f"a\r\n{crlf}\r\nb") == f"a\r\n{SECRET}\r\nb"


def test_of_a_key_that_lost_its_last_line_nothing_is_shown() -> None:
    assert hidden(f"a\n{KEY.rpartition(chr(10))[0]}") == f"a\n{SECRET}\n"


@pytest.mark.parametrize("lines", [LINES - 1, ERROR_LINES // 2 - 1, ERROR_LINES, 500])
def test_a_key_at_the_place_where_lines_are_left_out_is_not_shown(lines: int) -> None:
    for text in TEXTS:
        for before, after in ((lines, 60), (60, lines), (lines, 0), (0, lines)):
            message = "\n".join([*["said"] * before, KEY, *["more"] * after])
            assert bits(text(message)) == []


def test_a_shape_that_goes_over_a_lines_end_is_one() -> None:
    assert hidden("a\npassword:\n  Sup3r\nb") == f"a\n{SECRET}\nb"


@pytest.mark.parametrize("text", ["", "a\n\nb\n", "password authentication failed", "https://34.44.183.87:5060/a@b\n"])
def test_what_holds_none_stays_as_it_is(text: str) -> None:
    assert hidden(text) == text


def test_a_value_that_holds_one_is_not_shown_at_all() -> None:
    for value in (KEY, f"a\n{URL}\nb", f"{'z' * 190} {URL}"):
        assert code(value) == f"`{SECRET}`"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f"{'z' * (OF_A_DIFFERENCE - 25)} {LONG_URL}"),
        (["a"], ["z" * (OF_A_DIFFERENCE - 30), LONG_URL]),
        (f"a\n{KEY}\nb", f"a\n{KEY.replace('=', '+').replace('0001', '0009')}\nb"),
        (f"a\n{KEY}\nb", "a\nb"),
        ("a\n1\n2\n3", f"a\n1\n2\n3\n4\n{KEY}"),
    ],
    ids=["text", "list", "another key", "no key", "a new one"],
)
def test_a_difference_shows_no_part_of_one(before: object, after: object) -> None:
    was, will_be = ({"inputs": {"note": each}, "outputs": {"note": each}} for each in (before, after))
    step = {"op": "update", "urn": "urn:pulumi:prod::warp-edge::gcp:x/y:Z::z", "oldState": was, "newState": will_be}
    (found,) = compare([step | {"detailedDiff": {"note": {"kind": "update"}}}]).differences
    assert bits(found) == []
    assert (found.cloud, found.settings) != ("", "")


def test_a_wrong_setting_shows_no_part_of_one() -> None:
    for value in (URL, f"{'z' * (SHOWN - 25)} {LONG_URL}", KEY, {"a": LONG_URL}):
        assert bits(show(value)) == []
    assert show("ringer") == "'ringer'"


@pytest.mark.parametrize("text", ["a.b+c-" * 20_000, "\n" * 100_000, "x" * 100_000, "://:" * 25_000])
def test_a_long_text_takes_no_time(text: str) -> None:
    began = time.process_time()
    hidden(text)
    assert time.process_time() - began < 1
