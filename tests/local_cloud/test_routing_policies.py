"""Routing policies: what Cloud DNS refuses, and which answer a resolver gets, asked with dnspython.

Expected: docs.cloud.google.com/dns/docs/routing-policies-overview, the API's `healthChecks`, RFC 7871.
"""

from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import dns.edns
import dns.message
import dns.query
import dns.rcode
import pytest

from local_cloud.__main__ import COMMAND_LINE
from local_cloud.cloud import Cloud
from local_cloud.dns_server import DnsServer
from local_cloud.dns_server.routing import REMEMBERED_SECONDS
from local_cloud.networks import place_clients
from local_cloud.server import nearest_to, served_zones
from tests.local_cloud.plugin import Invalid, Plugin, Refused, Resource

ZONE = "gcp:dns/managedZone:ManagedZone"
RECORD = "gcp:dns/recordSet:RecordSet"
CHECK = "gcp:compute/healthCheck:HealthCheck"
SOURCES = ["us-central1", "us-east1", "europe-west4"]
NAME = "sip-tcp.ringer.tel."
CENTRAL, EAST, EUROPE = "127.93.7.1", "127.93.7.2", "127.93.7.3"
PATH = "projects/warp-sandbox/global/healthChecks/probe"


@pytest.fixture
def zone(gcp: Plugin) -> Resource:
    return gcp.create(ZONE, "zone", {"name": "ringer-tel", "dnsName": "ringer.tel."})


def check(gcp: Plugin, port: int = 5060, **inputs: Any) -> Resource:
    given = {"name": "probe", "sourceRegions": SOURCES, "checkIntervalSec": 30, "tcpHealthCheck": {"port": port}}
    return gcp.create(CHECK, "probe", {key: value for key, value in (given | inputs).items() if value is not None})


def routed(gcp: Plugin, policy: Any, type_: str = "A", **inputs: Any) -> Resource:
    given = {"managedZone": "ringer-tel", "name": NAME, "type": type_, "ttl": 300, "routingPolicy": policy}
    return gcp.create(RECORD, "record", given | inputs)


def checked(*addresses: str) -> dict[str, Any]:
    return {"healthCheckedTargets": {"externalEndpoints": list(addresses)}}


def at(location: str, *data: str) -> dict[str, Any]:
    return {"location": location, "rrdatas": list(data)}


NEAREST = {"geos": [at("us-central1", CENTRAL), at("us-east1", EAST), at("europe-west4", EUROPE)]}
NEAREST_ALIVE = {
    "healthCheck": PATH,
    "geos": [{"location": "us-central1"} | checked(CENTRAL), {"location": "us-east1"} | checked(EAST)],
}
FAILOVER = {
    "healthCheck": PATH,
    "primaryBackup": {
        "primary": {"externalEndpoints": [CENTRAL]},
        "backupGeos": [{"location": "us-east1"} | checked(EAST), {"location": "europe-west4"} | checked(EUROPE)],
    },
}


@pytest.fixture
def server(cloud: Cloud, zone: Resource) -> Iterator[DnsServer]:
    server = DnsServer("127.0.0.1", 0, lambda: list(served_zones(cloud)), partial(nearest_to, cloud))
    server.start()
    yield server
    server.stop()


def client(subnet: str) -> dns.edns.Option:
    address, _, length = subnet.partition("/")
    return dns.edns.ECSOption(address, int(length))


def ask(server: DnsServer, source: str = "127.0.0.1", subnet: str = "", name: str = NAME) -> list[str]:
    """The answer to a resolver at `source`, or to one that queries for a client in `subnet`."""
    query = dns.message.make_query(name, "A", use_edns=0, options=[client(subnet)] if subnet else [])
    found = dns.query.udp(query, "127.0.0.1", port=server.port, source=source, timeout=5).answer
    return sorted(data.to_text() for each in found for data in each)


def listening(address: str, port: int = 0) -> socket.socket:
    return socket.create_server((address, port))


def forget() -> None:
    time.sleep(REMEMBERED_SECONDS * 1.1)


def test_each_client_gets_the_nearest_location_that_the_policy_has(
    gcp: Plugin, server: DnsServer, cloud: Cloud
) -> None:
    routed(gcp, NEAREST)
    with cloud.change("hand") as tx:
        place_clients(tx, "127.0.5.0/24", ["us-west1", "us-east1"])
        place_clients(tx, "127.0.0.0/16", ["europe-west4"])
    assert ask(server, "127.0.5.9") == [EAST], "us-west1 is nearer, but has no item"
    assert ask(server, "127.0.6.9") == [EUROPE]
    assert ask(server, "127.1.0.1") == [CENTRAL], "not a listed network: the policy's first item"
    with cloud.change("hand") as tx:
        place_clients(tx, "127.0.5.0/24", [])
    assert ask(server, "127.0.5.9") == [EUROPE], "the wider network holds again"


