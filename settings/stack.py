"""Settings common to all stacks, and their strict parser, which reports every problem at once."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, ValidationError, field_validator
from pydantic import ValidationInfo as Info
from pydantic_core import from_json

from settings import shared
from settings.base import Labels, ProjectId, Section
from settings.contact import Contact
from settings.dns import Dns
from settings.inventory_site import InventorySite
from settings.lifecycle import NOTICE_DAYS, NoticeDays
from settings.problems import (
    PROJECT_KEY,
    UNKNOWN,
    Problem,
    SettingsError,
    config_key,
    field_of,
    problem_of,
    show,
)
from settings.rules import Given, Rule, broken
from settings.secret_texts import SECRETS
from settings.tls import Tls

PROGRAM = Path(__file__).resolve().parent.parent  # `shared` is relative to it, as is `trunkAcl.trunks`
ROLE = "`region`: one region's edge; `global`: the names that all regions share (docs/regions.md)"
DEFAULT_ROLE = "region"
# Never shown, whether or not they are marked as secrets.
ALWAYS_HIDDEN = (*SECRETS, "alertTokens")
TEXTS = (PROJECT_KEY, "region", "role", "shared", *SECRETS)


class Stack(Section):
    """Settings of every stack, whatever its role. `elsewhere`: settings that only stacks of the other role have;
    `rules`: rules that span settings. Secrets (`secret_texts.SECRETS`) are settings too, but no model holds them."""

    elsewhere: ClassVar[frozenset[str]]
    rules: ClassVar[tuple[Rule, ...]] = ()

    project: ProjectId = Field(alias=PROJECT_KEY, description="Google Cloud project; the provider's own setting")
    role: str = Field(DEFAULT_ROLE, description=ROLE)
    shared: str = Field("", description="file of settings shared with other stacks, relative to the program")
    protect: bool = Field(True, description="all locks against deletion: the engine's, the plugin's and Google's")
    labels: Labels = Field({}, description="labels of every resource that can have labels")
    notice_days: NoticeDays = Field(
        NOTICE_DAYS, description="minimum number of days from the announcement of an address to its first use"
    )
    dns: Dns = Field(description="names")
    contact: Contact = Field(
        Contact(), description="whom vendors and customers ask; published in the inventory, on sheets and guides"
    )
    inventory_site: InventorySite = Field(InventorySite(), description="the inventory as a web site")
    tls: Tls | None = Field(
        None,
        description="certificate of the SIP proxies (docs/certificates.md); a stack of role `global` has the CAA"
        " records; absent: none of it",
    )

    @classmethod
    def parse(cls, config: Mapping[str, str], secret_keys: Collection[str] = (), folder: Path = PROGRAM) -> Self:
        """Parse a stack's configuration (`namespace:key` to text, objects as JSON, as the engine gives it), merged over
        the shared file in `folder`.

        Raises `SettingsError` with every problem found. Values of `secret_keys` are never shown.
        """
        own = {field: _value(field, config[key]) for field, key in cls._keys(config).items() if key in config}
        own = {field: value for field, value in own.items() if not cls._is_unset(field, value)}
        tokens = {field: own.pop(field) for field in SECRETS if field in own}
        cls._refuse_another_role(own)
        name = own.get("shared")
        below = shared.read(name, folder) if isinstance(name, str) and name else {}
        below = {field: value for field, value in below.items() if field not in cls.elsewhere}
        document = shared.merged(below, own)
        given, settings, found = Given(config, frozenset(secret_keys)), None, list[Mapping[str, Any]]()
        try:
            settings = cls.model_validate_json(json.dumps(document), context=given)
        except ValidationError as error:
            found += error.errors(include_url=False)
        found += _in_clear(tokens, given)
        for name, refusal in broken(cls.rules, given):
            key = str(cls.model_fields[name].alias)
            found.append({"type": "refused", "loc": (key,), "input": document.get(key), "ctx": refusal})
        if settings and not found:
            return settings
        places = [str(each.alias) for each in _fields(cls)]
        found.sort(key=lambda each: places.index(field_of(each)) if field_of(each) in places else len(places))
        secret = {_storable(key) for key in secret_keys} | set(map(config_key, ALWAYS_HIDDEN))
        raise SettingsError([cls._in_place(_problem(each, secret, below, own)) for each in found])

    @field_validator("*")
    @classmethod
    def _is_right_by_itself(cls, value: Any, info: Info) -> Any:
        if info.context and info.field_name:
            info.context.valid[info.field_name] = value
        return value

    @classmethod
    def _keys(cls, config: Mapping[str, str]) -> dict[str, str]:
        """Field as the YAML writes it -> configuration key, for every known field and every key of our namespace."""
        known = {alias: config_key(alias) for field in cls.model_fields.values() if (alias := field.alias)}
        ours = config_key("")
        return known | {_storable(key.removeprefix(ours)): key for key in config if key.startswith(ours)}

    @classmethod
    def _is_unset(cls, field: str, value: Any) -> bool:
        """The engine adds defaults of Pulumi.yaml: an empty group or text for settings that only some stacks have."""
        return value in ({}, "") and (
            field in cls.elsewhere
            or any(each.alias == field and (each.is_required() or each.default is None) for each in _fields(cls))
        )

    @classmethod
    def _refuse_another_role(cls, own: Mapping[str, Any]) -> None:
        """Report a wrong role as one problem, not once for each setting."""
        role, key = own.get("role", DEFAULT_ROLE), config_key("role")
        if role not in ROLES:
            raise SettingsError([Problem(key, show(role), "there is no such role", f"use {' or '.join(ROLES)}")])
        if role != cls.model_fields["role"].default:
            raise SettingsError([Problem(key, show(role), ROLES[role], "choose another stack, or correct its role")])

    @classmethod
    def _in_place(cls, problem: Problem) -> Problem:
        """A setting of the other role is reported as such, not as unknown."""
        if problem.key not in {config_key(field) for field in cls.elsewhere} or problem.wrong != UNKNOWN:
            return problem
        (other,) = set(ROLES) - {cls.model_fields["role"].default}
        return replace(
            problem, wrong=f"only a stack of role `{other}` has it", remedy="move it to that stack, or remove it"
        )


ROLES = {
    "region": "the stack of one region, but the stack of the shared names is needed",
    "global": "the stack of the shared names: it has no edge",
}


def role_of(config: Mapping[str, str]) -> str:
    """The role in a stack's configuration; `region` if there is none."""
    return config.get(config_key("role")) or DEFAULT_ROLE


