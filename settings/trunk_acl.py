"""The trunk ACL: how its database is reached, what its schema allows, and how Kamailio gets it."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Annotated, Literal

from pydantic import Field, field_validator

import trunk_removal
from settings.acl_protection import CallLimits, Capture, UnknownSources
from settings.base import Address, Ban, EachOnce, Name, Port, Section, Text, like
from settings.principal import Principal
from settings.problems import form, refuse, show
from settings.rules import rule
from trunk_removal import Allowed


class Reach(Section):
    """How the machine that runs `pulumi up` gets to the database."""

    access: Literal["direct", "proxy", "connector"] = Field(
        "direct",
        description="`direct`: TLS to its address; `proxy`: a Cloud SQL Auth Proxy on this machine; `connector`: the"
        " Cloud SQL Python Connector",
    )
    address: Literal["public", "private"] = Field("public", description="which of the instance's addresses to use")
    proxy_port: Port | None = Field(None, description="port of the proxy on 127.0.0.1, for access `proxy` alone")
    iam_user: Principal | None = Field(
        None,
        description="sign in as this IAM principal instead of database.user; with access `connector`, or `proxy`"
        " started with --auto-iam-authn. It must be a user of the instance (database.iamUsers)",
    )
    deadline_seconds: int = Field(
        120, ge=1, le=3600, description="how long to wait for a database that does not accept connections yet"
    )
    lock_seconds: int = Field(60, ge=1, le=3600, description="how long to wait for another run's lock, or a table's")
    statement_seconds: int = Field(600, ge=1, le=86_400, description="timeout of a single statement")

    @rule
    def _proxy_has_a_port(cls, proxy_port: int | None, access: str) -> None:
        if access == "proxy" and proxy_port is None:
            raise refuse("access `proxy` needs the proxy's port", "add trunkAcl.reach.proxyPort")
        if access != "proxy" and proxy_port is not None:
            raise refuse(
                f"access `{access}` does not use a proxy", "use trunkAcl.reach.access: proxy, or remove proxyPort"
            )

    @rule
    def _iam_needs_a_go_between(cls, iam_user: str | None, access: str) -> None:
        if iam_user and access == "direct":
            raise refuse(
                "IAM sign-in without a proxy or connector",
                "use trunkAcl.reach.access: connector (or proxy), or leave iamUser out",
            )


class Limits(Section):
    """Limits on entries that the database itself enforces."""

    widest_ipv4: int = Field(20, ge=8, le=32, description="shortest IPv4 prefix of one entry")
    widest_ipv6: int = Field(40, ge=16, le=128, description="shortest IPv6 prefix of one entry")
    allow_reserved: Annotated[tuple[str, ...], EachOnce] = Field(
        (),
        description="ranges in which entries are accepted although IANA reserves them (special-purpose, multicast)",
    )

    @field_validator("allow_reserved")
    @classmethod
    def _ranges(cls, ranges: tuple[str, ...]) -> tuple[str, ...]:
        for text in ranges:
            try:
                ip_network(text)
            except ValueError:
                raise refuse(f"{show(text)} is not a range", "write it as 127.0.0.0/8, host bits zero") from None
        return tuple(str(ip_network(text)) for text in ranges)


class Confirmed(Section):
    """One removal that is meant, as the refusal of it words it."""

    entries: int = Field(ge=0, description="how many entries are removed")
    bans: Annotated[tuple[Ban, ...], EachOnce] = Field(description="every customer that loses any entry")


class Removals(Section):
    """How much one update may take out of the trunk files before it asks for a confirmation."""

    customers: int = Field(0, ge=0, description="customers that may be removed entirely without confirmation")
    percent: int = Field(
        10,
        ge=0,
        le=100,
        description="per cent of all entries that may be removed without confirmation; one entry always may",
    )
    confirmed: Confirmed | None = Field(None, description="the intended removal; remove this key after the update")

    @property
    def allowed(self) -> Allowed:
        """The same, for the rule."""
        meant = self.confirmed
        confirmed = trunk_removal.Confirmed(meant.entries, tuple(sorted(meant.bans))) if meant else None
        return Allowed(self.customers, self.percent, confirmed)


class SignIn(Section):
    """How Kamailio (`warp_acl_reader`) and the portal (`warp_acl_writer`) sign in."""

    passwords: bool = Field(True, description="the two roles sign in directly, with generated passwords")
    readers: Annotated[tuple[Principal, ...], EachOnce] = Field(
        (), description="IAM principals that may read as warp_acl_reader does"
    )
    writers: Annotated[tuple[Principal, ...], EachOnce] = Field(
        (), description="IAM principals that may write as warp_acl_writer does"
    )

    rotation: Annotated[int, Field(ge=0, le=10_000)] = Field(
        0,
        description="raise it by one for new credentials of Kamailio and reloader; the previous ones stay valid beside"
        " them (docs/trunk-acl.md)",
    )
    keep_previous: bool = Field(
        True,
        description="false: the credentials before the last `rotation` no longer sign in; true again before the next",
    )

    @rule
    def _the_acl_can_be_read(cls, readers: tuple[str, ...], passwords: bool) -> None:
        if not readers and not passwords:
            raise refuse("no role could read the ACL", "name a reader, or set trunkAcl.signIn.passwords: true")


Quantity = Annotated[str, like(r"^[0-9]+(m|[KMGT]i?)?$", "write it as 50m of a CPU or 128Mi of memory")]
Image = Annotated[
    str,
    like(r"^\S+$", "write it as registry.example.com/warp-acl-reloader:1, no blanks", min_length=1, max_length=512),
]


class DatabaseProxy(Section):
    """A Cloud SQL Auth Proxy in the reloader's pod."""

    image: Image = Field(description="of the Cloud SQL Auth Proxy, version 2")
    service_account: Name = Field(
        description="Kubernetes ServiceAccount that is bound to the first of trunkAcl.signIn.readers"
    )


