"""When an object is ready, and what is reported if it is not in time."""

from __future__ import annotations

import re
from typing import Any, Final

from local_cloud import faults
from local_cloud.cloud import Transaction
from local_cloud.kubernetes.load_balancers import address_of, is_load_balancer
from local_cloud.values import Props

WAIT_FOR: Final = "pulumi.com/waitFor"
TIMEOUT: Final = "pulumi.com/timeoutSeconds"
SKIP: Final = "pulumi.com/skipAwait"
DEPLOYMENT: Final = "kubernetes:apps/v1:Deployment"
SERVICE_TIMEOUT: Final = 600.0  # the plugin's default
_JSONPATH: Final = re.compile(r"jsonpath=\{(?P<path>(?:\.\w+|\[\d+\])+)\}(?:=(?P<value>.*))?")


def timeout_of(live: Props, timeout: float) -> float:
    """The resource's timeout, else the annotation's, else the plugin's."""
    if timeout:
        return timeout
    text = annotations_of(live).get(TIMEOUT)
    return float(text) if text else SERVICE_TIMEOUT


def annotations_of(live: Props) -> Props:
    found: Props = live["metadata"].get("annotations") or {}
    return found


def annotation_problems(live: Props) -> list[str]:
    """Invalid annotations of the plugin."""
    found = annotations_of(live)
    wrong = []
    if not re.fullmatch(r"\d*", str(found.get(TIMEOUT, ""))):
        wrong.append(f"metadata.annotations: {TIMEOUT} is not a number of seconds: {found[TIMEOUT]}")
    condition = found.get(WAIT_FOR)
    if condition is not None and not _JSONPATH.fullmatch(str(condition)):
        wrong.append(f'metadata.annotations: {WAIT_FOR} "{condition}" is not a jsonpath={{...}} expression')
    return wrong


def missing(tx: Transaction, cluster: str, live: Props) -> list[str]:
    """What the object still lacks to be ready; empty if it is ready."""
    condition = annotations_of(live).get(WAIT_FOR)
    if annotations_of(live).get(SKIP) == "true":
        return []
    if condition is not None:
        return [] if _holds(str(condition), live) else [f"Waiting for {condition}"]
    if live["kind"] == "Service":
        return _service_missing(tx, cluster, live)
    if live["kind"] == "Deployment" and not ready_replicas(tx, live):
        return ["Minimum number of live Pods was not attained"]
    return []


def _service_missing(tx: Transaction, cluster: str, live: Props) -> list[str]:
    found = []
    selector = live["spec"].get("selector")
    if selector and live["spec"].get("type") != "ExternalName" and not _has_ready_pods(tx, cluster, live, selector):
        found.append(
            "Service does not target any Pods. Selected Pods may not be ready, or field '.spec.selector' may not match "
            "labels on any Pods"
        )
    if is_load_balancer(live) and not address_of(live):
        found.append("Service was not allocated an IP address; does your cloud provider support this?")
    return found


def _has_ready_pods(tx: Transaction, cluster: str, live: Props, selector: Props) -> bool:
    namespace = live["metadata"]["namespace"]
    for deployment in tx.all(DEPLOYMENT, f"{cluster}/{namespace}/"):
        labels = deployment.body["spec"]["template"]["metadata"].get("labels") or {}
        if selector.items() <= labels.items() and ready_replicas(tx, deployment.body):
            return True
    return False


def ready_replicas(tx: Transaction, deployment: Props) -> int:
    """Pods are ready unless `pods not-ready` or its fault is set."""
    if tx.setting("pods", "ready") != "ready" or faults.switched_on(tx, "pods-not-ready"):
        return 0
    return int(deployment["spec"].get("replicas", 1))


def events_of(live: Props) -> list[str]:
    """An object's warning events, as the plugin lists them."""
    return [
        f"{event['type']} {event['reason']}: {event['message']}"
        for event in live.get("events", [])
        if event["type"] == "Warning"
    ]


def _holds(condition: str, live: Props) -> bool:
    match = _JSONPATH.fullmatch(condition)
    if match is None:
        return False
    node: Any = live
    for step in re.findall(r"\w+", match.group("path")):
        if isinstance(node, list):
            node = node[int(step)] if step.isdigit() and int(step) < len(node) else None
        else:
            node = node.get(step) if isinstance(node, dict) else None
    wanted = match.group("value")
    return node is not None if wanted is None else str(node) == wanted
