"""A stack's settings, parsed strictly before any resource is declared.

`Settings.parse` takes the stack's whole configuration and either returns frozen models or raises ONE `SettingsError`
that lists every problem. Rules that span fields are validators of the later field, so one wrong field never hides
another's problem. Nothing here knows Pulumi or a region's name; `docs/settings.md` is written from these models.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic import ValidationInfo as Info
from pydantic_core import from_json

from inventory.address import Status
from settings.base import Labels, ProjectId, Region, Section
from settings.database import Database
from settings.dedicated import DedicatedCustomer, DedicatedListener, Key, listeners, refuse_clashes
from settings.dns import Dns
from settings.egress import Egress
from settings.ingress import Cluster, Ingress
from settings.inventory_site import InventorySite
from settings.ledger import Cost, Quotas, RetiredAddress
from settings.lifecycle import NOTICE_DAYS, NoticeDays, refuse_short_notice
from settings.problems import PROJECT_KEY, Problem, SettingsError, config_key, field_of, problem_of, refuse, show
from settings.trunk_acl import TrunkAcl

__all__ = ["Settings", "SettingsError", "config_key"]


OF_GANDI = "gandiToken"


@dataclass(frozen=True)
class _Given:
    """What rules need that is no setting of ours."""

    config: Mapping[str, str]
    secret_keys: frozenset[str]


class Settings(Section):
    """All settings of one stack: one region's edge."""

    project: ProjectId = Field(alias=PROJECT_KEY, description="Google Cloud project; the provider's own setting")
    region: Region = Field(description="the region that this stack stands up")
    protect: bool = Field(True, description="all locks against deletion: the engine's, the plugin's, the cloud's")
    labels: Labels = Field({}, description="on everything that takes labels")
    notice_days: NoticeDays = Field(
        NOTICE_DAYS, description="days from the announcement of an address to its first use"
    )
    cluster: Cluster = Field(description="how to reach the Kubernetes cluster")
    ingress: Ingress = Field(description="customers' way in")
    egress: Egress = Field(description="the way out to vendors")
    dns: Dns = Field(description="names")
    gandi_token: SecretStr = Field(
        SecretStr(""),
        validate_default=False,  # as JSON it would have to be text
        description="Gandi's personal access token, as a secret (docs/dns.md); empty: GANDI_TOKEN of the environment",
    )
    database: Database = Field(description="the trunk ACL's database")
    trunk_acl: TrunkAcl = Field(TrunkAcl(), description="who may call")
    inventory_site: InventorySite = Field(InventorySite(), description="the inventory as a web site")
    dedicated: dict[Key, DedicatedCustomer] = Field(
        {}, description="premium tier: customers with ingress addresses of their own, by a short name"
    )
    legacy: dict[str, RetiredAddress] = Field({}, description="retired addresses, by name")
    quotas: Quotas = Field(Quotas(), description="what the project may have in this region")
    cost: Cost = Field(Cost(), description="figures of the monthly plan")

    @classmethod
    def parse(cls, config: Mapping[str, str], secret_keys: Collection[str] = ()) -> Self:
        """The settings in a stack's configuration, `namespace:key` to text, objects as JSON (as the engine gives it).

        Raises `SettingsError` with every problem found. Values of `secret_keys` are never shown.
        """
        document = {field: _value(field, config[key]) for field, key in _keys(config).items() if key in config}
        try:
            return cls.model_validate_json(json.dumps(document), context=_Given(config, frozenset(secret_keys)))
        except ValidationError as error:
            secret = {_storable(key) for key in secret_keys} | {config_key(OF_GANDI)}
            found = [_told(each, secret) for each in error.errors(include_url=False)]
        raise SettingsError(found)

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
            listeners = [(listener.address, listener) for listener in (ingress.udp, ingress.tcp)]
            refuse_short_notice([*listeners, *ingress.announced.items()], info.data["notice_days"])
        return ingress

    @field_validator("gandi_token")
    @classmethod
    def _token_is_kept_as_a_secret(cls, token: SecretStr, info: Info) -> SecretStr:
        if token.get_secret_value() and info.context and config_key(OF_GANDI) not in info.context.secret_keys:
            raise refuse(
                "a token in clear, in a file that many can read",
                f"give it up at Gandi, make a new one, and run `pulumi config set --secret {OF_GANDI}`",
            )
        return token

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
                "DNS name": dict.fromkeys((dns.names.primary, dns.names.udp, dns.names.tcp), "the shared ingress"),
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
                rules=(4 if ingress.ipv6_subnetwork else 2) + own,
                dedicated=own > 0,
            )
        return quotas

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


def _keys(config: Mapping[str, str]) -> dict[str, str]:
    """Field as the YAML writes it -> configuration key, for every known field and every key of our namespace."""
    known = {alias: config_key(alias) for field in Settings.model_fields.values() if (alias := field.alias)}
    ours = config_key("")
    return known | {_storable(key.removeprefix(ours)): key for key in config if key.startswith(ours)}


def _value(field: str, text: str) -> Any:
    """Configuration arrives as text. Names stay text even when they look like something else (`region: 12`), and so
    does what JSON cannot carry: halves of characters, groups nested without end."""
    if field in (PROJECT_KEY, "region", OF_GANDI):
        return _storable(text)
    try:
        value = json.loads(text)
        from_json(json.dumps({field: value}))
    except (ValueError, RecursionError):
        return _storable(text)
    return value


def _storable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


def _told(found: Mapping[str, Any], secret_keys: Collection[str]) -> Problem:
    problem = problem_of(found)
    if config_key(field_of(found)) in secret_keys:
        return Problem(problem.key, "[secret]", "see the setting's rules", problem.remedy)
    return problem
