"""One proxy and the thread that keeps its table true.

Work that comes while it is busy is added up. A failure of any kind, of the proxy or of the database, turns into the
wish to load everything, tried again until it succeeds. A proxy that was restarted is seen by its uptime.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Protocol

from kamailio.reloader import limits
from kamailio.reloader.database import DatabaseDown
from kamailio.reloader.environment import Endpoint, Settings
from kamailio.reloader.rpc import Refused, RpcError
from kamailio.reloader.status import Status
from kamailio.reloader.tables import Caller, incomplete, sizes
from kamailio.reloader.work import EVERYTHING, NOTHING, Network, Work

log = logging.getLogger("reloader")

LONGEST_PAUSE = 10.0
# From then on a proxy that does not answer is an alert; a restart takes less.
SILENT_SECONDS = 15.0
CALL_SECONDS = 3.0
# reload_delta of table_permissions.cfg is a second; Kamailio compares whole ones.
TOO_SOON_SECONDS, TOO_SOON_TRIES = 0.25, 12
# Rows that came between load and count are no alert: what told of them is waited for, and done before the next count.
ARRIVAL_SECONDS = 1.0
TABLES_READ = "warp_acl_proxy_tables_timestamp_seconds"
# Kamailio's words: the key to delete was not there, and reload_delta has not passed since the last reload.
GONE_ALREADY, TOO_SOON = "not found", "ongoing reload"
# rpc.cfg's.
BUSY = "another call is being done"
# Of ip_auth.cfg, trunk_limits.cfg and unknown.cfg; a proxy has those of the fragments that it was started with.
COUNTED = ("accepted", "rejected", "no_table", "limited", "silenced")


class Source(Protocol):
    """What a proxy's thread asks the database: `Views`."""

    def values(self, hosts: frozenset[Network]) -> dict[Network, str]:
        """The value of every one of these hosts that has an entry."""

    def counts(self) -> dict[str, int]:
        """Rows that a complete load of each part has."""

    def limits(self, trunks: frozenset[str]) -> dict[str, str]:
        """The limits of every one of these trunks that exists."""

    def limited(self) -> int:
        """How many trunks have limits."""


