"""Static addresses, regional and global.

External IPv4 addresses are from the cloud's loopback network, so that real servers can listen on them. The user of an
address (a NAT, a load balancer) is not stored but looked up.
"""

from __future__ import annotations

import ipaddress
from typing import Final, get_args

from local_cloud.cloud import LoadBalancerPlace, Transaction
from local_cloud.errors import CheckFailure, google_error, google_text
from local_cloud.gcp.rules import (
    SUBNETWORK,
    born,
    check_labels,
    check_name,
    ensure_project,
    find_network,
    fingerprint,
    numeric_id,
    one_of,
)
from local_cloud.links import contains_link, name_of, relative, self_link
from local_cloud.networks import allocate, allocate_ipv6, external_pool, is_in_use
from local_cloud.resource_type import ResourceType
from local_cloud.shapes import Shape
from local_cloud.values import Props

ADDRESS: Final = "gcp:compute/address:Address"
ROUTER_NAT: Final = "gcp:compute/routerNat:RouterNat"
SERVICE: Final = "kubernetes:core/v1:Service"
CLUSTER: Final = "local:container/cluster:Cluster"

# Google's default for a new project, https://docs.cloud.google.com/compute/resource-usage
STATIC_ADDRESSES: Final = 8.0


def users_of(tx: Transaction, path: str) -> list[str]:
    """Links of all users of a regional address: NAT gateways and load balancers of its region."""
    region = path.rsplit("/addresses/", 1)[0]
    users = []
    for nat in tx.all(ROUTER_NAT, f"{region}/"):
        if contains_link([*(nat.body.get("natIps") or []), *(nat.body.get("drainNatIps") or [])], path):
            users.append(self_link(f"{region}/routers/{nat.body['router']}"))
    address = tx.get(ADDRESS, path)
    if address is not None:
        users += [self_link(rule) for rule in forwarding_rules(tx, region, str(address["address"]))]
    return users


def forwarding_rules(tx: Transaction, region: str, address: str) -> list[str]:
    """Paths of GKE's forwarding rules for the Services that hold an address."""
    clusters = {cluster.body["context"]: cluster.body for cluster in tx.all(CLUSTER)}
    rules = []
    for service in (each for place in get_args(LoadBalancerPlace) for each in tx.having(SERVICE, place, address)):
        cluster = clusters.get(service.id.split("/", 1)[0], {})
        if f"projects/{cluster.get('project')}/regions/{cluster.get('location')}" == region:
            rules.append(f"{region}/forwardingRules/a{service.body['metadata']['uid'].replace('-', '')}")
    return rules


