"""The API server's defaults and validation of what guards pods: NetworkPolicy, PodDisruptionBudget, PodMonitoring, and
the parts of a Deployment that say where its pods run and who they are.

The messages are those of the API server's validation (pkg/apis/networking, policy, apps and core, validation).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Any, Final

from local_cloud.values import Props, has_unknown

NETWORK_POLICY: Final = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
DISRUPTION_BUDGET: Final = "kubernetes:policy/v1:PodDisruptionBudget"
POD_MONITORING: Final = "kubernetes:monitoring.googleapis.com/v1:PodMonitoring"
_DURATION: Final = re.compile(r"(?:\d+(?:ms|[ywdhms]))+")
_PROTOCOLS: Final = ("SCTP", "TCP", "UDP")


def with_policy_defaults(live: Props) -> Props:
    """`policyTypes` follow from the rules, and a port is of TCP."""
    spec = live.get("spec") or {}
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    rules = {way: [_with_protocols(rule) for rule in spec[way]] for way in ("ingress", "egress") if way in spec}
    return {**live, "spec": {**spec, "policyTypes": types, **rules}}


def _with_protocols(rule: Props) -> Props:
    if "ports" not in rule:
        return rule
    return {**rule, "ports": [{"protocol": "TCP", **port} for port in rule["ports"]]}


def policy_problems(live: Props, _before: Props | None) -> Iterator[str]:
    """Every reason for which the API server would refuse this NetworkPolicy."""
    spec = live.get("spec") or {}
    if has_unknown(spec.get("podSelector")):
        return
    for way, peers in (("ingress", "from"), ("egress", "to")):
        for number, rule in enumerate(spec.get(way) or ()):
            at = f"spec.{way}[{number}]"
            for index, port in enumerate(rule.get("ports") or ()):
                yield from _port_problems(port, f"{at}.ports[{index}]")
            for index, peer in enumerate(rule.get(peers) or ()):
                yield from _peer_problems(peer, f"{at}.{peers}[{index}]")
    for index, kind in enumerate(spec.get("policyTypes") or ()):
        if kind not in ("Egress", "Ingress"):
            yield f'spec.policyTypes[{index}]: Unsupported value: "{kind}": supported values: "Egress", "Ingress"'


def _port_problems(given: Props, at: str) -> Iterator[str]:
    protocol, port, end = given.get("protocol", "TCP"), given.get("port"), given.get("endPort")
    if protocol not in _PROTOCOLS:
        yield f'{at}.protocol: Unsupported value: "{protocol}": supported values: "SCTP", "TCP", "UDP"'
    if isinstance(port, int) and not 1 <= port <= 65535:
        yield f"{at}.port: Invalid value: {port}: must be between 1 and 65535, inclusive"
    if end is None:
        return
    if port is None:
        yield f"{at}.endPort: Invalid value: {end}: may not be specified when `port` is not specified"
    elif not isinstance(port, int):
        yield f"{at}.endPort: Invalid value: {end}: may not be specified when `port` is non-numeric"
    elif end < port:
        yield f"{at}.endPort: Invalid value: {end}: must be greater than or equal to `port`"
    if not 1 <= end <= 65535:
        yield f"{at}.endPort: Invalid value: {end}: must be between 1 and 65535, inclusive"


def _peer_problems(peer: Props, at: str) -> Iterator[str]:
    kinds = [name for name in ("podSelector", "namespaceSelector", "ipBlock") if peer.get(name) is not None]
    if not kinds:
        yield f"{at}: Required value: must specify a peer"
    if "ipBlock" in kinds:
        if len(kinds) > 1:
            yield f"{at}: Forbidden: may not specify both ipBlock and another peer"
        cidr = peer["ipBlock"].get("cidr")
        if not has_unknown(cidr) and not _is_range(cidr):
            yield f'{at}.ipBlock.cidr: Invalid value: "{cidr}": must be a valid CIDR value, (e.g. 10.9.8.0/24)'


def _is_range(text: Any) -> bool:
    try:
        ipaddress.ip_network(str(text))
    except ValueError:
        return False
    return "/" in str(text)


def budget_problems(live: Props, _before: Props | None) -> Iterator[str]:
    """Every reason for which the API server would refuse this PodDisruptionBudget."""
    spec = live.get("spec") or {}
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        yield "spec: Invalid value: minAvailable and maxUnavailable cannot be both set"
    for name in ("minAvailable", "maxUnavailable"):
        value = spec.get(name)
        if isinstance(value, int) and value < 0:
            yield f"spec.{name}: Invalid value: {value}: must be greater than or equal to 0"
        if isinstance(value, str) and not re.fullmatch(r"\d{1,3}%", value):
            yield f'spec.{name}: Invalid value: "{value}": a valid percent string must be a number followed by %'


def deployment_problems(live: Props, before: Props | None) -> Iterator[str]:
    """Reasons for which the API server would refuse this Deployment: selector, placing, identity."""
    spec = live["spec"]
    if has_unknown(spec.get("selector")) or has_unknown(spec.get("template", {}).get("metadata", {}).get("labels")):
        return
    template = spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    chosen = (spec.get("selector") or {}).get("matchLabels") or {}
    if not chosen:
        yield "spec.selector: Required value"
    elif not chosen.items() <= labels.items():
        yield "spec.template.metadata.labels: Invalid value: `selector` does not match template `labels`"
    if before is not None and before["spec"].get("selector") != spec.get("selector"):
        yield "spec.selector: Invalid value: field is immutable"
    yield from _strategy_problems(spec.get("strategy") or {})
    pod = template.get("spec") or {}
    if not pod.get("containers"):
        yield "spec.template.spec.containers: Required value"
    yield from _placing_problems(pod, "spec.template.spec")
    for index, container in enumerate(pod.get("containers") or ()):
        yield from _container_problems(container, f"spec.template.spec.containers[{index}]")


def _strategy_problems(strategy: Props) -> Iterator[str]:
    rolling = strategy.get("rollingUpdate")
    if strategy.get("type") == "Recreate" and rolling is not None:
        yield ("spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'")
    if rolling and rolling.get("maxUnavailable") in (0, "0%") and rolling.get("maxSurge") in (0, "0%"):
        yield ("spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0")


def _placing_problems(pod: Props, at: str) -> Iterator[str]:
    for index, one in enumerate(pod.get("topologySpreadConstraints") or ()):
        here = f"{at}.topologySpreadConstraints[{index}]"
        if one.get("maxSkew", 0) < 1:
            yield f"{here}.maxSkew: Invalid value: {one.get('maxSkew', 0)}: must be greater than zero"
        if not one.get("topologyKey"):
            yield f"{here}.topologyKey: Required value: can not be empty"
        if (otherwise := one.get("whenUnsatisfiable")) not in ("DoNotSchedule", "ScheduleAnyway"):
            yield (
                f'{here}.whenUnsatisfiable: Unsupported value: "{otherwise}": supported values: "DoNotSchedule", '
                '"ScheduleAnyway"'
            )
        if one.get("matchLabelKeys") and not one.get("labelSelector"):
            yield f"{here}.matchLabelKeys: Forbidden: must not be specified when labelSelector is not set"
    for index, one in enumerate(pod.get("tolerations") or ()):
        if one.get("tolerationSeconds") is not None and one.get("effect") != "NoExecute":
            yield (
                f'{at}.tolerations[{index}].effect: Invalid value: "{one.get("effect", "")}": effect must be '
                "'NoExecute' when `tolerationSeconds` is set"
            )
        if one.get("operator") == "Exists" and one.get("value"):
            yield f"{at}.tolerations[{index}].operator: Invalid value: value must be empty when `operator` is 'Exists'"


def _container_problems(container: Props, at: str) -> Iterator[str]:
    named = {port.get("name") for port in container.get("ports") or ()}
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        given = container.get(probe)
        if not given:
            continue
        if not any(given.get(how) for how in ("httpGet", "tcpSocket", "exec", "grpc")):
            yield f"{at}.{probe}: Required value: must specify a handler type"
        # The API server takes it, and the kubelet fails the probe for ever.
        port = (given.get("httpGet") or {}).get("port")
        if isinstance(port, str) and port not in named:
            yield f'{at}.{probe}.httpGet.port: Invalid value: "{port}": no port of the container has this name'
    profile = ((container.get("securityContext") or {}).get("seccompProfile") or {}).get("type")
    if profile not in (None, "Localhost", "RuntimeDefault", "Unconfined"):
        yield (
            f'{at}.securityContext.seccompProfile.type: Unsupported value: "{profile}": supported values: "Localhost", '
            '"RuntimeDefault", "Unconfined"'
        )


def monitoring_problems(live: Props, _before: Props | None) -> Iterator[str]:
    """Every reason for which the API server would refuse this PodMonitoring."""
    if has_unknown(live):
        return
    spec = live.get("spec")
    if spec is None:
        yield "spec: Required value"
        return
    for name in ("endpoints", "selector"):
        if name not in spec:
            yield f"spec.{name}: Required value"
    for index, endpoint in enumerate(spec.get("endpoints") or ()):
        at = f"spec.endpoints[{index}]"
        port, interval = endpoint.get("port"), endpoint.get("interval")
        if port is None:
            yield f"{at}.port: Required value"
        if interval is None:
            yield f"{at}.interval: Required value"
        elif not _DURATION.fullmatch(str(interval)):
            yield f'{at}.interval: Invalid value: "{interval}": {at}.interval in body must be of type duration'
