"""A stack's settings, parsed strictly before any resource is declared.

`Settings.parse` takes the stack's whole configuration and either returns frozen models or raises ONE `SettingsError`
that lists every problem. Rules that span fields are validators of the later field, so one wrong field never hides
another's problem. Nothing here knows Pulumi or a region's name; `docs/settings.md` is written from these models.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator
from pydantic import ValidationInfo as Info

from inventory.address import Status
from settings.base import Region
from settings.database import LONGEST_CONNECTION, Database
from settings.dedicated import DedicatedCustomer, DedicatedListener, Key, listeners, refuse_clashes
from settings.dns import Dns
from settings.egress import Egress
from settings.ingress import Cluster, Ingress
from settings.ledger import Cost, Quotas, RetiredAddress
from settings.lifecycle import refuse_circle, refuse_short_notice
from settings.problems import SettingsError, config_key, refuse, show
from settings.stack import ROLE, Stack
from settings.trunk_acl import Enforcement, TrunkAcl
from settings.way_to_database import refuse_no_way

__all__ = ["Settings", "SettingsError", "config_key"]


class Settings(Stack):
    """All settings of a stack of role `region`: one region's edge."""

    elsewhere: ClassVar[frozenset[str]] = frozenset({"regions", "routing"})

    role: Literal["region"] = Field("region", description=ROLE)
    region: Region = Field(description="the region that this stack stands up")
    cluster: Cluster = Field(description="how to reach the Kubernetes cluster")
    ingress: Ingress = Field(description="customers' way in")
    egress: Egress = Field(description="the way out to vendors")
    database: Database = Field(description="the trunk ACL's database")
    trunk_acl: TrunkAcl = Field(TrunkAcl(), description="who may call")
    dedicated: dict[Key, DedicatedCustomer] = Field(
        {}, description="premium tier: customers with ingress addresses of their own, by a short name"
    )
    legacy: dict[str, RetiredAddress] = Field({}, description="retired addresses, by name")
    quotas: Quotas = Field(Quotas(), description="what the project may have in this region")
    cost: Cost = Field(Cost(), description="figures of the monthly plan")

    @field_validator("region")
    @classmethod
    def _provider_has_the_same_region(cls, region: str, info: Info) -> str:
        provider = info.context.config.get("gcp:region", region) if info.context else region
        if provider != region:
            raise refuse(f"gcp:region is {show(provider)}", "give both the same region, or leave gcp:region out")
        return region

    @field_validator("cluster")
    @classmethod
    def _cluster_is_in_the_region(cls, cluster: Cluster, info: Info) -> Cluster:
        region = info.data.get("region")
        if cluster.location and region and cluster.location != region and cluster.location[:-2] != region:
            raise refuse(
                f"the cluster is in {cluster.location}, the stack in {region}: a LoadBalancer cannot use an address"
                " of another region",
                "name a cluster of this region in cluster.location",
            )
        return cluster

    @field_validator("ingress")
    @classmethod
    def _customers_have_their_notice(cls, ingress: Ingress, info: Info) -> Ingress:
        if "notice_days" in info.data:
            refuse_short_notice(ingress.lives, info.data["notice_days"])
        return ingress

    @field_validator("egress")
    @classmethod
    def _vendors_have_their_notice(cls, egress: Egress, info: Info) -> Egress:
        if "notice_days" in info.data:
            refuse_short_notice(egress.slots.items(), info.data["notice_days"])
        return egress

    @field_validator("egress")
    @classmethod
    def _egress_has_its_own_addresses(cls, egress: Egress, info: Info) -> Egress:
        ingress: Ingress | None = info.data.get("ingress")
        taken = ingress.address_names if ingress else set()
        if shared := sorted(taken & set(egress.slots)):
            raise refuse(f"{shared[0]} is an ingress address", "an address is one or the other; reserve another")
        return egress

    @field_validator("database")
    @classmethod
    def _cloud_sql_takes_the_name(cls, database: Database, info: Info) -> Database:
        length = len(f"{info.data.get('project', '')}:{database.longest_name}")
        if length > LONGEST_CONNECTION:
            raise refuse(
                f"gcp:project and {database.longest_name} have {length} characters with a colon between",
                f"make database.instance shorter: Cloud SQL takes {LONGEST_CONNECTION}",
            )
        return database

    @field_validator("trunk_acl")
    @classmethod
    def _only_the_owner_writes(cls, acl: TrunkAcl, info: Info) -> TrunkAcl:
        database: Database | None = info.data.get("database")
        if database and database.replica_of and acl.manage:
            raise refuse(
                "nobody can write to a read replica",
                f"set trunkAcl.manage: false; the trunk ACL is applied by {database.replica_of.stack}",
            )
        return acl

    @field_validator("trunk_acl")
    @classmethod
    def _the_database_can_be_reached(cls, acl: TrunkAcl, info: Info) -> TrunkAcl:
        if database := info.data.get("database"):
            refuse_no_way(acl, database)
        return acl

    @field_validator("dedicated")
    @classmethod
    def _the_owner_knows_whose_they_are(
        cls, dedicated: dict[str, DedicatedCustomer], info: Info
    ) -> dict[str, DedicatedCustomer]:
        database: Database | None = info.data.get("database")
        if dedicated and database and database.replica_of:
            raise refuse(
                "whose these addresses are is written in the database, of which this region has a read replica",
                f"give customers addresses of their own in the region of {database.replica_of.stack}",
            )
        return dedicated

    @field_validator("dedicated")
    @classmethod
    def _somebody_knows_whose_they_are(
        cls, dedicated: dict[str, DedicatedCustomer], info: Info
    ) -> dict[str, DedicatedCustomer]:
        acl: TrunkAcl | None = info.data.get("trunk_acl")
        if dedicated and acl and not (acl.manage and acl.enforcement):
            raise refuse(
                "nothing would tell the SIP proxies whose these addresses are: every call to them would be refused",
                "set trunkAcl.manage: true and trunkAcl.enforcement: {}",
            )
        return dedicated

    @field_validator("dedicated")
    @classmethod
    def _dedicated_customers_are_apart(
        cls, dedicated: dict[str, DedicatedCustomer], info: Info
    ) -> dict[str, DedicatedCustomer]:
        ingress: Ingress | None = info.data.get("ingress")
        egress: Egress | None = info.data.get("egress")
        dns: Dns | None = info.data.get("dns")
        acl: TrunkAcl | None = info.data.get("trunk_acl")
        if ingress and egress and dns and acl:
            services, ports = _in_the_cluster(ingress, acl)
            taken = {
                "Service": services,
                "reserved address": dict.fromkeys(ingress.address_names, "the shared ingress")
                | dict.fromkeys(egress.slots, "the egress"),
                "DNS name": dict.fromkeys((dns.names.primary, dns.names.udp, dns.names.tcp), "the shared ingress")
                | ({info.data["region"]: "the region"} if dns.scope == "region" and "region" in info.data else {}),
            }
            refuse_clashes(dedicated, ingress, taken, ports)
        return dedicated

    @field_validator("legacy")
    @classmethod
    def _retired_addresses_fit_the_living(
        cls, legacy: dict[str, RetiredAddress], info: Info
    ) -> dict[str, RetiredAddress]:
        ingress: Ingress | None = info.data.get("ingress")
        egress: Egress | None = info.data.get("egress")
        if not ingress or not egress:
            return legacy
        own = {each.address: each.ban for each in listeners(info.data.get("dedicated") or {}, ingress)}
        living = ingress.address_names | set(egress.slots) | set(own)
        draining = {name for name, slot in egress.slots.items() if slot.state is Status.DRAINING}
        if both := sorted(draining & set(legacy)):
            raise refuse(
                f"{both[0]} is retired and still drains",
                f"remove it from egress.slots when its calls have ended, or legacy.{both[0]} until then",
            )
        if both := sorted(living & set(legacy)):
            raise refuse(f"{both[0]} is in use and retired", "remove it from legacy, or from where it is used")
        for name, address in legacy.items():
            if unknown := sorted(set(address.replaced_by) - living - set(legacy)):
                raise refuse(
                    f"{show(name)} is replaced by {unknown[0]}, which is not here", "name an address of this stack"
                )
            if private := [each for each in address.replaced_by if own.get(each, address.customer) != address.customer]:
                raise refuse(
                    f"{show(name)} is replaced by {private[0]}, which is BAN {own[private[0]]}'s own: others would be"
                    " told of it",
                    f"name an address that they may have, or say legacy.{show(name)}.customer",
                )
        refuse_circle({name: address.replaced_by for name, address in legacy.items()})
        return legacy

    @field_validator("legacy")
    @classmethod
    def _an_address_retired_once(cls, legacy: dict[str, RetiredAddress]) -> dict[str, RetiredAddress]:
        names: dict[str, str] = {}
        for name, retired in legacy.items():
            if other := names.get(retired.address):
                raise refuse(
                    f"{retired.address} stands under {show(other)} and under {show(name)}",
                    "leave it under one name: people outside would not know which of the two is right",
                )
            names[retired.address] = name
        return legacy

    @field_validator("quotas")
    @classmethod
    def _the_project_may_have_it_all(cls, quotas: Quotas, info: Info) -> Quotas:
        ingress: Ingress | None = info.data.get("ingress")
        egress: Egress | None = info.data.get("egress")
        if ingress and egress and "dedicated" in info.data:
            own = sum(1 for _ in listeners(info.data["dedicated"], ingress))
            quotas.refuse_more(
                addresses=len(ingress.address_names) + len(egress.slots) + own,
                rules=len(ingress.answering) + own,
                dedicated=own > 0,
            )
        return quotas

    @property
    def enforcement(self) -> Enforcement | None:
        """What the cluster gets of the trunk ACL: where it is applied, and where a replica of it is read."""
        applied = self.trunk_acl.manage or self.database.replica_of
        return self.trunk_acl.enforcement if applied else None

    @property
    def dedicated_listeners(self) -> tuple[DedicatedListener, ...]:
        """Every LoadBalancer of the dedicated customers, with all names and ports said."""
        return tuple(listeners(self.dedicated, self.ingress))


def _in_the_cluster(ingress: Ingress, acl: TrunkAcl) -> tuple[dict[str, str], dict[int, str]]:
    """Services beside those of dedicated customers, and ports of the SIP proxy's pods: each with whose it is."""
    shared, internal = "the shared ingress", "the internal Service"
    services = dict.fromkeys((ingress.udp.service, ingress.tcp.service), shared)
    ports = dict.fromkeys((*ingress.udp.ports.values(), *ingress.tcp.ports.values()), shared)
    if ingress.internal:
        services[ingress.internal.service] = internal
        ports |= dict.fromkeys(ingress.internal.ports.values(), internal)
    if acl.enforcement and acl.enforcement.reloader:
        services[acl.enforcement.reloader.service] = "the reloader"
        ports[acl.enforcement.reloader.port] = "the reloader"
    return services, ports