class Address(ResourceType):
    """A regional address: external for load balancers and NAT, internal inside a subnetwork."""

    token = ADDRESS
    noun = "Address"
    key_format = "projects/{project}/regions/{region}/addresses/{name}"
    import_formats = ("{project}/{region}/{name}", "{region}/{name}", "{name}")
    shape = Shape.parse(
        """
        root: name!+ address!~ addressType:INTERNAL|EXTERNAL!=EXTERNAL deletionPolicy~% description! ipCollection!
            ipVersion:IPV4|IPV6!?=IPV4 ipv6EndpointType:VM|NETLB! labels{} network!@ networkTier!~ prefixLength:int!~
            project!~ purpose!~ region!~
            subnetwork!~@ addressId^ creationTimestamp^ effectiveLabels{}$^ labelFingerprint^ selfLink^ pulumiLabels{}$^
            users[]^
        """
    )

    def check(self, inputs: Props) -> list[CheckFailure]:
        tiers = ("PREMIUM", "STANDARD", "FIXED_STANDARD", "STANDARD_OVERRIDES_FIXED_STANDARD")
        return [*check_name(inputs), *one_of(inputs, "networkTier", tiers)]

    def judge(self, planned: Props) -> list[CheckFailure]:
        return [*check_labels(planned), *_check_address(str(planned.get("address") or ""))]

    def make(self, tx: Transaction, planned: Props) -> Props:
        region = f"projects/{planned['project']}/regions/{planned['region']}"
        ensure_project(tx, planned["project"], planned["region"])
        external = planned["addressType"] == "EXTERNAL"
        if external:
            _refuse_over_quota(tx, region)
        path = self.key(planned)
        body = {
            **planned,
            **born(tx, path),
            "address": self._address(tx, planned, region),
            "addressId": numeric_id(tx),
            "ipVersion": planned.get("ipVersion") or "IPV4",
            "labelFingerprint": fingerprint(planned.get("effectiveLabels")),
        }
        if external:
            body["networkTier"] = planned.get("networkTier") or "PREMIUM"
            if body["ipVersion"] == "IPV6":
                body["prefixLength"] = planned.get("prefixLength") or 96
        elif not planned.get("purpose"):
            body["purpose"] = "GCE_ENDPOINT"
        return body

    def _address(self, tx: Transaction, planned: Props, region: str) -> str:
        wanted = planned.get("address") or ""
        if planned.get("ipVersion") == "IPV6":
            return wanted or self._ipv6(tx, planned, region)
        if planned["addressType"] == "INTERNAL":
            return _internal(tx, planned, region)
        if not wanted:
            return allocate(tx, external_pool(tx))
        # A given address can be reserved only while a load balancer of the project holds it (promotion).
        if tx.count(ADDRESS, "address", wanted):
            raise google_error(400, f"Address '{wanted}' is already reserved", "invalid")
        if not forwarding_rules(tx, region, wanted):
            message = (
                f"Invalid value for field 'resource.address': '{wanted}'. Specified IP address is not in use by "
                "a resource of this project and cannot be reserved"
            )
            raise google_error(400, message, "invalid")
        return str(wanted)

    def _ipv6(self, tx: Transaction, planned: Props, region: str) -> str:
        if planned["addressType"] == "EXTERNAL" and planned.get("ipv6EndpointType") != "NETLB":
            message = (
                f"Invalid value for field 'resource.ipv6EndpointType': '{planned.get('ipv6EndpointType') or ''}'. "
                "A regional external IPv6 address for a load balancer needs the endpoint type NETLB"
            )
            raise google_error(400, message, "invalid")
        subnetwork = _subnetwork(tx, planned, region)
        if subnetwork.get("stackType") == "IPV4_ONLY" or subnetwork.get("ipv6AccessType") != "EXTERNAL":
            message = (
                f"Invalid value for field 'resource.subnetwork': '{planned['subnetwork']}'. "
                "Subnetwork must have an external IPv6 range (stack type IPV4_IPV6, IPv6 access type EXTERNAL)"
            )
            raise google_error(400, message, "invalid")
        return allocate_ipv6(tx, int(planned.get("prefixLength") or 96))

    def change(self, tx: Transaction, body: Props, planned: Props) -> Props:
        labels = planned.get("effectiveLabels")
        return {**body, "effectiveLabels": labels, "labelFingerprint": fingerprint(labels)}

    def see(self, tx: Transaction, body: Props) -> Props:
        return {**body, "users": users_of(tx, self.key(body))}

    def remove(self, tx: Transaction, body: Props) -> None:
        path = self.key(body)
        if users := users_of(tx, path):
            message = f"The address resource '{path}' is already being used by '{relative(users[0])}'"
            raise google_error(400, message, "resourceInUseByAnotherResource")


