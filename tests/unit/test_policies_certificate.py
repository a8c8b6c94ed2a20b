"""The rule of the certificate: a port that speaks TLS, and nothing that says who renews."""

from __future__ import annotations

from typing import Any

import pytest

from engine.tokens import SERVICE, TLS_CERTIFICATE
from policies.declared import UNKNOWN, Declared
from tests.unit.policies_under_test import refused, resource, silent, unjudged

RULE = "tls-has-a-certificate"
CERTIFICATE = resource(TLS_CERTIFICATE, "tls", secret="warp-tls")


def balancer(*ports: dict[str, Any], kind: str = "LoadBalancer") -> Declared:
    return resource(SERVICE, "ingress-tcp", spec={"type": kind, "ports": list(ports)})


SIP, SIPS, WSS = {"name": "sip", "port": 5060}, {"name": "sips", "port": 5061}, {"name": "wss", "port": 8443}


@pytest.mark.parametrize(
    ("ports", "shown"), [([SIP, SIPS], "5061"), ([SIP, SIPS, WSS], "5061 and 8443"), ([{"port": 5061.0}], "5061")]
)
def test_tls_without_a_source_of_its_certificate_is_reported(ports: list[dict[str, Any]], shown: str) -> None:
    assert refused(RULE, balancer(*ports)) == [
        f"ingress-tcp: TLS on {shown}, and nothing says where its certificate comes from"
    ]
    assert silent(RULE, balancer(*ports), CERTIFICATE)


def test_what_speaks_no_tls_needs_none() -> None:
    assert silent(RULE, balancer(SIP))
    assert silent(RULE, balancer(SIPS, kind="ClusterIP"))
    assert silent(RULE, balancer(SIPS), production=False)


def test_ports_that_are_not_known_are_left_open() -> None:
    unknown = resource(SERVICE, "ingress-tcp", spec={"type": "LoadBalancer", "ports": UNKNOWN})
    assert unjudged(RULE, unknown) == ["ingress-tcp: spec.ports"]
