"""The Pulumi program: the stable-IP edge of one region or, in a stack of role `global`, the shared names."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pulumi

import optional
import outputs
from components.acl_enforcement import AclEnforcement, AclEnforcementArgs, refuse_skipped_token
from components.admission import admission
from components.cloud_dns.host import look_up_zone
from components.cluster import kubernetes
from components.database import TrunkDatabase
from components.dedicated_ingress import DedicatedIngress, refuse_dedicated_cut
from components.dns import SipDns
from components.dns_host import SipDnsArgs, look_before_caa
from components.egress import NatEgressPool
from components.ingress import SipIngress, refuse_cut
from components.load_balancer import Admission, WayIn, explain_pending
from components.trunk_acl.schema import TrunkAclSchema, refuse_skipped_rotation, trunk_files
from components.trunk_acl.trunk_files import TrunkFiles
from engine.record import OwnersReader, Record, last_update, outputs_of, owners_reader
from engine.refusal import RefusedError, not_reported_yet
from inventory.outputs import Inventory
from plan import plan
from plan.certificate import certificate_names
from publishing import publish
from refusal import Refusal
from settings import Settings, SettingsError
from settings.stack import role_of

if TYPE_CHECKING:
    from settings.all_regions import GlobalSettings


def load() -> Settings | GlobalSettings:
    """This stack's settings. Errors in them end the program before any resource is declared."""
    config = pulumi.runtime.get_config_env()
    secret = pulumi.runtime.config.get_config_secret_keys_env()
    try:
        if role_of(config) == "global":
            # Imported here to keep previews of regions fast.
            from settings.all_regions import GlobalSettings  # noqa: PLC0415

            return GlobalSettings.parse(config, secret)
        return Settings.parse(config, secret)
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from None


class Checked(NamedTuple):
    """What the checks found. `owners`: the reader of the trunk ACL that another stack applies; None: there is none."""

    files: TrunkFiles | None
    admission: Admission | None
    owners: OwnersReader | None
    name_servers: Sequence[str] | None


def check(settings: Settings, before: Record) -> Checked:
    """All checks, before any resource: one declared before a refusal would still be created. Raises `RefusedError`."""
    files = trunk_files(settings.trunk_acl, Path(__file__).parent, before.trunks)
    refuse_skipped_rotation(settings.trunk_acl, before.rotation)
    refuse_skipped_token(settings.enforcement, before.token)
    refuse_cut(settings.ingress, before.serving, settings.retired)
    refuse_dedicated_cut(settings.dedicated_listeners, before.dedicated, settings.retired)
    replica = settings.database.replica_of
    owners = owners_reader(replica.stack) if replica and settings.enforcement else None
    name_servers = look_up_zone(settings.dns)
    try:
        certificate_names(settings)
    except Refusal as error:
        raise RefusedError(error.wrong, error.remedy) from None
    if settings.tls and settings.tls.caa and settings.dns.scope == "domain":
        look_before_caa(settings.dns, settings.tls)
    admitted = admission(settings.ingress, files, before.admitted, settings.project)
    return Checked(files, admitted, owners, name_servers)


def build(settings: Settings, before: Record, on_failure: pulumi.ErrorHook | None = None) -> None:
    """Declare the edge and export the outputs. `before`: the record of the last update."""
    region, labels, protect = settings.region, settings.labels, settings.protect
    checked = check(settings, before)
    promised = plan(settings)
    cluster = kubernetes("cluster", settings.cluster, settings.project, region)
    in_cluster = pulumi.ResourceOptions(providers=[cluster])
    egress = NatEgressPool("egress", settings, before.gateway)
    way = WayIn(settings.ingress, region, labels, protect, on_failure)
    dedicated = None
    if settings.dedicated:
        dedicated = DedicatedIngress("dedicated", settings.dedicated_listeners, way, in_cluster)
    database = TrunkDatabase("database", settings)

    def trunk_acl(*after: pulumi.Resource) -> TrunkAclSchema | None:
        if not settings.trunk_acl.manage:
            return None
        admitted = checked.admission or Admission()
        return TrunkAclSchema(
            "trunk-acl",
            settings,
            database,
            checked.files,
            dedicated=dedicated,
            files_only=bool(admitted.ranges),
            closes=admitted.closes,
            after=after,
        )

    ingress, acl = _ingress_and_acl(replace(way, admission=checked.admission), in_cluster, trunk_acl)
    addresses = {**ingress.addresses, **egress.addresses, **(dedicated.by_name if dedicated else {})}
    zone = SipDnsArgs(
        settings.dns,
        promised.records,
        addresses,
        labels,
        protect,
        dedicated=dedicated,
        name_servers=checked.name_servers,
    )
    dns = SipDns("dns", zone)
    reader = acl or checked.owners
    enforced = None
    if reader and settings.enforcement:
        enforced = AclEnforcement(
            "acl-enforcement",
            AclEnforcementArgs(
                settings.enforcement,
                settings.trunk_acl.sign_in,
                settings.ingress,
                reader,
                database,
                labels,
                dedicated,
                settings.tls,
            ),
            in_cluster,
        )
    optional.certificate(settings, enforced, dns, in_cluster)
    protection = optional.protection(settings)
    inventory = outputs.inventory(promised, ingress, egress, dedicated)
    everybodys = outputs.inventory(promised, ingress, egress)
    published = everybodys.apply(Inventory.ip_inventory)
    site = optional.inventory_site(settings.inventory_site, published, region, labels, protect=protect)
    edge = outputs.Edge(addresses, egress, dns, database, acl, reader, inventory, everybodys, site, protection)
    publish(outputs.of(settings, promised, edge))
    optional.alerts(settings, promised, addresses, database, in_cluster)


def _ingress_and_acl(
    way: WayIn, in_cluster: pulumi.ResourceOptions, trunk_acl: Callable[..., TrunkAclSchema | None]
) -> tuple[SipIngress, TrunkAclSchema | None]:
    """In the order in which the firewall drops nothing that the trunk ACL accepts (`components/admission.py`).
    `trunk_acl` declares it, after the resources that it is given."""
    if way.admission and way.admission.opens:
        ingress = SipIngress("ingress", way, in_cluster)
        return ingress, trunk_acl(ingress)
    acl = trunk_acl()
    after = [acl] if way.admission and acl else []
    return SipIngress("ingress", replace(way, after=after), in_cluster), acl


def main() -> None:
    """Run the program for this stack's role."""
    logging.getLogger("asyncio").addFilter(not_reported_yet)
    settings = load()
    if isinstance(settings, Settings):
        build(settings, last_update(), pulumi.ErrorHook("explain-pending", explain_pending))
        return
    import global_stack  # noqa: PLC0415

    global_stack.build(settings, outputs_of)


if __name__ == "__main__":
    main()
