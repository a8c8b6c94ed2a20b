"""Rules for TLS: an endpoint that speaks it has a certificate from somewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from engine.tokens import SERVICE, TLS_CERTIFICATE
from policies.declared import UNKNOWN, Declared, at, items
from policies.rule import Finding, InProduction, Level, StackRule, Unjudged, Violation
from policies.rules.ingress import is_load_balancer

# RFC 3261, section 26.2.1 and RFC 7118; the program names ports by their role.
ENCRYPTED = frozenset({"sips", "wss"})
SIPS_PORT = 5061


def _has_a_source(service: Declared, stack: Sequence[Declared], options: InProduction) -> Iterator[Finding]:
    if not options.production or not is_load_balancer(service):
        return
    ports = service.at("spec.ports")
    if ports is UNKNOWN:
        yield Unjudged("spec.ports")
        return
    shown = sorted(f"{at(port, 'port'):g}" for port in items(ports) if _speaks_tls(port))
    if shown and not any(each.type == TLS_CERTIFICATE for each in stack):
        yield Violation(f"TLS on {' and '.join(shown)}, and nothing says where its certificate comes from")


def _speaks_tls(port: Any) -> bool:
    number = at(port, "port")
    return isinstance(number, int | float) and (at(port, "name") in ENCRYPTED or number == SIPS_PORT)


RULES = (
    StackRule(
        "tls-has-a-certificate",
        "A TLS endpoint in production has a certificate that somebody renews",
        "an expired certificate ends every call over TLS at once; advisory, because the live edge declares the port"
        " before it has one",
        "set warp-edge:tls.issuer, or warp-edge:tls.secret alone where cert-manager or another team fills it"
        " (docs/certificates.md)",
        frozenset({SERVICE}),
        level=Level.ADVISORY,
        options=InProduction,
        reads=frozenset({TLS_CERTIFICATE}),
        check=_has_a_source,
    ),
)
