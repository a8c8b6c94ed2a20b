"""Texts for vendors and customers: the whitelist and the customer's sheet."""

from __future__ import annotations

from collections.abc import Sequence

from inventory.address import Address, Direction
from inventory.contact import Contact
from inventory.endpoint import Endpoint

CODECS = ("G.711 ulaw", "G.711 alaw", "G.729")
DTMF = "RFC 2833"
AUTHENTICATION = "source IP, no credentials"


def when(address: Address) -> str:
    """What to know and to do about an address that is not simply in use."""
    remark = address.status.state.remark[0 if address.direction is Direction.INBOUND else 1]
    since = f" since {address.day}" if address.day and not address.coming else ""
    return f"{address.status}{since}: {remark.format(start=address.start)}" if remark else ""


def vendor_sheet(egress: Sequence[Address], domain: str, contact: Contact | None = None) -> str:
    """The text for vendors; `egress`: the published addresses."""
    port = ", ".join(str(port) for port in egress[0].ports) if egress else ""
    lines = [
        f"WARP ({domain}), wholesale termination: please whitelist ALL of these addresses",
        f"for inbound SIP (UDP/TCP {port}). Any of them may be the source of an INVITE.",
        "",
        *(f"  {address.address}{f' ({note})' if (note := when(address)) else ''}" for address in egress),
        "",
        "As an ACL:",
        *(f"  allow from {address.cidr}" for address in egress),
        *(["", f"Contact: {contact}"] if contact else []),
    ]
    return "\n".join(lines)


def customer_sheet(
    endpoints: Sequence[Endpoint],
    egress: Sequence[Address],
    announced: Sequence[Address] = (),
    contact: Contact | None = None,
) -> str:
    """The text for customers: current and announced endpoints, and firewall rules."""
    plain = [each for each in endpoints if each.role in ("primary", "secondary")]
    further = dict.fromkeys(f"  {e.transport:<9}  {e.server}:{e.port}" for e in endpoints if e not in plain)
    lines = [
        f"SIP server {endpoints[0].server}",
        *(f"  {each.role:<9}  {socket(each)} ({each.transport})" for each in plain),
        *further,
        f"Codecs: {', '.join(CODECS)}; DTMF: {DTMF}; authentication: {AUTHENTICATION}",
        f"Firewall, outbound: {', '.join(_opened(each) for each in plain)}",
        *(f"  with {whose} also {target}" for target, whose in _opened_further(plain, endpoints).items()),
        f"Firewall, inbound: UDP/TCP from {', '.join(address.address for address in egress)}",
        *(f"Announced: {coming(address)}" for address in announced),
        *([f"Contact: {contact}"] if contact else []),
    ]
    return "\n".join(lines)


def _opened_further(plain: Sequence[Endpoint], endpoints: Sequence[Endpoint]) -> dict[str, str]:
    """Further destinations, once each, with their purpose: a transport, or another region, whose name is then the
    role."""
    known = {_opened(each) for each in plain}
    found: dict[str, str] = {}
    for each in endpoints:
        if (target := _opened(each)) not in known:
            found.setdefault(target, each.transport if each.role == each.transport.lower() else each.role)
    return found


def coming(address: Address) -> str:
    """A remark for customers on an announced address."""
    return f"{address.address} will answer {address.start}; open your firewall to it now: {carries(address)}"


def carries(address: Address) -> str:
    """`UDP/TCP 5060`: what a firewall opens for an address, its protocols and destination ports."""
    return f"{'/'.join(address.opened)} {', '.join(str(port) for port in address.ports)}"


def _opened(endpoint: Endpoint) -> str:
    return f"{'/'.join(endpoint.opened)} to {socket(endpoint)}"


def socket(endpoint: Endpoint) -> str:
    """`192.0.2.1:5060`, `[2001:db8::1]:5060`."""
    host = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
    return f"{host}:{endpoint.port}"
