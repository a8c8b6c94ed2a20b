"""The caller of `make failover`, over real sockets: which server it tries first, and when it fails over."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest
import trustme

from sandbox import SandboxError
from sandbox.sip_caller import Caller, call, servers
from tests.sandbox.sip_servers import Servers, answer
from tests.sandbox.sip_servers import servers as sip_servers
from tests.sandbox.test_verify_endpoints import context
from tests.sandbox.zone_server import Zone, serving
from verify.sip import Peer

DOMAIN = "ringer.tel"


@pytest.fixture
def loopback() -> Iterator[Servers]:
    with sip_servers() as made:
        yield made


class Names:
    """A zone with two regions, east behind central; `ask` is a caller that uses it."""

    def __init__(self, loopback: Servers, central: int, east: int, service: str = "_sip._udp") -> None:
        self.zone = Zone(
            {
                (f"{service}.{DOMAIN}", "SRV"): [f"20 50 {east} east.{DOMAIN}.", f"10 50 {central} central.{DOMAIN}."],
                (f"central.{DOMAIN}", "A"): [f"{loopback.network}.1"],
                (f"east.{DOMAIN}", "A"): [f"{loopback.network}.2"],
                (f"sip.{DOMAIN}", "A"): [f"{loopback.network}.3"],
            }
        )

    def caller(self, port: int, **options: object) -> Caller:
        return Caller("127.0.0.5", ("127.0.0.1", port), **options)  # type: ignore[arg-type]


def test_the_lowest_priority_is_asked_first_and_the_next_only_when_it_fails(loopback: Servers) -> None:
    """RFC 2782, and RFC 3263 section 4.3: refused, silent, and 503 are failures; other statuses are answers."""
    right = loopback.udp(answer, last=2)
    for behaviour, failed in (
        (None, "refused"),
        (lambda _: None, "no answer within"),
        (lambda request: answer(request, "SIP/2.0 503 Service Unavailable"), "503"),
    ):
        central = 9 if behaviour is None else loopback.udp(behaviour, last=1)
        names = Names(loopback, central, right)
        with serving(names.zone) as port:
            reached = call(DOMAIN, "udp", names.caller(port, seconds=0.6))
        assert (reached.peer.address, reached.answer.status) == (f"{loopback.network}.2", 200)
        (attempt,) = reached.failed
        assert failed in attempt
    names = Names(loopback, loopback.udp(lambda request: answer(request, "SIP/2.0 403 No"), last=1), right)
    with serving(names.zone) as port:
        reached = call(DOMAIN, "udp", names.caller(port))
    assert (reached.peer.address, reached.answer.status, reached.failed) == (f"{loopback.network}.1", 403, [])


def test_regions_of_one_priority_share_callers_by_weight(loopback: Servers) -> None:
    names = Names(loopback, 5060, 5060)
    names.zone.answers[f"_sip._udp.{DOMAIN}", "SRV"] = [f"10 90 5060 central.{DOMAIN}.", f"10 10 5060 east.{DOMAIN}."]
    with serving(names.zone) as port:
        firsts = Counter(next(servers(DOMAIN, "udp", names.caller(port))).address for _ in range(200))
    assert 150 < firsts[f"{loopback.network}.1"] < 200, "180 expected"
    assert firsts.total() == 200


def test_without_srv_the_address_of_the_name_itself_is_asked_at_the_usual_port(loopback: Servers) -> None:
    """RFC 3263 section 4.2, last paragraph; RFC 3261 section 19.1.2 has the ports."""
    names = Names(loopback, 5060, 5060)
    with serving(names.zone) as port:
        caller = names.caller(port)
        found = {transport: list(servers(f"sip.{DOMAIN}", transport, caller)) for transport in ("udp", "tcp", "tls")}
    place = f"{loopback.network}.3"
    assert found == {
        "udp": [Peer(place, 5060, "udp", "127.0.0.5")],
        "tcp": [Peer(place, 5060, "tcp", "127.0.0.5")],
        "tls": [Peer(place, 5061, "tls", "127.0.0.5")],
    }


def test_a_certificate_must_match_the_name_that_was_called_not_the_srv_target(loopback: Servers) -> None:
    """RFC 5922 section 4: otherwise an attacker who controls DNS could redirect callers."""
    authority = trustme.CA()
    wrong = loopback.tcp(answer, last=1, tls=context(authority, f"central.{DOMAIN}"))
    right = loopback.tcp(answer, last=2, tls=context(authority, DOMAIN))
    names = Names(loopback, wrong, right, "_sips._tcp")
    with serving(names.zone) as port:
        caller = names.caller(port, authorities=authority.cert_pem.bytes().decode())
        reached = call(DOMAIN, "tls", caller)
    assert reached.peer.address == f"{loopback.network}.2"
    assert "no TLS" in reached.failed[0]


def test_if_no_server_answers_each_is_named_with_its_reason(loopback: Servers) -> None:
    names = Names(loopback, 9, 9)
    with serving(names.zone) as port:
        with pytest.raises(SandboxError, match=rf"{re.escape(loopback.network)}\.1:9/udp.*\.2:9/udp: refused"):
            call(DOMAIN, "udp", names.caller(port))
        with pytest.raises(SandboxError, match=r"nowhere\.ringer\.tel over udp: no server in DNS"):
            call(f"nowhere.{DOMAIN}", "udp", names.caller(port))
