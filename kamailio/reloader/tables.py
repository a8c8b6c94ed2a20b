"""The two ways Kamailio keeps the ACL: which calls do a piece of work, and how many rows it holds afterwards.

A way is chosen once, for all proxies and the reloader: `mtree` (table_mtree.cfg) or `permissions`.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from kamailio.reloader.work import Network, Work, name

Call = tuple[str, ...]


class Caller(Protocol):
    """What calls a proxy: `Rpc`."""

    def call(self, method: str, *parameters: str, seconds: float | None = None) -> Any:
        """The result of one call."""


class Table(abc.ABC):
    """One way. `parts` are the columns of kamailio.acl_counts that it loads; `views` what it reads at a start."""

    name: str
    parts: tuple[str, ...]
    views: tuple[str, ...]
    remedies: Mapping[str, str]
    single_hosts: bool

    @abc.abstractmethod
    def calls(self, work: Work, values: Mapping[Network, str]) -> Iterator[Call]:
        """The calls, in order. `values` has the present value of every host of the work that has one."""

    @abc.abstractmethod
    def counts(self, rpc: Caller) -> dict[str, int]:
        """How many rows of each part the proxy holds."""


class Mtree(Table):
    """A hash table of hosts and a tree of prefixes. A single host is set or deleted without a reload."""

    name = "mtree"
    parts = ("hosts", "prefixes", "dedicated")
    views = ("acl_hosts", "acl_prefixes", "dedicated")
    remedies: Mapping[str, str] = {}
    single_hosts = True

    def calls(self, work: Work, values: Mapping[Network, str]) -> Iterator[Call]:
        """Hosts before ranges: no prefix is longer, so the other order could let a range speak for a removed host."""
        for host in sorted(work.hosts, key=name):
            if host in values:
                yield "htable.sets", "acl_hosts", name(host), values[host]
            else:
                yield "htable.delete", "acl_hosts", name(host)
        if work.all_hosts:
            yield "htable.reload", "acl_hosts"
        if work.ranges:
            yield "mtree.reload", "acl_prefixes"
        if work.dedicated:
            yield "htable.reload", "dedicated"

    def counts(self, rpc: Caller) -> dict[str, int]:
        """Counted by the modules themselves."""
        items = sizes(rpc)
        trees = {tree["table"]: tree["item"]["nritems"] for tree in rpc.call("mtree.summary")}
        return {"hosts": items["acl_hosts"], "prefixes": trees["acl_prefixes"], "dedicated": items["dedicated"]}


class Permissions(Table):
    """Module permissions: one table, loaded as a whole."""

    name = "permissions"
    parts = ("subnets", "dedicated")
    views = ("address", "dedicated", "version")
    remedies: Mapping[str, str] = {
        "subnets": "raise WARP_MAX_SUBNETS before the include of ip_auth.cfg and restart the proxies"
    }
    single_hosts = False

    def calls(self, work: Work, values: Mapping[Network, str]) -> Iterator[Call]:
        """Any entry means all entries."""
        del values
        if work.hosts or work.all_hosts or work.ranges:
            yield ("permissions.addressReload",)
        if work.dedicated:
            yield "htable.reload", "dedicated"

    def counts(self, rpc: Caller) -> dict[str, int]:
        """It counts nothing itself, so ranges are listed. Hosts are not: what does not fit fails the reload."""
        listed = rpc.call("permissions.subnetDump")
        return {"subnets": len(listed or ()), "dedicated": sizes(rpc)["dedicated"]}


TABLES: Mapping[str, Table] = {table.name: table for table in (Mtree(), Permissions())}


def incomplete(table: Table, held: Mapping[str, int], counted: Mapping[str, int]) -> list[str]:
    """One line for each part of which a proxy holds another number of rows than the database has."""
    lines = []
    for part in held:
        if held[part] != counted[part]:
            remedy = table.remedies.get(part, "see the proxy's log for what the reload could not take")
            lines.append(f"holds {held[part]} of {counted[part]} {part}; {remedy}")
    return lines


def sizes(rpc: Caller) -> dict[str, int]:
    """Items of every hash table."""
    return {table["name"]: table["all"] for table in rpc.call("htable.stats")}
