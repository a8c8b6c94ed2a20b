"""Rules that span the settings of one region's edge; `rules.py` runs them."""

from __future__ import annotations

from collections.abc import Mapping

from inventory.address import Direction, Status
from settings.alerts import (
    channels_have_tokens,
    most_connections_are_known,
    prober_has_an_image,
    renewal_is_before_its_alert,
    tokens_are_secrets_of_channels,
)
from settings.cost import Quotas
from settings.database import LONGEST_CONNECTION, Database
from settings.dedicated import DedicatedCustomer, listeners, refuse_clashes
from settings.dns import Dns
from settings.egress import Egress
from settings.ingress import Cluster, Ingress
from settings.lifecycle import refuse_circle, refuse_short_notice
from settings.problems import refuse, show
from settings.retired import RetiredAddress
from settings.rules import Given, Rule
from settings.tls_rules import RULES as TLS_RULES
from settings.trunk_acl import TrunkAcl
from settings.way_to_database import the_database_can_be_reached


def _provider_has_the_same_region(region: str, given: Given) -> None:
    provider = given.config.get("gcp:region", region)
    if provider != region:
        raise refuse(f"gcp:region is {show(provider)}", "give both the same region, or leave gcp:region out")


def _cluster_is_in_the_region(cluster: Cluster, region: str) -> None:
    if cluster.location and cluster.location != region and cluster.location[:-2] != region:
        raise refuse(
            f"the cluster is in {cluster.location}, the stack in {region}: a LoadBalancer cannot use an address"
            " of another region",
            "name a cluster of this region in cluster.location",
        )


def _customers_have_their_notice(ingress: Ingress, notice_days: int) -> None:
    refuse_short_notice(ingress.lives, notice_days)


def _vendors_have_their_notice(egress: Egress, notice_days: int) -> None:
    refuse_short_notice(egress.slots.items(), notice_days)


def _egress_has_its_own_addresses(egress: Egress, ingress: Ingress) -> None:
    if shared := sorted(ingress.address_names & set(egress.slots)):
        raise refuse(
            f"{shared[0]} is an ingress address", "an address is either ingress or egress; reserve another one"
        )


def _cloud_sql_takes_the_name(database: Database, project: str) -> None:
    length = len(f"{project}:{database.longest_name}")
    if length > LONGEST_CONNECTION:
        raise refuse(
            f"gcp:project and {database.longest_name} have {length} characters, with the colon between them",
            f"use a shorter database.instance: Cloud SQL allows {LONGEST_CONNECTION}",
        )


def _only_the_owner_writes(trunk_acl: TrunkAcl, database: Database) -> None:
    if database.replica_of and trunk_acl.manage:
        raise refuse(
            "a read replica cannot be written to",
            f"set trunkAcl.manage: false; the trunk ACL is applied by {database.replica_of.stack}",
        )


def _admitted_customers_are_in_files(ingress: Ingress, trunk_acl: TrunkAcl, database: Database) -> None:
    if ingress.admit == "everybody":
        return
    if database.replica_of:
        raise refuse(
            f"ingress.admit: customers needs the trunk files, and they are those of {database.replica_of.stack}: its"
            " customers would be added to the trunk ACL before this region's firewall admits them",
            "set ingress.admit: everybody in this region",
        )
    if not trunk_acl.manage or trunk_acl.trunks is None:
        raise refuse(
            "ingress.admit: customers needs trunk files: ranges that only the portal writes are not known here, and"
            " their customers would be dropped in silence",
            "set trunkAcl.manage: true and trunkAcl.trunks, or ingress.admit: everybody",
        )


def _the_owner_knows_whose_they_are(dedicated: Mapping[str, DedicatedCustomer], database: Database) -> None:
    if dedicated and database.replica_of:
        raise refuse(
            "dedicated addresses are rows of the trunk ACL, which this region cannot write: its database is a read"
            " replica",
            f"configure dedicated customers in the region of {database.replica_of.stack}",
        )


def _dedicated_customers_are_enforced(dedicated: Mapping[str, DedicatedCustomer], trunk_acl: TrunkAcl) -> None:
    if dedicated and not (trunk_acl.manage and trunk_acl.enforcement):
        raise refuse(
            "the SIP proxies would not know the customers of these addresses: every call to them would be refused",
            "set trunkAcl.manage: true and trunkAcl.enforcement: {}",
        )


def _dedicated_customers_are_apart(
    dedicated: Mapping[str, DedicatedCustomer],
    *,
    ingress: Ingress,
    egress: Egress,
    dns: Dns,
    trunk_acl: TrunkAcl,
) -> None:
    services, ports = _in_the_cluster(ingress, trunk_acl)
    taken = {
        "Service": services,
        "reserved address": dict.fromkeys(ingress.address_names, "the shared ingress")
        | dict.fromkeys(egress.slots, "the egress"),
        "DNS name": dict.fromkeys((dns.names.primary, dns.names.udp, dns.names.tcp), "the shared ingress"),
    }
    refuse_clashes(dedicated, ingress, taken, ports)


def _no_dedicated_name_is_the_regions(
    dedicated: Mapping[str, DedicatedCustomer], ingress: Ingress, dns: Dns, region: str
) -> None:
    if dns.scope == "region":
        refuse_clashes(dedicated, ingress, {"DNS name": {region: "the region"}}, {})


