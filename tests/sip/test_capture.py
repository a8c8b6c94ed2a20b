"""Copies in HEP3 for a collector, by a real Kamailio: customers' messages and their answers, and nothing else."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.acl import Acl
from sandbox.sip_proxy import SipProxy
from tests.sip.conftest import NETWORK
from tests.sip.edge import KNOWN, UNKNOWN, Edge

PORT = 9060
# Chunks of the HEP3 specification (github.com/sipcapture/HEP, "generic chunk types"), vendor 0.
FAMILY, PROTOCOL, SOURCE, DESTINATION, SOURCE_PORT, KIND, AGENT, PAYLOAD = 1, 2, 3, 4, 7, 11, 12, 15
SIP = 1


@dataclass(frozen=True)
class Copy:
    """One packet, decoded."""

    chunks: dict[int, bytes]

    @classmethod
    def read(cls, packet: bytes) -> Copy:
        magic, length = struct.unpack("!4sH", packet[:6])
        assert (magic, length) == (b"HEP3", len(packet))
        chunks, at = {}, 6
        while at < length:
            vendor, kind, size = struct.unpack("!HHH", packet[at : at + 6])
            assert vendor == 0
            assert 6 <= size <= length - at
            chunks[kind] = packet[at + 6 : at + size]
            at += size
        return cls(chunks)

    @property
    def first_line(self) -> str:
        return self.chunks[PAYLOAD].split(b"\r\n")[0].decode()

    @property
    def source(self) -> str:
        return socket.inet_ntop(socket.AF_INET, self.chunks[SOURCE])


@contextmanager
def collector(address: str) -> Iterator[socket.socket]:
    with socket.socket(type=socket.SOCK_DGRAM) as ours:
        ours.bind((address, PORT))
        ours.settimeout(20)
        yield ours


def test_customers_messages_are_copied_and_no_call_of_the_reloader_is(own_acl: Acl, tmp_path: Path) -> None:
    place = f"{NETWORK}.76"
    proxy = SipProxy(
        tmp_path / "sip",
        f"{NETWORK}.74",
        f"{NETWORK}.75",
        own_acl.database,
        protection=f'#!substdef "!WARP_CAPTURE_TO!sip:{place}:{PORT}!g"\n#!substdef "!WARP_CAPTURE_ID!77!g"\n',
        reload=False,
    )
    edge = Edge(proxy)
    with collector(place) as ours:
        try:
            proxy.start()
            token = proxy.rpc()._token.encode()
            for over_http in (False, True):
                assert proxy.rpc(20, over_http=over_http).call("core.uptime")
            assert edge.status(UNKNOWN) == 403
            assert [edge.ask(KNOWN, transport=transport).status for transport in ("udp", "tcp", "tls")] == [200] * 3
            # Sent before the answer to the client was, so there is no other to wait for.
            copies = [Copy.read(ours.recv(65535)) for _ in range(6)]
        finally:
            proxy.stop()
        ours.setblocking(False)
        more = []
        try:
            while True:
                more.append(Copy.read(ours.recv(65535)))
        except BlockingIOError:
            pass
    assert more == []
    assert [copy.first_line.split(" ")[0] for copy in copies] == ["OPTIONS", "SIP/2.0"] * 3
    for asked, answered in zip(copies[::2], copies[1::2], strict=True):
        assert asked.source == KNOWN != answered.source
        assert answered.first_line == "SIP/2.0 200 OK"
    for copy in copies:
        assert copy.chunks[KIND] == bytes([SIP])
        assert copy.chunks[FAMILY] == bytes([socket.AF_INET])
        assert struct.unpack("!I", copy.chunks[AGENT]) == (77,)
        assert token not in b"".join(copy.chunks.values())
        assert b"MESSAGE" not in copy.chunks[PAYLOAD]
    assert [copy.chunks[PROTOCOL][0] for copy in copies[:4]] == [socket.IPPROTO_UDP] * 2 + [socket.IPPROTO_TCP] * 2
