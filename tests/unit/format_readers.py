"""How each world reads its form of the inventory: text to the ranges that it lets in.

Readers that are no Python library (nft, iptables, Kamailio) are Debian's; where they are missing the tests say so, and
in CI they fail. Asterisk, FreeSWITCH's semantics, the trusted list of CUBE and Compute Engine have no reader to be had
from packages: their forms are checked against the grammar of their documentation, written out here.
"""

from __future__ import annotations

import functools
import ipaddress
import json
import os
import re
import shlex
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import botocore.session  # type: ignore[import-untyped]
import hcl2
import pytest
import yaml
from azure.mgmt.network import models as azure
from botocore.validate import ParamValidator  # type: ignore[import-untyped]

from tests.unit.device_models import Device, Junos, RouterOs, asa, router


def tool(name: str) -> str:
    """A Debian program that reads what we write; see tools/debian_packages.py."""
    if found := shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin"):
        return found
    if os.environ.get("CI") == "true":
        pytest.fail(f"{name} is not installed: run tools/bootstrap.py --dev as root")
    pytest.skip(f"{name} is not installed")


def in_own_network(*command: str, given: str) -> subprocess.CompletedProcess[str]:
    """Run in a network namespace of its own, where it can do no harm; people who are not root get a user namespace."""
    alone = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    return subprocess.run([*alone, *command], input=given, capture_output=True, text=True, check=False, timeout=60)


# --- How each world reads its form: text -> the ranges that it lets in. ---

Reader = Callable[[str], list[str]]


def ranges(*addresses: str) -> list[str]:
    return [str(ipaddress.ip_network(each)) for each in addresses]


def read_nftables(*texts: str) -> list[str]:
    """Loaded one after the other into a real kernel, each twice: what is in its sets then, with no rule but ours."""
    nft = tool("nft")
    script = "".join(f"{nft} -f - <<'END OF FILE'\n{text}END OF FILE\n" for text in texts for _ in range(2))
    done = in_own_network("sh", "-e", given=f"{script}{nft} -j list ruleset\n")
    assert done.returncode == 0, done.stderr
    found = []
    for entry in json.loads(done.stdout)["nftables"]:
        assert set(entry) <= {"metainfo", "table", "set", "chain", "rule"}
        for element in entry.get("set", {}).get("elem", ()):
            ip, protocol, port = element["elem"]["val"]["concat"]
            assert (protocol in ("udp", "tcp"), 0 < port < 65536) == (True, True)
            found.append(ip)
    rules = [entry["rule"] for entry in json.loads(done.stdout)["nftables"] if "rule" in entry]
    assert len(rules) == 2, "one for each family"
    assert {re.sub("_(e|in)gress", "", rule["chain"]) for rule in rules} == {"warp"}
    return ranges(*dict.fromkeys(found))


RULE = re.compile(
    r'-A WARP-(E|IN)GRESS -[sd] (\S+) -p (udp|tcp) -m \3 --dport \d+ -m comment --comment "[^"\\]*" -j ACCEPT'
)


def read_iptables(text: str, program: str = "iptables-restore") -> list[str]:
    done = in_own_network(tool(program), "--test", "--verbose", "--noflush", given=text)
    assert done.returncode == 0, done.stderr
    rules = [line for line in text.splitlines() if line[:1] not in "#*:" and line != "COMMIT"]
    return ranges(*dict.fromkeys(RULE.fullmatch(line)[2] for line in rules))  # type: ignore[index]


def reader_of(new: Callable[[], Device]) -> Reader:
    """By the model of a device whose own rules have the lines that the head gives."""

    def read(text: str) -> list[str]:
        device = new()
        device.load(text)
        device.once(text)
        return ranges(*{ip for ip, _, _ in device.lets_in()})

    return read


def read_cube(text: str) -> list[str]:
    """`voice service voip`, `ip address trusted list`, then lines `ipv4 ADDRESS MASK` (Cisco IOS Voice Command
    Reference, "ip address trusted list")."""
    service, trusted, *entries = [line for line in text.splitlines() if not line.startswith("! ")]
    assert (service, trusted) == ("voice service voip", " ip address trusted list")
    found = [re.fullmatch(r"  (no )?ipv4 (\S+) (\S+)", line) for line in entries]
    return ranges(*(f"{each[2]}/{each[3]}" for each in found if (each or pytest.fail(text)) and not each[1]))


