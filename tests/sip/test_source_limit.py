"""The limit of connections per source, in a real kernel and in front of a real Kamailio; scaled down."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from kamailio import FOLDER, limit_per_source
from sandbox.sip_proxy import require_kamailio
from tests.unit.format_readers import in_own_network, tool

MOST = 4
# Runs where the filter is: Kamailio with the shipped limits, and callers who only hold connections open.
SCRIPT = """
import contextlib, json, socket, subprocess, sys, time
folder, kamailio, nft, most = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
for command in ("link set lo up", "address add fd00::1/64 dev lo nodad", "address add fd00::2/64 dev lo nodad",
                "address add fd01::1/64 dev lo nodad"):
    subprocess.run(["ip", *command.split()], check=True)
for _ in range(2):
    subprocess.run([nft, "-f", f"{folder}/limits.nft"], check=True)
server = subprocess.Popen([kamailio, "-f", f"{folder}/kamailio.cfg", "-DD", "-E", "-Y", folder, "-w", folder,
                           "-m", "32", "-M", "8"], stdout=open(f"{folder}/log", "w"), stderr=subprocess.STDOUT)
held = contextlib.ExitStack()

def connect(source, port=5060):
    target = "fd00::1" if ":" in source else "127.0.0.1"
    try:
        one = socket.create_connection((target, port), timeout=10, source_address=(source, 0))
    except ConnectionRefusedError:
        return None
    return held.enter_context(one)

def answered(one):
    lines = ("OPTIONS sip:x SIP/2.0", "Via: SIP/2.0/TCP x;branch=z9hG4bK1", "From: <sip:x>;tag=1", "To: <sip:x>",
             "Call-ID: 1", "CSeq: 1 OPTIONS", "Max-Forwards: 1", "Content-Length: 0", "", "")
    one.sendall("\\r\\n".join(lines).encode())
    return one.recv(4096).split()[1].decode()

try:
    for source in ("127.0.0.9", "fd01::1"):  # once each: they are not counted below
        end = time.monotonic() + 30
        while not connect(source):
            assert time.monotonic() < end and server.poll() is None, open(f"{folder}/log").read()
            time.sleep(0.05)
    found = {}
    four = [connect("127.0.0.2") for _ in range(most + 3)]
    found["of one source"] = sum(map(bool, four))
    found["answered"] = answered(four[0])
    found["of another"] = sum(map(bool, [connect("127.0.0.3") for _ in range(most)]))
    six = [connect("fd00::1") for _ in range(most - 1)] + [connect("fd00::2") for _ in range(3)]
    found["of one /64"] = sum(map(bool, six))
    found["of another /64"] = bool(connect("fd01::1"))
    found["on a port that is not limited"] = sum(bool(connect("127.0.0.2", 9090)) for _ in range(most + 3))
    four[0].close()
    end = time.monotonic() + 30
    while not connect("127.0.0.2"):
        assert time.monotonic() < end, "one that was closed counts for ever"
        time.sleep(0.05)
    found["after one was closed"] = True
    print(json.dumps(found))
finally:
    held.close()
    server.terminate()
    server.wait()
"""
CONFIGURATION = """#!KAMAILIO
debug=0
log_stderror=yes
children=1
tcp_children=1
listen=tcp:127.0.0.1:5060
listen=tcp:127.0.0.1:9090
listen=tcp:[fd00::1]:5060
include_file "{folder}/limits.cfg"
loadmodule "sl.so"
request_route {{
    sl_send_reply("200", "OK");
}}
"""


@pytest.mark.usefixtures("programs")
def test_one_source_holds_so_many_connections_and_no_more(tmp_path: Path) -> None:
    filter_ = limit_per_source([5060, 5061])
    assert filter_.count("ct count over 64 ") == 2
    (tmp_path / "limits.nft").write_text(filter_.replace("ct count over 64 ", f"ct count over {MOST} "))
    (tmp_path / "limits.cfg").write_text((FOLDER / "limits.cfg").read_text())
    (tmp_path / "kamailio.cfg").write_text(CONFIGURATION.format(folder=tmp_path))
    done = in_own_network(
        sys.executable, "-", str(tmp_path), require_kamailio(), tool("nft"), str(MOST), given=SCRIPT
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "of one source": MOST,
        "answered": "200",
        "of another": MOST,
        "of one /64": MOST,
        "of another /64": True,
        "on a port that is not limited": MOST + 3,
        "after one was closed": True,
    }


def test_a_source_cannot_fill_the_table_and_the_page_has_the_number() -> None:
    filter_, limits = limit_per_source([5060]), (FOLDER / "limits.cfg").read_text()
    (most,) = set(re.findall(r"ct count over (\d+) ", filter_))
    (table,) = re.findall(r"WARP_CONNECTIONS!(\d+)!", limits)
    assert int(table) // int(most) == 32
    assert f"{most} TCP and TLS connections a source" in (FOLDER / "README.md").read_text()