class Reloader(Section):
    """The Deployment that makes every SIP proxy load changes of the trunk ACL, and what the cluster has beside it."""

    image: Image = Field(description="built from `kamailio/reloader/`")
    name: Name = Field("warp-acl-reloader", description="name of the Deployment, and of the Service for its snapshot")
    service: Name = Field(
        "kamailio-rpc",
        description="name of the headless Service by which it finds every proxy pod; declared by this program",
    )
    port: Port = Field(9061, description="the proxies' port for the reloader's calls, UDP and TCP (`kamailio/rpc.cfg`)")
    replicas: int = Field(
        2, ge=1, le=3, description="one calls the proxies, the others take over within seconds when its node is lost"
    )
    network_policies: bool = Field(
        False,
        description="NetworkPolicies: only the reloader reaches the proxies' `port`, all their other ports stay open;"
        " the reloader reaches only DNS, database and proxies (with a databaseProxy: anything). Leave it off if the"
        " proxies have a NetworkPolicy of their own: policies add up",
    )
    pod_monitoring: bool = Field(
        False, description="PodMonitoring of its `/metrics`; the cluster needs managed collection for Prometheus"
    )
    cpu: Quantity = Field("50m", description="requested CPU")
    memory: Quantity = Field("128Mi", description="requested memory, and its limit")
    database_proxy: DatabaseProxy | None = Field(
        None, description="where trunkAcl.signIn.passwords is false: what signs in by IAM for the reloader"
    )

    @rule
    def _two_services(cls, service: str, name: str) -> None:
        if service == name:
            raise refuse("the reloader's own Service has this name", "choose another, such as kamailio-rpc")


class Enforcement(Section):
    """How the stack hands the ACL to the SIP proxies."""

    table: Literal["mtree", "permissions"] = Field(
        "mtree",
        description="which of the fragments' two tables the proxies use (kamailio/README.md); the reloader has to"
        " match",
    )
    config_map: Name = Field("warp-acl", description="ConfigMap with Kamailio's configuration fragments")
    secret: Name = Field("warp-acl", description="Secret with the environment variables that the fragments read")
    address: Address | None = Field(
        None, description="where pods reach the database; absent: the private address, or else the public one"
    )
    snapshot_hours: Annotated[int, Field(ge=1, le=720)] = Field(
        24,
        description="how long the tables serve with which a proxy started while the database was away; after that it"
        " answers 503 (kamailio/README.md)",
    )
    token_rotation: Annotated[int, Field(ge=0, le=10_000)] = Field(
        0,
        description="raise it by one for a new RPC token; the reloader goes on with the previous one at proxies that"
        " were not restarted (docs/secrets.md)",
    )
    call_limits: CallLimits | None = Field(
        None, description="absent: the limits of trunks are not enforced (kamailio/README.md, Limits of trunks)"
    )
    unknown_sources: UnknownSources | None = Field(
        None, description="absent: every request of a source that is not listed is answered with 403"
    )
    capture: Capture | None = Field(None, description="absent: no SIP message is copied to a collector")
    reloader: Reloader | None = Field(None, description="absent: the proxies are not notified of changes")


class TrunkAcl(Section):
    """The trunk ACL: schema, customers' trunks, and enforcement."""

    manage: bool = Field(False, description="false: the trunk ACL is not touched")
    reach: Reach = Field(Reach(), description="how `pulumi up` gets to the database")
    create_customers: bool = Field(
        False, description="create a minimal accounts.customers if there is none; production has its own"
    )
    limits: Limits = Field(Limits(), description="limits on entries")
    sign_in: SignIn = Field(SignIn(), description="how the two roles sign in")
    trunks: Text | None = Field(
        None,
        pattern=form(r"^[^\x00]+$", "name a folder"),
        description="folder of trunk files (`*.yaml`), relative to the program; absent: only the portal writes rows",
    )
    removals: Removals = Field(Removals(), description="what may vanish from the trunk files unconfirmed")
    owner: Annotated[
        str,
        like(r"^[a-z][-a-z0-9]{0,62}$", "use lower-case letters, digits and hyphens, a letter first, 63 at most"),
    ] = Field("warp-edge", description="marks the rows that come from trunk files; other rows are left alone")
    enforcement: Enforcement | None = Field(None, description="resources in the cluster; absent: none")

    @rule
    def _iam_needs_a_sidecar(cls, enforcement: Enforcement | None, sign_in: SignIn) -> None:
        if enforcement is None:
            return
        reloader = enforcement.reloader
        proxy = reloader.database_proxy if reloader else None
        if sign_in.passwords:
            if proxy:
                raise refuse(
                    "the reloader signs in with a password, not through a proxy by IAM",
                    "set trunkAcl.signIn.passwords: false, or remove trunkAcl.enforcement.reloader.databaseProxy",
                )
        elif enforcement.address is None:
            raise refuse(
                "Kamailio signs in with a password, or through a proxy beside it that signs in by IAM",
                "add trunkAcl.enforcement.address: 127.0.0.1 for the proxy, or set trunkAcl.signIn.passwords: true",
            )
        elif reloader and (proxy is None) == ip_address(enforcement.address).is_loopback:
            raise refuse(
                "the reloader's pod needs a database proxy of its own where the address is 127.0.0.1, and only there",
                "add trunkAcl.enforcement.reloader.databaseProxy"
                if proxy is None
                else "set trunkAcl.enforcement.address: 127.0.0.1",
            )

    @rule
    def _not_the_portals(cls, owner: str) -> None:
        if owner == "portal":
            raise refuse("reserved for the portal: its rows would be removed", "choose another, such as warp-edge")
