"""Cloud DNS: managed zones and record sets.

Names, TTLs and record data are validated by dnspython, coexistence of sets by RFC 1034, section 3.6.2.
`local_cloud/dns_server/` answers from what is stored here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from local_cloud.cloud import Transaction, now
from local_cloud.errors import CheckFailure, google_error, google_text
from local_cloud.gcp.dnssec import new_keys
from local_cloud.gcp.routing_policies import check_policy, check_ways, refuse_policy
from local_cloud.gcp.rules import check_labels, numeric_id
from local_cloud.links import name_of
from local_cloud.resource_type import ResourceType, known
from local_cloud.shapes import Shape
from local_cloud.values import UNKNOWN, Props

ZONE: Final = "gcp:dns/managedZone:ManagedZone"
RECORD_SET: Final = "gcp:dns/recordSet:RecordSet"
MAXIMUM_TTL: Final = 2**31 - 1  # RFC 2181, section 8

_FIELDS = "ipAddress* ipProtocol* loadBalancerType networkUrl*@ port* project* region"
_TARGET = f"healthCheckedTargets.internalLoadBalancers: {_FIELDS}"


class ManagedZone(ResourceType):
    """A zone, created with its NS and SOA sets, and with its keys if DNSSEC is on."""

    token = ZONE
    noun = "ManagedZone"
    key_format = "projects/{project}/managedZones/{name}"
    import_formats = ("{project}/{name}", "{name}")
    shape = Shape.parse(
        """
        root: name!+ dnsName*! cloudLoggingConfig{}~ deletionPolicy~% description="Managed by Pulumi" dnssecConfig{}~
            forceDestroy:bool%=false forwardingConfig{} labels{} peeringConfig{} privateVisibilityConfig{} project!~
            reverseLookup:bool! serviceDirectoryConfig{}! visibility:private|public!=public creationTime^
            effectiveLabels{}$^ managedZoneId^ nameServers[]^ pulumiLabels{}$^
        cloudLoggingConfig: enableLogging:bool*
        dnssecConfig: defaultKeySpecs[]~ kind=dns#managedZoneDnsSecConfig nonExistence:nsec|nsec3~ state:off|on|transfer
        dnssecConfig.defaultKeySpecs: algorithm keyLength:int keyType kind=dns#dnsKeySpec
        forwardingConfig: targetNameServers<>*
        forwardingConfig.targetNameServers: domainName forwardingPath ipv4Address ipv6Address
        peeringConfig: targetNetwork{}*
        peeringConfig.targetNetwork: networkUrl*@
        privateVisibilityConfig: gkeClusters<> networks<>
        privateVisibilityConfig.gkeClusters: gkeClusterName*
        privateVisibilityConfig.networks: networkUrl*@
        serviceDirectoryConfig: namespace{}*
        serviceDirectoryConfig.namespace: namespaceUrl*
        """
    )

    def check(self, inputs: Props) -> list[CheckFailure]:
        name = known(inputs, "name")
        if name and not re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", name):
            return [_wrong("name", "entity.managedZone.name", name)]
        return []

    def judge(self, planned: Props) -> list[CheckFailure]:
        wrong = (
            []
            if _is_name(planned["dnsName"])
            else [_wrong("dnsName", "entity.managedZone.dnsName", planned["dnsName"])]
        )
        return [*check_labels(planned), *wrong]

    def refuse_existing(self, tx: Transaction, planned: Props) -> None:
        if tx.get(ZONE, self.key(planned)) is not None:
            message = f"The resource 'entity.managedZone' named '{planned['name']}' already exists"
            raise google_error(409, message, "alreadyExists")
        for other in tx.all(ZONE, f"projects/{planned['project']}/"):
            same_name = other.body["dnsName"] == planned["dnsName"]
            if same_name and other.body["visibility"] == planned["visibility"] == "private":
                message = f"Zone '{other.body['name']}' already serves {planned['dnsName']} to the same network"
                raise google_error(400, message, "overlappingZones")

    def make(self, tx: Transaction, planned: Props) -> Props:
        # Google assigns zones of the same name different server sets, of which there are only a few.
        others = [one for one in tx.all(ZONE) if one.body["dnsName"] == planned["dnsName"]]
        letter = "abcde"[len(others) % 5]
        servers = [f"ns-cloud-{letter}{number}.googledomains.com." for number in range(1, 5)]
        body = {**planned, "creationTime": now(), "managedZoneId": numeric_id(tx), "nameServers": servers}
        body = self._with_keys(body)
        zone = self.key(body)
        for type_, ttl, rrdatas in (
            ("NS", 21600, servers),
            ("SOA", 21600, [f"{servers[0]} cloud-dns-hostmaster.google.com. 1 21600 3600 259200 300"]),
        ):
            common = {"project": body["project"], "managedZone": body["name"], "name": body["dnsName"]}
            path = f"{zone}/rrsets/{body['dnsName']}/{type_}"
            tx.put(RECORD_SET, path, {**common, "type": type_, "ttl": ttl, "rrdatas": rrdatas})
        return body

    def change(self, tx: Transaction, body: Props, planned: Props) -> Props:
        return self._with_keys({**body, **planned})

    def _with_keys(self, body: Props) -> Props:
        dnssec = body.get("dnssecConfig") or {}
        if dnssec.get("state") != "on":
            return {name: value for name, value in body.items() if name != "keys"}
        specs = dnssec.get("defaultKeySpecs") or []
        settled = {**dnssec, "nonExistence": dnssec.get("nonExistence") or "nsec3"}
        return {**body, "dnssecConfig": settled, "keys": body.get("keys") or new_keys(body["dnsName"], specs)}

    def delete(self, values: Props) -> None:
        with self.cloud.change() as tx:
            key = self.key(values)
            if tx.get(ZONE, key) is None:
                return
            sets = tx.all(RECORD_SET, f"{key}/rrsets/")
            own = [one for one in sets if not _comes_with_zone(one.body, values["dnsName"])]
            if own and not values.get("forceDestroy"):
                message = (
                    "The resource named '{}' cannot be deleted because it contains one or more 'resource record sets'."
                )
                raise google_error(400, message.format(values["name"]), "containerNotEmpty")
            for one in own:
                tx.delete(RECORD_SET, one.id)
            for one in sets:
                tx.drop(RECORD_SET, one.id)
            tx.delete(ZONE, key)


class RecordSet(ResourceType):
    """All records of one name and type."""

    token = RECORD_SET
    noun = "DNS RecordSet"
    key_format = "projects/{project}/managedZones/{managedZone}/rrsets/{name}/{type}"
    import_formats = ("{project}/{managedZone}/{name}/{type}", "{managedZone}/{name}/{type}")
    shape = Shape.parse(
        f"""
        root: managedZone*!@ name*! type* deletionPolicy~% project!~ routingPolicy{{}} rrdatas<> ttl:int
        routingPolicy: enableGeoFencing:bool geos[] healthCheck! primaryBackup{{}} wrrs[]
        routingPolicy.geos: healthCheckedTargets{{}} location* rrdatas[]
        routingPolicy.geos.healthCheckedTargets: externalEndpoints[] internalLoadBalancers[]
        routingPolicy.geos.{_TARGET}
        routingPolicy.primaryBackup: backupGeos[]* enableGeoFencingForBackups:bool primary{{}}* trickleRatio:num
        routingPolicy.primaryBackup.backupGeos: healthCheckedTargets{{}} location* rrdatas[]
        routingPolicy.primaryBackup.backupGeos.healthCheckedTargets: externalEndpoints[] internalLoadBalancers[]
        routingPolicy.primaryBackup.backupGeos.{_TARGET}
        routingPolicy.primaryBackup.primary: externalEndpoints[] internalLoadBalancers[]
        routingPolicy.primaryBackup.primary.internalLoadBalancers: {_FIELDS}
        routingPolicy.wrrs: healthCheckedTargets{{}} rrdatas[] weight:num*
        routingPolicy.wrrs.healthCheckedTargets: externalEndpoints[] internalLoadBalancers[]
        routingPolicy.wrrs.{_TARGET}
        """
    )

    def key(self, values: Mapping[str, Any]) -> str:
        return super().key({**values, "managedZone": name_of(values["managedZone"])})

    def check(self, inputs: Props) -> list[CheckFailure]:
        failures = []
        name = known(inputs, "name")
        if name and not name.endswith("."):
            text = (
                f'"name" ("{name}") doesn\'t end with ".", name field must end with trailing dot, for example {name}.'
            )
            failures.append(CheckFailure("name", text))
        if inputs.get("rrdatas") is None and inputs.get("routingPolicy") is None:
            failures.append(CheckFailure("rrdatas", "one of `rrdatas,routingPolicy` must be specified"))
        if inputs.get("rrdatas") is not None and inputs.get("routingPolicy") is not None:
            failures.append(CheckFailure("rrdatas", "only one of `rrdatas,routingPolicy` can be specified"))
        return failures + check_ways(inputs.get("routingPolicy"))

    def judge(self, planned: Props) -> list[CheckFailure]:
        failures = []
        name, type_, ttl = planned["name"], planned["type"], planned.get("ttl") or 0
        if not _is_name(name):
            failures.append(_wrong("name", "entity.change.additions[0].name", name))
        if not 0 <= ttl <= MAXIMUM_TTL:
            failures.append(_wrong("ttl", "entity.change.additions[0].ttl", ttl))
        failures += _check_rrdatas(type_, planned.get("rrdatas"))
        return failures + check_policy(type_, planned.get("routingPolicy"), partial(_check_rrdatas, type_))

    def refuse_existing(self, tx: Transaction, planned: Props) -> None:
        """The NS and SOA sets that come with a zone may be created again, as with the plugin."""
        zone = self._zone(tx, planned)
        existing = tx.get(RECORD_SET, self.key(planned))
        if existing is not None and not _comes_with_zone(existing, zone["dnsName"]):
            named = f"{planned['name']} ({planned['type']})"
            message = f"The resource 'entity.change.additions[0]' named '{named}' already exists"
            raise google_error(409, message, "alreadyExists")

    def make(self, tx: Transaction, planned: Props) -> Props:
        zone = self._zone(tx, planned)
        if not (planned["name"] == zone["dnsName"] or planned["name"].endswith("." + zone["dnsName"])):
            message = f"Invalid value for 'entity.change.additions[0].name': '{planned['name']}'"
            raise google_error(400, message, "invalid")
        neighbours = tx.all(RECORD_SET, f"projects/{planned['project']}/managedZones/{zone['name']}/rrsets/")
        for other in neighbours:
            if other.body["name"] != planned["name"] or other.body["type"] == planned["type"]:
                continue
            if "CNAME" in (planned["type"], other.body["type"]):
                message = (
                    f"The resource record set 'entity.change.additions[0]' named '{planned['name']} "
                    f"({planned['type']})' is invalid because the DNS name {planned['name']} may have either one CNAME "
                    "resource record set or resource record sets of other types, but not both."
                )
                raise google_error(400, message, "cnameResourceRecordSetConflict")
        refuse_policy(tx, zone, planned)
        return {**planned, "managedZone": zone["name"]}

    def change(self, tx: Transaction, body: Props, planned: Props) -> Props:
        return self.make(tx, {**body, **planned})

    def _zone(self, tx: Transaction, planned: Props) -> Props:
        name = name_of(planned["managedZone"])
        zone = tx.get(ZONE, f"projects/{planned['project']}/managedZones/{name}")
        if zone is None:
            raise google_error(404, f"The 'parameters.managedZone' resource named '{name}' does not exist.", "notFound")
        return zone

    def remove(self, tx: Transaction, body: Props) -> None:
        zone = self._zone(tx, body)
        if _comes_with_zone(body, zone["dnsName"]):
            message = f"The resource record set named '{body['name']} ({body['type']})' is required by its zone"
            raise google_error(400, message, "invalidZoneApex")


def _comes_with_zone(body: Props, dns_name: str) -> bool:
    return body["name"] == dns_name and body["type"] in ("NS", "SOA")


def _is_name(text: str) -> bool:
    try:
        return dns.name.from_text(text, origin=None).is_absolute() and len(text) > 1
    except dns.exception.DNSException:
        return False


def _wrong(field: str, parameter: str, value: object) -> CheckFailure:
    return CheckFailure(field, google_text(400, f"Invalid value for '{parameter}': '{value}'", "invalid"))


def _check_rrdatas(type_: str, rrdatas: list[Any] | None) -> list[CheckFailure]:
    try:
        rdtype = dns.rdatatype.from_text(type_)
    except dns.exception.DNSException:
        return [_wrong("type", "entity.change.additions[0].type", type_)]
    failures = []
    values = rrdatas or []
    if rrdatas == [] or (type_ == "CNAME" and len(values) > 1):
        failures.append(_wrong("rrdatas", "entity.change.additions[0].rrdatas", values))
    for index, rrdata in enumerate(values):
        if rrdata == UNKNOWN:
            continue
        try:
            # Without an origin a relative name stays relative, and Cloud DNS accepts only absolute ones.
            parsed = dns.rdata.from_text(dns.rdataclass.IN, rdtype, str(rrdata), origin=None, relativize=False)
            wrong = any(isinstance(part, dns.name.Name) and not part.is_absolute() for part in _parts(parsed))
        except (dns.exception.DNSException, ValueError):
            wrong = True
        if wrong or values.count(rrdata) > 1:
            failures.append(_wrong("rrdatas", f"entity.change.additions[0].rrdatas[{index}]", rrdata))
    return failures


def _parts(rdata: dns.rdata.Rdata) -> list[Any]:
    return [getattr(rdata, name) for name in rdata.__slots__]
