"""Alerts: who is notified, from which values on, and what probes the ingress (docs/alerts.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic import ValidationInfo as Info

from alerts.definition import Part
from alerts.definitions import BY_NAME
from settings.base import Address, EachOnce, HostLabel, Line, Name, Port, Section
from settings.database import Database
from settings.problems import config_key, form, refuse, show
from settings.rules import Given
from settings.tls import Tls
from settings.trunk_acl import Image, Quantity, TrunkAcl

# Alerts on the remaining life of a certificate.
_OF_LIFE = frozenset(("CertificateNearEnd", "ServedCertificateNearEnd"))
Percent = Annotated[int, Field(ge=1, le=100)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]

# Type -> label with the recipient, and the sensitive label with the token; both as the API names them in its
# notificationChannelDescriptors, the latter in camel case. `webhook_tokenauth` is left out: its URL holds the token.
RECIPIENT: Mapping[str, str] = {
    "email": "email_address",
    "pubsub": "topic",
    "slack": "channel_name",
    "sms": "number",
    "webhook_basicauth": "url",
}
TOKEN: Mapping[str, str] = {"pagerduty": "serviceKey", "slack": "authToken", "webhook_basicauth": "password"}


class Channel(Section):
    """One recipient of notifications. Its token, where the type has one, is in `warp-edge:alertTokens`."""

    type: Literal["email", "pagerduty", "pubsub", "slack", "sms", "webhook_basicauth"] = Field(
        description="kind of channel; others are made by hand and listed in existingChannels"
    )
    to: Line | None = Field(
        None, description="e-mail address, topic, Slack channel, phone number or URL; `pagerduty` has none"
    )
    username: Line | None = Field(None, description="for webhook_basicauth")

    @field_validator("to")
    @classmethod
    def _has_a_recipient(cls, to: str | None, info: Info) -> str | None:
        kind = str(info.data.get("type"))
        if kind in RECIPIENT and to is None:
            raise refuse(f"a channel of type {kind} needs a recipient", f"add `to`: its {RECIPIENT[kind]}")
        if kind == "pagerduty" and to is not None:
            raise refuse("PagerDuty knows the recipient by its service key", "remove `to`")
        return to

    @field_validator("username")
    @classmethod
    def _has_a_user(cls, username: str | None, info: Info) -> str | None:
        if info.data.get("type") and (info.data["type"] == "webhook_basicauth") != (username is not None):
            raise refuse("a user name is for webhook_basicauth, which needs one", "add it, or remove it")
        return username

    @property
    def labels(self) -> dict[str, str]:
        """As the API wants them."""
        found = {RECIPIENT[self.type]: self.to} if self.to else {}
        return {key: text for key, text in {**found, "username": self.username}.items() if text}


class Thresholds(Section):
    """From which values on alerts fire."""

    nat_drops: Count = Field(0, description="packets that Cloud NAT drops for want of ports in 5 minutes")
    nat_vm_ports_percent: Percent = Field(
        80, description="connections of one VM to one endpoint, per cent of the ports that a VM can have"
    )
    nat_pool_percent: Percent = Field(85, description="ports given to VMs, per cent of those of all active addresses")
    uptime_locations: Annotated[int, Field(ge=0, le=5)] = Field(
        1, description="locations from which an uptime check may fail without an alert"
    )
    certificate_percent: Percent = Field(
        30, description="remaining life of the certificate; below tls.renewAtPercent, or each renewal is an alert"
    )
    acl_age_seconds: Annotated[int, Field(ge=400, le=604_800)] = Field(
        900, description="age of a proxy's tables; the reloader loads everything every 300 s"
    )
    rejected_floor: Count = Field(
        5, description="requests of unknown sources per second that are never an alert, whatever is usual"
    )
    rejected_factor: Annotated[int, Field(ge=1, le=1000)] = Field(
        10, description="times the usual rate that an alert takes on top of that; usual: docs/alerts.md"
    )
    rejected_ceiling: Count = Field(
        100, description="requests of unknown sources per second that are always an alert, however usual"
    )
    limited_calls: Count = Field(10, description="calls of one trunk rejected by one of its limits in 5 minutes")
    database_connections: Count | None = Field(
        None,
        description="connections; absent: four fifths of database.flags.max_connections or of the 25 of a db-f1-micro."
        " Other machines need it: `SHOW max_connections`",
    )
    database_disk_percent: Percent = Field(85, description="used part of the database's disk")
    replica_lag_seconds: Annotated[int, Field(ge=1, le=86_400)] = Field(
        60, description="how far the read replica may be behind"
    )

    def values(self) -> dict[str, object]:
        """By the names that expressions use; without what only the database knows."""
        return {name: value for name, value in self.model_dump(by_alias=True).items() if value is not None}


class Target(Section):
    """One address that the prober asks, of another region or another edge."""

    address: Address = Field(description="its IP address")
    port: Port = Field(5060, description="its port")
    transport: Literal["udp", "tcp", "tls"] = Field("udp", description="over what")
    server_name: (
        Annotated[
            str,
            Field(
                pattern=form(r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$", "write a host name as sip.example.com"),
                max_length=253,
            ),
        ]
        | None
    ) = Field(None, description="name sent in the TLS handshake; absent: the address")


class Probe(Section):
    """A prober in this cluster that sends SIP OPTIONS. What it has to be listed as: docs/alerts.md."""

    image: Image | None = Field(None, description="absent: trunkAcl.enforcement.reloader.image, which has it")
    name: Name = Field("warp-sip-prober", description="name of its Deployment, ConfigMap and NetworkPolicy")
    every_seconds: Annotated[int, Field(ge=5, le=300)] = Field(30, description="interval between two rounds")
    expected: Annotated[int, Field(ge=200, le=699)] = Field(
        200,
        description="status that counts as success. 403 where the prober is not in the trunk ACL: it then shows only"
        " that the proxy decides",
    )
    transports: Annotated[tuple[Literal["udp", "tcp", "tls"], ...], EachOnce] = Field(
        ("udp", "tcp", "tls"), min_length=1, description="which of this stack's own endpoints it asks"
    )
    own: bool = Field(True, description="probe this stack's own ingress addresses, and look up its names")
    targets: dict[HostLabel, Target] = Field({}, description="further addresses, such as another region's")
    cpu: Quantity = Field("20m", description="requested CPU")
    memory: Quantity = Field("64Mi", description="requested memory, and its limit")

    @field_validator("targets")
    @classmethod
    def _something_is_probed(cls, targets: dict[str, Target], info: Info) -> dict[str, Target]:
        if not targets and info.data.get("own") is False:
            raise refuse("the prober has nothing to ask", "add alerts.probe.targets, or set alerts.probe.own: true")
        return targets


class Alerts(Section):
    """Alert policies, uptime checks, the dashboard and the prober."""

    manage: bool = Field(False, description="false: nothing is declared")
    channels: dict[Name, Channel] = Field({}, description="recipients, by a short name")
    existing_channels: Annotated[
        tuple[
            Annotated[
                str,
                Field(
                    pattern=form(
                        r"^projects/[a-z0-9.:-]{4,80}/notificationChannels/[0-9]{1,30}$",
                        "write it as projects/PROJECT/notificationChannels/NUMBER",
                    )
                ),
            ],
            ...,
        ],
        EachOnce,
    ] = Field((), description="recipients that were made elsewhere, by full name")
    thresholds: Thresholds = Field(Thresholds(), description="from which values on alerts fire")
    off: Annotated[tuple[str, ...], EachOnce] = Field((), description="alerts that are not declared, by name")
    uptime: bool = Field(True, description="uptime checks of the TCP ingress, from Google's locations in the world")
    uptime_period: Literal["60s", "300s", "600s", "900s"] = Field("60s", description="how often each location checks")
    dashboard: bool = Field(True, description="a dashboard with what the alerts read")
    runbooks: (
        Annotated[
            str,
            Field(pattern=form(r"^https://\S+$", "write it as https://git.example.com/warp-edge/docs/alerts.md")),
        ]
        | None
    ) = Field(None, max_length=400, description="URL of docs/alerts.md for links in notifications")
    probe: Probe | None = Field(None, description="absent: no prober")

    @field_validator("off")
    @classmethod
    def _known(cls, off: tuple[str, ...]) -> tuple[str, ...]:
        for name in off:
            if name not in BY_NAME:
                raise refuse(f"there is no alert {show(name)}", "use a name of docs/alerts.md")
        return off

    @property
    def uptime_window(self) -> str:
        """For how long a location's last result stands, in PromQL: with the 5 minutes of an instant query, a check
        every 600 s would have no result half of the time."""
        return f"{max(300, 2 * int(self.uptime_period.removesuffix('s')))}s"

    def parts(self, *, reloader: bool, renewer: bool, replica: bool) -> frozenset[Part]:
        """What the alerts are about: `reloader`, `renewer` whose metrics are collected; `replica`: the database is
        one."""
        has = {
            Part.NAT: True,
            Part.INGRESS: self.uptime,
            Part.PROBER: self.probe is not None,
            Part.CERTIFICATE: renewer,
            Part.TRUNK_ACL: reloader,
            Part.DATABASE: True,
            Part.REPLICA: replica,
        }
        return frozenset(part for part, there in has.items() if there)


def channels_have_tokens(alerts: Alerts, alert_tokens: Mapping[str, str]) -> None:
    """Rule: a token for each channel whose type has one."""
    for name, channel in alerts.channels.items():
        if channel.type in TOKEN and name not in alert_tokens:
            raise refuse(
                f"channel {name} of type {channel.type} has no token",
                f"run `pulumi config set --secret --path alertTokens.{name}`, or remove alerts.channels.{name}",
            )


def tokens_are_secrets_of_channels(alert_tokens: Mapping[str, str], alerts: Alerts, given: Given) -> None:
    """Rule: no token in clear text, and none without a channel."""
    if alert_tokens and config_key("alertTokens") not in given.secret_keys:
        raise refuse(
            "a token in clear text, in a file that many can read",
            "revoke it where it was issued, and run `pulumi config set --secret --path alertTokens.NAME`",
        )
    for name in alert_tokens:
        channel = alerts.channels.get(name)
        if channel is None or channel.type not in TOKEN:
            raise refuse(
                "a token without a channel",
                f"remove alertTokens.{name}, or add alerts.channels.{name} of a type with one",
            )


def renewal_is_before_its_alert(alerts: Alerts, tls: Tls | None) -> None:
    """Rule: a certificate that is renewed in time is no alert."""
    least = alerts.thresholds.certificate_percent
    if alerts.manage and tls and tls.issuer and least >= tls.renew_at_percent and _OF_LIFE - set(alerts.off):
        raise refuse(
            f"a certificate is renewed with {tls.renew_at_percent} per cent of its life left, and with less than"
            f" {least} it is an alert: each renewal would be one",
            f"set alerts.thresholds.certificatePercent below {tls.renew_at_percent}, or raise tls.renewAtPercent",
        )


def most_connections_are_known(alerts: Alerts, database: Database) -> None:
    """Rule: the alert on connections fits the machine."""
    known = alerts.thresholds.database_connections is not None or database.connections is not None
    if alerts.manage and not known and "DatabaseConnections" not in alerts.off:
        raise refuse(
            f"how many connections a {database.tier} takes is not known: the alert DatabaseConnections needs it",
            "set alerts.thresholds.databaseConnections to four fifths of what `SHOW max_connections` says there, or"
            " database.flags.max_connections",
        )


def prober_has_an_image(alerts: Alerts, trunk_acl: TrunkAcl) -> None:
    """Rule: the prober is in the reloader's image."""
    enforcement = trunk_acl.enforcement
    if alerts.probe and not alerts.probe.image and not (enforcement and enforcement.reloader):
        raise refuse("the prober has no image", "set alerts.probe.image, or trunkAcl.enforcement.reloader")
