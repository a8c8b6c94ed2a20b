"""VPC networks and subnetworks, to the extent that routers, addresses and Cloud SQL need them."""

from __future__ import annotations

import ipaddress

from local_cloud.cloud import Transaction
from local_cloud.errors import CheckFailure, google_error, google_text
from local_cloud.gcp.rules import NETWORK, SUBNETWORK, born, check_name, find_network, fingerprint, numeric_id, one_of
from local_cloud.links import relative, self_link
from local_cloud.networks import allocate_ipv6
from local_cloud.resource_type import ResourceType
from local_cloud.shapes import Shape
from local_cloud.values import UNKNOWN, Props

_USERS = (
    SUBNETWORK,
    "gcp:compute/router:Router",
    "gcp:compute/globalAddress:GlobalAddress",
    "gcp:servicenetworking/connection:Connection",
)


class Network(ResourceType):
    """A VPC network."""

    token = NETWORK
    noun = "Network"
    key_format = "projects/{project}/global/networks/{name}"
    import_formats = ("{project}/{name}", "{name}")
    shape = Shape.parse(
        """
        root: name!+ autoCreateSubnetworks:bool!=true bgpAlwaysCompareMed:bool~ bgpBestPathSelectionMode~
            bgpInterRegionCost~ deleteBgpAlwaysCompareMed:bool%=false deleteDefaultRoutesOnCreate:bool%=false
            deletionPolicy~% description! enableUlaInternalIpv6:bool internalIpv6Range!~ mtu:int~
            networkFirewallPolicyEnforcementOrder=AFTER_CLASSIC_FIREWALL networkProfile! params{}! project!~
            routingMode~ gatewayIpv4^ networkId^ numericId^ selfLink^
        params: resourceManagerTags{}!
        """
    )

    def check(self, inputs: Props) -> list[CheckFailure]:
        return [*check_name(inputs), *one_of(inputs, "routingMode", ("REGIONAL", "GLOBAL"))]

    def make(self, tx: Transaction, planned: Props) -> Props:
        number = numeric_id(tx)
        decided = {"mtu": 1460, "routingMode": "REGIONAL", "networkId": number, "numericId": number}
        return {**born(tx, self.key(planned)), **decided, **planned}

    def remove(self, tx: Transaction, body: Props) -> None:
        path = self.key(body)
        for type_ in _USERS:
            for user in tx.all(type_):
                if relative(str(user.body.get("network", ""))) == path:
                    message = f"The network resource '{path}' is already being used by '{user.id}'"
                    raise google_error(400, message, "resourceInUseByAnotherResource")


class Subnetwork(ResourceType):
    """A region's part of a VPC network."""

    token = SUBNETWORK
    noun = "Subnetwork"
    key_format = "projects/{project}/regions/{region}/subnetworks/{name}"
    import_formats = ("{project}/{region}/{name}", "{region}/{name}", "{name}")
    shape = Shape.parse(
        """
        root: name!+ network*!@ allowSubnetCidrRoutesOverlap:bool~ deletionPolicy~% description! externalIpv6Prefix!~
            internalIpv6Prefix!~ ipCidrRange~ ipCollection ipv6AccessType logConfig{} params{}!
            privateIpGoogleAccess:bool~ privateIpv6GoogleAccess~ project!~ purpose~ region!~ reservedInternalRange!
            resolveSubnetMask! role secondaryIpRanges[]~ sendSecondaryIpRangeIfEmpty:bool%=false stackType~
            creationTimestamp^ fingerprint^ gatewayAddress^ ipv6CidrRange^ ipv6GceEndpoint^ selfLink^ state^
            subnetworkId:int^
        logConfig: aggregationInterval=INTERVAL_5_SEC filterExpr=true flowSampling:num=0.5 metadata=INCLUDE_ALL_METADATA
            metadataFields<>
        params: resourceManagerTags{}!
        secondaryIpRanges: rangeName* ipCidrRange~ ipCollection ipVersion~ reservedInternalRange
        """
    )

    def check(self, inputs: Props) -> list[CheckFailure]:
        failures = [
            *check_name(inputs),
            *one_of(inputs, "stackType", ("IPV4_ONLY", "IPV4_IPV6", "IPV6_ONLY")),
            *one_of(inputs, "ipv6AccessType", ("EXTERNAL", "INTERNAL")),
        ]
        text = inputs.get("ipCidrRange")
        if text not in (None, "", UNKNOWN):
            try:
                ipaddress.ip_network(str(text))
            except ValueError:
                message = f"Invalid value for field 'resource.ipCidrRange': '{text}'. Must be a CIDR address range"
                failures.append(CheckFailure("ipCidrRange", google_text(400, message, "invalid")))
        return failures

    def make(self, tx: Transaction, planned: Props) -> Props:
        network = find_network(tx, planned["network"], planned["project"])
        if network is None:
            raise google_error(404, f"The resource '{relative(planned['network'])}' was not found", "notFound")
        body = {"purpose": "PRIVATE", "stackType": "IPV4_ONLY", **planned, **born(tx, self.key(planned))}
        body |= {"network": self_link(network[0]), "fingerprint": fingerprint(planned)}
        body |= {
            "privateIpGoogleAccess": bool(planned.get("privateIpGoogleAccess")),
            "subnetworkId": int(numeric_id(tx)),
        }
        if body.get("ipCidrRange"):
            mine = ipaddress.ip_network(body["ipCidrRange"])
            for other in tx.all(SUBNETWORK):
                if other.body["network"] == body["network"] and mine.overlaps(
                    ipaddress.ip_network(other.body["ipCidrRange"])
                ):
                    message = (
                        f"Invalid IPCidrRange: {mine} conflicts with existing subnetwork '{other.body['name']}' "
                        f"in region '{other.body['region']}'."
                    )
                    raise google_error(400, message, "invalid")
            body["gatewayAddress"] = str(mine[1])
        if body["stackType"] == "IPV4_IPV6" and body.get("ipv6AccessType") == "EXTERNAL":
            body["externalIpv6Prefix"] = body.get("externalIpv6Prefix") or f"{allocate_ipv6(tx, 64)}/64"
        return body

    def remove(self, tx: Transaction, body: Props) -> None:
        path = self.key(body)
        for address in tx.all("gcp:compute/address:Address"):
            if relative(str(address.body.get("subnetwork") or "")) == path:
                message = f"The subnetwork resource '{path}' is already being used by '{address.id}'"
                raise google_error(400, message, "resourceInUseByAnotherResource")
