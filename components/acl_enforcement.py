"""Enforcement of the trunk ACL in the cluster: Kamailio's fragments, the reader's credentials, and the reloader
(`acl_reloader.py`)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pulumi
import pulumi_random as random

import kamailio
from components import acl_database_proxy, acl_protection, acl_snapshot
from components.acl_network import Opening
from components.acl_reloader import MOUNTED, STATUS_PORT, ReloaderArgs, declare_reloader
from components.database import PASSWORD_LENGTH, TrunkDatabase
from components.dedicated_ingress import DedicatedIngress
from components.sdk.kubernetes import ConfigMap, Secret
from components.sdk.resource import Properties
from components.trunk_acl.schema import POSTGRESQL_PORT
from components.workload import canonical, checksum
from engine.refusal import RefusedError
from engine.tokens import ACL_ENFORCEMENT
from settings.ingress import Ingress
from settings.principal import database_user
from settings.tls import Tls
from settings.trunk_acl import Enforcement, SignIn

AUTHORITY = "server-ca.pem"
RPC_KEY = "WARP_ACL_RPC_TOKEN"
RPC_KEY_BEFORE = f"{RPC_KEY}_BEFORE"  # for those who call: a proxy takes the one that it was started with


class AclReader(Protocol):
    """The reader of the ACL: role and password; the password is empty with IAM sign-in."""

    @property
    def reader(self) -> pulumi.Output[str]:
        """Name of the role."""

    @property
    def reader_password(self) -> pulumi.Output[str]:
        """Secret."""


@dataclass(frozen=True)
class AclEnforcementArgs:
    """`ingress`: namespace and selector of the SIP proxy's pods; `dedicated`: addresses that need sockets.

    `acl`: this stack's, or the owner's if `database` is a read replica. `tls`: with the fragments for it.
    """

    enforcement: Enforcement
    sign_in: SignIn
    ingress: Ingress
    acl: AclReader
    database: TrunkDatabase
    labels: Mapping[str, str]
    dedicated: DedicatedIngress | None = None
    tls: Tls | None = None


class AclEnforcement(pulumi.ComponentResource):
    """`warp:edge:AclEnforcement`: how the SIP proxies get the trunk ACL.

    Declares a ConfigMap with Kamailio's fragments and the database's CA, a Secret with their environment variables,
    and, if an image is configured, the reloader with the headless Service by which it finds every proxy. It
    deliberately does not manage the proxy's Deployment and kamailio.cfg: kamailio/README.md lists what their owner has
    to add.

    Outputs: `config_map`, `secret` (names). `secret_checksum`: changes with the Secret's content.
    """

    config_map: pulumi.Output[str]
    secret: pulumi.Output[str]
    secret_checksum: pulumi.Output[str]

    def __init__(self, name: str, args: AclEnforcementArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(ACL_ENFORCEMENT, name, None, opts)
        self._name = name
        self._args = args
        address = pulumi.Output.from_input(
            args.enforcement.address
            or pulumi.Output.all(args.database.private_address, args.database.public_address).apply(_some_address)
        )
        environment = self._environment(address)
        config_map = ConfigMap(
            f"{name}-fragments",
            {
                "metadata": self._metadata(args.enforcement.config_map),
                "data": {
                    **kamailio.fragments(),
                    **(kamailio.fragments(kamailio.TLS_FRAGMENTS) if args.tls else {}),
                    **self._sockets(),
                    **self._protection(),
                    kamailio.LIMIT_PER_SOURCE: kamailio.limit_per_source(self._callers_ports()),
                    AUTHORITY: args.database.server_ca,
                },
            },
            pulumi.ResourceOptions(parent=self),
        )
        secret = Secret(
            f"{name}-credentials",
            {"metadata": self._metadata(args.enforcement.secret), "stringData": environment},
            pulumi.ResourceOptions(parent=self),
        )
        self.config_map = config_map.metadata.apply(_name)
        self.secret = secret.metadata.apply(_name)
        self.secret_checksum = _secret_checksum(environment)
        if args.enforcement.reloader:
            declare_reloader(
                name,
                ReloaderArgs(
                    args.enforcement.reloader,
                    args.ingress,
                    args.enforcement.table,
                    args.labels,
                    self.config_map,
                    self.secret,
                    _checksums(config_map, self.secret_checksum),
                    address,
                    list(self._openings()),
                    args.enforcement.snapshot_hours,
                    pulumi.Output.all(args.database.connection_name, args.database.private_address).apply(
                        lambda known: acl_database_proxy.instance_arguments(known[0], known[1], POSTGRESQL_PORT)
                    ),
                    args.tls,
                ),
                pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({"configMap": self.config_map, "secret": self.secret})

    def _sockets(self) -> dict[str, pulumi.Output[str]]:
        if not self._args.dedicated:
            return {}
        return {kamailio.DEDICATED: self._args.dedicated.sockets.apply(kamailio.dedicated)}

    def _protection(self) -> dict[str, str]:
        text = acl_protection.fragment(self._args.enforcement)
        return {kamailio.PROTECTION: text} if text else {}

    def _environment(self, address: pulumi.Output[str]) -> dict[str, pulumi.Input[str]]:
        """Environment variables of kamailio/ip_auth.cfg, rpc.cfg and the reloader."""
        rotation = self._args.enforcement.token_rotation
        token, before = self._token(rotation), self._token(rotation - 1) if rotation else None
        sign_in, database, acl = self._args.sign_in, self._args.database, self._args.acl
        place = address.apply(_place)
        if sign_in.passwords:
            # Generated without special characters: Kamailio decodes nothing in a URL, and the reloader's libpq all.
            who = pulumi.Output.concat(acl.reader, ":", acl.reader_password, "@")
            user = {}
        else:
            # Kamailio takes `name@project.iam` as it is and libpq `name%40project.iam`. Both take it from here.
            who = pulumi.Output.from_input("")
            user = {"PGUSER": database_user(sign_in.readers[0])}
        url = pulumi.Output.concat("postgres://", who, place, "/", database.name)
        return {
            **user,
            "WARP_ACL_DB_URL": pulumi.Output.secret(url),
            RPC_KEY: token,
            **({RPC_KEY_BEFORE: before} if before else {}),
            # libpq's variables, used by Kamailio and the reloader. A database proxy in the pod encrypts by itself.
            "PGSSLMODE": "verify-ca" if sign_in.passwords else "prefer",
            "PGSSLROOTCERT": f"{MOUNTED}/{AUTHORITY}",
            "PGCONNECT_TIMEOUT": "5",  # so that a reload does not hang
            **self._snapshot(),
        }

    def _token(self, rotation: int) -> pulumi.Output[str]:
        """That of every rotation is a resource of its own; the last two are there."""
        generated = random.RandomPassword(
            f"{self._name}-token" + (f"-{rotation}" if rotation else ""),
            length=PASSWORD_LENGTH,
            special=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return pulumi.Output.secret(generated.result)

    def _openings(self) -> Iterator[Opening]:
        """Ports of the proxies' pods that this stack's Services lead to."""
        ingress, dedicated = self._args.ingress, self._args.dedicated
        for protocol, ports in (("UDP", ingress.udp.ports), ("TCP", ingress.tcp.ports)):
            yield from ((protocol, port) for port in ports.values())
        if ingress.internal:
            yield from (("TCP", port) for port in ingress.internal.ports.values())
        for each in dedicated.listeners if dedicated else ():
            yield from ((each.protocol, port) for port in each.targets.values())

    def _callers_ports(self) -> Iterator[int]:
        """TCP ports of the proxies' pods that callers reach over LoadBalancers."""
        yield from self._args.ingress.tcp.ports.values()
        for each in self._args.dedicated.listeners if self._args.dedicated else ():
            yield from each.targets.values() if each.protocol == "TCP" else ()

    def _snapshot(self) -> dict[str, pulumi.Input[str]]:
        """What a proxy that starts without the database reads (kamailio/start.py)."""
        if not (reloader := self._args.enforcement.reloader):
            return {}
        return {"WARP_ACL_SNAPSHOT": acl_snapshot.url(reloader.name, self._args.ingress.namespace, STATUS_PORT)}

    def _metadata(self, name: str) -> Properties:
        return {"name": name, "namespace": self._args.ingress.namespace, "labels": self._args.labels}


