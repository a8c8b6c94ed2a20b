"""The Cloud SQL instance that holds the trunk ACL."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic import ValidationInfo as Info

from settings.base import EachOnce, Name, Range, Section, StackName, Text
from settings.principal import Principal
from settings.problems import form, refuse, show
from settings.rules import rule

SQL_NAME = form(
    r"^[a-z_][a-z0-9_]{0,62}$", "use lower-case letters, digits and underscores, no digit first, 63 at most"
)

# What connects a network with Google's managed services (docs.cloud.google.com/vpc/docs/private-services-access).
PEERING_SERVICE = "servicenetworking.googleapis.com"


class Disk(Section):
    """The instance's disk. With autoresize, the cloud decides its size."""

    size_gb: int = Field(10, ge=10, le=65_536, description="initial size in GB")
    type: Literal["PD_SSD", "PD_HDD"] = Field("PD_SSD", description="kind of disk")
    autoresize: bool = Field(True, description="grow automatically when nearly full")
    limit_gb: int = Field(0, ge=0, le=65_536, description="limit of autoresize in GB; 0: no limit")

    @rule
    def _limit_leaves_room(cls, limit_gb: int, size_gb: int = 0, autoresize: bool = True) -> None:
        if 0 < limit_gb < size_gb:
            raise refuse("smaller than the disk", "raise database.disk.limitGb, or use 0 for no limit")
        if limit_gb and not autoresize:
            raise refuse(
                "a limit for a disk that does not grow", "set database.disk.autoresize: true, or remove limitGb"
            )


class Backups(Section):
    """Daily backups and point-in-time recovery."""

    enabled: bool = Field(True, description="daily backups")
    start_time: str = Field(
        "03:00",
        pattern=form(r"^([01][0-9]|2[0-3]):[0-5][0-9]$", "write it as 03:00, from 00:00 to 23:59"),
        description="UTC, HH:MM",
    )
    retained: int = Field(7, ge=1, le=365, description="backups kept")
    point_in_time_recovery: bool = Field(True, description="keep write-ahead logs")
    log_retention_days: int = Field(
        7, ge=1, le=35, description="days of write-ahead logs kept; more than 7 with edition ENTERPRISE_PLUS only"
    )

    @rule
    def _recovery_needs_backups(cls, point_in_time_recovery: bool, enabled: bool) -> None:
        if point_in_time_recovery and not enabled:
            raise refuse("point-in-time recovery needs backups", "set database.backups.enabled: true")


class Maintenance(Section):
    """When Google may restart the instance."""

    day: int = Field(7, ge=1, le=7, description="1 Monday to 7 Sunday")
    hour: int = Field(4, ge=0, le=23, description="UTC")
    track: Literal["canary", "stable", "week5"] = Field("stable", description="how early updates are installed")


PRIVATE = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))  # RFC 1918


class DatabaseNetwork(Section):
    """Who can reach the instance."""

    public: bool = Field(True, description="a public address")
    private_network: str | None = Field(
        None,
        pattern=form(r"^projects/[^/]+/global/networks/[^/]+$", "write it as projects/PROJECT/global/networks/NETWORK"),
        description="VPC network of the private address; it cannot be removed later",
    )
    peering_range: Name | None = Field(
        None,
        description="create private services access with a range of this name, in a network that does not have it yet"
        " (docs/recover.md); absent: it exists already",
    )
    authorised: dict[Name, Range] = Field({}, description="name to range that may reach the public address")

    @rule
    def _reachable(cls, private_network: str | None, public: bool) -> None:
        if private_network is None and not public:
            raise refuse("neither a public nor a private address: no client could reach it", "set one of them")

    @rule
    def _a_range_peers_with_a_network(cls, peering_range: str | None, private_network: str | None) -> None:
        if peering_range and private_network is None:
            raise refuse("a peering range without a private network", "add database.network.privateNetwork")

    @rule
    def _ranges_are_ipv4(cls, authorised: dict[str, str]) -> None:
        for name, each in authorised.items():
            if ":" in each:
                raise refuse(f"{show(name)} is IPv6: the public address is IPv4", "name its IPv4 range")

    @rule
    def _ranges_are_public(cls, authorised: dict[str, str]) -> None:
        """Cloud SQL: "Non-routable or private authorized network (10.0.0.0/8)"."""
        for name, each in authorised.items():
            if ":" not in each and any(ip_network(each).overlaps(private) for private in PRIVATE):
                raise refuse(
                    f"{show(name)} is a private range: clients reach the public address from public addresses",
                    "name the range behind the NAT, or use database.network.privateNetwork",
                )

    @rule
    def _ranges_need_a_public_address(cls, authorised: dict[str, str], public: bool) -> None:
        if authorised and not public:
            raise refuse("authorised ranges without a public address", "remove them, or set public: true")


