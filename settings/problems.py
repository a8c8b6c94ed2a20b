"""How a wrong setting is reported: the key as in the YAML, the value, what is wrong, and the remedy.

Models raise `refuse(...)`; pydantic's own errors are translated to the same form here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from refusal import with_remedy
from secret_text import SECRET, hidden

PROJECT = "warp-edge"  # the project's name in Pulumi.yaml, hence the namespace of its configuration
PROJECT_KEY = "gcp:project"  # the one setting outside our namespace
UNKNOWN = "no such setting"
LONGEST_NAME = 253  # of a domain; also the limit for all other names
SHOWN = 60  # characters shown of a wrong value: enough to find it, not enough to flood a terminal


@dataclass(frozen=True)
class Problem:
    """One wrong setting. `value` is safe to print; `file`: where it is, if not in the stack's own file."""

    key: str
    value: str
    wrong: str
    remedy: str
    file: str = ""

    def __str__(self) -> str:
        where = f" (in {self.file})" if self.file else ""
        return f"  {self.key} = {self.value}{where}\n      {with_remedy(self.wrong, self.remedy, ' ' * 6)}"


class SettingsError(Exception):
    """Every problem of a stack's settings, at once."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        count = "one setting" if len(self.problems) == 1 else f"{len(self.problems)} settings"
        listed = "\n".join(str(problem) for problem in self.problems)
        super().__init__(f"{count} of this stack cannot be used; nothing was declared\n{listed}")


def refuse(wrong: str, remedy: str) -> PydanticCustomError:
    """A model's own refusal, to be raised inside a validator."""
    return PydanticCustomError("refused", "{wrong}", {"wrong": wrong, "remedy": remedy})


def show(value: object) -> str:
    """A value as one short line without control characters, whatever the YAML has; never a secret. Groups and lists in
    YAML's flow style."""
    text = _flow(value)
    if hidden(text) != text:
        return SECRET
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _flow(value: object) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{show_key(str(key))}: {_flow(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else repr(value)


def show_key(part: str) -> str:
    """A key as in the YAML; quoted if it is not a plausible key."""
    return part if part.replace("-", "").replace("_", "").isalnum() and len(part) <= SHOWN else show(part)


_FORMS: dict[str, str] = {}
_FORMS_OF_HOSTS = set[str]()


def form(pattern: str, words: str, *, of_hosts: bool = False) -> str:
    """Register a pattern's description, for messages. `of_hosts`: names in other scripts have an ASCII form, which the
    message gives."""
    _FORMS[pattern] = words
    if of_hosts:
        _FORMS_OF_HOSTS.add(pattern)
    return pattern


def config_key(field: str) -> str:
    """Configuration key of a top-level field. The project is the provider's own setting."""
    return field if field == PROJECT_KEY else f"{PROJECT}:{field}"


def field_of(found: Mapping[str, Any]) -> str:
    """The top-level field of a pydantic error."""
    return str(found["loc"][0])


def problem_of(found: Mapping[str, Any]) -> Problem:
    """A pydantic error (an item of `ValidationError.errors()`) as a problem for people."""
    _, *inner = found["loc"]
    # pydantic gives the Python name for a default that another setting rules out, and marks the key of a mapping.
    ours = [to_camel(part) if found["type"] == "refused" and "_" in str(part) else part for part in inner]
    steps = (f"[{part}]" if isinstance(part, int) else f".{show_key(part)}" for part in ours if part != "[key]")
    top = field_of(found)
    key = config_key(top if top == PROJECT_KEY else show_key(top)) + "".join(steps)
    # A refused value may be a default, which is None; a None in the YAML is pydantic's own error.
    absent = found["type"] == "missing" or (found["type"] == "refused" and found["input"] is None)
    value = "(absent)" if absent else show(found["input"])
    context: Mapping[str, Any] = found.get("ctx", {})
    if found["type"] == "refused":
        return Problem(key, value, context["wrong"], context["remedy"])
    return Problem(key, value, *_in_our_words(found["type"], found["msg"], context, found["input"]))


_NUMBER = ("not a number", "write a bare number, such as 12.50; the unit is in the setting's description")
_WHOLE_NUMBER = ("not a whole number", "write a bare number; the unit is in the setting's name")
_GROUP = ("not a group of settings", "write its keys indented below it")
_LIST = ("not a list", "write it as [a, b], or each item on a line below it, after a hyphen")
# What is wrong and the remedy, by pydantic's type of error.
_WORDS: Mapping[str, tuple[str, str]] = {
    "extra_forbidden": (UNKNOWN, "check the spelling; docs/settings.md lists every key"),
    "missing": ("this setting is required", "add it; docs/settings.md explains it"),
    "bool_type": ("neither true nor false", "write true or false, without quotes"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), _WHOLE_NUMBER),
    **dict.fromkeys(("finite_number", "decimal_parsing", "decimal_type", "decimal_whole_digits"), _NUMBER),
    **dict.fromkeys(("model_type", "dict_type", "model_attributes_type"), _GROUP),
    **dict.fromkeys(("tuple_type", "list_type"), _LIST),
}


def _in_our_words(  # noqa: PLR0911 (a table)
    kind: str, message: str, context: Mapping[str, Any], given: object
) -> tuple[str, str]:
    if known := _WORDS.get(kind):
        return known
    what = "character" if isinstance(given, str) else "item"
    match kind:
        case "literal_error" | "enum":
            return "not one of the known values", f"use {_choices(context['expected'])}"
        case "greater_than_equal" | "greater_than":
            return "too small", f"use {context['ge']} or more" if "ge" in context else f"use more than {context['gt']}"
        case "less_than_equal" | "less_than":
            return "too large", f"use {context.get('le', context.get('lt'))} or less"
        case "string_type":
            return _not_text(given)
        case "string_pattern_mismatch":
            if A_TIME.fullmatch(str(given)):
                return A_DATE_FOR_TEXT
            right = _as_it_may_be(str(given), context["pattern"])
            hint = f"write it as {show(right)}; " if right else ""
            return "not a valid name here", f"{hint}{_FORMS.get(context['pattern'], 'docs/settings.md describes it')}"
        case "too_short" | "string_too_short":
            least = context["min_length"]
            wrong = f"at least {least} {what}{'' if least == 1 else 's'} needed"
            return wrong, f"give {least} or more; docs/settings.md describes this setting"
        case "too_long" | "string_too_long":
            return "too long", f"use {context['max_length']} {what}s or less"
    return message[:1].lower() + message[1:], "docs/settings.md describes this setting"


# The engine parses an unquoted date or time in the YAML as a time and passes it on in Go's format.
A_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)? [-+][0-9]{4} [-+A-Z0-9]+")
A_DATE_FOR_TEXT = ("a date where text is required", 'put it in quotes, as in "2026-01-31"')