class Proxy:
    """One address that answers RPC. It begins with everything to do."""

    def __init__(self, where: Endpoint, rpc: Caller, source: Source, status: Status, settings: Settings) -> None:
        self.where, self._rpc, self._source, self._status, self._settings = where, rpc, source, status, settings
        self._table = settings.table
        self._todo, self._changed, self._ended = EVERYTHING, threading.Condition(), False
        self._up_since = ""
        self._limits, self._refusals = False, -1.0
        self._pause = 0.0
        self._alert = ""
        self._answered_at, self._silent = time.monotonic(), False
        self._to_count = False
        self._doubt: dict[str, int] | None = None
        self._thread = threading.Thread(target=self._run, name=f"proxy {where}", daemon=True)

    def start(self) -> None:
        """Begin. Alerts see a proxy that never answers, too: until it does, it answered now and is incomplete."""
        self._set("warp_acl_proxy_answered_timestamp_seconds", time.time())
        self._set("warp_acl_proxy_complete", 0)
        self._thread.start()

    def add(self, work: Work) -> None:
        """More to do."""
        with self._changed:
            self._todo |= work
            self._changed.notify()

    def end(self) -> None:
        """It is gone: do nothing more. What is under way ends by itself."""
        with self._changed:
            self._ended = True
            self._changed.notify()
            self._status.forget(str(self.where))

    def _set(self, name: str, value: float, **labels: str) -> None:
        """A number of this proxy's; of one that is gone there are none."""
        with self._changed:
            if not self._ended:
                self._status.set(name, value, proxy=str(self.where), **labels)

    def _add(self, name: str) -> None:
        with self._changed:
            if not self._ended:
                self._status.add(name, proxy=str(self.where))

    def _ask(self, method: str, *parameters: str, seconds: float = CALL_SECONDS) -> Any:
        """A call's result. Each is a sign of life: a reload in several calls may take minutes."""
        result = self._rpc.call(method, *parameters, seconds=seconds)
        self._set("warp_acl_proxy_answered_timestamp_seconds", time.time())
        return result

    def _run(self) -> None:
        while not self._ended:
            with self._changed:
                if not self._todo or self._pause:
                    self._changed.wait(self._pause or self._settings.watch_seconds)
                if self._ended:
                    return
                work, self._todo = self._todo, NOTHING
            self.turn(work)

    def turn(self, work: Work) -> None:
        """Do the work, and see whether the proxy was restarted. Whatever fails is wished for again."""
        try:
            work |= self._look()
            if work:
                self._do(work)
        except (Refused, DatabaseDown) as failure:
            self._failed(str(failure), answers=True)
        except RpcError as failure:
            self._failed(str(failure), answers=False)
        except (LookupError, TypeError, ValueError):
            self._failed("it answers something else; are both sides set to the same WARP_ACL_TABLE?", answers=True)
        else:
            self._pause = 0.0
            self._answered(answers=True)

    def _failed(self, reason: str, *, answers: bool) -> None:
        self._pause = min(LONGEST_PAUSE, max(0.5, self._pause * 2))
        self._add("warp_acl_failures_total")
        self._answered(answers=answers)
        log.error("%s keeps its old table: %s; next try in %.1f s", self.where, reason, self._pause)
        self.add(EVERYTHING)

    def _answered(self, *, answers: bool) -> None:
        """An alert where one does not: a customer who was removed goes on calling there."""
        self._set("warp_acl_proxy_up", answers)
        now = time.monotonic()
        if answers:
            self._set("warp_acl_proxy_answered_timestamp_seconds", time.time())
            if self._silent:
                log.info("%s answers again", self.where)
            self._answered_at, self._silent = now, False
        elif now - self._answered_at > SILENT_SECONDS and not self._silent:
            self._silent = True
            log.error(
                "ALERT %s has not answered for %.0f s: no change reaches it; see its log and the NetworkPolicy",
                self.where,
                now - self._answered_at,
            )

    def _look(self) -> Work:
        """A proxy that was restarted loaded its table by itself, but what changed while it did so may be missing."""
        up_since = str(self._ask("core.uptime")["up_since"])
        restarted = self._up_since not in ("", up_since)
        if self._up_since != up_since:
            self._limits = any(table["name"] == limits.TABLE for table in self._ask("htable.listTables"))
            self._refusals = -1.0
            self._look_for_a_snapshot()
        self._up_since = up_since
        self._look_at_counters()
        if restarted:
            log.info("%s was restarted", self.where)
        return EVERYTHING if restarted else NOTHING

    def _look_at_counters(self) -> None:
        counted = self._ask("stats.fetchn", *(f"warp_acl_{name}" for name in COUNTED))
        found = {name: float(counted[each]) for name in COUNTED if (each := f"script.warp_acl_{name}") in counted}
        for name in ("rejected", "no_table"):
            self._set(f"warp_acl_{name}", found[name])
        refusals = found.pop("limited", 0.0)
        for name, value in found.items():
            self._set(f"warp_acl_{name}_total", value)
        # Trunk by trunk only where there is something new.
        if self._limits and refusals != self._refusals:
            listed = limits.refusals(self._ask("htable.dump", limits.REFUSALS))
            with self._changed:
                if not self._ended:
                    self._status.replace(
                        "warp_acl_limited_total",
                        str(self.where),
                        [({"limit": limit, "trunk": trunk}, count) for limit, trunk, count in listed],
                    )
            self._refusals = refusals

    def _look_for_a_snapshot(self) -> None:
        """Whether its tables are those of a snapshot, and of when; kamailio/start.py says so in `dedicated`."""
        try:
            taken = self._ask("htable.get", "dedicated", "taken")["item"]["value"]
        except Refused as refusal:
            if BUSY in str(refusal):
                raise
            return
        self._set(TABLES_READ, float(taken))
        log.warning("%s was started from a snapshot that is %.0f s old", self.where, time.time() - float(taken))

    def _do(self, work: Work) -> None:
        label = str(self.where)
        values = self._source.values(work.hosts) if work.hosts and self._table.single_hosts else {}
        todo = list(self._table.calls(work, values))
        if self._limits:
            trunks = self._source.limits(work.limits) if work.limits else {}
            # First: a new trunk has its limits before it has an entry.
            todo = [*limits.calls(work, trunks), *todo]
        began, now = time.monotonic(), time.time()
        reloaded = 0
        for method, *parameters in todo:
            self._call(method, *parameters)
            reloaded += method.lower().endswith("reload")
        taken = time.monotonic() - began
        singly = len(work.hosts), len(work.limits)
        log.info("%s: %d single hosts, %d single limits, %d reloads in %.3f s", label, *singly, reloaded, taken)
        if reloaded:
            self._add("warp_acl_reloads_total")
            self._set("warp_acl_reload_seconds", taken)
        if work == EVERYTHING:
            self._set(TABLES_READ, now)
        if reloaded or self._to_count:
            self._count()

    def _call(self, method: str, *parameters: str) -> None:
        is_reload = method.lower().endswith("reload")
        seconds = self._settings.reload_seconds if is_reload else CALL_SECONDS
        for _ in range(TOO_SOON_TRIES):
            try:
                self._ask(method, *parameters, seconds=seconds)
            except Refused as refusal:
                if TOO_SOON in str(refusal):
                    time.sleep(TOO_SOON_SECONDS)
                    continue
                if method == "htable.delete" and GONE_ALREADY in str(refusal):
                    return
                raise
            return
        raise Refused(f"{method}: {TOO_SOON}")

    def _count(self) -> None:
        """The guard: Kamailio drops what exceeds max_subnets and says OK."""
        label = str(self.where)
        counted = self._source.counts()
        held = self._table.counts(self._rpc)
        if self._limits:
            counted |= {limits.PART: self._source.limited()}
            held |= {limits.PART: sizes(self._rpc)[limits.TABLE]}
        lines = incomplete(self._table, held, counted)
        self._to_count = bool(lines) and self._more_arrives()
        if self._to_count:
            return
        if lines and self._doubt != counted:
            self._doubt = counted
            self.add(EVERYTHING)
            return
        for part in held:
            self._set("warp_acl_rows", held[part], part=part, side="proxy")
            self._set("warp_acl_rows", counted[part], part=part, side="database")
        self._set("warp_acl_proxy_complete", not lines)
        alert = "; ".join(lines)
        if alert:
            log.error("ALERT %s %s", label, alert)
        elif self._alert:
            log.info("%s is complete again", label)
        self._alert, self._doubt = alert, None

    def _more_arrives(self) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._todo), ARRIVAL_SECONDS)