class ReplicaOf(Section):
    """Another region's database, of which this stack has a read replica."""

    instance: Name = Field(description="name of the owner's instance, in the same project")
    stack: StackName = Field(description="the owner's fully qualified stack name: organization/project/stack")


# docs.cloud.google.com/sql/docs/postgres/editions-intro and .../create-instance#machine-types
SHARED_CORE = ("db-f1-micro", "db-g1-small")
OF_ENTERPRISE_PLUS = ("db-perf-optimized-", "db-c4a-")
ON_HYPERDISK = "db-c4a-"
OF_MYSQL = "db-n1-"
CUSTOM = re.compile(r"db-custom-([0-9]{1,3})-([0-9]{1,7})")
MOST_CPUS = 96
LEAST_MEMORY, MEMORY_STEP = 3840, 256  # MB
LEAST_PER_CPU, MOST_PER_CPU = 922, 6656  # MB: 0.9 GB (a whole MB up) and 6.5 GB

# docs.cloud.google.com/sql/docs/postgres/instance-settings: PROJECT:INSTANCE.
LONGEST_CONNECTION = 98
SUFFIX = 6  # characters that `uniqueName` adds behind a hyphen

IAM_FLAG = "cloudsql.iam_authentication"


class Database(Section):
    """The Cloud SQL instance that holds the trunk ACL."""

    instance: Name = Field(description="name; after a deletion it cannot be used again for a week")
    unique_name: bool = Field(False, description="add a random suffix to the name, for short-lived stacks")
    replica_of: ReplicaOf | None = Field(
        None, description="a read replica of another region's database (docs/regions.md); absent: a database of its own"
    )
    version: Literal["POSTGRES_15", "POSTGRES_16", "POSTGRES_17", "POSTGRES_18"] = Field(
        "POSTGRES_15", description="major version"
    )
    edition: Literal["ENTERPRISE", "ENTERPRISE_PLUS"] = Field(
        "ENTERPRISE", description="always passed to the cloud explicitly"
    )
    tier: str = Field(
        "db-f1-micro",
        pattern=form(r"^db-[a-z0-9N-]+$", "write it as db-f1-micro or db-custom-2-7680"),
        description="machine type",
    )
    availability: Literal["ZONAL", "REGIONAL"] = Field("ZONAL", description="REGIONAL: a standby in another zone")
    disk: Disk = Field(Disk(), description="the disk")
    backups: Backups = Field(Backups(), description="backups; not for a read replica")
    maintenance: Maintenance = Field(
        Maintenance(), description="maintenance window; not for a read replica, which follows its owner's"
    )
    flags: dict[str, Text] = Field({}, description="PostgreSQL flags, values in quotes")
    insights: bool = Field(False, description="Query Insights")
    ssl_mode: Literal["ENCRYPTED_ONLY", "TRUSTED_CLIENT_CERTIFICATE_REQUIRED", "ALLOW_UNENCRYPTED_AND_ENCRYPTED"] = (
        Field(
            "ENCRYPTED_ONLY",
            description="which connections are accepted: whether clients need TLS, or a certificate too",
        )
    )
    network: DatabaseNetwork = Field(DatabaseNetwork(), description="addresses, and the ranges that may reach them")
    iam_authentication: bool = Field(False, description="let IAM principals sign in")
    iam_users: Annotated[tuple[Principal, ...], EachOnce] = Field(
        (), description="e-mail addresses of people and service accounts"
    )
    name: str = Field("warp", pattern=SQL_NAME, description="database in the instance")
    user: str = Field("warp_edge", pattern=SQL_NAME, description="owner; its password is generated")

    @property
    def longest_name(self) -> str:
        """The instance's name, with an `x` for each random character."""
        return f"{self.instance}-{'x' * SUFFIX}" if self.unique_name else self.instance

    @property
    def connections(self) -> int | None:
        """How many it takes (`max_connections`); None: not known. Of a db-f1-micro 25 by default
        (docs.cloud.google.com/sql/docs/postgres/flags); the default of others depends on their memory."""
        flag = self.flags.get("max_connections", "25" if self.tier == SHARED_CORE[0] else "")
        return int(flag) if flag.isascii() and flag.isdigit() else None

    @rule
    def _edition_has_the_tier(cls, tier: str, edition: str = "") -> None:
        if tier in SHARED_CORE and edition == "ENTERPRISE_PLUS":
            raise refuse("shared-core machines need edition ENTERPRISE", "set database.edition: ENTERPRISE")
        of_plus = tier.startswith(OF_ENTERPRISE_PLUS)
        if edition == "ENTERPRISE_PLUS" and not of_plus:
            raise refuse(
                "edition ENTERPRISE_PLUS has its own machine types",
                "use db-perf-optimized-N-2 or a larger one, or set database.edition: ENTERPRISE",
            )
        if tier.startswith(OF_MYSQL):
            raise refuse(
                "a machine type for MySQL only: PostgreSQL has shared-core and custom ones",
                "use db-custom-2-7680, or another",
            )
        if edition == "ENTERPRISE" and of_plus:
            raise refuse(
                "a machine of edition ENTERPRISE_PLUS",
                "use db-custom-CPUS-MEGABYTES, or set database.edition: ENTERPRISE_PLUS",
            )

    @rule
    def _custom_machines_can_be_had(cls, tier: str) -> None:
        if not tier.startswith("db-custom-"):
            return
        found = CUSTOM.fullmatch(tier)
        if found is None:
            raise refuse("not a custom machine", "write it as db-custom-2-7680: CPUs and MB of memory")
        cpus, memory = int(found[1]), int(found[2])
        if not (cpus == 1 or (cpus % 2 == 0 and 2 <= cpus <= MOST_CPUS)):
            raise refuse(f"{cpus} CPUs", f"use 1, or an even number up to {MOST_CPUS}")
        if memory % MEMORY_STEP or memory < LEAST_MEMORY or not LEAST_PER_CPU <= memory / cpus <= MOST_PER_CPU:
            raise refuse(
                f"{memory} MB with {cpus} CPUs",
                f"use a multiple of {MEMORY_STEP} MB, {LEAST_MEMORY} or more, and 0.9 to 6.5 GB a CPU",
            )

    @rule
    def _machine_takes_the_disk(cls, disk: Disk, edition: str = "", tier: str = "") -> None:
        if edition == "ENTERPRISE_PLUS" and disk.type == "PD_HDD":
            raise refuse("edition ENTERPRISE_PLUS has no HDD", "set database.disk.type: PD_SSD")
        if tier.startswith(ON_HYPERDISK):
            raise refuse(
                "C4A machines need Hyperdisk, which is not supported here", "use db-perf-optimized-N-2 or a larger one"
            )

    @field_validator("flags", mode="before")
    @classmethod
    def _switches_are_words(cls, flags: object) -> object:
        """Cloud SQL uses on and off, which YAML parses as true and false unless quoted."""
        for name, value in flags.items() if isinstance(flags, dict) else ():
            if isinstance(value, bool):
                raise refuse(
                    f"{show(name)} is {str(value).lower()}: flags are text",
                    f'write "{"on" if value else "off"}", in quotes',
                )
        return flags

    @rule
    def _iam_has_a_setting(cls, flags: dict[str, str]) -> None:
        if IAM_FLAG in flags:
            raise refuse(f"{IAM_FLAG} has a setting of its own", "set database.iamAuthentication, and remove the flag")

    @rule
    def _standby_needs_backups(cls, backups: Backups, availability: str) -> None:
        if availability == "REGIONAL" and not backups.point_in_time_recovery:
            raise refuse("REGIONAL needs backups and point-in-time recovery", "turn both on")

    @rule
    def _edition_keeps_logs(cls, backups: Backups, edition: str) -> None:
        if edition == "ENTERPRISE" and backups.log_retention_days > 7:
            raise refuse("edition ENTERPRISE keeps write-ahead logs for 7 days at most", "keep 7 days, or less")

    @field_validator("backups", "maintenance")
    @classmethod
    def _the_owner_has_it(cls, given: Backups | Maintenance, info: Info) -> Backups | Maintenance:
        owner: ReplicaOf | None = info.data.get("replica_of")
        if owner and given.model_fields_set:
            raise refuse(
                f"a replica has no {info.field_name} of its own",
                f"remove it here, and set database.{info.field_name} in the stack {owner.stack}",
            )
        return given

    @rule
    def _users_need_iam(
        cls, iam_users: tuple[str, ...], iam_authentication: bool = True, replica_of: ReplicaOf | None = None
    ) -> None:
        if iam_users and not iam_authentication:
            raise refuse("IAM users while IAM authentication is off", "set database.iamAuthentication: true")
        if iam_users and replica_of:
            raise refuse("a replica has the same users as its owner", "name them in the owner's database.iamUsers")
