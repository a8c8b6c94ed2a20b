"""What the dynamic provider does at the database: apply what its inputs say, and read what is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg

from components.trunk_acl import customers, dedicated, entries, migrations, migrator, owners, reach, roles
from components.trunk_acl.database_errors import told
from components.trunk_acl.lock import Connection
from refusal import Refusal
from trunk_removal import Allowed, Confirmed

Props = dict[str, Any]


def apply(props: Props, owner_before: str | None = None) -> None:
    """Migrations, roles and rows. Raises `Refusal`; what was committed by then is found done by the next run.

    `owner_before`: who kept this stack's rows until now; None where no state knows.
    """
    with _connected(props) as connection:
        rows: dict[str, str] | None = props.get("trunks")

        def then() -> None:
            limits, allowed = props["limits"], _allowed(props.get("removals"))
            entries.set_limits(
                connection, int(limits["widestIpv4"]), int(limits["widestIpv6"]), limits["allowReserved"]
            )
            own: dedicated.Rows = props.get("dedicated") or {}
            if props["createCustomers"]:
                customers.add(connection, {*(rows or ()), *(each["ban"] for each in own.values())})
            # In one transaction: callers see the old trunks and addresses, or the new ones.
            with connection.transaction():
                owners.hand_over(connection, owner_before or props["owner"], props["owner"])
                if rows is None:
                    owners.refuse_left_trunks(connection, props["owner"])
                else:
                    entries.reconcile(connection, props["owner"], rows, props["places"], allowed)
                dedicated.reconcile(connection, props["owner"], own)
            forget_changes(connection)
            if props.get("filesOnly"):
                owners.refuse_others(connection, props["owner"])
            dedicated.refuse_unreserved(connection)

        migrator.migrate(connection, _wishes(props), then)


def found(props: Props) -> Props:
    """Outputs as they are in the database: what `props` say, with rows and limits that differ and, under `drift`, what
    was changed by hand. Raises `Refusal`."""
    with _connected(props) as connection:
        drift = migrator.drift(connection, _wishes(props))
        outs = {**props, "drift": drift}
        if not any(line.startswith("migration ") for line in drift):
            if props.get("filesOnly") and (others := owners.others(connection, props["owner"])):
                outs["drift"] = [*drift, f"rows of others, whose callers the firewall drops: {others}"]
            if props.get("trunks") is not None:
                outs["trunks"] = entries.read(connection, props["owner"])
            four, six, allowed = entries.limits(connection)
            outs["limits"] = {"widestIpv4": four, "widestIpv6": six, "allowReserved": allowed}
            outs.pop("dedicated", None)
            if own := dedicated.read(connection, props["owner"]):
                outs["dedicated"] = own
    outs.pop("__provider", None)
    return outs


def forget_changes(connection: Connection) -> None:
    """Remove from the log of changes what every reloader has read long ago. Writers do the same (0009_bounded_log.sql),
    and are not waited for."""
    connection.execute(
        "DELETE FROM trunk_acl.changes WHERE id IN (SELECT id FROM trunk_acl.changes"
        " WHERE changed_at < now() - interval '1 day' FOR UPDATE SKIP LOCKED)"
    )


@contextmanager
def _connected(props: Props) -> Iterator[Connection]:
    try:
        with reach.connected(_target(props)) as connection:
            yield connection
    except Refusal as error:
        # Without the context: a chain of exceptions would be printed as tracebacks.
        raise Refusal(error.wrong, error.remedy) from None
    except psycopg.Error as error:  # of a reader: who writes has told already
        raise Refusal(*told(error)) from None


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
    # A member has to be there before it is one. What is null is left out: a second reader that may no longer sign in.
    second = [roles.second_reader(props.get("secondReaderPassword"))] if sign_in.get("rotation") else []
    readers = [*sign_in["readers"], *(each.name for each in second)]
    return migrator.Wishes(
        migrations=migrations.load(),
        roles=(
            *second,
            roles.reader(props.get("readerPassword"), readers),
            roles.writer(props.get("writerPassword"), sign_in["writers"]),
        ),
        create_customers=props["createCustomers"],
        lock_seconds=props["reach"]["lockSeconds"],
        statement_seconds=props["reach"]["statementSeconds"],
    )


def _allowed(props: Mapping[str, Any] | None) -> Allowed:
    if props is None:
        return Allowed()
    meant = props.get("confirmed")  # what is null is left out
    confirmed = Confirmed(int(meant["entries"]), tuple(meant["bans"])) if meant else None
    return Allowed(int(props["customers"]), int(props["percent"]), confirmed)
