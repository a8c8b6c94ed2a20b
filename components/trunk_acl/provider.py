"""The dynamic provider of the trunk ACL: schema and trunk files of one database.

Importable and without any state of its own: the engine keeps only this module's path and this class's name, so neither
may be renamed while a stack has the resource. Passwords are secret inputs and outputs under the same keys; no
connection string is built anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from pulumi.dynamic import ConfigureRequest, CreateResult, DiffResult, ReadResult, ResourceProvider, UpdateResult

from components.plain_errors import report_plainly
from components.trunk_acl import customers, dedicated, entries, migrations, migrator, reach, roles
from components.trunk_acl.lock import Connection
from refusal import Refusal
from trunk_text import trunks

Props = dict[str, Any]

# What makes a change. Not `places`, where a customer stands in the files: it is for messages, and a line may move.
COMPARED = (
    "instance", "database", "host", "user", "password", "serverCa", "reach", "migrations", "createCustomers", "signIn",
    "readerPassword", "writerPassword", "limits", "owner", "trunks", "dedicated",
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
        return CreateResult(_identity(props), _apply(props))

    def update(self, _id: str, _olds: Props, news: Props) -> UpdateResult:
        """As `create`."""
        return UpdateResult(_apply(news))

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """Compares the last outputs with the inputs, nothing else; drift that `read` found is a change."""
        # The engine leaves out what is null, so a missing key is a null.
        changed = [key for key in COMPARED if olds.get(key) != news.get(key)]
        # The old one is let go of, the new one is built.
        moved = [key for key in changed if key in IDENTITY]
        return DiffResult(changes=bool(changed or olds.get(DRIFT)), replaces=moved)

    def read(self, id_: str, props: Props) -> ReadResult:
        """What is there: rows of the trunk files as they are, and what was changed by hand. Never writes."""
        if "instance" not in props:
            raise Refusal("the trunk ACL cannot be imported", "run `pulumi up`: it recognises what is there already")
        with _connected(props) as connection:
            found = migrator.drift(connection, _wishes(props))
            outs = {**props, DRIFT: found}
            if not any(line.startswith("migration ") for line in found):
                if props.get("trunks") is not None:
                    outs["trunks"] = entries.read(connection, props["owner"])
                outs["limits"] = _limits(connection)
                outs.pop("dedicated", None)
                if own := dedicated.read(connection, props["owner"]):
                    outs["dedicated"] = own
        outs.pop("__provider", None)
        return ReadResult(id_, outs)

    def delete(self, _id: str, _props: Props) -> None:
        """Lets go. Customers' access does not end because somebody destroys a stack."""


def _identity(props: Props) -> str:
    return f"{props['instance']}/{props['database']}"


def _apply(props: Props) -> Props:
    with _connected(props) as connection:
        rows: dict[str, str] | None = props.get("trunks")

        def then() -> None:
            limits = props["limits"]
            entries.set_limits(
                connection, int(limits["widestIpv4"]), int(limits["widestIpv6"]), limits["allowReserved"]
            )
            own: dedicated.Rows = props.get("dedicated") or {}
            if props["createCustomers"]:
                customers.add(connection, {*(rows or ()), *(each["ban"] for each in own.values())})
            # In one transaction: callers see the old trunks and addresses, or the new ones.
            with connection.transaction():
                if rows is not None:
                    entries.reconcile(connection, props["owner"], trunks(rows), props["places"])
                dedicated.reconcile(connection, props["owner"], own)

        migrator.migrate(connection, _wishes(props), then)
    return {**{key: value for key, value in props.items() if not key.startswith("__")}, DRIFT: []}


@contextmanager
def _connected(props: Props) -> Iterator[Connection]:
    try:
        with reach.connected(_target(props)) as connection:
            yield connection
    except Refusal as error:
        # Without the context: a chain of exceptions would be printed as tracebacks.
        raise Refusal(error.wrong, error.remedy) from None
    except psycopg.Error as error:  # of a reader: who writes has told already
        raise Refusal(*migrator.told(error)) from None


def _target(props: Mapping[str, Any]) -> reach.Target:
    via = props["reach"]
    return reach.Target(
        access=via["access"],
        host=props.get("host") or "",  # what is null is left out
        port=int(via["port"]),
        instance=props["instance"],
        database=props["database"],
        user=props["user"],
        private=via["private"],
        iam=via["iam"],
        deadline_seconds=via["deadlineSeconds"],
        ca=props["serverCa"],
        password=props.get("password"),
    )


def _wishes(props: Mapping[str, Any]) -> migrator.Wishes:
    """The migrations are the program's own, here and now; the inputs name them so that a new one is a change."""
    sign_in = props["signIn"]
    return migrator.Wishes(
        migrations=migrations.load(),
        roles=(
            roles.reader(props.get("readerPassword"), sign_in["readers"]),
            roles.writer(props.get("writerPassword"), sign_in["writers"]),
        ),
        create_customers=props["createCustomers"],
        lock_seconds=props["reach"]["lockSeconds"],
        statement_seconds=props["reach"]["statementSeconds"],
    )


def _limits(connection: Connection) -> Props:
    four, six, allowed = entries.limits(connection)
    return {"widestIpv4": four, "widestIpv6": six, "allowReserved": allowed}
