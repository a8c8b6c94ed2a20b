"""What every group of settings is made of: the strict base model and the types of names, ranges and units."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from ipaddress import IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from settings.problems import LONGEST_NAME, form, no_time, refuse, show


def like(pattern: str, words: str, *, of_hosts: bool = False, **more: Any) -> Any:
    """A field whose text has this form (`problems.form`); `more`: its other constraints."""
    return Field(pattern=form(pattern, words, of_hosts=of_hosts), **more)


# Names of compute resources: RFC 1035 labels (docs.cloud.google.com/compute/docs/naming-resources).
Name = Annotated[
    str,
    like(
        r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$",
        "use lower-case letters, digits and hyphens, a letter first, no hyphen last, 63 at most",
    ),
]
Region = Annotated[str, like(r"^[a-z]+-[a-z]+[0-9]{1,2}$", "write a region as us-central1")]
ProjectId = Annotated[
    str,
    like(
        r"^([a-z][-a-z0-9.]{0,40}:)?[a-z][-a-z0-9]{4,28}[a-z0-9]$",
        "use the project's id: lower-case letters, digits and hyphens, a letter first, 6 to 30",
    ),
]
# One label of a host name (RFC 1123, section 2.1), and a whole domain. The last label is letters only, or an A-label
# (RFC 5890, section 2.3.2.1): `xn--p1ai`.
HOST_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
DOMAIN = rf"({HOST_LABEL}\.)+([a-z]{{2,63}}|xn--[a-z0-9]([-a-z0-9]{{0,57}}[a-z0-9])?)"
HostLabel = Annotated[
    str,
    like(
        f"^{HOST_LABEL}$",
        "use lower-case letters, digits and hyphens, no hyphen first or last, 63 at most",
        of_hosts=True,
    ),
]
Domain = Annotated[
    str,
    like(
        f"^{DOMAIN}$",
        "write a domain as voice.example.com: lower-case letters, digits and hyphens between dots; the last label"
        " letters only, or an xn-- form; other scripts in their xn-- form",
        of_hosts=True,
        max_length=LONGEST_NAME,
    ),
]
# Accepted by both Google Cloud and Kubernetes: the labels are set on addresses and on Services.
LabelKey = Annotated[
    str,
    like(
        r"^[a-z]([-_a-z0-9]{0,61}[a-z0-9])?$",
        "use lower-case letters, digits, - and _, a letter first, a letter or digit last, 63 at most",
    ),
]
LabelValue = Annotated[
    str,
    like(
        r"^([a-z0-9]([-_a-z0-9]{0,61}[a-z0-9])?)?$",
        "use lower-case letters, digits, - and _, a letter or digit first and last, 63 at most",
    ),
]
# Kubernetes: IANA service names (RFC 6335, section 5.1).
PortName = Annotated[
    str,
    like(
        r"^[a-z]([-a-z0-9]{0,13}[a-z0-9])?$",
        "use lower-case letters, digits and hyphens, a letter first, no hyphen last, 15 at most",
    ),
]
# Same pattern as in the database (sql/0002_trunks.sql, "ban_is_plain").
BAN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}"
# A trunk's name; the same there ("name_is_plain").
TRUNK = form(
    r"^[a-z0-9][a-z0-9._-]{0,62}$",
    "write lower case letters, digits, ., _ and -, at most 63, a letter or digit first",
)
# A fully qualified stack name, as the engine writes it: organization/project/stack.
StackName = Annotated[
    str,
    like(
        r"^[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}$",
        "write it in full: organization/project/stack",
    ),
]
Ban = Annotated[
    str,
    like(f"^{BAN}$", "use letters, digits, dots, underscores and hyphens, a letter or digit first, 32 at most"),
]
Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[int, Field(ge=1, le=86400)]
# Free text has no pattern, so a date that YAML has parsed is refused separately.
Text = Annotated[str, AfterValidator(no_time)]
# Text for people: one line, no control characters.
Line = Annotated[
    str,
    like(
        r"^[^\x00-\x1f\x7f-\x9f]+$", "write one line of text, without control characters", min_length=1, max_length=80
    ),
    AfterValidator(no_time),
]
Money = Annotated[Decimal, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


# "This network" and the reserved block, which includes limited broadcast (RFC 6890, section 2.2.2).
UNUSABLE = tuple(map(ip_network, ("0.0.0.0/8", "240.0.0.0/4")))
MAPPED = IPv6Network("::ffff:0:0/96")  # IPv4-mapped IPv6 addresses (RFC 4291, section 2.5.5.2)


def _an_address(value: str) -> str:
    try:
        address = ip_address(value)
    except ValueError:
        address = None
    if address is None or "%" in value:
        raise refuse("not an IP address", "write it as 192.0.2.1 or 2001:db8::1")
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        # If the setting is a secret, a remedy that contains the value is not shown (stack.py).
        raise refuse("an IPv4-mapped IPv6 address", f"write it as {address.ipv4_mapped} instead of {value}")
    if address.is_multicast or address.is_unspecified or any(address in each for each in UNUSABLE):
        raise refuse("not a unicast host address", "use the address of a host")
    return str(address)


# The widest range that a registry allocates to one network.
WIDEST = {4: 8, 6: 16}


def _a_range(value: str) -> str:
    try:
        network = ip_network(value)
    except ValueError as error:
        why = ": it has host bits set" if "host bits" in str(error) else ""
        raise refuse(f"not an address range{why}", "write it as 192.0.2.0/24, host bits zero") from None
    if isinstance(network, IPv6Network) and network.subnet_of(MAPPED):
        start = network.network_address.ipv4_mapped
        raise refuse("an IPv4-mapped IPv6 range", f"write it as {start}/{network.prefixlen - 96} instead of {value}")
    if network.prefixlen == 0:
        raise refuse("open to the whole Internet", "name the ranges that need access")
    if network.prefixlen < WIDEST[network.version]:
        raise refuse(
            f"wider than /{WIDEST[network.version]}: a few such ranges would open it to the whole Internet",
            "name the ranges that need access",
        )
    return str(network)


# The engine parses an unquoted YAML date as a time and passes it on (and writes it back) in Go's format.
A_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})( 00:00:00 \+0000 UTC)?")
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2199, 12, 31)


def _a_day(value: object) -> date:
    found = A_DAY.fullmatch(value) if isinstance(value, str) else None
    try:
        day = date.fromisoformat(found[1]) if found else None
    except ValueError:
        day = None
    if day is None:
        raise refuse("not a date", 'write it as "2026-01-31"')
    if not FIRST_DAY <= day <= LAST_DAY:
        raise refuse("a date out of range", f"use one from {FIRST_DAY} to {LAST_DAY}")
    return day


T = TypeVar("T")


def _each_once(values: tuple[T, ...]) -> tuple[T, ...]:
    seen = set[T]()
    for value in values:
        if value in seen:
            raise refuse(f"{show(value)} is listed twice", "list each item once")
        seen.add(value)
    return values


EachOnce = AfterValidator(_each_once)  # for lists in which a repetition is a mistake

Address = Annotated[str, AfterValidator(_an_address)]
Day = Annotated[date, BeforeValidator(_a_day)]
Range = Annotated[str, AfterValidator(_a_range)]


Labels = dict[LabelKey, LabelValue]


class Section(BaseModel):
    """A group of settings: camelCase in the YAML, unknown keys refused, types not coerced."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        validate_default=True,
        populate_by_name=False,
        # Validators are built at the first parse: the whole tree once, instead of each group and every group around it.
        defer_build=True,
    )