def test_a_query_with_a_client_subnet_gets_that_clients_answer(gcp: Plugin, server: DnsServer, cloud: Cloud) -> None:
    """RFC 7871, section 7.2.1: the option is returned with the scope prefix length of the answer."""
    routed(gcp, NEAREST)
    with cloud.change("hand") as tx:
        place_clients(tx, "198.51.100.0/24", ["europe-west4"])
        place_clients(tx, "2001:db8::/32", ["us-east1"])
    assert ask(server, subnet="198.51.100.0/24") == [EUROPE]
    assert ask(server, subnet="2001:db8:7::/48") == [EAST]
    query = dns.message.make_query(NAME, "A", options=[client("198.51.100.0/24")])
    answer = dns.query.tcp(query, "127.0.0.1", port=server.port, timeout=5)
    (subnet,) = [each for each in answer.options if isinstance(each, dns.edns.ECSOption)]
    assert (subnet.address, subnet.srclen, subnet.scopelen) == ("198.51.100.0", 24, 24)
    plain = dns.message.make_query("ringer.tel.", "SOA", options=[client("198.51.100.0/24")])
    answer = dns.query.udp(plain, "127.0.0.1", port=server.port, timeout=5)
    (subnet,) = [each for each in answer.options if isinstance(each, dns.edns.ECSOption)]
    assert subnet.scopelen == 0, "the answer is the same for all clients"


@pytest.mark.parametrize(
    "data", [b"\0", b"\0\1\x18", b"\0\1\x18\0\xc6", b"\0\1\x21\0" + b"x" * 5, b"\0\7\x08\0\1", b"\0\1\x08\x08\1"]
)
def test_an_invalid_client_subnet_is_a_format_error(server: DnsServer, data: bytes) -> None:
    query = dns.message.make_query(NAME, "A", options=[dns.edns.GenericOption(dns.edns.OptionType.ECS, data)])
    answer = dns.query.udp(query, "127.0.0.1", port=server.port, timeout=5)
    assert answer.rcode() is dns.rcode.FORMERR


def test_failover_answers_with_the_primary_until_its_listener_is_closed(
    gcp: Plugin, server: DnsServer, cloud: Cloud
) -> None:
    with closing(listening(EAST)) as east:
        port = int(east.getsockname()[1])
        with closing(listening(CENTRAL, port)):
            check(gcp, port)
            routed(gcp, FAILOVER)
            assert ask(server) == [CENTRAL]
        forget()
        assert ask(server) == [EAST]
        with closing(listening(EUROPE, port)):
            with cloud.change("hand") as tx:
                place_clients(tx, "127.0.5.0/24", ["europe-west4"])
            forget()
            assert ask(server, "127.0.5.1") == [EUROPE], "of several backups the one nearest to the client"
        with closing(listening(CENTRAL, port)):
            forget()
            assert ask(server) == [CENTRAL], "it is back"
    forget()
    assert ask(server) == [CENTRAL], "if none is healthy, all are treated as healthy"


def test_geolocation_with_a_health_check_answers_with_the_nearest_that_is_alive(
    gcp: Plugin, server: DnsServer, cloud: Cloud
) -> None:
    with cloud.change("hand") as tx:
        place_clients(tx, "127.0.0.0/8", ["us-east1", "us-central1"])
    with closing(listening(CENTRAL)) as central:
        port = int(central.getsockname()[1])
        check(gcp, port)
        routed(gcp, NEAREST_ALIVE)
        assert ask(server) == [CENTRAL]
        with closing(listening(EAST, port)):
            forget()
            assert ask(server) == [EAST]
    forget()
    assert ask(server) == [EAST], "if none is healthy, all are treated as healthy"


def test_a_fence_keeps_clients_in_their_region(gcp: Plugin, server: DnsServer) -> None:
    with closing(listening(EAST)) as east:
        check(gcp, int(east.getsockname()[1]))
        routed(gcp, NEAREST_ALIVE | {"enableGeoFencing": True})
        assert ask(server) == [CENTRAL]


