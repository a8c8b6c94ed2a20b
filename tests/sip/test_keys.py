"""The names and keys that ip_auth.cfg makes of addresses: by Kamailio itself, beside Python's own reading of them."""

from __future__ import annotations

import ipaddress
import random
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kamailio import fragments
from sandbox.sip_proxy import require_kamailio
from tests.sip.conftest import NETWORK
from verify.sip import Peer, request

PLACE = f"{NETWORK}.60"
# `$hdr(X-Address)` only here: the fragment itself takes nothing from a message.
CONFIGURATION = """#!KAMAILIO
debug=2
log_stderror=yes
children=1
listen=udp:{place}:5060
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "textops.so"
{fragment}
request_route {{
    $var(warp_family) = 4;
    $var(warp_name) = $hdr(X-Address);
    if ($var(warp_name) =~ ":") {{
        $var(warp_family) = 6;
        route(WARP_NAME);
    }}
    route(WARP_KEY);
    append_to_reply("X-Address: $hdr(X-Address)\\r\\nX-Name: $var(warp_name)\\r\\nX-Key: $var(warp_key)\\r\\n");
    sl_send_reply("200", "OK");
}}
"""
SPECIAL = (
    "::", "::1", "1::", "::1:0", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", "1:0:0:4:5:6:7:8", "1::8",
    "2001:DB8:0:1::", "0000:0000:0000:0000:0000:0000:0000:0001", "0.0.0.0", "255.255.255.255", "10.0.100.16",
)  # fmt: skip

Made = Callable[[str], tuple[str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def made(programs: None, folder: Path) -> Iterator[Made]:
    """What Kamailio makes of an address."""
    text = fragments()["ip_auth.cfg"]
    digits = "\n".join(line for line in text.splitlines() if re.match("#!define WARP_.*_DIGITS ", line))
    routes = text[text.index("route[WARP_NAME] {") : text.index("# One line a second")]
    (folder / "kamailio.cfg").write_text(CONFIGURATION.format(place=PLACE, fragment=f"{digits}\n{routes}"))
    options = ["-DD", "-E", "-Y", str(folder), "-w", str(folder)]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            [require_kamailio(), "-f", str(folder / "kamailio.cfg"), *options], stdout=log, stderr=log
        ) as kamailio,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        client.bind((f"{NETWORK}.61", 0))
        client.connect((PLACE, 5060))

        def ask(address: str) -> tuple[str, str]:
            text = request("OPTIONS", Peer(PLACE, 5060, "udp", f"{NETWORK}.61"))
            client.send(text.replace("\r\n\r\n", f"\r\nX-Address: {address}\r\n\r\n", 1).encode())
            while True:
                answer = dict(line.split(": ", 1) for line in client.recv(65535).decode().splitlines()[1:] if line)
                if answer["X-Address"] == address:  # not one to what was repeated before
                    return answer["X-Name"], answer["X-Key"]

        try:
            # A datagram to a port that is not open yet is refused, or lost.
            client.settimeout(0.2)
            for _ in range(300):
                if kamailio.poll() is not None:
                    pytest.fail((folder / "log").read_text())
                try:
                    ask("::")
                    break
                except TimeoutError:
                    continue
                except ConnectionRefusedError:
                    time.sleep(0.05)
            client.settimeout(30)
            yield ask
        finally:
            kamailio.terminate()


def addresses() -> Iterator[str]:
    """Every run of zeros is likely, at every place."""
    chance = random.Random(13)
    for number in range(1500):
        if number % 3 == 0:
            yield str(ipaddress.IPv4Address(chance.getrandbits(32)))
            continue
        groups = [chance.getrandbits(chance.choice((0, 0, 0, 4, 8, 12, 16))) for _ in range(8)]
        address = ipaddress.IPv6Address(b"".join(group.to_bytes(2, "big") for group in groups))
        yield chance.choice((address.compressed, address.exploded, address.compressed.upper()))


def test_an_address_has_the_name_and_the_key_of_the_views(made: Made, folder: Path) -> None:
    """`name` in kamailio/reloader/work.py and kamailio.key() in the database say the same."""
    for text in (*SPECIAL, *addresses()):
        address = ipaddress.ip_address(text)
        key = f"{address.version}{address.packed.hex()}"
        assert made(text) == (text if address.version == 4 else key, key), text
    # A transformation that fails gives an empty text, and a line in the log for every message.
    assert " ERROR: " not in (folder / "log").read_text()