KAMAILIO = """
debug=0
log_stderror=yes
children=1
disable_tcp=yes
listen=udp:127.0.0.1:{port}
mpath="{modules}"
loadmodule "xlog.so"
loadmodule "permissions.so"
modparam("permissions", "address_file", "{file}")
request_route {{ exit; }}
event_route[core:worker-one-init] {{
{checks}
  xlog("L_ALERT", "END\\n");
}}
"""
CHECK = '  if (allow_address("1", "{0}", "40000")) {{ xlog("L_ALERT", "LETS-IN {0}\\n"); }}'


def read_kamailio(text: str, folder: Path, asked: list[str]) -> list[str]:
    """A real Kamailio on the file: which of `asked` it takes for ours, from an arbitrary source port."""
    (modules,) = list(Path("/usr/lib").glob("*/kamailio/modules")) if tool("kamailio") else []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file, config = folder / "address.list", folder / "kamailio.cfg"
    file.write_text(text)
    checks = "\n".join(CHECK.format(address) for address in asked)
    config.write_text(KAMAILIO.format(port=port, modules=modules, file=file, checks=checks))
    command = [tool("kamailio"), "-f", str(config), "-DD", "-E", "-Y", str(folder), "-m", "16", "-M", "4"]
    log = folder / "log"
    with log.open("w") as said, subprocess.Popen(command, stdout=said, stderr=said) as server:
        try:
            deadline = time.monotonic() + 120
            while "END" not in log.read_text() and server.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            server.terminate()
            server.wait(120)
    reported = log.read_text()
    assert "END" in reported, reported
    assert "parse" not in reported, reported
    return ranges(*re.findall(r"LETS-IN (\S+)", reported))


def read_kamailio_sql(text: str) -> list[str]:
    """The table as kamailio's own scripts make it (permissions-create.sql), with rows of another carrier in it."""
    base = sqlite3.connect(":memory:")
    base.execute(
        "CREATE TABLE address (id INTEGER PRIMARY KEY NOT NULL, grp INTEGER DEFAULT 1 NOT NULL,"
        " ip_addr VARCHAR(50) NOT NULL, mask INTEGER DEFAULT 32 NOT NULL, port SMALLINT DEFAULT 0 NOT NULL,"
        " tag VARCHAR(64))"
    )
    base.execute("INSERT INTO address (grp, ip_addr) VALUES (1, '203.0.113.99'), (2, '203.0.113.98')")
    base.executescript(text)
    rows = base.execute("SELECT grp, ip_addr, mask, port, tag FROM address ORDER BY id").fetchall()
    base.close()
    assert [row[:2] for row in rows[:2]] == [(1, "203.0.113.99"), (2, "203.0.113.98")], "they are not ours"
    for group, _, _, port, tag in rows[2:]:
        assert (group, port) == (1, 0)
        assert re.fullmatch(r"warp-(egress|ingress|edge):[A-Za-z0-9-]+", tag)
        assert len(tag) <= 64
    return ranges(*(f"{ip}/{mask}" for _, ip, mask, _, _ in rows[2:]))


def read_opensips_sql(text: str) -> list[str]:
    """OpenSIPS' scripts/postgres/permissions-create.sql, in SQLite's types."""
    base = sqlite3.connect(":memory:")
    base.execute(
        "CREATE TABLE address (id INTEGER PRIMARY KEY NOT NULL, grp SMALLINT DEFAULT 0 NOT NULL,"
        " ip VARCHAR(50) NOT NULL, mask SMALLINT DEFAULT 32 NOT NULL, port INTEGER DEFAULT 0 NOT NULL,"
        " proto VARCHAR(4) DEFAULT 'any' NOT NULL, pattern VARCHAR(64) DEFAULT NULL, context_info VARCHAR(32))"
    )
    base.executescript(text)
    rows = base.execute("SELECT grp, ip, mask, port, proto, pattern, context_info FROM address").fetchall()
    base.close()
    assert {(group, port, proto, pattern) for group, _, _, port, proto, pattern, _ in rows} == {(1, 0, "any", None)}
    assert all(
        re.fullmatch(r"warp-(egress|ingress|edge):[A-Za-z0-9-]+", row[-1]) and len(row[-1]) <= 32 for row in rows
    )
    return ranges(*(f"{row[1]}/{row[2]}" for row in rows))


def read_asterisk(text: str) -> list[str]:
    """One section, `key=value`, `;` starts a comment (docs.asterisk.org, "res_pjsip_endpoint_identifier_ip")."""
    found = []
    stripped = [line.partition(";")[0].strip() for line in text.splitlines()]
    head, kind, endpoint, *matches = [line for line in stripped if line]
    assert re.fullmatch(r"\[warp-(egress|ingress|edge)\]", head)
    assert (kind, endpoint) == ("type=identify", "endpoint=warp")
    for line in matches:
        key, _, value = line.partition("=")
        assert key == "match"
        found.append(value)
    return ranges(*found)


