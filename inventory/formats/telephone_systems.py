"""How a customer's telephone system sends calls to us: a trunk without registration and password, by source address.

Worked examples of the customers' guide. What lets our calls in is in `voice.py` and `cisco.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
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


def host(way: Endpoint) -> str:
    """Its server, safe in any configuration; an IPv6 address in brackets."""
    name = re.sub(r"[^A-Za-z0-9.:_-]", "_", way.server)
    return f"[{name}]" if ":" in name else name


def asterisk_trunk(way: Endpoint) -> str:
    """Sections of pjsip.conf: the endpoint `warp` that `asterisk` identifies by our addresses.

    A port in the contact spares the look-up of SRV records, which have other names (docs.asterisk.org, "res_pjsip").
    """
    # A semicolon begins a comment, unless it is escaped.
    transport = "" if way.transport == "UDP" else rf"\;transport={way.transport.lower()}"
    return lines(
        "; Once, in pjsip.conf: calls to us are Dial(PJSIP/NUMBER@warp), ours to you arrive in context from-warp.",
        "[warp]",
        "type=aor",
        f"contact=sip:{host(way)}:{way.port}{transport}",
        f"qualify_frequency={KEEPALIVE_SECONDS}",
        "",
        "[warp]",
        "type=endpoint",
        "aors=warp",
        "context=from-warp",
        "disallow=all",
        f"allow={','.join(ASTERISK)}",
        "dtmf_mode=rfc4733",
    )


def freeswitch_gateway(way: Endpoint) -> str:
    """A gateway of the external profile (conf/vanilla/sip_profiles/external/example.xml of FreeSWITCH).

    Older versions refuse a gateway without user and password (mod_sofia/sofia.c), also if it does not register.
    """
    return lines(
        "<include>",
        "  <!-- Once, as conf/sip_profiles/external/warp.xml. Calls to us: sofia/gateway/warp/NUMBER. -->",
        '  <gateway name="warp">',
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
        "</include>",
    )


def cube_dial_peer(way: Endpoint) -> str:
    """A dial peer of Cisco Unified Border Element.

    With a port, the device looks up the address and no SRV record ("session target", Cisco IOS Voice Command
    Reference).
    """
    return lines(
        "! Once. 100: any number that is free. Add your own destination-pattern.",
        "voice class codec 100",
        *(f" codec preference {place} {codec}" for place, codec in enumerate(IOS, start=1)),
        "dial-peer voice 100 voip",
        " description WARP",
        " session protocol sipv2",
        f" session target dns:{host(way)}:{way.port}",
        f" session transport {way.transport.lower()}",
        " voice-class codec 100",
        " voice-class sip options-keepalive",
        " dtmf-relay rtp-nte",
        " no vad",
    )


def form(ways: tuple[Endpoint, ...], callers: tuple[str, ...]) -> list[tuple[str, str]]:
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
