"""Devices that cannot run in a test, as models: what they hold besides ours, loaded line by line, and what they let in.

IOS and ASA: hier_config's tree of a running configuration, with the refusals of Cisco's documentation written out. The
others follow the documented grammar of their files, as far as we write it; any other line is an error.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from hier_config import HConfig, Platform, get_hconfig

Flow = tuple[str, str, int]
Watch = Callable[[Any], None] | None


def flows(addresses: Iterable[str], protocol: str, port: int) -> set[Flow]:
    """No packet comes from or goes to a loopback address, which stands in a group that may not be empty."""
    parsed = (ipaddress.ip_address(each.partition("/")[0]) for each in addresses)
    return {(str(each), protocol, port) for each in parsed if not each.is_loopback}


def commented(text: str, mark: str) -> list[str]:
    """The lines that the head of a file gives for the device's own configuration: those that are indented."""
    return [line[len(mark) :].strip() for line in text.splitlines() if line.startswith(f"{mark}  ")]


class Device(Protocol):
    """A device; `watch` sees it after each line that takes effect at once."""

    watch: Watch

    def load(self, text: str) -> None:
        """As the file's head says, once more if it was loaded before."""

    def once(self, text: str) -> None:
        """What the file's head says is to be done once."""

    def lets_in(self) -> set[Flow]: ...

    def others(self) -> list[str]:
        """All that is not ours."""


class Cisco:
    """A router (IOS) or a firewall (ASA), configured line by line at a terminal."""

    watch: Watch = None

    def __init__(self, running: str, platform: Platform) -> None:
        self.config: HConfig = get_hconfig(platform, running)
        self.platform = platform

    def load(self, text: str) -> None:
        section: list[str] = []
        for line in text.splitlines():
            if line.startswith("!"):
                continue
            section = [*section[: len(line) - len(line.lstrip())], line.strip()]
            self._enter(section)
            if self.watch:
                self.watch(self)

    def _enter(self, section: list[str]) -> None:
        removed = re.fullmatch(r"no object-group (?:v6-)?network (\S+)", section[-1])
        if removed:
            used = [line for line in self.lines() if re.search(rf"(group-object|object-group) {removed[1]}( |$)", line)]
            assert not used, f"an object group in use cannot be removed: {used}"
        text = "\n".join(" " * depth + line for depth, line in enumerate(section))
        self.config = self.config.future(get_hconfig(self.platform, text))
        # What was not there cannot be removed: the device says so, and goes on.
        for each in list(self.config.all_children()):
            if each.text.startswith("no "):
                each.delete()
        empty = [
            each.text for each in self.config.children if each.text.startswith("object-group") and not each.children
        ]
        assert not [name for name in empty if name != section[0]], f"an object group cannot be empty: {empty}"

    def once(self, text: str) -> None:
        """In the device's own list, in front of its deny."""
        added, lines = commented(text, "!"), self.lines()
        deny = next(number for number, line in enumerate(lines) if " deny " in f" {line} ")
        indent = lines[deny][: len(lines[deny]) - len(lines[deny].lstrip())]
        lines[deny:deny] = [f"{indent}{re.sub(' line 1', '', line)}" for line in added]
        plain = [re.sub(r"^(\s+)\d+ ", r"\1", line) for line in lines]
        self.config = get_hconfig(self.platform, "\n".join(plain))

    def lines(self) -> list[str]:
        return list(self.config.dump_simple())

    def group(self, name: str) -> set[str]:
        """The hosts of a group, of groups inside of it too."""
        (found,) = [each for each in self.config.children if re.fullmatch(rf"object-group \S+ {name}", each.text)]
        hosts: set[str] = set()
        for member in found.children:
            word, _, value = member.text.rpartition(" ")
            hosts |= self.group(value) if word == "group-object" else {value}
        return hosts

    def lets_in(self) -> set[Flow]:
        found: set[Flow] = set()
        for line in self.lines():
            if re.search(r"\bdeny\b", line):
                break
            rule = re.search(r"permit (udp|tcp) (?:object-group (\S+) any|any object-group (\S+)) eq (\d+)$", line)
            if rule:
                found |= flows(self.group(rule[2] or rule[3]), rule[1], int(rule[4]))
        return found

    def others(self) -> list[str]:
        # Numbers of entries are the list's own; ours stand in front of its deny.
        lines: list[str] = []
        for each in self.config.children:
            if not re.match(r"object-group \S+ WARP-", each.text) and "WARP-" not in each.text:
                lines += [
                    each.text,
                    *(re.sub(r"^\d+ ", "", c.text) for c in each.all_children() if "WARP-" not in c.text),
                ]
        return lines


class Cube(Cisco):
    """The trusted list of a border element: addresses, with any port."""

    def once(self, text: str) -> None:
        pass

    def trusted(self) -> set[str]:
        (service,) = [each for each in self.config.children if each.text == "voice service voip"]
        (trusted,) = [each for each in service.children if each.text == "ip address trusted list"]
        return {each.text for each in trusted.children}


