"""The dynamic provider of the trunk ACL: schema and trunk files of one database.

Importable and without any state of its own: the engine keeps only this module's path and this class's name, so neither
may be renamed while a stack has the resource. Passwords are secret inputs and outputs under the same keys; no
connection string is built anywhere.
"""

from __future__ import annotations

from typing import Any

from pulumi.dynamic import ConfigureRequest, CreateResult, DiffResult, ReadResult, ResourceProvider, UpdateResult

from components.plain_errors import report_plainly
from refusal import Refusal

Props = dict[str, Any]

# What makes a change. Not `places`, where a customer stands in the files: it is for messages, and a line may move. Not
# `removals`, which says what the next change may take away. Not `closes`, which is a change while it is set: what the
# firewall no longer admits must be in no row, and the database alone knows those (components/admission.py).
COMPARED = (
    "instance", "database", "host", "user", "password", "serverCa", "reach", "migrations", "createCustomers", "signIn",
    "readerPassword", "secondReaderPassword", "writerPassword", "limits", "owner", "trunks", "dedicated",
    "filesOnly",
)  # fmt: skip
# Another instance or database has another ACL.
IDENTITY = ("instance", "database")
# What `read` finds and `create` and `update` put right. Never an input.
DRIFT = "drift"


class TrunkAclProvider(ResourceProvider):
    """Applies migrations and reconciles trunk files and dedicated addresses. Deleting it lets go: nothing is ever
    dropped."""

    # What is pickled is this class's name. That need not be a secret, and then it can be compared.
    serialize_as_secret_always = False

    def configure(self, _req: ConfigureRequest) -> None:
        """Nothing of the stack's configuration is needed."""
        report_plainly()

    def create(self, props: Props) -> CreateResult:
        """Raises `Refusal`; what was committed by then is found done by the next run."""
        return CreateResult(_identity(props), _applied(props))

    def update(self, _id: str, olds: Props, news: Props) -> UpdateResult:
        """As `create`; rows of another owner that the last outputs name are handed over."""
        return UpdateResult(_applied(news, olds.get("owner")))

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """Compares the last outputs with the inputs, nothing else; drift that `read` found is a change, and so is
        `closes`."""
        # The engine leaves out what is null, so a missing key is a null.
        changed = [key for key in COMPARED if olds.get(key) != news.get(key)]
        # The old one is let go of, the new one is built.
        moved = [key for key in changed if key in IDENTITY]
        return DiffResult(changes=bool(changed or olds.get(DRIFT) or news.get("closes")), replaces=moved)

    def read(self, id_: str, props: Props) -> ReadResult:
        """What is there: rows of the trunk files as they are, and what was changed by hand. Never writes."""
        if "instance" not in props:
            raise Refusal("the trunk ACL cannot be imported", "run `pulumi up`: it recognises what is there already")
        from components.trunk_acl import applying  # noqa: PLC0415 - see `_applied`

        return ReadResult(id_, applying.found(props))

    def delete(self, _id: str, _props: Props) -> None:
        """Lets go. Customers' access does not end because somebody destroys a stack."""


def _identity(props: Props) -> str:
    return f"{props['instance']}/{props['database']}"


def _applied(props: Props, owner_before: str | None = None) -> Props:
    # Imported here: the program needs this class's name alone, a preview its `diff`, and only what speaks to the
    # database needs its driver.
    from components.trunk_acl import applying  # noqa: PLC0415

    applying.apply(props, owner_before)
    return {**{key: value for key, value in props.items() if not key.startswith("__")}, DRIFT: []}
