"""The addresses of one or more regions that a format lists, selected by audience."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from ipaddress import ip_address
from itertools import compress
from pathlib import PurePosixPath
from typing import Literal

from inventory.address import Address, Direction, Status
from inventory.outputs import with_digest
from inventory.reading import PublishedInventory

Family = Literal[4, 6]


class Audience(StrEnum):
    """The readers of a list."""

    VENDORS = "vendors"  # they see our egress addresses
    CUSTOMERS = "customers"  # they send to our ingress addresses
    EVERYBODY = "everybody"  # all addresses, retired ones included

    @property
    def label(self) -> str:
        """The name of its addresses in names of lists, chains and variables."""
        return {Audience.VENDORS: "egress", Audience.CUSTOMERS: "ingress"}.get(self, "edge")


# Audiences of formats: any for a plain list, one side of the call for a rule.
FOR_ANYBODY = (Audience.VENDORS, Audience.CUSTOMERS, Audience.EVERYBODY)
FOR_ONE_SIDE = (Audience.VENDORS, Audience.CUSTOMERS)

DIRECTION = {Audience.VENDORS: Direction.OUTBOUND, Audience.CUSTOMERS: Direction.INBOUND}


class NothingToListError(Exception):
    """No address matches, or more than the format allows. An empty list would block every call."""


@dataclass(frozen=True)
class Selection:
    """One request: inventories, audience, and family. `one_of_two`: there is a file for each family, so that the one of
    a family that has ended is loaded as well, to take its addresses away. `site`: the public URL, with a slash at the
    end, for links in documents that are sent on; empty if it is not known."""

    inventories: tuple[PublishedInventory, ...]
    audience: Audience
    family: Family | None = None
    one_of_two: bool = False
    site: str = ""

    @cached_property
    def everything(self) -> list[Address]:
        """All addresses for this audience, retired ones included, in the order of the inventories."""
        return [
            found
            for inventory in self.inventories
            for found in inventory.addresses
            if DIRECTION.get(self.audience, found.direction) is found.direction
            and self.family in (None, ip_address(found.address).version)
        ]

    @cached_property
    def living(self) -> list[Address]:
        """What must be in somebody's list today: announced, active and draining. Never empty, but in one of two files
        whose addresses are all retired."""
        found = [address for address in self.everything if address.published]
        if not found and not (self.one_of_two and self.everything and self.other_family):
            family = f"IPv{self.family} " if self.family else ""
            raise NothingToListError(f"no {family}address in use for {self.audience}")
        return found

    @cached_property
    def retired(self) -> list[str]:
        """Addresses that must be in no list any more: retired, and not in use again in another region."""
        return [each for each in dict.fromkeys(a.address for a in self.everything) if each not in self._in_use]

    @cached_property
    def _in_use(self) -> set[str]:
        return {address.address for address in self.everything if address.published}

    @property
    def other_family(self) -> Family | None:
        """Of a selection of one family: the other one, if this audience has addresses of it."""
        others: dict[Family | None, Family] = {4: 6, 6: 4}
        other = others.get(self.family)
        return other if other and Selection(self.inventories, self.audience, other)._in_use else None

    @cached_property
    def customer(self) -> str | None:
        """The BAN of the customer whose dedicated addresses are shown; None: the public ones alone."""
        return next((a.customer for inventory in self.inventories for a in inventory.addresses if a.customer), None)

    @property
    def regions(self) -> str:
        """The regions, as text."""
        return ", ".join(dict.fromkeys(inventory.region for inventory in self.inventories))

    def sibling(self, file: str) -> list[str]:
        """A line for the head of `file`, which has one family: where the other one is."""
        other = self.other_family
        return [f"IPv{other} addresses: {file_of(file, other)}"] if other else []

    @property
    def heading(self) -> str:
        """The comment at the top of every configuration."""
        return f"WARP {self.audience.label} addresses, {remark(self.regions)}"


def file_of(file: str, family: Family) -> str:
    """The name of a file with one family: `iptables.rules`, `iptables-ipv6.rules`."""
    path = PurePosixPath(file)
    return f"{path.stem}-ipv6{path.suffix}" if family == 6 else file


@dataclass(frozen=True)
class Format:
    """One form. `file`: its name on the site; `audiences`: whom it can be for, first whom it is for by default;
    `one_family`: it takes IPv4 or IPv6, and the site has a file for each; `ipv4_only`: never IPv6; `customers_too`: the
    site has one for customers as well, who open a firewall to us; `comment`: what begins a comment, for the last line,
    without which a file is truncated. Formats that end with a bracket of their own need none."""

    name: str
    file: str
    about: str
    render: Callable[[Selection], str]
    audiences: tuple[Audience, ...]
    one_family: bool = False
    ipv4_only: bool = False
    customers_too: bool = False
    comment: str = ""

    def select(
        self,
        inventories: tuple[PublishedInventory, ...],
        audience: Audience | None = None,
        family: Family | None = None,
        site: str = "",
    ) -> str:
        """The complete text. Raises `NothingToListError` if it would be empty."""
        audience = audience or self.audiences[0]
        if audience not in self.audiences:
            raise NothingToListError(f"{self.name} is not for {audience}: it is for {' or '.join(self.audiences)}")
        family = family or (4 if self.one_family else None)
        text = self.render(Selection(inventories, audience, family, self.one_family, site))
        return text + lines(f"{self.comment} End of WARP {audience.label} addresses") if self.comment else text


def visible_to(customer: str | None, found: Sequence[PublishedInventory]) -> list[PublishedInventory]:
    """Inventories without other customers' dedicated addresses; None: without any dedicated addresses.

    A filtered inventory gets its own digest. Raises `NothingToListError` if the customer has no addresses.
    """
    shown, theirs = [], customer is None
    for inventory in found:
        addresses = [each.customer in (None, customer) for each in inventory.addresses]
        ways_in = [each.customer in (None, customer) for each in inventory.endpoints]
        theirs = theirs or any(each.customer == customer for each in inventory.addresses)
        if all(addresses) and all(ways_in):
            shown.append(inventory)
            continue
        less = dict(inventory.raw)
        for key, kept in (("addresses", addresses), ("endpoints", ways_in)):
            if key in less:
                less[key] = list(compress(less[key], kept))
        less["digest"] = with_digest(less)["digest"]
        shown.append(PublishedInventory.of(less))
    if not theirs:
        raise NothingToListError(f"no dedicated address of BAN {remark(customer or '')}")
    return shown


def merged(found: Sequence[PublishedInventory]) -> tuple[PublishedInventory, ...]:
    """Inventories of several regions as one; duplicates count once.

    Raises `NothingToListError` if two regions have the same living address: one of the files is outdated.
    """
    distinct = {inventory.model_dump_json(): inventory for inventory in found}
    holder: dict[str, PublishedInventory] = {}
    for inventory in distinct.values():
        for address in inventory.addresses:
            if not address.published:
                continue
            other = holder.setdefault(address.address, inventory)
            if other is not inventory:
                raise NothingToListError(
                    f"{address.address} is in use in two inventories, of {remark(other.region)} and"
                    f" {remark(inventory.region)}: one of them is outdated"
                )
    return tuple(distinct.values())


# Characters without a meaning inside comments or double quotes in any syntax written here.
HARMLESS = frozenset(string.ascii_letters + string.digits + " .,:/+_()-")


def remark(text: str, longest: int = 60) -> str:
    """Free text made safe for a comment or quoted string in a configuration, on one line."""
    return "".join(character if character in HARMLESS else "_" for character in text)[:longest].strip()


def described(address: Address) -> str:
    """An address described in a comment: purpose, region, and status unless active."""
    status = "" if address.status is Status.ACTIVE else f", {address.status}"
    return f"{remark(address.purpose, 40)}, {remark(address.region, 20)}{status}"


def token(text: str, longest: int = 60) -> str:
    """Free text as one token: letters, digits, `-` and `_`."""
    word = "".join(character if character.isascii() and character.isalnum() else "-" for character in text)
    return word[:longest].strip("-") or "unnamed"


def lines(*parts: str) -> str:
    """A text file: every line ends."""
    return "".join(f"{part}\n" for part in parts)
