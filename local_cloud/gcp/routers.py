"""Cloud Router and Cloud NAT.

The rules of a NAT gateway are Google's (https://docs.cloud.google.com/nat/docs/ports-and-addresses and
https://docs.cloud.google.com/nat/docs/set-up-manage-network-address-translation): which addresses it accepts, what
draining means, which port settings can be combined.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from local_cloud.cloud import Transaction
from local_cloud.errors import CheckFailure, CloudError, google_error, google_text
from local_cloud.gcp.addresses import ADDRESS, ROUTER_NAT, users_of
from local_cloud.gcp.rules import born, check_name, ensure_project, find_network
from local_cloud.links import contains_link, name_of, region_of, relative, self_link
from local_cloud.planning import Change
from local_cloud.resource_type import ResourceType, known
from local_cloud.shapes import Shape
from local_cloud.values import UNKNOWN, Props

ROUTER: Final = "gcp:compute/router:Router"
MANUAL_ADDRESSES: Final = 300  # a gateway's maximum, https://docs.cloud.google.com/nat/quota
GATEWAYS: Final = 50  # a router's maximum, same page


class Router(ResourceType):
    """A Cloud Router; here only a container of NAT gateways."""

    token = ROUTER
    noun = "Router"
    key_format = "projects/{project}/regions/{region}/routers/{name}"
    import_formats = ("{project}/{region}/{name}", "{region}/{name}", "{name}")
    shape = Shape.parse(
        """
        root: name!+ bgp{} deletionPolicy~% description encryptedInterconnectRouter:bool! md5AuthenticationKeys{}
            nccGateway! network!@ params{}! project!~ region!~ creationTimestamp^ selfLink^
        bgp: asn:int* advertiseMode=DEFAULT advertisedGroups[] advertisedIpRanges<> identifierRange~
            keepaliveInterval:int=20
        bgp.advertisedIpRanges: range* description
        md5AuthenticationKeys: key* name*
        params: resourceManagerTags{}
        """
    )

    def check(self, inputs: Props) -> list[CheckFailure]:
        return check_name(inputs)

    def make(self, tx: Transaction, planned: Props) -> Props:
        ensure_project(tx, planned["project"], planned["region"])
        if not planned.get("network"):
            raise google_error(400, "Invalid value for field 'resource.network': ''. Must be given", "invalid")
        network = find_network(tx, planned["network"], planned["project"])
        if network is None:
            raise google_error(404, f"The resource '{relative(planned['network'])}' was not found", "notFound")
        return {**planned, **born(tx, self.key(planned)), "network": self_link(network[0])}

    def change(self, tx: Transaction, body: Props, planned: Props) -> Props:
        return {**body, **planned, "network": body["network"]}

    def remove(self, tx: Transaction, body: Props) -> None:
        if nats := tx.all(ROUTER_NAT, f"{self.key(body)}/"):
            message = f"The router resource '{self.key(body)}' is already being used by '{nats[0].id}'"
            raise google_error(400, message, "resourceInUseByAnotherResource")


class RouterNat(ResourceType):
    """A Cloud NAT gateway with its pool of external addresses."""

    token = ROUTER_NAT
    noun = "RouterNat"
    key_format = "projects/{project}/regions/{region}/routers/{router}/{name}"
    id_format = "{project}/{region}/{router}/{name}"
    import_formats = ("{region}/{router}/{name}", "{router}/{name}")
    shape = Shape.parse(
        """
        root: name!+ router*!@ autoNetworkTier~ deletionPolicy~% drainNatIps<>~@ enableDynamicPortAllocation:bool~
            enableEndpointIndependentMapping:bool~ endpointTypes[]!~ icmpIdleTimeoutSec:int=30 initialNatIps<>!@%
            logConfig{} maxPortsPerVm:int minPortsPerVm:int~ nat64Subnetworks<>
            natIpAllocateOption:MANUAL_ONLY|AUTO_ONLY natIps<>~@ project!~
            region!~ rules<>
            sourceSubnetworkIpRangesToNat:ALL_SUBNETWORKS_ALL_IP_RANGES|ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES|LIST_OF_SUBNETWORKS*
            sourceSubnetworkIpRangesToNat64 subnetworks<>
            tcpEstablishedIdleTimeoutSec:int=1200 tcpTimeWaitTimeoutSec:int=120 tcpTransitoryIdleTimeoutSec:int=30
            type:PUBLIC|PRIVATE!=PUBLIC udpIdleTimeoutSec:int=30
        logConfig: enable:bool* filter:ERRORS_ONLY|TRANSLATIONS_ONLY|ALL*
        nat64Subnetworks: name*@
        rules: match* ruleNumber:int* action{}~ description
        rules.action: sourceNatActiveIps<>@ sourceNatActiveRanges<>@ sourceNatDrainIps<>@ sourceNatDrainRanges<>@
        subnetworks: name*@ sourceIpRangesToNats<>* secondaryIpRangeNames<>
        """
    )

    def key(self, values: Mapping[str, Any]) -> str:
        return super().key({**values, "router": name_of(values["router"])})

    def engine_id(self, body: Mapping[str, Any]) -> str:
        return super().engine_id({**body, "router": name_of(body["router"])})

    def check(self, inputs: Props) -> list[CheckFailure]:
        return check_name(inputs)

    def judge(self, planned: Props) -> list[CheckFailure]:
        problems = (*_port_problems(planned), *_pool_problems(planned))
        return [CheckFailure(name, google_text(400, text, "invalid")) for name, text in problems]

    def customize(self, prior: Props, planned: Props) -> list[Change]:
        """Only an address of the gateway can be drained; the plugin checks this before the cloud does."""
        before, drained = prior.get("natIps") or [], prior.get("drainNatIps") or []
        for link in _links(planned, "drainNatIps"):
            name = name_of(link)
            if name in map(name_of, drained):
                continue
            if name not in map(name_of, before):
                had = " ".join(map(name_of, before))
                raise CloudError(
                    f'1 error occurred:\n\t* drain_nat_ip "{name}" was not previously set in nat_ips [{had}]\n\n'
                )
            if name in map(name_of, _links(planned, "natIps")):
                has = " ".join(map(name_of, _links(planned, "natIps")))
                text = f'drain_nat_ip "{name}" cannot be drained if still set in nat_ips [{has}]'
                raise CloudError(f"1 error occurred:\n\t* {text}\n\n")
        return []

    def make(self, tx: Transaction, planned: Props) -> Props:
        router = f"projects/{planned['project']}/regions/{planned['region']}/routers/{name_of(planned['router'])}"
        if tx.get(ROUTER, router) is None:
            raise google_error(404, f"The resource '{router}' was not found", "notFound")
        if len(tx.all(ROUTER_NAT, f"{router}/")) >= GATEWAYS:
            message = f"Invalid value for field 'resource.nats': ''. At most {GATEWAYS} NAT gateways per router"
            raise google_error(400, message, "invalid")
        if planned.get("drainNatIps"):
            message = _field("drainNatIps", planned["drainNatIps"]) + "A new NAT gateway cannot have drained addresses"
            raise google_error(400, message, "invalid")
        links = planned.get("natIps") or planned.get("initialNatIps") or []
        return self._settled(tx, {**planned, "natIps": links, "router": name_of(planned["router"])})

    def change(self, tx: Transaction, body: Props, planned: Props) -> Props:
        before = [*(body.get("natIps") or []), *(body.get("drainNatIps") or [])]
        for link in planned.get("drainNatIps") or []:
            if not contains_link(before, link):
                message = _field("drainNatIps", link) + "Only an address that is in use by this gateway can be drained"
                raise google_error(400, message, "invalid")
        return self._settled(tx, {**body, **planned, "router": body["router"]})

    def _settled(self, tx: Transaction, body: Props) -> Props:
        """The gateway as the cloud reports it. Raises what the cloud refuses."""
        for _, text in (*_port_problems(body), *_pool_problems(body)):
            raise google_error(400, text, "invalid")
        if body.get("natIpAllocateOption") == "MANUAL_ONLY" and not body.get("natIps"):
            message = _field("natIps", "") + "At least one active address is needed with MANUAL_ONLY"
            raise google_error(400, message, "invalid")
        links = {name: self._resolved(tx, body, name) for name in ("natIps", "drainNatIps")}
        return {**body, **links}

    def _resolved(self, tx: Transaction, body: Props, name: str) -> list[str]:
        """Full links of the named addresses. Each must exist in the region and be unused."""
        region = f"projects/{body['project']}/regions/{body['region']}"
        mine = self_link(f"{region}/routers/{body['router']}")
        resolved = []
        for link in body.get(name) or []:
            path = relative(link) if "/" in link else f"{region}/addresses/{link}"
            if not path.startswith("projects/"):
                path = f"projects/{body['project']}/{path}"
            address = tx.get(ADDRESS, path)
            if address is None:
                raise google_error(404, f"The resource '{path}' was not found", "notFound")
            if region_of(path) != body["region"]:
                message = _field(name, link) + "Cross-region references for this resource are not allowed"
                raise google_error(400, message, "invalid")
            if address["addressType"] != "EXTERNAL":
                raise google_error(400, _field(name, link) + "Only external addresses can be used", "invalid")
            self._refuse_shared(tx, body, path, mine)
            resolved.append(self_link(path))
        return sorted(resolved)

    def _refuse_shared(self, tx: Transaction, body: Props, path: str, mine: str) -> None:
        others = [one for one in users_of(tx, path) if one != mine]
        for nat in tx.all(ROUTER_NAT, f"{relative(mine)}/"):
            links = [*(nat.body.get("natIps") or []), *(nat.body.get("drainNatIps") or [])]
            if nat.id != self.key(body) and contains_link(links, path):
                others.append(mine)
        if others:
            message = f"The resource '{path}' is already being used by '{relative(others[0])}'"
            raise google_error(400, message, "resourceInUseByAnotherResource")


def _field(name: str, value: object) -> str:
    return f"Invalid value for field 'resource.nats[0].{name}': '{value}'. "


def _port_problems(values: Props) -> Iterator[tuple[str, str]]:
    """Port settings that cannot be combined; unknown values are not checked."""
    dynamic = known(values, "enableDynamicPortAllocation")
    if dynamic and known(values, "enableEndpointIndependentMapping"):
        yield (
            "enableDynamicPortAllocation",
            _field("enableDynamicPortAllocation", "true")
            + "Dynamic port allocation cannot be enabled together with endpoint independent mapping",
        )
    low, high = known(values, "minPortsPerVm") or 0, known(values, "maxPortsPerVm") or 0
    if high and not dynamic:
        text = "Maximum ports per VM can be set only with dynamic port allocation"
        yield "maxPortsPerVm", _field("maxPortsPerVm", high) + text
    if dynamic:
        for name, value, smallest, largest in (("minPortsPerVm", low, 32, 32768), ("maxPortsPerVm", high, 64, 65536)):
            if value and not (smallest <= value <= largest and value & (value - 1) == 0):
                text = f"Must be a power of two between {smallest} and {largest} with dynamic port allocation"
                yield name, _field(name, value) + text
        if low and high and low >= high:
            yield "maxPortsPerVm", _field("maxPortsPerVm", high) + "Must be greater than minPortsPerVm"
    elif low and not 2 <= low <= 57344:
        yield "minPortsPerVm", _field("minPortsPerVm", low) + "Must be between 2 and 57344"


def _pool_problems(values: Props) -> Iterator[tuple[str, str]]:
    """Address lists that are invalid regardless of what exists in the cloud."""
    active, draining = _links(values, "natIps"), _links(values, "drainNatIps")
    option = known(values, "natIpAllocateOption")
    if option == "AUTO_ONLY" and (active or draining):
        yield "natIps", _field("natIps", "") + "Addresses can be given only with natIpAllocateOption MANUAL_ONLY"
    if len(active) + len(draining) > MANUAL_ADDRESSES:
        yield "natIps", _field("natIps", "") + f"At most {MANUAL_ADDRESSES} addresses per gateway"
    for link in draining:
        if contains_link(active, link):
            yield "drainNatIps", _field("drainNatIps", link) + "An address cannot be both active and drained"
    if option == "MANUAL_ONLY" and values.get("natIps") == []:
        yield "natIps", _field("natIps", "") + "At least one active address is needed with MANUAL_ONLY"


def _links(values: Props, name: str) -> list[str]:
    links = known(values, name) or []
    return [link for link in links if link != UNKNOWN]
