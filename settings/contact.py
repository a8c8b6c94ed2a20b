"""Whom vendors and customers ask."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from inventory import contact
from settings.base import Section
from settings.problems import form


class Contact(Section):
    """The desk for questions and faults."""

    email: (
        Annotated[str, Field(pattern=form(contact.EMAIL, "write an address alone, as noc@example.com"), max_length=254)]
        | None
    ) = Field(None, description="its e-mail address")
    phone: Annotated[str, Field(pattern=form(contact.PHONE, 'write it as "+1 555 010 0100"'))] | None = Field(
        None, description="its telephone number, in international notation"
    )
    url: (
        Annotated[str, Field(pattern=form(contact.URL, "write it as https://noc.example.com/"), max_length=200)] | None
    ) = Field(None, description="its web page")

    @property
    def published(self) -> contact.Contact | None:
        """As the inventory has it; None: not configured."""
        found = contact.Contact(self.email, self.phone, self.url)
        return found if found.ways else None
