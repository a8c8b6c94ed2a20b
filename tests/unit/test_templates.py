"""Templates of pages are compiled once, and a page never depends on whether that could be kept."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
from jinja2 import Environment

from inventory import templates

fresh = templates.template.__wrapped__  # as in a process of its own


@pytest.fixture(autouse=True)
def _python_keeps_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    file = tmp_path / "page.html"
    file.write_text("<p>{{ text }}</p>")
    return file


def test_a_template_is_compiled_once(page: Path) -> None:
    (page.parent / "__pycache__").mkdir()
    assert fresh(page).render(text="<b>") == "<p>&lt;b&gt;</p>"
    with patch.object(Environment, "_generate", side_effect=AssertionError("compiled again")):
        assert fresh(page).render(text="<b>") == "<p>&lt;b&gt;</p>"


def test_a_changed_template_is_another(page: Path) -> None:
    (page.parent / "__pycache__").mkdir()
    fresh(page)
    page.write_text("<i>{{ text }}</i>")
    assert fresh(page).render(text="&") == "<i>&amp;</i>"


@pytest.mark.parametrize("kept", ["nowhere", "in the way"])
def test_where_nothing_can_be_kept_the_page_is_the_same(page: Path, kept: str) -> None:
    if kept == "in the way":
        (page.parent / "__pycache__").write_text("")
    assert fresh(page).render(text="a") == "<p>a</p>"


def test_python_that_keeps_nothing_keeps_no_templates(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (page.parent / "__pycache__").mkdir()
    fresh(page)
    assert list((page.parent / "__pycache__").iterdir()) == []


@pytest.mark.parametrize("before", ["", "address=", "sip:", "(", "https://", "[", "host="])
@pytest.mark.parametrize("after", ["", ":5060", ")", ";transport=tcp", "/32", "]:5060"])
@pytest.mark.parametrize("ip", ["136.111.96.47", "2001:db8::5", "2001:db8:1:2:3:4:5:6"])
def test_an_address_is_never_broken_whatever_surrounds_it(before: str, ip: str, after: str) -> None:
    shown = templates.unbroken(f"add {before}{ip}{after} list")
    assert re.sub(r"<[^>]+>", "", shown) == f"add {before}{ip}{after} list"
    assert re.search(rf'<span class="figure">[^ ]*{re.escape(ip)}[^ ]*</span>', shown)


def test_a_host_name_may_be_broken_after_a_point() -> None:
    assert templates.unbroken("sip-tcp.ringer.tel:5060") == "sip-tcp.<wbr>ringer.<wbr>tel:5060"