def _fields(model: type[Stack]) -> list[Any]:
    return list(model.model_fields.values())


def _value(field: str, text: str) -> Any:
    """Configuration arrives as text. Names stay text even if they look like another type (`region: 12`), and so does
    anything JSON cannot represent: lone surrogates, nesting without end."""
    if field in TEXTS:
        return _storable(text)
    try:
        value = json.loads(text)
        from_json(json.dumps({field: value}))
    except (ValueError, RecursionError):
        return _storable(text)
    return value


def _in_clear(tokens: Mapping[str, str], given: Given) -> Iterator[Mapping[str, Any]]:
    """A complaint about each token that is no secret."""
    for field, token in tokens.items():
        if token and config_key(field) not in given.secret_keys:
            remedy = f"{SECRETS[field].replace}, and run `pulumi config set --secret {field}`"
            refusal = {"wrong": "a token in clear text, in a file that many can read", "remedy": remedy}
            yield {"type": "refused", "loc": (field,), "input": token, "ctx": refusal}


def _storable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


def _problem(
    found: Mapping[str, Any], secret_keys: Collection[str], below: Mapping[str, Any], own: Mapping[str, Any]
) -> Problem:
    steps = [step for step in found["loc"] if step != "[key]"]
    is_shared = shared.stands_in(below, steps) and not shared.stands_in(own, steps)
    problem = replace(problem_of(found), file=str(own["shared"]) if is_shared else "")
    if config_key(field_of(found)) in secret_keys:
        return Problem(problem.key, "[secret]", "see the setting's rules", _remedy_of_a_secret(found))
    return problem


def _remedy_of_a_secret(found: Mapping[str, Any]) -> str:
    """The remedy, unless it contains the value in any case."""
    remedy = problem_of({**found, "input": ""}).remedy
    given = str(found["input"]).lower()
    return "docs/settings.md says what belongs here" if given and given in remedy.lower() else remedy