class GlobalAddress(ResourceType):
    """A global address: internal ranges for private services access, or external IPv4."""

    token = "gcp:compute/globalAddress:GlobalAddress"
    noun = "GlobalAddress"
    key_format = "projects/{project}/global/addresses/{name}"
    import_formats = ("{project}/{name}", "{name}")
    shape = Shape.parse(
        """
        root: name!+ address!~ addressType:EXTERNAL|INTERNAL!=EXTERNAL deletionPolicy~% description!
            ipVersion:IPV4|IPV6!?=IPV4 labels{} network!@
            prefixLength:int!~ project!~ purpose! creationTimestamp^ effectiveLabels{}$^ labelFingerprint^ selfLink^
            pulumiLabels{}$^
        """
    )

    def check(self, inputs: Props) -> list[CheckFailure]:
        return check_name(inputs)

    def judge(self, planned: Props) -> list[CheckFailure]:
        return check_labels(planned)

    def make(self, tx: Transaction, planned: Props) -> Props:
        path = self.key(planned)
        body = {**planned, **born(tx, path), "labelFingerprint": fingerprint(planned.get("effectiveLabels"))}
        if planned["addressType"] == "EXTERNAL":
            return {**body, "address": planned.get("address") or allocate(tx, external_pool(tx))}
        network = find_network(tx, str(planned.get("network") or ""), planned["project"])
        if network is None:
            message = f"The resource '{planned.get('network') or 'network'}' was not found"
            raise google_error(404, message, "notFound")
        if planned.get("purpose") == "VPC_PEERING":
            length = int(planned.get("prefixLength") or 0)
            if not 8 <= length <= 29:
                message = (
                    f"Invalid value for field 'resource.prefixLength': '{length}'. "
                    "Must be between 8 and 29 for an address of purpose VPC_PEERING"
                )
                raise google_error(400, message, "invalid")
            body["address"] = planned.get("address") or _peering_range(tx, length)
        return {**body, "network": self_link(network[0])}

    def change(self, tx: Transaction, body: Props, planned: Props) -> Props:
        labels = planned.get("effectiveLabels")
        return {**body, "effectiveLabels": labels, "labelFingerprint": fingerprint(labels)}

    def remove(self, tx: Transaction, body: Props) -> None:
        """A range can be deleted while a connection names it: nothing new is allocated from it then
        (docs.cloud.google.com/vpc/docs/configure-private-services-access, deleting an allocation; not recorded)."""


def _check_address(address: str) -> list[CheckFailure]:
    if not address:
        return []
    try:
        ipaddress.ip_address(address)
    except ValueError:
        message = f"Invalid value for field 'resource.address': '{address}'. Must be a valid IP address"
        return [CheckFailure("address", google_text(400, message, "invalid"))]
    return []


def _refuse_over_quota(tx: Transaction, region: str) -> None:
    limit = tx.quota("STATIC_ADDRESSES", STATIC_ADDRESSES)
    if tx.count(ADDRESS, "addressType", "EXTERNAL", f"{region}/") + 1 > limit:
        message = f"Quota 'STATIC_ADDRESSES' exceeded. Limit: {limit:.1f} in region {region.rsplit('/', 1)[-1]}."
        raise google_error(403, message, "quotaExceeded")


def _subnetwork(tx: Transaction, planned: Props, region: str) -> Props:
    name = name_of(str(planned.get("subnetwork") or ""))
    subnetwork = tx.get(SUBNETWORK, f"{region}/subnetworks/{name}") if name else None
    if subnetwork is None:
        raise google_error(404, f"The resource '{region}/subnetworks/{name}' was not found", "notFound")
    return subnetwork


def _internal(tx: Transaction, planned: Props, region: str) -> str:
    default = {**planned, "subnetwork": planned.get("subnetwork") or "default"}
    network = ipaddress.ip_network(_subnetwork(tx, default, region)["ipCidrRange"])
    wanted = planned.get("address")
    if wanted:
        if ipaddress.ip_address(wanted) not in network:
            message = (
                f"Invalid value for field 'resource.address': '{wanted}'. "
                f"Requested internal IP address is outside the subnetwork CIDR range {network}"
            )
            raise google_error(400, message, "invalid")
        if is_in_use(tx, wanted):
            raise google_error(409, f"IP '{wanted}' is already being used by another resource.", "resourceInUse")
        return str(wanted)
    # Google reserves the first two and the last two addresses of a subnetwork.
    return next(str(one) for one in list(network.hosts())[1:-1] if not is_in_use(tx, str(one)))


def _peering_range(tx: Transaction, length: int) -> str:
    """A free range of 10.0.0.0/8 outside the automatic subnetworks, as Google chooses one."""
    ranges = [
        ipaddress.ip_network(f"{one.body['address']}/{one.body['prefixLength']}")
        for one in tx.all(GlobalAddress.token)
        if one.body.get("purpose") == "VPC_PEERING"
    ]
    automatic = ipaddress.ip_network("10.128.0.0/9")
    candidates = ipaddress.ip_network("10.0.0.0/8").subnets(new_prefix=length)
    for candidate in candidates:
        if not any(candidate.overlaps(taken) for taken in (automatic, *ranges)):
            return str(candidate.network_address)
    raise google_error(400, "Couldn't find free blocks in allocated IP ranges.", "invalid")
