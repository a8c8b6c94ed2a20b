"""The SIP proxy's `kamailio.cfg`: the minimum that the fragments need around them."""

from __future__ import annotations

from typing import Final

CONFIGURATION: Final = """#!KAMAILIO
# Written by sandbox/sip_proxy.py: the minimum that the fragments need around them.
#!substdef "!WARP_RPC_DATAGRAMS!udp:{tcp}:{rpc_port}!g"
#!substdef "!WARP_RPC_LISTEN!tcp:{tcp}:{rpc_port}!g"
#!substdef "!WARP_RPC_PORT!{rpc_port}!g"
#!substdef "!WARP_TLS_LISTEN!tls:{tcp}:{tls_port}!g"
#!substdef "!WARP_TLS_RELOAD_LISTEN!tcp:{tcp}:{reload_port}!g"
#!substdef "!WARP_TLS_RELOAD_PORT!{reload_port}!g"
#!substdef "!WARP_TLS_CONFIG!{folder}/tls.cfg!g"
{defines}
debug=2
log_stderror=yes
children=2
{listens}
import_file "{folder}/{dedicated}"
loadmodule "textops.so"
include_file "{folder}/tls_listen.cfg"
include_file "{folder}/ip_auth.cfg"
include_file "{folder}/rpc.cfg"
include_file "{folder}/trunk_limits.cfg"
include_file "{folder}/hep.cfg"

#!ifdef WARP_CONCURRENT_CALLS
# Calls are counted where they go through: to a callee who is this proxy again.
listen=udp:{udp}:{callee_port}
#!endif

request_route {{
#!ifdef WARP_CONCURRENT_CALLS
    if ($Rp == {callee_port}) {{
        append_to_reply("X-WARP-BAN: $hdr(X-WARP-BAN)\\r\\nX-WARP-Trunk: $hdr(X-WARP-Trunk)\\r\\n");
        append_to_reply("Contact: <sip:callee@callee.invalid>\\r\\n");
        sl_send_reply("200", "OK");
        exit;
    }}
    if (route(WARP_IN_DIALOG) && loose_route()) {{
        t_relay_to_udp("{udp}", "{callee_port}");
        exit;
    }}
#!endif
    route(IP_AUTH);
    route(WARP_CAPTURE);
    route(WARP_TRUNK_LIMITS);
#!ifdef WARP_CONCURRENT_CALLS
    # Of a customer's call from before the start.
    if ($tt != $null && loose_route()) {{
        t_relay_to_udp("{udp}", "{callee_port}");
        exit;
    }}
#!endif
    if (is_method("ACK")) {{
        exit;
    }}
#!ifdef WARP_CONCURRENT_CALLS
    if (method == INVITE) {{
        remove_hf_re("^X-WARP-");
        append_hf("X-WARP-BAN: $avp(warp_ban)\\r\\nX-WARP-Trunk: $avp(warp_trunk)\\r\\n");
        record_route();
        t_relay_to_udp("{udp}", "{callee_port}");
        exit;
    }}
#!endif
    append_to_reply("X-WARP-BAN: $avp(warp_ban)\\r\\nX-WARP-Trunk: $avp(warp_trunk)\\r\\n");
    sl_send_reply("200", "OK");
}}
"""
