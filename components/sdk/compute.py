"""Google Compute Engine and its peering: registry.terraform.io/providers/hashicorp/google, in camel case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from pulumi import Input

from components.sdk.resource import GCP, LABELS, Known, Resource
from engine import tokens


class AddressInputs(TypedDict, total=False):
    """google_compute_address."""

    name: Input[str]
    region: Input[str]
    addressType: Input[str]
    ipVersion: Input[str]
    ipv6EndpointType: Input[str]
    subnetwork: Input[str]
    labels: Input[Mapping[str, str]]


class Address(Resource[AddressInputs], token=tokens.ADDRESS, package=GCP, secret=LABELS):
    """A reserved address of a region."""

    name = Known[str]("name")
    address = Known[str]("address")
    self_link = Known[str]("selfLink")


class GlobalAddressInputs(TypedDict, total=False):
    """google_compute_global_address."""

    name: Input[str]
    purpose: Input[str]
    addressType: Input[str]
    prefixLength: Input[int]
    network: Input[str]
    labels: Input[Mapping[str, str]]


class GlobalAddress(Resource[GlobalAddressInputs], token=tokens.GLOBAL_ADDRESS, package=GCP, secret=LABELS):
    """A global reserved address or range."""

    name = Known[str]("name")


class RouterInputs(TypedDict, total=False):
    """google_compute_router."""

    name: Input[str]
    region: Input[str]
    network: Input[str]


class Router(Resource[RouterInputs], token=tokens.ROUTER, package=GCP):
    """A Cloud Router."""

    name = Known[str]("name")


class RouterNatLogConfig(TypedDict, total=False):
    """`log_config`."""

    enable: Input[bool]
    filter: Input[str]


class RouterNatInputs(TypedDict, total=False):
    """google_compute_router_nat."""

    name: Input[str]
    router: Input[str]
    region: Input[str]
    natIpAllocateOption: Input[str]
    natIps: Input[Sequence[Input[str]]]
    drainNatIps: Input[Sequence[Input[str]]]
    sourceSubnetworkIpRangesToNat: Input[str]
    enableDynamicPortAllocation: Input[bool | None]
    enableEndpointIndependentMapping: Input[bool | None]
    minPortsPerVm: Input[int | None]
    maxPortsPerVm: Input[int | None]
    udpIdleTimeoutSec: Input[int | None]
    icmpIdleTimeoutSec: Input[int | None]
    tcpEstablishedIdleTimeoutSec: Input[int | None]
    tcpTransitoryIdleTimeoutSec: Input[int | None]
    tcpTimeWaitTimeoutSec: Input[int | None]
    logConfig: RouterNatLogConfig


class RouterNat(Resource[RouterNatInputs], token=tokens.NAT, package=GCP):
    """A Cloud NAT gateway."""

    min_ports_per_vm = Known[float | None]("minPortsPerVm")


class TcpHealthCheck(TypedDict, total=False):
    """`tcp_health_check`."""

    port: Input[int]


class HttpHealthCheck(TypedDict, total=False):
    """`http_health_check`."""

    port: Input[int]
    requestPath: Input[str]


class HealthCheckInputs(TypedDict, total=False):
    """google_compute_health_check."""

    name: Input[str]
    description: Input[str]
    sourceRegions: Input[Sequence[Input[str]]]
    checkIntervalSec: Input[int]
    timeoutSec: Input[int]
    unhealthyThreshold: Input[int]
    healthyThreshold: Input[int]
    tcpHealthCheck: TcpHealthCheck | None
    httpHealthCheck: HttpHealthCheck | None


class HealthCheck(Resource[HealthCheckInputs], token=tokens.HEALTH_CHECK, package=GCP):
    """A health check, used by Cloud DNS."""


class ConnectionInputs(TypedDict, total=False):
    """google_service_networking_connection."""

    network: Input[str]
    service: Input[str]
    reservedPeeringRanges: Input[Sequence[Input[str]]]
    deletionPolicy: Input[str]


class Connection(Resource[ConnectionInputs], token=tokens.CONNECTION, package=GCP):
    """Private services access of a network."""