def refuse_skipped_token(enforcement: Enforcement | None, before: int | None) -> None:
    """Refuse a rotation of the RPC token after which the reloader has none that the proxies take. `before`: that of the
    last update.

    Call it before anything is declared.
    """
    if enforcement is None or before is None:
        return
    now = enforcement.token_rotation
    if now not in (before, before + 1):
        raise RefusedError(
            f"trunkAcl.enforcement.tokenRotation goes from {before} to {now}: no proxy would take the reloader's calls,"
            " and with them revocations, until it was restarted",
            f"set it to {before + 1} for a new token, or to {before}; docs/secrets.md, 'The RPC token'",
        )


def _name(metadata: Mapping[str, Any]) -> str:
    return str(metadata["name"])


def _place(address: str) -> str:
    """In a URL."""
    return f"[{address}]:{POSTGRESQL_PORT}" if ":" in address else f"{address}:{POSTGRESQL_PORT}"


def _some_address(found: Sequence[str | None]) -> str:
    """The private address, or else the public one. For libpq an empty host means a Unix socket of the pod."""
    if address := next(filter(None, found), None):
        return address
    raise RefusedError(
        "the database has no address that the SIP proxies can reach",
        "set database.network.privateNetwork or database.network.public: true, or set trunkAcl.enforcement.address",
    )


def _checksums(config_map: ConfigMap, secret: pulumi.Output[str]) -> dict[str, pulumi.Input[str]]:
    """Annotations of a pod template that change with the ConfigMap and the Secret, so that pods are restarted: a pod
    reads its environment only at its start."""
    return {
        # Computed from its content, not from its inputs, which would be a dependency on every dedicated address.
        "checksum/config": config_map.data.apply(checksum),
        "checksum/secret": secret,
    }


def _secret_checksum(environment: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[str]:
    return pulumi.Output.secret(pulumi.Output.all(**environment).apply(keyed_checksum))


def keyed_checksum(environment: Mapping[str, str]) -> str:
    """HMAC-SHA-256 of the Secret's content, in hexadecimal, keyed with the generated token in it.

    Users who can read a Deployment may not be allowed to read the Secret, and could try passwords on a plain hash. The
    key is random and only in the Secret. The checksum is also secret in state and preview.
    """
    return hmac.new(environment[RPC_KEY].encode(), canonical(environment), hashlib.sha256).hexdigest()
