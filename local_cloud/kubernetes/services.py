"""The API server's defaults and validation of Services.

The messages are those of the API server's validation (pkg/apis/core/validation).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Any, Final, get_args

from local_cloud.cloud import NodePortPlace, Transaction
from local_cloud.errors import CloudError
from local_cloud.values import Props, has_unknown

SERVICE: Final = "kubernetes:core/v1:Service"
_LABEL: Final = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_PORT_NAME: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NODE_PORTS: Final = range(30000, 32768)
_SERVICE_NETWORK: Final = ipaddress.ip_network("10.2.32.0/20")
_SERVICE_NETWORK_IPV6: Final = ipaddress.ip_network("fd00:10:2::/112")


def problems(service: Props, before: Props | None) -> Iterator[str]:
    """Every reason for which the API server would refuse this Service."""
    if has_unknown(service):
        return
    name, spec = service["metadata"]["name"], service.get("spec") or {}
    if not re.fullmatch(_LABEL, name) or len(name) > 63:
        yield (
            f'metadata.name: Invalid value: "{name}": a DNS-1035 label must consist of lower case alphanumeric '
            "characters or '-', start with an alphabetic character, and end with an alphanumeric character"
        )
    kind = spec.get("type", "ClusterIP")
    if kind not in ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"):
        yield _unsupported("spec.type", kind, ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort"))
    yield from _port_problems(spec, kind)
    affinity = spec.get("sessionAffinity", "None")
    if affinity not in ("ClientIP", "None"):
        yield _unsupported("spec.sessionAffinity", affinity, ("ClientIP", "None"))
    timeout = ((spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}).get("timeoutSeconds")
    if timeout is not None and not 0 < timeout <= 86400:
        field = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
        yield f"{field}: Invalid value: {timeout}: must be greater than 0 and less than or equal to 86400"
    yield from _family_problems(spec)
    yield from _traffic_problems(spec, kind)
    for index, source in enumerate(spec.get("loadBalancerSourceRanges") or []):
        if not _is_range(source):
            yield f'spec.loadBalancerSourceRanges[{index}]: Invalid value: "{source}": must be a valid CIDR value'
    if before is not None:
        yield from _immutable(before["spec"], spec)


def _port_problems(spec: Props, kind: str) -> Iterator[str]:
    ports: list[Props] = spec.get("ports") or []
    if not ports and kind != "ExternalName" and spec.get("clusterIP") != "None":
        yield "spec.ports: Required value"
    names: list[Any] = []
    numbers: list[Any] = []
    for index, port in enumerate(ports):
        at = f"spec.ports[{index}]"
        number, protocol = port.get("port"), port.get("protocol", "TCP")
        name = port.get("name")
        if not name and len(ports) > 1:
            yield f"{at}.name: Required value"
        if name and (not re.fullmatch(_PORT_NAME, name) or len(name) > 63):
            yield f'{at}.name: Invalid value: "{name}": a lowercase RFC 1123 label must consist of lower case letters'
        if name and name in names:
            yield f'{at}.name: Duplicate value: "{name}"'
        if not isinstance(number, int) or not 1 <= number <= 65535:
            yield f"{at}.port: Invalid value: {number}: must be between 1 and 65535, inclusive"
        if protocol not in ("TCP", "UDP", "SCTP"):
            yield _unsupported(f"{at}.protocol", protocol, ("SCTP", "TCP", "UDP"))
        if (number, protocol) in numbers:
            yield f'{at}: Duplicate value: {{"protocol":"{protocol}","port":{number}}}'
        node_port = port.get("nodePort")
        if node_port and node_port not in _NODE_PORTS:
            yield (
                f"{at}.nodePort: Invalid value: {node_port}: provided port is not in the valid range. The range of "
                "valid ports is 30000-32767"
            )
        if node_port and kind == "ClusterIP":
            yield f"{at}.nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"
        names.append(name)
        numbers.append((number, protocol))


def _family_problems(spec: Props) -> Iterator[str]:
    families, policy = spec.get("ipFamilies") or [], spec.get("ipFamilyPolicy")
    for index, family in enumerate(families):
        if family not in ("IPv4", "IPv6"):
            yield _unsupported(f"spec.ipFamilies[{index}]", family, ("IPv4", "IPv6"))
        if family in families[:index]:
            yield f'spec.ipFamilies[{index}]: Duplicate value: "{family}"'
    if policy and policy not in ("SingleStack", "PreferDualStack", "RequireDualStack"):
        yield _unsupported("spec.ipFamilyPolicy", policy, ("SingleStack", "PreferDualStack", "RequireDualStack"))
    if len(families) > 1 and policy not in ("PreferDualStack", "RequireDualStack"):
        words = "may only be one entry unless the policy is dual-stack"
        yield f"spec.ipFamilies: Invalid value: {families}: {words}"


def _traffic_problems(spec: Props, kind: str) -> Iterator[str]:
    policy = spec.get("externalTrafficPolicy")
    if policy and policy not in ("Cluster", "Local"):
        yield _unsupported("spec.externalTrafficPolicy", policy, ("Cluster", "Local"))
    if policy and kind == "ClusterIP":
        words = "may only be set for externally-accessible services"
        yield f'spec.externalTrafficPolicy: Invalid value: "{policy}": {words}'
    address = spec.get("loadBalancerIP")
    if address and not _is_address(address):
        yield f'spec.loadBalancerIP: Invalid value: "{address}": must be a valid IP address'
    if spec.get("loadBalancerClass") and kind != "LoadBalancer":
        yield "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'"


def _immutable(before: Props, after: Props) -> Iterator[str]:
    """clusterIP and loadBalancerClass are immutable as long as the Service still needs one."""
    for field in ("clusterIP", "loadBalancerClass"):
        old, new = before.get(field), after.get(field)
        same_type = before.get("type") == after.get("type", "ClusterIP")
        if same_type and old != new and (field == "loadBalancerClass" or (old and new)):
            words = "field is immutable" if field == "clusterIP" else "may not change once set"
            shown = f'"{new}"' if new else "null"
            yield f"spec.{field}: Invalid value: {shown}: {words}"


def with_defaults(tx: Transaction, cluster: str, service: Props) -> Props:
    """The Service as the API server stores it."""
    spec = dict(service["spec"])
    kind = spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    if spec["sessionAffinity"] == "ClientIP":
        spec.setdefault("sessionAffinityConfig", {"clientIP": {"timeoutSeconds": 10800}})
    else:
        spec.pop("sessionAffinityConfig", None)
    spec["ports"] = [_port(port) for port in spec.get("ports") or []]
    if kind == "ExternalName":
        return {**service, "spec": spec}
    if not spec.get("clusterIP"):
        spec["clusterIP"] = _cluster_ip(tx, cluster)
    dual = spec.get("ipFamilyPolicy") in ("PreferDualStack", "RequireDualStack")
    spec["ipFamilies"] = spec.get("ipFamilies") or (["IPv4", "IPv6"] if dual else ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")
    spec["clusterIPs"] = [spec["clusterIP"], *([_second_cluster_ip(spec)] if len(spec["ipFamilies"]) > 1 else [])]
    spec.setdefault("internalTrafficPolicy", "Cluster")
    if kind == "ClusterIP":
        return {**service, "spec": spec}
    spec.setdefault("externalTrafficPolicy", "Cluster")
    free = _free_node_ports(tx, cluster, spec["ports"])
    for port in spec["ports"]:
        port["nodePort"] = port.get("nodePort") or next(free)
    if kind == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
        if spec["externalTrafficPolicy"] == "Local":
            spec["healthCheckNodePort"] = spec.get("healthCheckNodePort") or next(free)
        else:
            spec.pop("healthCheckNodePort", None)
    return {**service, "spec": spec}


def _port(port: Props) -> Props:
    return {"protocol": "TCP", "targetPort": port.get("port"), **port}


def _cluster_ip(tx: Transaction, cluster: str) -> str:
    size = _SERVICE_NETWORK.num_addresses - 2
    while True:
        address = str(_SERVICE_NETWORK[1 + tx.next_number(f"cluster IPs of {cluster}") % size])
        if not tx.count(SERVICE, "spec.clusterIP", address, f"{cluster}/"):
            return address


def _second_cluster_ip(spec: Props) -> str:
    """The address of the other family: the same host number in its network."""
    host = int(ipaddress.ip_address(spec["clusterIP"])) - int(_SERVICE_NETWORK[0])
    return str(_SERVICE_NETWORK_IPV6[host])


def _free_node_ports(tx: Transaction, cluster: str, ports: list[Props]) -> Iterator[int]:
    """Allocated in turn, like addresses. For Services with more than four ports only the first four are checked."""
    own = {port.get("nodePort") for port in ports}
    for _ in _NODE_PORTS:
        port = _NODE_PORTS[tx.next_number(f"node ports of {cluster}") % len(_NODE_PORTS)]
        taken = (tx.count(SERVICE, place, port, f"{cluster}/") for place in get_args(NodePortPlace))
        if port not in own and not any(taken):
            yield port
    raise CloudError("failed to allocate a nodePort: range is full")


def _unsupported(field: str, value: Any, allowed: tuple[str, ...]) -> str:
    listed = ", ".join(f'"{one}"' for one in allowed)
    return f'{field}: Unsupported value: "{value}": supported values: {listed}'


def _is_range(text: Any) -> bool:
    try:
        return "/" in str(text) and ipaddress.ip_network(str(text), strict=False) is not None
    except ValueError:
        return False


def _is_address(text: Any) -> bool:
    try:
        return ipaddress.ip_address(str(text)) is not None
    except ValueError:
        return False
