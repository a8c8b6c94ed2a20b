"""`docs/policies.md` lists the rules, and its examples are valid configurations."""

from __future__ import annotations

import json
import re
from datetime import date

import pytest

from policies.judge import judge_exceptions
from policies.reference import options, rules
from policies.rules import RULES
from tests.stacks import ROOT

PAGE = (ROOT / "docs" / "policies.md").read_text()


@pytest.mark.parametrize("table", [rules(), options()], ids=["rules", "options"])
def test_the_page_has_the_tables_of_today(table: str) -> None:
    assert f"\n{table}\n" in PAGE, "python -m policies.reference prints them"


def test_every_mended_rule_is_reported() -> None:
    mending = {rule.name for rule in RULES if getattr(rule, "mend", None)}
    reported = PAGE[PAGE.index("## Remedies") : PAGE.index("## Adding")]
    assert set(re.findall(r"^\| `([a-z-]+)`", reported, re.MULTILINE)) == mending


@pytest.mark.parametrize("example", re.findall(r"```json\n(.+?)```", PAGE, re.DOTALL), ids=["options", "exceptions"])
def test_every_example_is_a_configuration(example: str) -> None:
    known = {rule.name: rule for rule in RULES}
    for name, configured in json.loads(example).items():
        configured.pop("enforcementLevel", None)
        assert list(judge_exceptions(known[name], configured, date(2026, 2, 28))) == []


def test_remedies_name_settings_that_exist() -> None:
    settings = (ROOT / "docs" / "settings.md").read_text()
    named = {key for rule in RULES for key in re.findall(r"warp-edge:[\w.]+\w", rule.remedy)}
    assert named
    assert [key for key in sorted(named) if f"`{key}`" not in settings] == []
