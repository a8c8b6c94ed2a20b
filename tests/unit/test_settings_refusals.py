"""Everything that the settings refuse: each is one error that names the key, the value and the remedy."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from engine.dns_hosts import HOSTS
from policies.rules.dns import Ttl
from settings import Settings, SettingsError
from settings.all_regions import GlobalSettings
from settings.problems import problem_of
from tests.stacks import as_engine_gives_it, changed, stack_config
from tests.unit.refused_lives import (
    ACTIVE,
    CLUSTER,
    COST,
    DATABASE,
    DNS,
    EGRESS,
    INGRESS,
    LEGACY,
    NAT,
    OF_LIVES,
    RETIRED,
)

ACL = "warp-edge:trunkAcl"
# 300 addresses are the most that one gateway takes.
TOO_MANY = {f"nat-{number}": ACTIVE for number in range(301)}
AT_CLOUD_DNS = {"backend": "cloud-dns", "domain": "ringer.tel", "zone": {"name": "z"}}
AT_BOTH = AT_CLOUD_DNS | {"backend": "both"}
DB = {"instance": "warp-db"}
PLUS = DB | {"edition": "ENTERPRISE_PLUS", "tier": "db-perf-optimized-N-2"}
IAM = DB | {"iamAuthentication": True}
LONG_USER = "a" * 52 + "@example.com"  # 64 characters
LONG_ACCOUNT = "a" * 30 + "@" + "p" * 29 + ".iam.gserviceaccount.com"  # 64 without its ending
CIRCLE = {
    name: RETIRED | {"address": f"192.0.2.{number}", "replacedBy": [following]}
    for number, (name, following) in enumerate((("a", "b"), ("b", "c"), ("c", "a")))
}
LONG_DOMAIN = ".".join(("d" * 59,) * 4) + ".example"  # 247 characters
LONG_ADDRESS = {
    "ipv6Subnetwork": "dual",
    "udp": {"service": "u", "address": "a" * 59, "ports": {"sip": 5060}},
    "tcp": {"service": "t", "address": "t", "ports": {"sip": 5060}},
}
THREE = {f"warp-nat-ip-{number}": ACTIVE for number in (1, 2, 3)}

# Where in `Pulumi.prod.yaml`, the value, and: key, problem and remedy as reported.
REFUSALS: list[tuple[tuple[str, ...], Any, str, str, str]] = [
    # Unknown keys
    (("warp-edge:egres",), {}, "", "no such setting", "check the spelling"),
    ((EGRESS, "slotz"), {}, "", "no such setting", "docs/settings.md lists every key"),
    ((DNS, "ttlMinutes"), 5, "", "no such setting", "check the spelling"),
    ((DNS, "ttl_seconds"), 600, "", "no such setting", "check the spelling"),
    ((INGRESS, "udp", "protocol"), "UDP", "", "no such setting", "check the spelling"),
    # Wrong units and types
    ((DNS, "ttlSeconds"), "300s", "", "not a whole number", "the unit is in the setting's name"),
    ((DNS, "ttlSeconds"), "300", "", "not a whole number", "write a bare number"),
    ((DNS, "ttlSeconds"), 300.5, "", "not a whole number", "write a bare number"),
    ((INGRESS, "affinitySeconds"), "3h", "", "not a whole number", "write a bare number"),
    ((DATABASE, "disk"), {"sizeGb": "10GB"}, ".sizeGb", "not a whole number", "the unit is in the setting's name"),
    ((COST, "before"), "40 USD", "", "not a number", "write a bare number"),
    ((COST, "before"), -1, "", "too small", "use 0 or more"),
    (("warp-edge:protect",), "yes", "", "neither true nor false", "write true or false, without quotes"),
    ((DNS,), "ringer.tel", "", "not a group of settings", "write its keys indented below it"),
    ((EGRESS, "slots"), [], "", "not a group of settings", "write its keys indented below it"),
    # Bad names
    (("gcp:project",), "Warp", "", "not a valid name here", "use the project's id"),
    ((EGRESS, "nat"), "Warp_NAT", "", "not a valid name here", "use lower-case letters"),
    ((EGRESS, "nat"), "n" * 64, "", "not a valid name here", "63 at most"),
    ((EGRESS, "nat"), "warp-nat\n", "", "not a valid name here", "use lower-case letters"),
    ((INGRESS, "udp", "address"), "34.44.183.87", "", "not a valid name here", "a letter first"),
    ((INGRESS, "namespace"), "", "", "not a valid name here", "use lower-case letters"),
    ((DNS, "domain"), "-ringer.tel", "", "not a valid name here", "write a domain as voice.example.com"),
    ((DNS, "names"), {"udp": "sip_udp"}, ".udp", "not a valid name here", "digits and hyphens"),
    ((DATABASE, "name"), "warp-db", "", "not a valid name here", "digits and underscores"),
    (("warp-edge:labels", "App"), "warp", "", "not a valid name here", "a letter first"),
    # The region
    (("warp-edge:region",), "europe-west4", "", "gcp:region is 'us-central1'", "give both the same region"),
    (("warp-edge:region",), "us-central1-a", "", "not a valid name here", "write a region as us-central1"),
    ((CLUSTER, "location"), "europe-west4", "<", "the cluster is in europe-west4, the stack in us-central1", "name a"),
    ((CLUSTER, "location"), "us-central12-a", "<", "the cluster is in us-central12-a", "a cluster of this region"),
    # The cluster
    ((CLUSTER,), {"access": "gke"}, ".name", "access `gke` needs the cluster's name", "add cluster.name"),
    ((CLUSTER,), {"access": "kubeconfig"}, ".context", "needs a context", "add cluster.context"),
    ((CLUSTER, "access"), "token", "", "not one of the known values", "use gke or kubeconfig"),
    # The ingress
    ((INGRESS, "udp", "ports"), {"sip": 5060, "ws": 5060}, "", "port 5060 twice", "give each its own port"),
    ((INGRESS, "tcp", "ports"), {"sip": 5060, "sips": 5060}, "", "port 5060 twice", "give each its own port"),
    ((INGRESS, "internal", "ports"), {"a": 1, "b": 1}, "", "port 1 twice", "give each its own port"),
    ((INGRESS, "internal", "ports"), {}, "", "a Service needs a port", "leave ingress.internal out"),
    ((INGRESS, "udp", "ports"), {"sip": 5060, "sips": 5061}, "", "sips runs over TCP", "move it to ingress.tcp.ports"),
    ((INGRESS, "udp", "ports"), {"sip": 5060, "wss": 443}, "", "wss runs over TCP", "move it to ingress.tcp.ports"),
    ((INGRESS, "tcp", "ports"), {"sips": 5061}, "", "no port for plain SIP", "add sip: 5060"),
    (
        (INGRESS, "tcp", "ports"),
        {"sip": 5060, "h323": 1720},
        "",
        "unknown port role 'h323'",
        "the roles are sip, sips, ws",
    ),
    ((INGRESS, "tcp", "ports", "sip"), 0, "", "too small", "use 1 or more"),
    ((INGRESS, "tcp", "ports", "sip"), 65536, "", "too large", "use 65535 or less"),
    ((INGRESS, "tcp", "service"), "kamailio-sip-udp", "<", "one Service for UDP and TCP", "a Service each"),
    ((INGRESS, "tcp", "address"), "kamailio-sip-udp-ip", "<", "one address for UDP and TCP", "an address for each"),
    ((INGRESS, "internal", "service"), "kamailio-sip-tcp", "<", "already a LoadBalancer", "a Service of its own"),
    ((INGRESS, "pinning"), "externalIPs", "", "not one of the known values", "use annotation or loadBalancerIP"),
    ((INGRESS, "ipv6Subnetwork"), "dual", "", "loadBalancerIP pins one address", "use ingress.pinning: annotation"),
    ((INGRESS, "sourceRanges"), ["192.0.2.1/24"], "[0]", "has host bits set", "write it as 192.0.2.0/24"),
    ((INGRESS, "sourceRanges"), ["0.0.0.0/0"], "[0]", "open to the whole Internet", "name the ranges"),
    ((INGRESS, "addressTimeoutSeconds"), 5, "", "too small", "use 10 or more"),
    ((INGRESS, "selector"), {}, "", "at least 1 item", "docs/settings.md"),
    # The egress
    ((EGRESS, "slots"), {}, "", "no active slot", "set one slot to active"),
    ((EGRESS, "slots"), {"a": {"state": "announced"}}, "", "no active slot", "set one slot to active"),
    ((EGRESS, "slots"), {"a": {"state": "draining"}}, "", "no active slot", "set one slot to active"),
    ((EGRESS, "slots"), TOO_MANY, "", "301 addresses on one gateway", "the cloud allows 300 at most"),
    ((EGRESS, "slots", "warp-nat-ip-1", "state"), "retired", "", "known values", "use announced, active or draining"),
    ((EGRESS, "slots", "kamailio-sip-udp-ip"), ACTIVE, "<<", "is an ingress address", "reserve another"),
    ((EGRESS, "minPortsPerVm"), 57_345, "", "more ports than one VM can get from one address", "use 57344 or less"),
    ((EGRESS, "maxPortsPerVm"), 128, "", "a maximum without dynamic ports", "set egress.dynamicPorts"),
    ((EGRESS, "timeouts"), {"udpIdleSeconds": 0}, ".udpIdleSeconds", "too small", "use 1 or more"),
    ((EGRESS, "portsPerCall"), 0, "", "too small", "use 1 or more"),
    # DNS
    ((DNS, "ttlSeconds"), 299, "", "below 300 s", "use 300 or more"),
    ((DNS, "ttlSeconds"), 60, "", "the least that Gandi accepts", "use 300 or more; with dns.backend: cloud-dns less"),
    ((DNS,), AT_BOTH | {"ttlSeconds": 299}, ".ttlSeconds", "the least that Gandi accepts", "use 300 or more"),
    ((DNS,), AT_CLOUD_DNS | {"ttlSeconds": 0}, ".ttlSeconds", "too small", "use 1 or more"),
    ((DNS, "ttlSeconds"), 100_000, "", "too large", "use 86400 or less"),
    ((DNS, "backend"), "bind", "", "not one of the known values", "use cloud-dns, gandi or both"),
    ((DNS, "backend"), "cloud-dns", "/zone", "backend `cloud-dns` needs the zone's name", "add dns.zone.name"),
    ((DNS, "backend"), "both", "/zone", "backend `both` needs the zone's name", "add dns.zone.name"),
    ((DNS, "zone"), {"name": "z"}, "", "a zone at Cloud DNS, but the backend is `gandi`", "or use backend: both"),
    ((DNS, "gandi"), {"api": "http://api.gandi.net"}, ".api", "the token would be sent in clear text", "use https://"),
    ((DNS, "gandi"), {"api": "http://localhost:1"}, ".api", "the token would be sent in clear text", "use https://"),
    ((DNS, "gandi"), {"api": "http://10.0.0.1:80"}, ".api", "the token would be sent in clear text", "use https://"),
    ((DNS, "gandi"), {"api": "https://api.gandi.net/"}, ".api", "not the base URL of an API", "without a path"),
    (
        (DNS, "gandi"),
        {"api": "https://u:p@api.gandi.net"},
        ".api",
        "not the base URL of an API",
        "https://api.gandi.net",
    ),
    ((DNS, "gandi"), {"api": "http://127.0.0.1:0"}, ".api", "not the base URL of an API", "https://api.gandi.net"),
    ((DNS, "gandi"), {"api": "http://127.0.0.1:65536"}, ".api", "not the base URL of an API", "https://api.gandi.net"),
    ((DNS, "gandi"), {"api": "ftp://127.0.0.1"}, ".api", "not the base URL of an API", "https://api.gandi.net"),
    ((DNS, "gandi"), {"api": "https://api.gandi.net\n"}, ".api", "not the base URL of an API", "https://api.gandi.net"),
    ((DNS, "gandi"), {"deadlineSeconds": 0}, ".deadlineSeconds", "too small", "use 1 or more"),
    ((DNS, "gandi"), {"token": "x"}, ".token", "no such setting", "check the spelling"),
    ((DNS, "names"), {"udp": "sip"}, ".udp", "names are not unique", "three different labels"),
    ((DNS, "names"), {"tcp": "sip-udp"}, ".tcp", "names are not unique", "three different labels"),
    ((DNS, "zone"), {"name": "z", "manage": False, "dnssec": True}, ".dnssec", "cannot be signed", "ask its owner"),
    # The database
    (
        (DATABASE, "network"),
        {"authorised": {"all": "0.0.0.0/0"}},
        ".authorised.all",
        "Internet",
        "name the ranges",
    ),
    ((DATABASE, "network"), {"authorised": {"all": "::/0"}}, ".authorised.all", "Internet", "name the ranges"),
    ((DATABASE, "network"), {"public": False}, ".privateNetwork", "no client could reach it", "set one of them"),
    (
        (DATABASE, "network"),
        {"peeringRange": "r"},
        ".peeringRange",
        "without a private network",
        "add database.network",
    ),
    ((DATABASE, "edition"), "BASIC", "", "not one of the known values", "use ENTERPRISE or ENTERPRISE_PLUS"),
    ((DATABASE, "edition"), "ENTERPRISE_PLUS", "/tier", "shared-core machines need edition ENTERPRISE", "set database"),
    ((DATABASE, "disk"), {"sizeGb": 50, "limitGb": 20}, ".limitGb", "smaller than the disk", "or use 0 for no limit"),
    ((DATABASE, "backups"), {"enabled": False}, ".pointInTimeRecovery", "recovery needs backups", "backups.enabled"),
    ((DATABASE, "backups"), {"startTime": "24:00"}, ".startTime", "not a valid name here", "write it as 03:00"),
    ((DATABASE, "iamUsers"), ["ann@example.com"], "", "IAM authentication is off", "set database.iamAuthentication"),
    # A machine and an edition that do not go together, a machine that there is not
    (
        (DATABASE,),
        DB | {"edition": "ENTERPRISE_PLUS", "tier": "db-custom-2-7680"},
        ".tier",
        "its own",
        "use db-perf-opti",
    ),
    ((DATABASE,), DB | {"tier": "db-perf-optimized-N-2"}, ".tier", "of edition ENTERPRISE_PLUS", "set database.edit"),
    ((DATABASE, "tier"), "db-n1-standard-2", "", "for MySQL only", "use db-custom-2-7680"),
    ((DATABASE, "tier"), "db-custom-2", "", "not a custom machine", "write it as db-custom-2-7680"),
    ((DATABASE, "tier"), "db-custom-3-7680", "", "3 CPUs", "an even number up to 96"),
    ((DATABASE, "tier"), "db-custom-2-7681", "", "7681 MB with 2 CPUs", "use a multiple of 256 MB"),
    ((DATABASE, "tier"), "db-custom-2-3584", "", "3584 MB with 2 CPUs", "3840 or more"),
    ((DATABASE, "tier"), "db-custom-2-14336", "", "14336 MB with 2 CPUs", "0.9 to 6.5 GB a CPU"),
    ((DATABASE,), PLUS | {"disk": {"type": "PD_HDD"}}, ".disk", "has no HDD", "set database.disk.type: PD_SSD"),
    ((DATABASE,), PLUS | {"tier": "db-c4a-highmem-4"}, ".disk", "need Hyperdisk", "use db-perf-optimized-N-2"),
    # IAM principals
    ((DATABASE,), IAM | {"iamUsers": ["ann"]}, ".iamUsers[0]", "not an e-mail address", "someone@example.com"),
    ((DATABASE,), IAM | {"iamUsers": ["Ann@example.com"]}, ".iamUsers[0]", "in lower case", "write it as ann@example"),
    ((DATABASE,), IAM | {"iamUsers": [LONG_USER]}, ".iamUsers[0]", "64 characters", "an account with a shorter name"),
    ((DATABASE,), IAM | {"iamUsers": [LONG_ACCOUNT]}, ".iamUsers[0]", "64 characters", "does not count"),
    (
        (DATABASE,),
        IAM | {"iamUsers": ["a@b.tel", "a@b.tel"]},
        ".iamUsers",
        "'a@b.tel' is listed twice",
        "list each item once",
    ),
    ((ACL, "signIn"), {"readers": ["Ann@example.com"]}, ".readers[0]", "in lower case", "write it as ann@example.com"),
    ((ACL, "reach"), {"access": "connector", "iamUser": LONG_USER}, ".iamUser", "64 characters", "a shorter name"),
    # What YAML does not read as text
    ((DATABASE, "flags"), {"max_connections": 25}, ".max_connections", "a number", 'put it in quotes: "25"'),
    ((DATABASE, "flags"), {"ratio": 0.5}, ".ratio", "a number where text", 'put it in quotes: "0.5"'),
    ((DATABASE, "flags"), {"log_connections": True}, "", "'log_connections' is true: flags are", 'write "on", in'),
    ((DATABASE, "flags"), {"log_connections": False}, "", "'log_connections' is false: flags are", 'write "off", in'),
    ((DATABASE, "flags"), {"log_connections": ["on"]}, ".log_connections", "not text", "one word or line"),
    ((DATABASE, "flags"), {"cloudsql.iam_authentication": "on"}, "", "a setting of its own", "database.iamAuthent"),
    (("warp-edge:labels",), {"team": 7}, ".team", "a number where text is required", 'put it in quotes: "7"'),
    (
        ("warp-edge:labels",),
        {"edge": True},
        ".edge",
        "true or false where text is required",
        'put it in quotes: "true"',
    ),
    ((INGRESS, "selector"), {"app": 1}, ".app", "a number where text is required", 'put it in quotes: "1"'),
    # What is only habit
    ((DNS, "domain"), "ringer.tel.", "", "not a valid name here", "write it as 'ringer.tel'; write a domain as"),
    ((DNS, "domain"), "Ringer.TEL", "", "not a valid name here", "write it as 'ringer.tel'; write a domain as"),
    ((DNS, "domain"), "ringer.xn--", "", "not a valid name here", "write a domain as voice.example.com"),
    (("warp-edge:labels", "app"), "WARP", "", "not a valid name here", "write it as 'warp'; use lower-case letters"),
    (
        (INGRESS, "namespace"),
        " warp-core\n",
        "",
        "not a valid name here",
        "write it as 'warp-core'; use lower-case letters",
    ),
    # What is said twice
    ((EGRESS, "vendorPorts"), [5060, 5060], "", "5060 is listed twice", "list each item once"),
    (
        (INGRESS, "sourceRanges"),
        ["192.0.2.0/24", "192.0.2.0/24"],
        "",
        "'192.0.2.0/24' is listed twice",
        "list each item once",
    ),
    ((LEGACY, "old"), RETIRED | {"ports": [5060, 5060]}, ".ports", "5060 is listed twice", "list each item once"),
    (
        (LEGACY,),
        {"old": RETIRED, "older": RETIRED},
        "",
        "192.0.2.1 is listed as 'old' and as",
        "keep one of the two",
    ),
    (
        (LEGACY,),
        {"old": RETIRED | {"address": "2001:db8::1"}, "older": RETIRED | {"address": "2001:DB8:0::1"}},
        "",
        "2001:db8::1 is listed as 'old' and as 'older'",
        "keep one of the two",
    ),
    # What replaces itself
    ((LEGACY, "old"), RETIRED | {"replacedBy": ["old"]}, "<", "in a circle: old -> old", "in use now"),
    ((LEGACY,), CIRCLE, "", "in a circle: a -> b -> c -> a", "name the address that is in use"),
    (
        (EGRESS, "slots"),
        {"a": ACTIVE | {"replacedBy": ["b"]}, "b": ACTIVE | {"replacedBy": ["a"]}},
        "",
        "in a circle: a -> b -> a",
        "name the address",
    ),
    # Names that another makes too long
    (
        (DNS, "domain"),
        LONG_DOMAIN,
        "/names",
        "_sips._tcp and the domain form a name of more than 253",
        "make it shorter",
    ),
    ((INGRESS,), LONG_ADDRESS, ".udp", "-ipv6 beside aaa", "use a shorter name"),
    # Ports of a VM
    ((EGRESS,), NAT | {"minPortsPerVm": 40_000}, ".minPortsPerVm", "a power of two from 32 to 32768", "use 32768"),
    ((EGRESS,), NAT | {"minPortsPerVm": 65_536}, ".minPortsPerVm", "a power of two from 32 to 32768", "use 32768"),
    *OF_LIVES,
]


def told_key(path: tuple[str, ...], ending: str) -> str:
    """`<` and `/x` lead from a field to the group that the rule is about, and to its neighbour; a key is one."""
    if ending.startswith("warp-edge:"):
        return ending
    up = ending.count("<")
    steps = list(path[: len(path) - up]) if up else list(path)
    if ending.startswith("/"):
        steps[-1] = ending[1:]
    return ".".join(steps) + (ending if ending[:1] in (".", "[") else "")


def parse(config: dict[str, Any]) -> Settings:
    return Settings.parse(as_engine_gives_it(config))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((DNS, "domain"), "example.xn--p1ai"),  # Punycode
        ((DNS, "domain"), "xn--e1afmkfd.xn--80akhbyknj4f"),
        ((DNS,), AT_CLOUD_DNS | {"ttlSeconds": 5}),  # failover wants it
        ((DNS,), AT_CLOUD_DNS | {"ttlSeconds": 1}),
        ((DNS, "ttlSeconds"), 300),
        ((DATABASE,), PLUS),
        ((DATABASE, "tier"), "db-custom-1-3840"),
        ((DATABASE, "tier"), "db-custom-96-638976"),
        ((DATABASE, "tier"), "db-g1-small"),
        ((DATABASE,), IAM | {"iamUsers": [LONG_USER[1:], LONG_ACCOUNT[1:]]}),  # 63 characters
        ((DATABASE, "flags"), {"max_connections": "25", "log_connections": "on"}),
        ((EGRESS,), NAT | {"minPortsPerVm": 32_768, "slots": THREE}),
        ((EGRESS, "minPortsPerVm"), 100),  # rounded up by the cloud, and so in the figures
        ((LEGACY,), {"a": RETIRED | {"replacedBy": ["b"]}, "b": RETIRED | {"address": "192.0.2.2"}}),
    ],
)
def test_what_the_cloud_takes_is_let_through(path: tuple[str, ...], value: Any) -> None:
    parse(changed(stack_config("prod"), path, value))


@pytest.mark.parametrize(("path", "value", "ending", "wrong", "remedy"), REFUSALS)
def test_a_wrong_setting_is_one_error_with_key_value_and_remedy(
    path: tuple[str, ...], value: Any, ending: str, wrong: str, remedy: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(changed(stack_config("prod"), path, value))
    (problem,) = refused.value.problems
    assert problem.key == told_key(path, ending)
    assert wrong in problem.wrong
    assert remedy in problem.remedy
    assert problem.value
    assert str(refused.value) == (
        "one setting of this stack cannot be used; nothing was declared\n"
        f"  {problem.key} = {problem.value}\n      {problem.wrong}\n      -> {problem.remedy}"
    )


def test_project_and_instance_fit_into_a_connection_name() -> None:
    long = changed(stack_config("prod"), ("gcp:project",), "p" * 30)
    parse(changed(long, (DATABASE, "instance"), "d" * 63))
    with pytest.raises(SettingsError) as refused:
        parse(changed(long, (DATABASE,), {"instance": "d" * 61, "uniqueName": True}))
    (problem,) = refused.value.problems
    assert problem.key == DATABASE
    assert "99 characters, with the colon between them" in problem.wrong
    assert "Cloud SQL allows 98" in problem.remedy


def test_the_live_edge_itself_is_refused_nowhere() -> None:
    parse(stack_config("prod"))
    parse(stack_config("sandbox"))


def test_the_policy_wants_the_ttl_that_every_host_accepts() -> None:
    assert Ttl().least_seconds == max(each.least_ttl for each in HOSTS.values()) == 300


@pytest.mark.parametrize(
    ("path", "value", "shown"),
    [
        ((DATABASE, "network"), {"public": False}, None),
        (("warp-edge:protect",), {"a": True, "b": [1, "c"], "d d": None}, "{a: true, b: [1, 'c'], 'd d': null}"),
        (
            (EGRESS, "slots"),
            {"warp-nat-ip-1": {"state": "draining", "purpose": "Egress"}},
            "{warp-nat-ip-1: {purpose: 'Egress', ",
        ),
    ],
)
def test_groups_are_shown_as_yaml_has_them(path: tuple[str, ...], value: Any, shown: str | None) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(changed(stack_config("sandbox"), path, value))
    values = [problem.value for problem in refused.value.problems]
    assert not any("{'" in each or "True" in each or "None" in each for each in values), values
    assert shown is None or any(each.startswith(shown) for each in values), values


def test_every_form_is_said_in_words() -> None:
    for model in (Settings, GlobalSettings):
        patterns = set(re.findall(r'"pattern": ("(?:[^"\\\\]|\\\\.)*")', json.dumps(model.model_json_schema())))
        assert len(patterns) > 8
        for pattern in map(json.loads, patterns):
            found = {"type": "string_pattern_mismatch", "loc": ("a", "b"), "input": "?", "msg": ""}
            assert "docs/settings.md" not in problem_of(found | {"ctx": {"pattern": pattern}}).remedy, pattern
