"""The trunk ACL in Kamailio: the configuration that the SIP proxy includes, and the reloader of its tables.

`*.cfg` is for the operator's kamailio.cfg (README.md); `reloader/` runs in the cluster and tells every proxy what
changed. Leaves to others: the views (components/trunk_acl/sql) and the proxy itself, which this program does not own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
START = "start.py"
FRAGMENTS = (
    "ip_auth.cfg", "limits.cfg", "table_mtree.cfg", "table_permissions.cfg", "rpc.cfg", "unknown.cfg",
    "trunk_limits.cfg", "hep.cfg",
)  # fmt: skip
# Published where there is TLS.
TLS_LISTEN, TLS = "tls_listen.cfg", "tls.cfg"
CERTIFICATE_FOLDER = "/etc/kamailio/tls"  # where the proxies mount the Secret
TLS_FRAGMENTS = (TLS_LISTEN, TLS)
PROGRAMS = (START, "gate.py", "snapshot.py", "tls_layout.py")


# For the kernel, not for Kamailio: the limit of connections per source.
LIMIT_PER_SOURCE = "limits.nft"
_PORTS = re.compile(r"^define PORTS = .*$", re.MULTILINE)

# Published where there are settings of limits or capture; ip_auth.cfg imports it.
PROTECTION = "protection.cfg"

# Published where there are dedicated addresses.
DEDICATED = "dedicated.cfg"
# Port role to the protocol of the socket: WebSocket begins as HTTP over TCP or TLS (RFC 7118, section 3).
_OVER_TLS = {"sip": "tcp", "sips": "tls", "ws": "tcp", "wss": "tls"}
_HEAD = """# warp-edge: sockets of the premium tier, written by the stack (kamailio/README.md, "Dedicated addresses").
#
# Import it in kamailio.cfg beside ip_auth.cfg, and restart the proxies when it changes:
#
#     import_file "/etc/kamailio/warp/dedicated.cfg"
#
# Each socket is one port of a customer's own; what it advertises says which address was dialled.

#!ifndef WARP_DEDICATED_LISTEN
# The address or interface that the load balancer's packets arrive at.
#!substdef "!WARP_DEDICATED_LISTEN!eth0!g"
#!endif
"""


@dataclass(frozen=True)
class Own:
    """Sockets of one dedicated address. `ports`, by role, are what callers dial; `targets` the pods' own."""

    customer: str
    protocol: str
    address: str
    ports: Mapping[str, int]
    targets: Mapping[str, int]


def dedicated(sockets: Iterable[Own]) -> str:
    """The fragment with a socket for every port of every dedicated address."""
    return _HEAD + "".join(f"{line}\n" for each in sockets for line in _lines(each))


def _lines(own: Own) -> Iterator[str]:
    yield f"# {own.customer}"
    for role, port in own.ports.items():
        over = "udp" if own.protocol == "UDP" else _OVER_TLS[role]
        if over == "udp":
            # Each UDP socket has processes of its own; with hundreds of them `children` would be thousands.
            yield "socket_workers=1"
        yield f"listen={over}:WARP_DEDICATED_LISTEN:{own.targets[role]} advertise {own.address}:{port}"


def limit_per_source(ports: Iterable[int]) -> str:
    """The packet filter for these TCP ports of the proxies' pods."""
    text = (FOLDER / LIMIT_PER_SOURCE).read_text(encoding="utf-8")
    return _PORTS.sub(f"define PORTS = {{ {', '.join(map(str, sorted(set(ports))))} }}", text)


def tls_profiles(folder: str) -> str:
    """The file that module tls reads, with a certificate in this folder."""
    return (FOLDER / TLS).read_text(encoding="utf-8").replace(CERTIFICATE_FOLDER, folder)


def fragments(names: Iterable[str] = (*FRAGMENTS, *PROGRAMS)) -> dict[str, str]:
    """Fragments by their file names, and the command that starts Kamailio: the data of the ConfigMap."""
    return {name: (FOLDER / name).read_text(encoding="utf-8") for name in names}