class RouterOs:
    """Address lists by menu, and filter rules. RouterOS, "Scripting", "Address-lists" and "Filter"."""

    ADD = re.compile(
        r':if \(\[:len \[(/ip|/ipv6) firewall address-list find where list="(\S+)" and comment="([^"]+)"\]\] = 0\)'
        r' do=\{ \1 firewall address-list add list="\2" address=(\S+) comment="\3" \}'
    )
    REMOVE = re.compile(r"(/ip|/ipv6) firewall address-list remove \[find where (.+)\]")
    CONDITION = re.compile(r'(list|comment)(!=|=|~)"([^"]+)"')
    watch: Watch = None
    RULE = re.compile(
        r"(/ip|/ipv6) firewall filter add chain=(?:input|output) (?:src|dst)-address-list=(\S+) protocol=(udp|tcp)"
        r" dst-port=([\d,]+) action=accept place-before=0"
    )

    def __init__(self) -> None:
        self.entries = {
            "/ip": [{"list": "carriers", "address": "203.0.113.90", "comment": ""}],
            "/ipv6": [{"list": "carriers", "address": "2001:db8:90::1", "comment": ""}],
        }
        self.rules: list[tuple[str, str, str, int]] = []

    def load(self, text: str) -> None:
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            if added := self.ADD.fullmatch(line):
                self._add(added[1], {"list": added[2], "comment": added[3], "address": added[4]})
            else:
                removed = self.REMOVE.fullmatch(line)
                assert removed, line
                conditions = [self.CONDITION.fullmatch(each) for each in removed[2].split(" and ")]
                assert all(conditions), line
                gone = [e for e in self.entries[removed[1]] if all(self._meets(e, c) for c in conditions if c)]
                self.entries[removed[1]] = [each for each in self.entries[removed[1]] if each not in gone]
            if self.watch:
                self.watch(self)

    def _add(self, menu: str, entry: dict[str, str]) -> None:
        there = [each for each in self.entries[menu] if each["list"] == entry["list"]]
        if entry["comment"] not in [each["comment"] for each in there]:
            assert entry["address"] not in [each["address"] for each in there], "failure: already have such entry"
            assert ipaddress.ip_address(entry["address"]).version == (4 if menu == "/ip" else 6)
            self.entries[menu].append(entry)

    @staticmethod
    def _meets(entry: dict[str, str], condition: re.Match[str]) -> bool:
        value, operator, wanted = entry[condition[1]], condition[2], condition[3]
        return bool(re.search(wanted, value)) if operator == "~" else (value == wanted) == (operator == "=")

    def once(self, text: str) -> None:
        for line in commented(text, "#"):
            rule = self.RULE.fullmatch(line)
            assert rule, line
            self.rules += [(rule[1], rule[2], rule[3], int(port)) for port in rule[4].split(",")]

    def lets_in(self) -> set[Flow]:
        return {
            flow
            for menu, name, protocol, port in self.rules
            for flow in flows([e["address"] for e in self.entries[menu] if e["list"] == name], protocol, port)
        }

    def others(self) -> list[str]:
        return [str(e) for entries in self.entries.values() for e in entries if not e["list"].startswith("warp-")]


class Junos:
    """Prefix lists, replaced by `load replace`: Junos CLI, "load replace" and "Comments in a configuration"."""

    watch: Watch = None  # a commit has no lines
    RULE = re.compile(
        r"from \{ (?:source|destination)-prefix-list (\S+); protocol (udp|tcp); destination-port \[ ([\d ]+) \]; \}"
        r" then accept;"
    )

    def __init__(self) -> None:
        self.lists = {"CARRIERS": {"203.0.113.90/32"}}
        self.rules: list[tuple[str, str, int]] = []

    def load(self, text: str) -> None:
        statements = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        outer = re.fullmatch(r"policy-options \{(.*)\}\s*", statements, re.DOTALL)
        assert outer, text
        one = re.compile(r"\s*replace:\s+prefix-list (\S+) \{([^{}]*)\}\s*")
        rest = outer[1]
        while rest:
            found = one.match(rest)
            assert found, rest
            assert found[2].rstrip().endswith(";")
            prefixes = [ipaddress.ip_network(each.strip()) for each in found[2].split(";")[:-1]]
            assert {each.version for each in prefixes} == {4, 6}, "a term of one family must not match an empty list"
            self.lists[found[1]] = {str(each) for each in prefixes}
            rest = rest[found.end() :]

    def once(self, text: str) -> None:
        for line in commented(text, "         *"):
            rule = self.RULE.fullmatch(line)
            assert rule, line
            self.rules += [(rule[1], rule[2], int(port)) for port in rule[3].split()]

    def lets_in(self) -> set[Flow]:
        return {flow for name, protocol, port in self.rules for flow in flows(self.lists[name], protocol, port)}

    def others(self) -> list[str]:
        return [f"{name} {sorted(found)}" for name, found in self.lists.items() if not name.startswith("WARP-")]


def router(kind: str = "ip access-list extended") -> Cisco:
    """IOS, with a list of its own at the interface."""
    ip = "ipv6" if kind.startswith("ipv6") else "ip"
    known = "2001:db8:90::1" if ip == "ipv6" else "203.0.113.90"
    return Cisco(
        "object-group network CARRIERS\n host 203.0.113.90\n"
        f"{kind} OUTSIDE\n permit udp host {known} any eq 5060\n deny {ip} any any\n"
        "interface GigabitEthernet0/0\n ip access-group OUTSIDE in\n",
        Platform.CISCO_IOS,
    )


def asa() -> Cisco:
    """ASA, with a list of its own at the interface."""
    return Cisco(
        "object-group network CARRIERS\n network-object host 203.0.113.90\n"
        "access-list OUTSIDE extended permit udp host 203.0.113.90 any eq 5061\n"
        "access-list OUTSIDE extended deny ip any any\naccess-group OUTSIDE in interface outside\n",
        Platform.GENERIC,
    )


def cube() -> Cube:
    return Cube(
        "voice service voip\n ip address trusted list\n  ipv4 203.0.113.90 255.255.255.255\n"
        " allow-connections sip to sip\n",
        Platform.CISCO_IOS,
    )