def read_freeswitch(text: str) -> list[str]:
    """A file included in acl.conf.xml: list, node (conf/vanilla/autoload_configs of FreeSWITCH)."""
    root = ElementTree.fromstring(text)
    assert root.tag == "include"
    (one,) = root
    assert (one.tag, one.get("default")) == ("list", "deny")
    assert {(node.tag, node.get("type")) for node in one} == {("node", "allow")}
    return ranges(*(str(node.get("cidr")) for node in one))


@functools.cache
def prefix_list_input(operation: str) -> Any:
    """EC2's own description of a call."""
    model = botocore.session.get_session().get_service_model("ec2")
    return model.operation_model(operation).input_shape


def valid_call(operation: str, body: Any) -> None:
    shape = prefix_list_input(operation)
    problems = ParamValidator().validate(body, shape)
    assert not problems.has_errors(), problems.generate_report()
    for key, value in body.items():
        if key == "TagSpecifications":  # checked above; a key and a value have at most 127 and 255 characters
            continue
        for entry in value if isinstance(value, list) else ():
            assert set(entry) <= set(shape.members[key].member.members)
            assert len(entry.get("Description", "")) <= 255
        assert not isinstance(value, list) or 1 <= len(value) <= 100


def read_aws(text: str) -> list[str]:
    body = json.loads(text)
    valid_call("CreateManagedPrefixList", body)
    assert len(body["Entries"]) < body["MaxEntries"] <= len(body["Entries"]) + 20, "room, which counts in every group"
    found = ranges(*(entry["Cidr"] for entry in body["Entries"]))
    assert {f"IPv{ipaddress.ip_network(each).version}" for each in found} == {body["AddressFamily"]}
    return found