def _retired_addresses_fit_the_living(
    retired: Mapping[str, RetiredAddress], ingress: Ingress, egress: Egress, dedicated: Mapping[str, DedicatedCustomer]
) -> None:
    own = {each.address: each.ban for each in listeners(dedicated, ingress)}
    living = ingress.address_names | set(egress.slots) | set(own)
    draining = {name for name, slot in egress.slots.items() if slot.state is Status.DRAINING}
    if both := sorted(draining & set(retired)):
        raise refuse(
            f"{both[0]} is both retired and draining",
            f"remove it from egress.slots if its calls have ended; otherwise remove legacy.{both[0]}",
        )
    if both := sorted(living & set(retired)):
        raise refuse(f"{both[0]} is both in use and retired", "remove it from legacy, or from where it is used")
    for name, address in retired.items():
        if unknown := sorted(set(address.replaced_by) - living - set(retired)):
            raise refuse(
                f"{show(name)} is replaced by {unknown[0]}, which is not in this stack", "name an address of this stack"
            )
        if private := [each for each in address.replaced_by if own.get(each, address.customer) != address.customer]:
            raise refuse(
                f"{show(name)} is replaced by {private[0]}, which is dedicated to BAN {own[private[0]]}: it would be"
                " published to others",
                f"name a public address, or set legacy.{show(name)}.customer",
            )


def _replacements_have_the_same_direction(
    retired: Mapping[str, RetiredAddress], ingress: Ingress, egress: Egress, dedicated: Mapping[str, DedicatedCustomer]
) -> None:
    """Customers who follow `replacedBy` would send calls to the NAT gateway, vendors would admit a LoadBalancer."""
    own = [each.address for each in listeners(dedicated, ingress)]
    directions = dict.fromkeys((*ingress.address_names, *own), Direction.INBOUND)
    directions |= dict.fromkeys(egress.slots, Direction.OUTBOUND)
    directions |= {name: address.direction for name, address in retired.items()}
    for name, address in retired.items():
        for following in address.replaced_by:
            if (direction := directions[following]) is not address.direction:
                raise refuse(
                    f"{show(name)} is {address.direction}, and {following}, which replaces it, is {direction}",
                    f"name an {address.direction} address in replacedBy, or correct the direction",
                )


def _replacements_make_no_circle(retired: Mapping[str, RetiredAddress]) -> None:
    refuse_circle({name: address.replaced_by for name, address in retired.items()})


def _an_address_is_retired_once(retired: Mapping[str, RetiredAddress]) -> None:
    names: dict[str, str] = {}
    for name, each in retired.items():
        if other := names.get(each.address):
            raise refuse(
                f"{each.address} is listed as {show(other)} and as {show(name)}",
                "keep one of the two: readers would not know which one is right",
            )
        names[each.address] = name


def _the_project_may_have_it_all(
    quotas: Quotas, ingress: Ingress, egress: Egress, dedicated: Mapping[str, DedicatedCustomer]
) -> None:
    own = sum(1 for _ in listeners(dedicated, ingress))
    quotas.refuse_more(
        addresses=len(ingress.address_names) + len(egress.slots) + own,
        rules=len(ingress.answering) + own,
        dedicated=own > 0,
    )


def _in_the_cluster(ingress: Ingress, acl: TrunkAcl) -> tuple[dict[str, str], dict[int, str]]:
    """Services other than those of dedicated customers, and ports of the SIP proxy's pods, each with its owner."""
    shared, internal = "the shared ingress", "the internal Service"
    services = dict.fromkeys((ingress.udp.service, ingress.tcp.service), shared)
    ports = dict.fromkeys((*ingress.udp.ports.values(), *ingress.tcp.ports.values()), shared)
    if ingress.internal:
        services[ingress.internal.service] = internal
        ports |= dict.fromkeys(ingress.internal.ports.values(), internal)
    if acl.enforcement and acl.enforcement.reloader:
        services |= dict.fromkeys((acl.enforcement.reloader.service, acl.enforcement.reloader.name), "the reloader")
        ports[acl.enforcement.reloader.port] = "the reloader"
    return services, ports


# Of several rules for one setting, the first that fails is reported.
RULES: tuple[Rule, ...] = (
    _provider_has_the_same_region,
    _cluster_is_in_the_region,
    _customers_have_their_notice,
    _vendors_have_their_notice,
    _egress_has_its_own_addresses,
    _cloud_sql_takes_the_name,
    _only_the_owner_writes,
    the_database_can_be_reached,
    _admitted_customers_are_in_files,
    _the_owner_knows_whose_they_are,
    _dedicated_customers_are_enforced,
    _dedicated_customers_are_apart,
    _no_dedicated_name_is_the_regions,
    _retired_addresses_fit_the_living,
    _replacements_have_the_same_direction,
    _replacements_make_no_circle,
    _an_address_is_retired_once,
    _the_project_may_have_it_all,
    *TLS_RULES,
    prober_has_an_image,
    renewal_is_before_its_alert,
    most_connections_are_known,
    channels_have_tokens,
    tokens_are_secrets_of_channels,
)
