"""A stack's settings, parsed strictly before any resource is declared.

`Settings.parse` takes the stack's whole configuration and either returns frozen models or raises ONE `SettingsError`
that lists every problem. Rules that span settings are functions that name what they need (`rules.py`), so one wrong
setting never hides another's problem. Nothing here knows Pulumi or a region's name; `docs/settings.md` is written from
these models.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from alerts.definition import Part
from settings.alerts import Alerts
from settings.base import Name, Region, Text
from settings.cost import Cost, Quotas
from settings.database import Database
from settings.dedicated import DedicatedCustomer, DedicatedListener, Key, listeners
from settings.egress import Egress
from settings.ingress import Cluster, Ingress
from settings.problems import SettingsError, config_key
from settings.protection import Protection
from settings.region_rules import RULES
from settings.retired import RetiredAddress
from settings.rules import Rule
from settings.stack import ROLE, Stack
from settings.trunk_acl import Enforcement, TrunkAcl

__all__ = ["Settings", "SettingsError", "config_key"]


class Settings(Stack):
    """All settings of a stack of role `region`: one region's edge."""

    elsewhere: ClassVar[frozenset[str]] = frozenset({"regions", "routing"})
    rules: ClassVar[tuple[Rule, ...]] = (*Stack.rules, *RULES)

    role: Literal["region"] = Field("region", description=ROLE)
    region: Region = Field(description="the region of this stack's edge")
    cluster: Cluster = Field(description="how to reach the Kubernetes cluster")
    ingress: Ingress = Field(description="addresses and LoadBalancers that customers send calls to")
    egress: Egress = Field(description="addresses and NAT gateway that vendors see")
    database: Database = Field(description="the trunk ACL's database")
    trunk_acl: TrunkAcl = Field(TrunkAcl(), description="who may call")
    protection: Protection = Field(Protection(), description="protection against floods in front of the edge")
    dedicated: dict[Key, DedicatedCustomer] = Field(
        {}, description="customers with dedicated ingress addresses, by a short name"
    )
    retired: dict[str, RetiredAddress] = Field({}, alias="legacy", description="retired addresses, by name")
    quotas: Quotas = Field(Quotas(), description="quotas of the project in this region")
    cost: Cost = Field(Cost(), description="figures of the monthly cost plan")
    alerts: Alerts = Field(Alerts(), description="alerts, and who is notified")
    alert_tokens: dict[Name, Text] = Field({}, description="tokens of alerts.channels by name; all of it a secret")

    @property
    def enforcement(self) -> Enforcement | None:
        """Enforcement in the cluster: where this stack applies the trunk ACL, or reads a replica of it."""
        applied = self.trunk_acl.manage or self.database.replica_of
        return self.trunk_acl.enforcement if applied else None

    @property
    def alert_parts(self) -> frozenset[Part]:
        """What this stack has, of what alerts are about. Our own metrics reach Cloud Monitoring by PodMonitoring."""
        reloader = self.enforcement.reloader if self.enforcement else None
        collected = reloader is not None and reloader.pod_monitoring
        return self.alerts.parts(
            reloader=collected,
            renewer=collected and self.tls is not None and self.tls.issuer is not None,
            replica=self.database.replica_of is not None,
        )

    @property
    def uptime_ports(self) -> dict[str, int]:
        """SIP ports of the TCP ingress that are checked from the outside, by role. UDP cannot be."""
        ports = self.ingress.tcp.ports.items() if self.alerts.manage and self.alerts.uptime else ()
        return {role: port for role, port in ports if role in ("sip", "sips")}

    @property
    def dedicated_listeners(self) -> tuple[DedicatedListener, ...]:
        """Every LoadBalancer of the dedicated customers, with all names and ports filled in."""
        return tuple(listeners(self.dedicated, self.ingress))