def updated_prefix_list(text: str, entries: list[str]) -> tuple[list[str], int]:
    """A prefix list after the calls, and how many they were. As EC2 does it: a call must name the present version,
    may not add what is there, nor remove what is not."""
    there, version = list(entries), 7
    answer = json.dumps({"Entries": [{"Cidr": each, "Description": "of before"} for each in entries]})
    with tempfile.NamedTemporaryFile("w", suffix=".jq") as program:
        program.write(text)
        program.flush()
        command = [tool("jq"), "-c", "--arg", "id", "pl-0123", "--argjson", "version", str(version), "-f", program.name]
        done = subprocess.run(command, input=answer, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    for call in map(json.loads, done.stdout.splitlines()):
        valid_call("ModifyManagedPrefixList", call)
        assert (call["PrefixListId"], call["CurrentVersion"]) == ("pl-0123", version)
        added, removed = ([each["Cidr"] for each in call.get(key, ())] for key in ("AddEntries", "RemoveEntries"))
        assert not set(added) & set(there)
        assert set(removed) <= set(there)
        assert len(added) + len(removed) <= 100
        there = [each for each in there if each not in removed] + added
        version += 1
    return there, version - 7


def read_aws_update(text: str) -> list[str]:
    """Of a list that has yesterday's address and one of today's, if there is any."""
    today = re.findall(r'"Cidr": "(.*)"', text)[:1]
    return ranges(*updated_prefix_list(text, ["203.0.113.99/32", *today])[0])


def read_gcp(text: str) -> list[str]:
    """Fields of the resource `firewall` (docs.cloud.google.com/compute/docs/reference/rest/v1/firewalls)."""
    found: list[str] = []
    names = []
    for rule in json.loads(text):
        names.append(rule["name"])
        assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", rule["name"])
        side = {"INGRESS": "sourceRanges", "EGRESS": "destinationRanges"}[rule["direction"]]
        assert set(rule) == {"name", "description", "direction", side, "allowed"}
        assert len(rule["description"]) <= 2048
        for allowed in rule["allowed"]:
            assert set(allowed) == {"IPProtocol", "ports"}
            assert allowed["IPProtocol"] in ("udp", "tcp")
            assert all(1 <= int(port) <= 65535 for port in allowed["ports"])
        found += rule[side]
    assert len(set(names)) == len(names)
    return list(dict.fromkeys(ranges(*found)))


def read_address_group(text: str) -> list[str]:
    """Flags in YAML (gcloud topic flags-file), and what an address group takes: up to its capacity, of one family."""
    (flag,), (items,) = zip(*yaml.safe_load(text).items(), strict=True)
    assert flag == "--items"
    assert 1 <= len(items) <= 100
    assert len({ipaddress.ip_network(each).version for each in items}) == 1
    return ranges(*(each for each in items if not ipaddress.ip_network(each).is_loopback))


def azure_rules(text: str, priorities: dict[str, int]) -> dict[str, Any]:
    """The security rules that a deployment of this template puts, by name, as Azure's own model has them."""
    template = json.loads(text)
    assert set(template) == {"$schema", "contentVersion", "metadata", "parameters", "resources"}
    assert template["parameters"] == {"nsg": {"type": "string"}, "priorities": {"type": "object"}}
    kind, found = "Microsoft.Network/networkSecurityGroups/securityRules", dict[str, Any]()
    for resource in template["resources"]:
        assert set(resource) == {"type", "apiVersion", "name", "dependsOn", "properties"}
        assert resource["type"] == kind
        name = re.fullmatch(r"\[format\('\{0\}/([\w-]{1,80})', parameters\('nsg'\)\)\]", resource["name"])
        assert name
        before = [f"[resourceId('{kind}', parameters('nsg'), '{each}')]" for each in list(found)[-1:]]
        assert resource["dependsOn"] == before
        body = dict(resource["properties"])
        assert body["priority"] == f"[parameters('priorities')['{name[1]}']]"
        body["priority"] = priorities[name[1]]
        # Unknown arguments are refused.
        rule = azure.SecurityRulePropertiesFormat(
            **{re.sub("[A-Z]", lambda c: f"_{c[0].lower()}", key): value for key, value in body.items()}
        )
        assert rule.as_dict() == body
        azure.SecurityRuleProtocol(rule.protocol)
        azure.SecurityRuleDirection(rule.direction)
        azure.SecurityRuleAccess(rule.access)
        assert len(rule.description or "") <= 140
        assert 100 <= rule.priority <= 4096
        prefixes = rule.source_address_prefixes or rule.destination_address_prefixes or []
        # ResourceCannotContainAddressPrefixesFromDifferentAddressFamilies
        assert len({ipaddress.ip_network(each).version for each in prefixes}) == 1
        found[name[1]] = rule
    return found


def azure_usage(text: str) -> dict[str, int]:
    """The priorities in the command that the template gives."""
    usage = json.loads(text)["metadata"]["usage"]
    command = shlex.split(usage)
    assert command[:4] == ["az", "deployment", "group", "create"]
    assert command[4::2][:3] == ["--resource-group", "--template-file", "--parameters"]
    priorities: dict[str, int] = json.loads(command[-1].removeprefix("priorities="))
    assert len(set(priorities.values())) == len(priorities)
    return priorities


def read_azure(text: str) -> list[str]:
    rules = azure_rules(text, azure_usage(text)).values()
    found = [each for rule in rules for each in rule.source_address_prefixes or rule.destination_address_prefixes]
    return ranges(*dict.fromkeys(found))


def terraform_locals(text: str) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """The ranges, and the rules by key."""
    (block,) = hcl2.loads(text)["locals"]
    cidrs, rules = (value for name, value in block.items() if re.fullmatch(r"warp_(egress|ingress|edge)_\w+", name))
    plain = {
        key.strip('"'): {name: value.strip('"') if isinstance(value, str) else value for name, value in rule.items()}
        for key, rule in rules.items()
    }
    return [each.strip('"') for each in cidrs], plain


def read_terraform(text: str) -> list[str]:
    cidrs, rules = terraform_locals(text)
    for key, rule in rules.items():
        assert set(rule) == {"ipv4", "ipv6", "protocol", "port"}
        (cidr,) = [rule[each] for each in ("ipv4", "ipv6") if rule[each] not in (None, "null")]
        assert rule["ipv6" if ":" in cidr else "ipv4"] == cidr
        assert key == f"{cidr} {rule['protocol']} {rule['port']}"
    assert {key.partition(" ")[0] for key in rules} == set(cidrs)
    return ranges(*cidrs)


READERS: dict[str, Reader] = {
    "addresses": lambda text: ranges(*text.splitlines()),
    "cidrs": lambda text: ranges(*text.splitlines()),
    "nftables": read_nftables,
    "iptables": read_iptables,
    "cisco-acl": reader_of(router),
    "cisco-asa": reader_of(asa),
    "cube": read_cube,
    "mikrotik": reader_of(RouterOs),
    "juniper": reader_of(Junos),
    "kamailio-sql": read_kamailio_sql,
    "opensips-sql": read_opensips_sql,
    "asterisk": read_asterisk,
    "freeswitch": read_freeswitch,
    "aws-prefix-list": read_aws,
    "aws-prefix-list-update": read_aws_update,
    "gcp-firewall": read_gcp,
    "gcp-address-group": read_address_group,
    "azure-nsg": read_azure,
    "terraform": read_terraform,
}
