"""PodMonitoring, a custom resource of Google Cloud's managed collection: its fields.

It imports the SDK, so it is loaded on first use of the kind, as the SDK's own classes are (`schema.py`).

The SDK has no class of it. The fields are those of the definition that clusters with managed collection have
(github.com/GoogleCloudPlatform/prometheus-engine, charts/operator/crds/monitoring.googleapis.com_podmonitorings.yaml);
those of sign-in and relabelling are left out, and so refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs


@pulumi.input_type
class EndpointArgs:
    """What is scraped of each pod."""

    port: pulumi.Input[Any]
    interval: pulumi.Input[str]
    path: pulumi.Input[str]
    scheme: pulumi.Input[str]
    timeout: pulumi.Input[str]
    params: pulumi.Input[Mapping[str, pulumi.Input[Sequence[pulumi.Input[str]]]]]


@pulumi.input_type
class SpecArgs:
    """`spec`."""

    selector: pulumi.Input[LabelSelectorArgs]
    endpoints: pulumi.Input[Sequence[pulumi.Input[EndpointArgs]]]
    target_labels: pulumi.Input[Mapping[str, Any]] = pulumi.property("targetLabels")
    limits: pulumi.Input[Mapping[str, pulumi.Input[int]]]
    filter_running: pulumi.Input[bool] = pulumi.property("filterRunning")


@pulumi.input_type
class PodMonitoringInitArgs:
    """The whole."""

    api_version: pulumi.Input[str] = pulumi.property("apiVersion")
    kind: pulumi.Input[str]
    metadata: pulumi.Input[ObjectMetaArgs]
    spec: pulumi.Input[SpecArgs]
