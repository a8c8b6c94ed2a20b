"""How a customer's telephone system sends calls to us: a trunk without registration and password, by source address.

Worked examples of the customers' guide. What lets our calls in is in `voice.py` and `cisco.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Final

from inventory.endpoint import Endpoint
from inventory.formats.selection import lines
from inventory.sheet_texts import CODECS, DTMF

KEEPALIVE_SECONDS: Final = 60
# Name as on the sheet -> as Asterisk, FreeSWITCH (RFC 3551, section 6) and Cisco IOS call it.
CODEC_NAMES: Final[Mapping[str, tuple[str, str, str]]] = {
    "G.711 ulaw": ("ulaw", "PCMU", "g711ulaw"),
    "G.711 alaw": ("alaw", "PCMA", "g711alaw"),
    "G.729": ("g729", "G729", "g729r8"),
}
ASTERISK, FREESWITCH, IOS = (tuple(CODEC_NAMES[codec][system] for codec in CODECS) for system in range(3))
# Plain SIP first: it needs no certificate. None of these systems calls out over WebSocket, which browsers do.
PREFERENCE: Final = ("UDP", "TCP", "TLS")
IOS_TRANSPORT: Final = {"UDP": "udp", "TCP": "tcp", "TLS": "tcp tls"}
# The names in the examples of the first server and of the one to fall back to.
NAMES: Final = ("warp", "warp-second")


def servers(ways: Sequence[Endpoint]) -> list[Endpoint]:
    """The one to use and, if there is one, the one to fall back to: another server, port or transport.

    The first of `ways` with a transport of these systems, then plain SIP before TLS. None if all are WebSocket.
    """
    usable = [way for way in ways if way.transport in PREFERENCE]
    sockets = [(way.server, way.port, way.transport) for way in usable]
    others = [way for way, socket in zip(usable, sockets, strict=True) if socket != sockets[0]]
    return [*usable[:1], *sorted(others, key=lambda way: PREFERENCE.index(way.transport))[:1]]


def host(way: Endpoint) -> str:
    """Its server, safe in any configuration; an IPv6 address in brackets."""
    name = re.sub(r"[^A-Za-z0-9.:_-]", "_", way.server)
    return f"[{name}]" if ":" in name else name


def asterisk_trunk(ways: Sequence[Endpoint]) -> str:
    """Sections of pjsip.conf: the endpoint `warp` that `asterisk` identifies by our addresses, and a second one.

    A port in the contact spares the look-up of SRV records, which have other names (docs.asterisk.org, "res_pjsip").
    An option that Asterisk does not know makes it refuse the whole section.
    """
    dialled = " If DIALSTATUS is CHANUNAVAIL or CONGESTION: Dial(PJSIP/NUMBER@warp-second)." if ways[1:] else ""
    return lines(
        "; Once, in pjsip.conf: calls to us are Dial(PJSIP/NUMBER@warp), ours to you arrive in context from-warp.",
        *([f";{dialled}"] if dialled else []),
        "; qualify_2xx_only: Asterisk from 20.12, 21.7 and 22.2 on. Leave it out in older ones, for which a refusal is",
        "; an answer like any other.",
        *(line for name, way in zip(NAMES, ways, strict=False) for line in _asterisk(name, way)),
    )


def _asterisk(name: str, way: Endpoint) -> Iterator[str]:
    # A semicolon begins a comment, unless it is escaped.
    transport = "" if way.transport == "UDP" else rf"\;transport={way.transport.lower()}"
    yield from (
        "",
        f"[{name}]",
        "type=aor",
        f"contact=sip:{host(way)}:{way.port}{transport}",
        f"qualify_frequency={KEEPALIVE_SECONDS}",
        "qualify_2xx_only=yes",
        "",
        f"[{name}]",
        "type=endpoint",
        f"aors={name}",
        "context=from-warp",
        "disallow=all",
        f"allow={','.join(ASTERISK)}",
        "dtmf_mode=rfc4733",
    )


def freeswitch_gateway(ways: Sequence[Endpoint]) -> str:
    """Gateways of the external profile (conf/vanilla/sip_profiles/external/example.xml of FreeSWITCH).

    Older versions refuse a gateway without user and password (mod_sofia/sofia.c), also if it does not register.
    """
    dialled = "|".join(f"sofia/gateway/{name}/NUMBER" for name, _ in zip(NAMES, ways, strict=False))
    return lines(
        "<include>",
        f"  <!-- Once, as conf/sip_profiles/external/warp.xml. Calls to us: bridge {dialled}",
        "       Our calls to you arrive at the profile that listens on port 5060. -->",
        *(line for name, way in zip(NAMES, ways, strict=False) for line in _gateway(name, way)),
        "</include>",
    )


def _gateway(name: str, way: Endpoint) -> Iterator[str]:
    yield from (
        f'  <gateway name="{name}">',
        f'    <param name="proxy" value="{host(way)}:{way.port}"/>',
        '    <param name="register" value="false"/>',
        f'    <param name="register-transport" value="{way.transport.lower()}"/>',
        '    <param name="username" value="not-used"/>',
        '    <param name="password" value="not-used"/>',
        f'    <param name="ping" value="{KEEPALIVE_SECONDS}"/>',
        '    <param name="caller-id-in-from" value="true"/>',
        "    <variables>",
        f'      <variable name="absolute_codec_string" value="{",".join(FREESWITCH)}" direction="outbound"/>',
        '      <variable name="dtmf_type" value="rfc2833" direction="outbound"/>',
        "    </variables>",
        "  </gateway>",
    )


def cube_dial_peers(ways: Sequence[Endpoint]) -> str:
    """Dial peers of Cisco Unified Border Element: one per server, and one for our calls.

    With a port, the device looks up the address and no SRV record ("session target", Cisco IOS Voice Command
    Reference). It takes the next peer with the same pattern if one is busied out by its keepalive or fails.
    """
    peers = (line for number, way in enumerate(ways) for line in _dial_peer(100 + number, number, way))
    return lines(
        "! Once. 100 to 102: any numbers that are free. Add your own destination-pattern, the same to each peer to us,",
        "! and in peer 102 put the beginning of your own numbers in place of the point, which stands for any number.",
        "voice service voip",
        " allow-connections sip to sip",
        "voice class codec 100",
        *(f" codec preference {place} {codec}" for place, codec in enumerate(IOS, start=1)),
        *peers,
        "dial-peer voice 102 voip",
        " description from WARP",
        " session protocol sipv2",
        " incoming called-number .",
        " voice-class codec 100",
        " dtmf-relay rtp-nte",
        " no vad",
    )


def _dial_peer(number: int, preference: int, way: Endpoint) -> Iterator[str]:
    yield from (
        f"dial-peer voice {number} voip",
        " description to WARP",
        *([f" preference {preference}"] if preference else []),
        " session protocol sipv2",
        f" session target {_kind(way)}:{host(way)}:{way.port}",
        f" session transport {IOS_TRANSPORT[way.transport]}",
        " voice-class codec 100",
        " voice-class sip options-keepalive",
        " dtmf-relay rtp-nte",
        " no vad",
    )


def _kind(way: Endpoint) -> str:
    """How IOS calls what comes after it: a name or an address."""
    try:
        return f"ipv{ip_address(way.server).version}"
    except ValueError:
        return "dns"


def sipsak(way: Endpoint) -> str:
    """An OPTIONS request from any system; the exit status is 0 for an answer with 200 alone (sipsak(1))."""
    transport = "" if way.transport == "UDP" else f" --transport={way.transport.lower()}"
    return f"sipsak -vv{transport} -s sip:{host(way)}:{way.port}; echo $?"


def form(ways: Sequence[Endpoint], callers: tuple[str, ...]) -> list[tuple[str, str]]:
    """Fields of systems that are set up in forms, and their values. `ways`: the first is the one to use, the second to
    fall back to; `callers`: where our calls come from."""
    first, *others = ways
    return [
        ("SIP server, host or registrar", first.server),
        ("Port", str(first.port)),
        ("Transport", first.transport),
        ("Registration", "none"),
        ("Authentication", "IP based: no user name, no password"),
        *(("Second server", f"{each.server}, port {each.port}, {each.transport}") for each in others[:1]),
        ("Our addresses: Match (Permit), source identification", ", ".join(callers)),
        ("Codecs, in this order", ", ".join(CODECS)),
        ("DTMF", f"{DTMF} (RFC 4733)"),
        ("Keep-alive by OPTIONS", f"every {KEEPALIVE_SECONDS} seconds"),
    ]
