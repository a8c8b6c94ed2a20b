"""Whom vendors and customers ask: published with the inventory, on the page, the sheets and the guides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field

from inventory.json_values import READ

# A plain address, without display name, quotes or comments (RFC 5321, section 4.1.2, as far as desks use it).
EMAIL: Final = r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+$"
# International notation (ITU-T E.123).
PHONE: Final = r"^\+[1-9][0-9 ]{5,22}[0-9]$"
# Pages link to it, so it can be nothing but a web page.
URL: Final = r"^https://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?(/[A-Za-z0-9._~/?=&%-]*)?$"


@dataclass(frozen=True)
class Contact:
    """The desk for questions and faults; at least one way to reach it."""

    __pydantic_config__ = READ

    email: Annotated[str | None, Field(pattern=EMAIL, max_length=254)] = None
    phone: Annotated[str | None, Field(pattern=PHONE)] = None
    url: Annotated[str | None, Field(pattern=URL, max_length=200)] = None

    @property
    def ways(self) -> tuple[str, ...]:
        """Each way to reach it, as text."""
        return tuple(filter(None, (self.email, self.phone, self.url)))

    def __str__(self) -> str:
        return ", ".join(self.ways)
