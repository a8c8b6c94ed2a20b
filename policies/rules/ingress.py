"""Rules for ingress: Services of type LoadBalancer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from engine.tokens import ADDRESS, GLOBAL_ADDRESS, SERVICE
from policies.declared import UNKNOWN, Declared, at, items
from policies.rule import Finding, Options, ResourceRule, StackRule, Unjudged, Violation, expected

# docs.cloud.google.com/kubernetes-engine/docs/concepts/service-load-balancer-parameters
PINNED_BY_NAME = "networking.gke.io/load-balancer-ip-addresses"
BACKEND_SERVICE = "cloud.google.com/l4-rbs"
BACKEND_SERVICE_CLASSES = ("networking.gke.io/l4-regional-external", "networking.gke.io/l4-regional-internal")


def is_load_balancer(service: Declared) -> bool | None:
    """Whether a Service is a LoadBalancer; None: not known yet."""
    kind = service.at("spec.type")
    return None if kind is UNKNOWN else kind == "LoadBalancer"


def protocols(service: Declared) -> set[Any]:
    """Protocols of a Service's ports, with `UNKNOWN` if one is not known. The default is TCP."""
    ports = service.at("spec.ports")
    if ports is UNKNOWN:
        return {UNKNOWN}
    return {UNKNOWN if port is UNKNOWN else at(port, "protocol") or "TCP" for port in items(ports)}


def of_load_balancers(check: Callable[..., Iterator[Finding]]) -> Callable[..., Iterator[Finding]]:
    """A check of Services of type LoadBalancer alone."""

    def judged(service: Declared, *others: Any) -> Iterator[Finding]:
        if balancer := is_load_balancer(service):
            yield from check(service, *others)
        elif balancer is None:
            yield Unjudged("spec.type")

    return judged


def _one_protocol(service: Declared, _: Options) -> Iterator[Finding]:
    found = protocols(service)
    known = sorted(found - {UNKNOWN})
    if len(known) > 1:
        yield Violation(f"{' and '.join(known)} in one LoadBalancer Service")
    elif UNKNOWN in found:
        yield Unjudged("spec.ports")


def _mend_source_address(inputs: dict[str, Any], _: Options) -> bool:
    spec = inputs.get("spec")
    if not isinstance(spec, dict) or spec.get("type") != "LoadBalancer" or spec.get("externalTrafficPolicy") == "Local":
        return False
    spec["externalTrafficPolicy"] = "Local"
    return True


def _pinned(service: Declared, _: Options) -> Iterator[Finding]:
    annotations = service.at("metadata.annotations")
    address = service.at("spec.loadBalancerIP")
    if annotations is UNKNOWN:
        yield Unjudged("metadata.annotations")
        return
    name = (annotations or {}).get(PINNED_BY_NAME)
    if address is None and not name:
        yield Violation("its address is not pinned: the cloud assigns any address, and another one after a replacement")
        return
    kind = service.at("spec.loadBalancerClass")
    if name and kind not in BACKEND_SERVICE_CLASSES and (annotations or {}).get(BACKEND_SERVICE) != "enabled":
        if kind is UNKNOWN:
            yield Unjudged("spec.loadBalancerClass")
        elif address is None:
            yield Violation(
                f"the annotation {PINNED_BY_NAME} is ignored for this type of load balancer",
                f"a new Service also needs spec.loadBalancerClass: {BACKEND_SERVICE_CLASSES[0]}; an"
                " existing one is pinned by spec.loadBalancerIP (warp-edge:ingress.pinning: loadBalancerIP)",
            )


def _reserved(service: Declared, stack: Sequence[Declared], _: Options) -> Iterator[Finding]:
    reserved = [each for each in stack if each.type in (ADDRESS, GLOBAL_ADDRESS)]
    annotations = service.at("metadata.annotations")
    names = UNKNOWN if annotations is UNKNOWN else (annotations or {}).get(PINNED_BY_NAME)
    yield from _among("name", names, reserved)
    yield from _among("address", service.at("spec.loadBalancerIP"), reserved)


def _among(key: str, pinned: Any, reserved: Sequence[Declared]) -> Iterator[Finding]:
    """Whether the addresses that a Service is pinned to, separated by commas, are reserved in this stack."""
    if pinned is UNKNOWN:
        yield Unjudged(f"the {key} it is pinned to")
        return
    there = [each.at(key) for each in reserved]
    for one in filter(None, (part.strip() for part in (pinned or "").split(","))):
        if one in there:
            continue
        if UNKNOWN in there:
            yield Unjudged(f"whether {one} is reserved")
        else:
            yield Violation(f"it is pinned to {one}, which is not a reserved address of this stack")


def addresses(service: Declared, stack: Sequence[Declared]) -> list[Any]:
    """A LoadBalancer's IPv4 addresses: those it is pinned to, or else those in its status."""
    annotations = service.at("metadata.annotations")
    if annotations is UNKNOWN:
        return [UNKNOWN]
    names = (annotations or {}).get(PINNED_BY_NAME)
    if names is UNKNOWN:
        return [UNKNOWN]
    if names:
        wanted = {name.strip() for name in names.split(",")}
        return [
            each.at("address")
            for each in stack
            if each.type == ADDRESS and each.at("name") in wanted and each.at("ipVersion") != "IPV6"
        ]
    if pinned := service.at("spec.loadBalancerIP"):
        return [pinned]
    given = service.at("status.loadBalancer.ingress")
    return [UNKNOWN] if given is UNKNOWN else [at(each, "ip") for each in items(given)]


RULES = (
    ResourceRule(
        "one-protocol-per-load-balancer",
        "A LoadBalancer Service carries one protocol",
        "on GKE before 1.36 a Service that mixes UDP and TCP stays <pending> forever",
        "declare one Service per protocol, as warp-edge:ingress.udp and warp-edge:ingress.tcp do",
        frozenset({SERVICE}),
        check=of_load_balancers(_one_protocol),
    ),
    ResourceRule(
        "source-address-kept",
        "A LoadBalancer Service has externalTrafficPolicy: Local",
        "customers are identified by source address; with any other policy the proxy sees a node's address instead",
        "set spec.externalTrafficPolicy to Local; on a live Service in a maintenance window (docs/adopt.md)",
        frozenset({SERVICE}),
        check=of_load_balancers(
            expected(
                "spec.externalTrafficPolicy",
                ("Local",),
                "externalTrafficPolicy is {}",
                "absent, which means Cluster",
            )
        ),
        mend=_mend_source_address,
    ),
    ResourceRule(
        "load-balancer-address-pinned",
        "A LoadBalancer Service is pinned to an address",
        "customers configure the address once; an address that the cloud chose is lost with the Service",
        f"reserve an address and name it in the annotation {PINNED_BY_NAME}, with a loadBalancerClass",
        frozenset({SERVICE}),
        check=of_load_balancers(_pinned),
    ),
    StackRule(
        "load-balancer-address-reserved",
        "A LoadBalancer Service is pinned to an address that this stack reserves",
        "an address that is not reserved, or that another team owns, can be lost",
        "declare the address here (warp-edge:ingress.udp.address, .tcp.address), or pin the Service to one that is",
        frozenset({SERVICE}),
        reads=frozenset({ADDRESS, GLOBAL_ADDRESS}),
        check=of_load_balancers(_reserved),
    ),
)
