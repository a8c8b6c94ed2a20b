"""Readers of a stack's outputs, which check them once for all callers and keep the original.

This project wrote them, but they may have been changed on the way, in files, mail and pipes. So addresses and ports are
parsed, and every format has to quote free text. Fields that are added later are ignored here, and passed on.
`python -m inventory schema` writes the JSON Schema from these models.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from engine.values import NOTHING, is_unknown, missing_values
from inventory.address import Address
from inventory.contact import Contact
from inventory.endpoint import Endpoint
from inventory.json_values import READ, IpAddress, Json
from inventory.outputs import SCHEMA, with_digest

# The only outputs of a region's stack that a stack of role `global` reads: others contain passwords.
OF_A_REGION = ("ipInventory", "dns", "egressCapacity", "monthlyCost")


# RFC 1035 section 2.3.4. Underscores begin the labels of services (RFC 2782).
_LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
# Limit of endpoints or record sets per stack, enough for thousands of dedicated customers with up to five each.
MOST = 20_000
HostName = Annotated[str, Field(pattern=rf"^{_LABEL}(\.{_LABEL})*$", max_length=253)]


class UnreadableError(Exception):
    """The input is no inventory."""


class NotWholeError(UnreadableError):
    """There is nothing in it, or the engine's words for unknown values; the text says where."""


class WrongFieldError(UnreadableError):
    """An output does not have its shape: the field, its value as Python writes it, and why it is none."""

    def __init__(self, field: str, value: str, why: str) -> None:
        super().__init__(f"{field} = {value}: {why}")
        self.field, self.value, self.why = field, value, why


class Published(BaseModel):
    """One object of the JSON: camelCase, types not coerced, unknown fields not understood."""

    model_config = ConfigDict(frozen=True, **READ)

    _raw: Json = PrivateAttr(default_factory=dict)

    @classmethod
    def of(cls, raw: Json) -> Self:
        """An output. Raises `WrongFieldError`."""
        try:
            found = cls.model_validate_json(json.dumps(raw))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(step) for step in first["loc"])
            raise WrongFieldError(field, repr(first["input"]), first["msg"]) from None
        except ValueError:
            raise WrongFieldError("all of it", "(not shown)", "no JSON") from None
        found._raw = raw
        return found

    @property
    def raw(self) -> Json:
        """An output as it came, with what this version does not know."""
        return self._raw


class PublishedInventory(Published):
    """The output `ipInventory` of one stack."""

    schema_: Literal[1] = Field(alias="schema")
    region: str
    domain: str | None = Field(None, description="domain of the SIP names")
    notice_days: int | None = Field(None, ge=0, description="days from announcement to first use, as promised")
    contact: Contact | None = Field(None, description="whom vendors and customers ask")
    endpoints: tuple[Endpoint, ...] = Field((), description="where customers send calls")
    addresses: tuple[Address, ...]
    digest: str = Field(description="SHA-256 of the rest as canonical JSON")

    @property
    def edited(self) -> bool:
        """Whether the digest is not that of its contents."""
        return bool(with_digest(self.raw)["digest"] != self.digest)


def last_change(inventories: Iterable[PublishedInventory]) -> date | None:
    """The day of the last thing that is known to have happened to any address: the date of what is made from these."""
    days = (day for each in inventories for address in each.addresses for day in address.reached.values())
    return max(days, default=None)


@dataclass(frozen=True)
class NamedEndpoint(Endpoint):
    """An endpoint whose server is queried by name, so the name has to be valid."""

    server: HostName


class ReachableInventory(PublishedInventory):
    """Output `ipInventory`, with endpoints that can be queried."""

    endpoints: Annotated[tuple[NamedEndpoint, ...], Field(max_length=MOST)]


class PublishedRecord(Published):
    """One record set of output `dns`."""

    name: HostName
    type: Literal["A", "AAAA", "SRV", "NAPTR", "CAA", "CNAME"]
    ttl: Annotated[int, Field(ge=1, le=2**31 - 1)]
    data: Annotated[tuple[str, ...], Field(min_length=1, max_length=100)]
    one_of: Annotated[tuple[IpAddress, ...], Field(max_length=100)] = ()


class PublishedDns(Published):
    """Output `dns`. `base`: the parent of the edge's names, if that is not the domain."""

    domain: HostName
    base: HostName | None = None
    name_servers: Annotated[tuple[str, ...], Field(max_length=50)]
    ds_records: Annotated[tuple[str, ...], Field(max_length=50)]
    records: Annotated[tuple[PublishedRecord, ...], Field(max_length=MOST)]


def inventories_in(document: object) -> Iterator[Json]:
    """Every inventory in a JSON document: one, a list, or an object with any keys.

    The complete `pulumi stack output --json` is accepted as well; its `ipInventory` is used.
    """
    if is_unknown(document):
        raise NotWholeError(missing_values(document, "ipInventory"))
    if isinstance(document, dict):
        if "addresses" in document or not document:
            yield document
        elif "ipInventory" in document:
            yield from inventories_in(document["ipInventory"])
        else:
            yield from inventories_in(list(document.values()))
    elif isinstance(document, list) and document:
        for inner in document:
            if not isinstance(inner, dict):
                raise UnreadableError
            yield from inventories_in(inner)
    else:
        raise UnreadableError


def read(text: str) -> list[PublishedInventory]:
    """The inventories of one file. Raises `UnreadableError`."""
    try:
        documents = list(inventories_in(json.loads(text)))
        if not all(documents):
            raise NotWholeError(NOTHING)
        if wrong := next(filter(None, (missing_values(each) for each in documents)), ""):
            raise NotWholeError(wrong)
        return [PublishedInventory.of(each) for each in documents]
    except (ValueError, RecursionError):
        raise UnreadableError from None


def json_schema() -> Json:
    """The JSON Schema of `ipInventory`, draft 2020-12."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"ipInventory, schema {SCHEMA}",
    } | {key: value for key, value in PublishedInventory.model_json_schema().items() if key != "title"}