def test_a_path_is_healthy_while_it_is_answered_with_200(gcp: Plugin, server: DnsServer) -> None:
    class Proxy(http.server.BaseHTTPRequestHandler):
        status = 200

        def do_GET(self) -> None:
            self.send_response(Proxy.status if self.path == "/alive" else 404)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    proxy = http.server.ThreadingHTTPServer((CENTRAL, 0), Proxy)
    threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
    try:
        with closing(listening(EAST, proxy.server_port)):
            path = {"port": proxy.server_port, "requestPath": "/alive"}
            check(gcp, tcpHealthCheck=None, httpHealthCheck=path)
            routed(gcp, FAILOVER)
            assert ask(server) == [CENTRAL]
            Proxy.status = 503
            forget()
            assert ask(server) == [CENTRAL], "the other one accepts connections but does not answer: none is healthy"
            assert gcp.read(gcp.adopt(CHECK, "probe")) is not None
    finally:
        proxy.shutdown()
        proxy.server_close()


def test_weights_spread_answers(gcp: Plugin, server: DnsServer) -> None:
    routed(gcp, {"wrrs": [{"weight": 1, "rrdatas": [CENTRAL]}, {"weight": 0, "rrdatas": [EAST]}]})
    assert {*map(tuple, (ask(server) for _ in range(8)))} == {(CENTRAL,)}


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"sourceRegions": SOURCES[:2]}, "Exactly 3 regions must be specified"),
        ({"sourceRegions": [*SOURCES, "us-west1"]}, "Exactly 3 regions must be specified"),
        ({"sourceRegions": ["us-east1", "us-east1", "us-west1"]}, "Duplicate region"),
        ({"sourceRegions": ["us-east1", "us-central1", "Europe"]}, "Unknown region"),
        ({"checkIntervalSec": 29}, "Must be at least 30"),
        ({"checkIntervalSec": None}, "Must be at least 30"),
        ({"timeoutSec": 31}, "Must be at most the check interval"),
        ({"tcpHealthCheck": None}, "must be specified"),
        ({"httpHealthCheck": {"port": 80}}, "only one of"),
        ({"tcpHealthCheck": {"port": 5060, "request": "OPTIONS"}}, "Not supported with source regions"),
        ({"tcpHealthCheck": {"port": 5060, "proxyHeader": "PROXY_V1"}}, "Not supported with source regions"),
        ({"tcpHealthCheck": {"portSpecification": "USE_SERVING_PORT"}}, "A port number must be specified"),
        ({"tcpHealthCheck": None, "sslHealthCheck": {"port": 5061}}, "protocol is not supported with source regions"),
        ({"udpHealthCheck": {"port": 5060}}, "udpHealthCheck"),
    ],
)
def test_a_health_check_that_cannot_be_made_from_three_regions_is_refused(
    gcp: Plugin, inputs: dict[str, Any], words: str
) -> None:
    with pytest.raises((Invalid, Refused), match=words):
        check(gcp, **inputs)


@pytest.mark.parametrize(
    ("policy", "inputs", "words"),
    [
        (NEAREST, {"rrdatas": [CENTRAL]}, "only one of `rrdatas,routingPolicy`"),
        (None, {}, "one of `rrdatas,routingPolicy` must be specified"),
        ({}, {}, "one of `wrrs,geos,primaryBackup`"),
        (NEAREST | {"wrrs": [{"weight": 1, "rrdatas": [EAST]}]}, {}, "only one of `wrrs,geos,primaryBackup`"),
        ({"geos": [at("us-east1", "sip.ringer.tel.")]}, {}, "Invalid value"),
        ({"geos": [at("us-east1")]}, {}, r"rrdatas': '\[\]'"),
        ({"geos": [at("us-east1", EAST), at("us-east1", CENTRAL)]}, {}, "duplicate location"),
        ({"geos": [{"location": "us-east1"} | checked(EAST)]}, {}, "external endpoints need a health check"),
        ({"healthCheck": PATH, "geos": [{"location": "a"} | checked("sip.ringer.tel.")]}, {}, "not an address"),
        ({"healthCheck": PATH, "geos": [{"location": "a"} | checked("2001:db8::1")]}, {}, "not an address"),
        ({"healthCheck": PATH, "geos": [{"location": "a"} | checked()]}, {}, "specify internal load balancers or"),
        (
            {"healthCheck": PATH, "geos": [{"location": "a"} | checked(EAST)]},
            {"type": "SRV"},
            "health checks are only supported for A and AAAA records",
        ),
        (
            {"primaryBackup": FAILOVER["primaryBackup"]},
            {},
            "external endpoints need a health check",
        ),
        ({"healthCheck": PATH, "primaryBackup": {"primary": {"externalEndpoints": [EAST]}}}, {}, "backupGeos"),
    ],
)
def test_a_policy_that_says_nothing_or_too_much_is_refused(
    gcp: Plugin, zone: Resource, policy: Any, inputs: dict[str, Any], words: str
) -> None:
    check(gcp)
    with pytest.raises((Invalid, Refused), match=words):
        routed(gcp, policy, **inputs)


