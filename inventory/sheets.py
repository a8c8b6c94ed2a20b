"""What people outside are told, in sentences: the vendor's whitelist and the customer's sheet."""

from __future__ import annotations

from collections.abc import Sequence

from inventory.address import Address, Status
from inventory.endpoint import Endpoint

CODECS = ("G.711 ulaw", "G.711 alaw", "G.729")
DTMF = "RFC 2833"
AUTHENTICATION = "source IP, no credentials"

_WHEN = {
    Status.ANNOUNCED: " (announced: will be used soon, accept it now)",
    Status.DRAINING: " (draining: accept it until it is retired)",
}


def vendor_sheet(egress: Sequence[Address], domain: str) -> str:
    """The text vendors get; `egress` are the published addresses."""
    port = ", ".join(str(port) for port in egress[0].ports) if egress else ""
    lines = [
        f"WARP ({domain}), wholesale termination: please whitelist ALL of these addresses",
        f"for inbound SIP (UDP/TCP {port}). Any of them may be the source of an INVITE.",
        "",
        *(f"  {address.address}{_WHEN.get(address.status, '')}" for address in egress),
        "",
        "As an ACL:",
        *(f"  allow from {address.cidr}" for address in egress),
    ]
    return "\n".join(lines)


def customer_sheet(endpoints: Sequence[Endpoint], egress: Sequence[Address]) -> str:
    """The text customers get: where to send calls, and what their firewall must let through."""
    primary, secondary, *further = endpoints
    lines = [
        f"SIP server {primary.server}",
        f"  primary    {primary.address}:{primary.port} ({primary.transport})",
        f"  secondary  {secondary.address}:{secondary.port} ({secondary.transport})",
        *(f"  {e.transport:<9}  {e.server}:{e.port}" for e in further),
        f"Codecs: {', '.join(CODECS)}; DTMF: {DTMF}; authentication: {AUTHENTICATION}",
        f"Firewall, outbound: UDP/TCP to {primary.address}:{primary.port}, TCP to {secondary.address}:{secondary.port}",
        f"Firewall, inbound: UDP/TCP from {', '.join(address.address for address in egress)}",
    ]
    return "\n".join(lines)
