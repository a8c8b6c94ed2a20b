"""`python -m policies.reference`: the tables of `docs/policies.md`, written from the rules; a test compares them."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from pydantic_core import to_json

from command_line import run
from policies.rule import Level, Options, Rule, StackRule
from policies.rules import RULES


def rules() -> str:
    """Every rule: name, level, scope, reason and remedy."""
    rows = (f"| `{rule.name}` | {_level(rule)} | {rule.says}: {rule.why} | {rule.remedy} |" for rule in RULES)
    return "\n".join(("| rule | level | what and why | remedy |", "|---|---|---|---|", *rows))


def options() -> str:
    """Every option of every rule, except `exceptions`, which all have."""
    rows = (row for rule in RULES for row in _options(rule))
    return "\n".join(("| rule | option | default | meaning |", "|---|---|---|---|", *rows))


def _level(rule: Rule) -> str:
    level = Level.MANDATORY if rule.level is Level.REMEDIATE else rule.level
    return f"{level}, whole stack" if isinstance(rule, StackRule) else str(level)


def _options(rule: Rule) -> Iterator[str]:
    for name, field in rule.options.model_fields.items():
        if name not in Options.model_fields:
            default = to_json(field.default).decode()
            yield f"| `{rule.name}` | `{field.alias}` | `{default}` | {field.description} |"


def main() -> int:
    """Print both tables."""
    print(f"{rules()}\n\n{options()}")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
