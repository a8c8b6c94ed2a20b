"""One region's stable-IP edge: settings in, components in the middle, an inventory out."""

from __future__ import annotations

import pulumi

import outputs
from components.cluster import kubernetes
from components.database import TrunkDatabase, TrunkDatabaseArgs
from components.dns import SipDns, SipDnsArgs
from components.egress import NatEgressPool, NatEgressPoolArgs
from components.ingress import SipIngress, SipIngressArgs, explain_pending, refuse_cut
from engine_record import InUse, in_use
from settings import Settings, SettingsError


def load() -> Settings:
    """This stack's settings. What is wrong with them ends the program before any resource is declared."""
    config = pulumi.runtime.get_config_env()
    secret = pulumi.runtime.config.get_config_secret_keys_env()
    try:
        return Settings.parse(config, secret)
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from None


def build(settings: Settings, before: InUse | None = None, on_failure: pulumi.ErrorHook | None = None) -> None:
    """Declare the edge and export what the outside reads. `before`: what was in use until now."""
    region, labels, protect, legacy = settings.region, settings.labels, settings.protect, settings.legacy
    before = before or InUse()
    # What may refuse comes first: what was declared before a refusal is still carried out.
    refuse_cut(settings.ingress, before.serving, legacy)
    egress = NatEgressPool(
        "egress", NatEgressPoolArgs(settings.egress, region, labels, protect, before.gateway, legacy)
    )
    cluster = kubernetes("cluster", settings.cluster, settings.project, region)
    ingress = SipIngress(
        "ingress",
        SipIngressArgs(settings.ingress, region, labels, protect, on_failure),
        pulumi.ResourceOptions(providers=[cluster]),
    )
    dns = SipDns("dns", SipDnsArgs(settings.dns, ingress.udp, ingress.tcp, labels, protect))
    database = TrunkDatabase("database", TrunkDatabaseArgs(settings.database, region, labels, protect))
    for name, value in outputs.of(settings, ingress, egress, dns, database).items():
        pulumi.export(name, value)


if __name__ == "__main__":
    build(load(), in_use(), pulumi.ErrorHook("explain-pending", explain_pending))