def no_time(text: str) -> str:
    """Refuse an unquoted date: the cloud would get other text than the YAML has."""
    if A_TIME.fullmatch(text):
        raise refuse(*A_DATE_FOR_TEXT)
    return text


def _not_text(given: object) -> tuple[str, str]:
    """YAML does not read bare digits, or words such as true, as text."""
    if isinstance(given, bool):
        return "true or false where text is required", f'put it in quotes: "{str(given).lower()}"'
    if isinstance(given, int | float):
        text = show(given)
        return "a number where text is required", f'put it in quotes: "{text}"'
    if given is None:
        return "empty where text is required", "write the text, or remove the key"
    return "not text", "write one word or line; docs/settings.md describes this setting"


def _as_it_may_be(given: str, pattern: str) -> str:
    """The name in lower case, without a final dot and surrounding blanks, if that is valid; otherwise empty."""
    right = given.strip().rstrip(".").lower()
    if pattern in _FORMS_OF_HOSTS and not right.isascii():
        right = _in_ascii(right)
    return right if len(right) <= LONGEST_NAME and re.fullmatch(pattern, right) else ""


def _in_ascii(name: str) -> str:
    """`xn--mnchen-3ya.de` for `münchen.de`. Python's codec implements IDNA 2003, which maps some names to others (`ß`,
    RFC 5891 appendix A): a result that does not decode to the same name is not offered as a hint."""
    try:
        found = name.encode("idna")
        return found.decode() if found.decode("idna") == name else ""
    except UnicodeError:
        return ""


def _choices(expected: str) -> str:
    """The known values out of pydantic's text, which quotes them and wraps enum members in their class."""
    quoted = re.findall(r"'([^']*)'", expected)
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]]) if len(quoted) > 1 else "".join(quoted) or expected
