"""The component: the trunk ACL in its database, its two roles, and the customers' trunks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_random as random
from pulumi.dynamic import Resource

from components.database import PASSWORD_LENGTH, TrunkDatabase
from components.dedicated_ingress import DedicatedIngress
from components.trunk_acl import migrations
from components.trunk_acl.logins import READER, SECOND_READER, login
from components.trunk_acl.provider import TrunkAclProvider
from components.trunk_acl.trunk_files import TrunkFiles, TrunkFilesError, read
from engine.refusal import RefusedError
from engine.tokens import TRUNK_ACL_SCHEMA
from settings import Settings
from settings.principal import database_user
from settings.trunk_acl import Removals, TrunkAcl
from trunk_removal import Allowed, is_confirmed, removal, unconfirmed
from trunk_text import changes, count, summary

POSTGRESQL_PORT = 5432


class _TrunkAcl(Resource, module="warp", name="TrunkAcl"):
    """`pulumi-python:dynamic/warp:TrunkAcl`. The names are part of the state."""

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(TrunkAclProvider(), name, dict(props), opts)


@dataclass(frozen=True)
class _Credentials:
    """What Kamailio signs in as, and what it signed in as before, which is the other of the two roles."""

    name: str
    current: pulumi.Output[str]
    previous: pulumi.Output[str] | None
    passwords: bool = True

    def of(self, role: str) -> pulumi.Output[str] | None:
        """The password of that role; None if it may not sign in."""
        if not self.passwords:
            return None
        return self.current if role == self.name else self.previous


class TrunkAclSchema(pulumi.ComponentResource):
    """`warp:edge:TrunkAclSchema`: who may call, in the database.

    Stands up the ACL's schema by its migrations, the roles `warp_acl_reader` and `warp_acl_writer` with generated
    passwords, the rows of the trunk files, and those of customers' dedicated addresses. It deliberately does not manage
    `accounts.customers`, which is the billing system's (a new database may get a minimal one), nor the rows that the
    portal writes; and it never drops anything, also when it is deleted. `files`: the customers' trunks, None when the
    portal alone keeps them; `dedicated`: customers' own addresses; `files_only`: rows of others are refused;
    `closes`: the firewall will admit less, so that this is checked although nothing changed; `after`: what has to be
    there first.

    Outputs: `reader`, `writer` (roles that sign in), `reader_password`, `writer_password` (secret; empty when they sign
    in by IAM), `counts` (customers, trunks and entries of the trunk files).
    """

    reader: pulumi.Output[str]
    writer: pulumi.Output[str]
    reader_password: pulumi.Output[str]
    writer_password: pulumi.Output[str]
    counts: Mapping[str, int]

    def __init__(
        self,
        name: str,
        settings: Settings,
        database: TrunkDatabase,
        files: TrunkFiles | None,
        *,
        dedicated: DedicatedIngress | None,
        files_only: bool = False,
        closes: bool = False,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(TRUNK_ACL_SCHEMA, name, None, opts)
        self._name, self._settings = name, settings
        acl = settings.trunk_acl
        credentials = self._reader_credentials()
        self.reader_password = credentials.current
        self.writer_password = self._password("writer")
        reach = acl.reach
        by_address = database.private_address if reach.address == "private" else database.public_address
        applied = _TrunkAcl(
            f"{name}-rows",
            {
                "instance": database.connection_name,
                "database": database.name,
                "host": by_address,
                "user": database_user(reach.iam_user) if reach.iam_user else database.user,
                "password": None if reach.iam_user else database.password,
                "serverCa": database.server_ca,
                "reach": {
                    "access": reach.access,
                    "port": reach.proxy_port or POSTGRESQL_PORT,
                    "private": reach.address == "private",
                    "iam": reach.iam_user is not None,
                    "deadlineSeconds": reach.deadline_seconds,
                    "lockSeconds": reach.lock_seconds,
                    "statementSeconds": reach.statement_seconds,
                },
                "migrations": {each.file: each.sha256 for each in migrations.load()},
                "createCustomers": acl.create_customers,
                "signIn": {
                    "readers": [database_user(each) for each in acl.sign_in.readers],
                    "writers": [database_user(each) for each in acl.sign_in.writers],
                    # Left out where there was no rotation, as in stacks of before. Also without passwords: the second
                    # reader must not keep its own.
                    **({"rotation": acl.sign_in.rotation} if acl.sign_in.rotation else {}),
                },
                "readerPassword": credentials.of(READER),
                "secondReaderPassword": credentials.of(SECOND_READER),
                "writerPassword": self.writer_password if acl.sign_in.passwords else None,
                "limits": {
                    "widestIpv4": acl.limits.widest_ipv4,
                    "widestIpv6": acl.limits.widest_ipv6,
                    "allowReserved": sorted(acl.limits.allow_reserved),
                },
                "owner": acl.owner,
                "trunks": files.customers if files else None,
                "places": files.places if files else {},
                # Left out where there is none, as in stacks of before.
                "dedicated": (dedicated.rows() if dedicated else None) or None,
                # Left out where others may keep rows, as in stacks of before.
                "filesOnly": files_only or None,
                "closes": closes or None,
                "removals": asdict(acl.removals.allowed) if acl.removals != Removals() else None,
            },
            # Users of the instance that roles are given to must be there; they are the database component's.
            pulumi.ResourceOptions(parent=self, protect=settings.protect, depends_on=[database, *after]),
        )
        # After the rows are there: nobody gets credentials for a schema that is not.
        self.reader = applied.id.apply(lambda _: credentials.name)
        self.writer = applied.id.apply(lambda _: "warp_acl_writer")
        self.counts = _counts(files)
        self.register_outputs({"reader": self.reader, "writer": self.writer})

    def _reader_credentials(self) -> _Credentials:
        """Those of every rotation are a resource of their own: the last two, and for ever the first, which may be
        locked in the state."""
        sign_in = self._settings.trunk_acl.sign_in
        if not sign_in.passwords:
            return _Credentials(READER, pulumi.Output.from_input(""), None, passwords=False)
        generated = {0: self._password("reader")}
        for number in (sign_in.rotation - 1, sign_in.rotation):
            if number > 0:
                generated[number] = self._password("reader", number)
        current, previous = generated[sign_in.rotation], generated.get(sign_in.rotation - 1)
        return _Credentials(login(sign_in.rotation), current, previous if sign_in.keep_previous else None)

    def _password(self, role: str, rotation: int = 0) -> pulumi.Output[str]:
        if not self._settings.trunk_acl.sign_in.passwords:
            return pulumi.Output.from_input("")
        generated = random.RandomPassword(
            f"{self._name}-{role}-password" + (f"-{rotation}" if rotation else ""),
            length=PASSWORD_LENGTH,
            special=False,
            # Those of rotations come and go.
            opts=pulumi.ResourceOptions(parent=self, protect=self._settings.protect and not rotation),
        )
        return pulumi.Output.secret(generated.result)


def trunk_files(acl: TrunkAcl, folder: Path, before: Mapping[str, str] | None) -> TrunkFiles | None:
    """The customers' trunks in `folder` (what `trunkAcl.trunks` is relative to), and in the log what changes since
    `before`, for the review. None when the portal alone keeps them.

    Raises `RefusedError` with file, line, BAN and reason of whatever is wrong in them, and for a removal that the
    settings would have to confirm. What only the database has, `entries.reconcile` counts.
    """
    if not acl.manage or acl.trunks is None:
        return None
    try:
        files = read(folder / acl.trunks, acl.limits)
    except TrunkFilesError as error:
        raise RefusedError(str(error), "correct the files; everything is as it was") from None
    if different := changes(before or {}, files.customers):
        pulumi.log.info(summary(different))
    _refuse_unconfirmed(before or {}, files.customers, acl.removals.allowed)
    return files


def refuse_skipped_rotation(acl: TrunkAcl, before: int | None) -> None:
    """Refuse a rotation by which the login in use would end at once: its password changed in place, or not kept.
    `before`: that of the last update.

    Call it before anything is declared.
    """
    now = acl.sign_in.rotation
    if not acl.manage or not acl.sign_in.passwords or before is None:
        return
    if now == before + 1 and not acl.sign_in.keep_previous:
        raise RefusedError(
            f"trunkAcl.signIn.rotation goes from {before} to {now} with keepPrevious: false: the credentials in use"
            " would end at once",
            "take trunkAcl.signIn.keepPrevious out until the proxies have been restarted; docs/trunk-acl.md, 'Changing"
            " credentials'",
        )
    if now not in (before, before + 1):
        raise RefusedError(
            f"trunkAcl.signIn.rotation goes from {before} to {now}: the credentials in use would end at once",
            f"set it to {before + 1} for new ones, or to {before}; docs/trunk-acl.md, 'Changing credentials'",
        )


def _refuse_unconfirmed(before: Mapping[str, str], after: Mapping[str, str], allowed: Allowed) -> None:
    found = removal(before, after)
    if words := unconfirmed(found, allowed):
        raise RefusedError(*words)
    if allowed.confirmed and before and not (found.bans and is_confirmed(found, allowed)):
        pulumi.log.warn("trunkAcl.removals.confirmed is not what this update removes; take it out of the settings")


def _counts(files: TrunkFiles | None) -> dict[str, int]:
    customers = files.customers if files else {}
    found = count(customers.values())
    return {"customers": len(customers), "trunks": found.trunks, "entries": found.ranges + found.off}