def test_a_health_check_that_is_not_there_or_has_no_source_regions_is_refused(gcp: Plugin, zone: Resource) -> None:
    with pytest.raises(Refused, match=r"Error 404: The 'entity.change.additions\[0\].routingPolicy.healthCheck'"):
        routed(gcp, FAILOVER)
    check(gcp, sourceRegions=None)
    with pytest.raises(Refused, match="must have 3 source regions"):
        routed(gcp, FAILOVER)


def test_internal_load_balancers_are_no_targets_of_a_public_zone(gcp: Plugin, zone: Resource) -> None:
    """The cloud's message: github.com/hashicorp/terraform-provider-google/issues/13269."""
    balancer = {
        "ipAddress": "10.0.0.1", "ipProtocol": "tcp", "networkUrl": "default", "port": "5060", "project": "p",
    }  # fmt: skip
    policy = {"geos": [{"location": "us-east1", "healthCheckedTargets": {"internalLoadBalancers": [balancer]}}]}
    with pytest.raises(Refused, match="internalLoadBalancerDisallowedInPublicZone"):
        routed(gcp, policy)


def test_in_a_signed_zone_an_item_has_one_address_that_is_health_checked(gcp: Plugin) -> None:
    gcp.create(ZONE, "zone", {"name": "ringer-tel", "dnsName": "ringer.tel.", "dnssecConfig": {"state": "on"}})
    check(gcp)
    policy = {"healthCheck": PATH, "geos": [{"location": "us-east1"} | checked(EAST, CENTRAL)]}
    with pytest.raises(Refused, match="one health-checked address per item"):
        routed(gcp, policy)
    assert routed(gcp, FAILOVER)


def test_a_health_check_in_use_is_not_deleted(gcp: Plugin, zone: Resource) -> None:
    probe = check(gcp)
    record = routed(gcp, FAILOVER)
    with pytest.raises(Refused, match="resourceInUseByAnotherResource"):
        gcp.delete(probe)
    gcp.delete(record)
    gcp.delete(probe)
    assert gcp.read(probe) is None


def test_only_the_health_check_of_a_policy_replaces_the_record_set(gcp: Plugin, zone: Resource) -> None:
    """The plugin creates the new one first, and the cloud refuses a second: programs need `delete_before_replace`."""
    check(gcp)
    plain = {"managedZone": "ringer-tel", "name": NAME, "type": "A", "ttl": 300, "rrdatas": [CENTRAL]}
    made = gcp.create(RECORD, "record", plain)
    policy = {key: value for key, value in plain.items() if key != "rrdatas"}
    assert not gcp.diff(made, policy | {"routingPolicy": NEAREST}).replaces
    found = gcp.diff(made, policy | {"routingPolicy": FAILOVER})
    assert (found.replaces, found.delete_before_replace) == (True, False)
    gcp.delete(made)
    failover = routed(gcp, FAILOVER)
    seen = gcp.read(failover)
    assert seen
    assert seen.outputs["routingPolicy"] == failover.outputs["routingPolicy"], "a refresh finds no drift"
    alone = {"healthCheck": PATH, "geos": [{"location": "us-east1"} | checked(EAST)]}
    assert not gcp.diff(failover, policy | {"routingPolicy": alone}).replaces, "a region is drained in place"
    assert gcp.update(failover, policy | {"routingPolicy": alone}).outputs["routingPolicy"]["geos"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("127.0.0.300", "us-east1"), "127.0.0.300"),
        (("127.0.5.1/24", "us-east1"), "host bits"),
        (("::1", "East"), "'East'"),
    ],
)
def test_wrong_clients_are_refused_in_words(
    given: tuple[str, ...], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert COMMAND_LINE.main(["--dir", str(tmp_path), "clients", *given]) == 1
    assert words in capsys.readouterr().err


def test_clients_are_listed_from_the_command_line(cloud: Cloud, tmp_path: Path) -> None:
    assert COMMAND_LINE.main(["--dir", str(tmp_path), "clients", "127.0.5.0/24", "us-east1", "us-central1"]) == 0
    assert list(nearest_to(cloud, "127.0.5.7")) == ["us-east1", "us-central1"]
    assert COMMAND_LINE.main(["--dir", str(tmp_path), "clients", "127.0.5.0/24"]) == 0
    assert list(nearest_to(cloud, "127.0.5.7")) == []
