"""IAM principals, by e-mail address, and their PostgreSQL users in Cloud SQL.

docs.cloud.google.com/sql/docs/postgres/add-manage-iam-users
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from settings.base import DOMAIN
from settings.problems import refuse

OF_SERVICE_ACCOUNTS = ".gserviceaccount.com"
LONGEST_USER = 63  # longest PostgreSQL name: NAMEDATALEN - 1
_ADDRESS = re.compile(rf"[^@\s\x00-\x1f\x7f]{{1,64}}@{DOMAIN}")  # RFC 5321, section 4.5.3.1.1


def database_user(principal: str) -> str:
    """PostgreSQL user of an IAM principal: service accounts lose `.gserviceaccount.com`."""
    return principal.removesuffix(OF_SERVICE_ACCOUNTS)


def is_service_account(principal: str) -> bool:
    """Whether it is a service account, not a person."""
    return principal.endswith(OF_SERVICE_ACCOUNTS)


def _a_principal(value: str) -> str:
    """Cloud SQL accepts lower case only, and PostgreSQL silently truncates longer names."""
    if not _ADDRESS.fullmatch(value.lower()):
        raise refuse("not an e-mail address", "write it as someone@example.com")
    if value != value.lower():
        raise refuse("IAM users of a database are written in lower case", f"write it as {value.lower()}")
    user = database_user(value)
    if len(user) > LONGEST_USER:
        raise refuse(
            f"{len(user)} characters: a PostgreSQL user name has {LONGEST_USER} at most",
            "use an account with a shorter name (`.gserviceaccount.com` does not count)",
        )
    return value


Principal = Annotated[str, Field(max_length=320), AfterValidator(_a_principal)]
