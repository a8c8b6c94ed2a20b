"""Kamailio with the limits of trunks: what a call's decision costs, and when a changed limit takes effect; and what a
flood from forged sources takes of its memory.

    python -m benchmarks kamailio_limits

Kamailio's module `benchmark` measures the parts of a decision inside the script, beside IP_AUTH for the same messages.
The dialog is what remembers a call until it ends; a proxy that makes dialogs anyway has it already.

A call is the round trip from INVITE to 200 over UDP on loopback, through the proxy to a callee and back, from one
client that waits for each answer and ends each call. The reference is the same Kamailio with the same modules, tables
and settings, whose request_route only lacks `route(WARP_TRUNK_LIMITS)`. Both run at the same time and are called
alternately.
"""

from __future__ import annotations

import contextlib
import re
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.kamailio_acl import Decision
from benchmarks.measuring import Result
from kamailio.reloader.rpc import Refused
from local_cloud.postgres import PostgresServer
from local_cloud.postgres.account import Account
from sandbox.acl import Acl, migrated
from sandbox.sip_phone import Phone
from sandbox.sip_proxy import SipProxy, require_kamailio

NETWORK = "127.97.0"
SETTINGS = "#!define WARP_CALLS_PER_SECOND\n#!define WARP_CONCURRENT_CALLS\n#!define WARP_UNKNOWN_ANSWERS 10\n"
LIMITED = "    route(WARP_TRUNK_LIMITS);\n"
REFERENCE = "without limits"
ENDLESS, FULL = 1_000_000, 2_000
ROUNDS, CALLS_A_ROUND, CHANGES, SOURCES = 30, 40, 20, 200_000
# Name of a timer, file, and the lines that it takes the time of.
TIMED = {
    "auth": ("kamailio.cfg", "    route(IP_AUTH);\n"),
    "limits": ("kamailio.cfg", LIMITED),
    "transaction": ("trunk_limits.cfg", "    t_check_trans();\n#!ifdef WARP_CALLS_PER_SECOND\n"),
    "dialog": (
        "trunk_limits.cfg",
        """    if (dlg_manage() && set_dlg_profile("warp_calls", "$var(warp_text)")) {
        $dlg_var(warp_trunk) = $var(warp_text);
        $var(warp_i) = 1;
    }
""",
    ),
}
TIMED_CALLS = 4_000
# Trunk, source, calls at a time.
TRUNKS = (("usual", "127.0.70.1", ENDLESS), ("busy", "127.0.70.2", FULL + 1), ("full", "127.0.70.3", FULL))


@dataclass(frozen=True)
class _Proxy(SipProxy):
    """`timed`: with timers around the parts of `TIMED`."""

    limits: bool = True
    timed: bool = False

    def _configuration(self, folder: Path) -> str:
        text = super()._configuration(folder)
        if self.timed:
            first = 'loadmodule "textops.so"\n'
            parameters = {"enable": 1, "granularity": TIMED_CALLS // 4, "loglevel": 1}
            lines = [f'modparam("benchmark", "{name}", {value})\n' for name, value in parameters.items()]
            text = _timed(text.replace(first, f'{first}loadmodule "benchmark.so"\n{"".join(lines)}'), "kamailio.cfg")
        return text if self.limits else text.replace(LIMITED, "")

    def _write_files(self, folder: Path, account: Account) -> None:
        super()._write_files(folder, account)
        if self.timed:
            file = folder / "trunk_limits.cfg"
            file.write_text(_timed(file.read_text(), file.name))


def _timed(text: str, file: str) -> str:
    for name, (where, lines) in TIMED.items():
        if where == file:
            if text.count(lines) != 1:
                raise RuntimeError(f"{file} has another form: what is timed as {name} is not in it")
            text = text.replace(lines, f'    bm_start_timer("{name}");\n{lines}    bm_log_timer("{name}");\n')
    return text


def run() -> Iterator[Decision | Result]:
    """Yield results; uses temporary servers."""
    require_kamailio()
    with contextlib.ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="warp-edge-bench-", ignore_cleanup_errors=True))
        )
        folder.chmod(0o755)
        server = PostgresServer(folder / "pg", f"{NETWORK}.1", 5432, require_tls=True, flags={})
        server.start()
        stack.callback(server.destroy)
        acl = _filled(migrated(server, "bench"))
        proxies = {}
        for number, kind in enumerate(("limited", "reference", "timed")):
            proxy = _Proxy(
                folder / str(number),
                f"{NETWORK}.{10 + number}",
                f"{NETWORK}.{20 + number}",
                acl.database,
                protection=SETTINGS,
                shared_memory=256,
                limits=kind != "reference",
                timed=kind == "timed",
            )
            proxy.start()
            stack.callback(proxy.stop)
            proxies[kind] = proxy
        yield from _parts(proxies["timed"])
        yield from _calls(proxies["limited"], proxies["reference"])
        yield _changes(acl, proxies["limited"])
        _flood(proxies["limited"])


def _filled(acl: Acl) -> Acl:
    acl.customer("BENCH")
    for name, source, most in TRUNKS:
        acl.trunk("BENCH", name, calls_per_second=ENDLESS, concurrent_calls=most)
        acl.add("BENCH", name, source)
    return acl


def _parts(proxy: SipProxy) -> Iterator[Result]:
    """Means of all calls, in microseconds."""
    for _ in range(TIMED_CALLS):
        _call(proxy, TRUNKS[0][1], 200)
    found = re.findall(r"timer (\w+) .*GB: .*/([\d.]+)\]", proxy.log_file.read_text())
    means = {name: float(mean) for name, mean in found}  # the last of each
    auth, transaction, dialog = means["auth"], means["transaction"], means["dialog"]
    rest = means["limits"] - transaction - dialog
    for name, mean in (
        ("limits: the decision", rest),
        ("limits: whether it is a retransmission, which reads the headers for all that follows", transaction),
        ("limits: the dialog", dialog),
    ):
        yield Result(f"{name} / IP_AUTH, us", round(mean / auth, 2), round(mean, 1), round(auth, 1), TIMED_CALLS)


def _calls(limited: SipProxy, reference: SipProxy) -> Iterator[Decision]:
    taken: dict[str, list[float]] = {name: [] for name in (*(trunk[0] for trunk in TRUNKS), REFERENCE)}
    for name, source, most in TRUNKS[1:]:
        for _ in range(most if name == "full" else FULL):
            _call(limited, source, 200, ends=False)
    for _ in range(ROUNDS):
        for name, source, _most in TRUNKS:
            expected = 503 if name == "full" else 200
            taken[name] += [_call(limited, source, expected) for _ in range(CALLS_A_ROUND)]
        taken[REFERENCE] += [_call(reference, TRUNKS[0][1], 200) for _ in range(CALLS_A_ROUND)]
    p50, p99 = {}, {}
    for name, seconds in taken.items():
        p50[name], p99[name] = round(1e6 * median(seconds), 1), round(1e6 * quantiles(seconds, n=100)[98], 1)
    for name, words, calls in (
        ("usual", "a call of a trunk with few calls", 1),
        ("busy", "a call of a trunk one below its limit", FULL),
        ("full", "a refused call of a trunk at its limit", FULL),
    ):
        ratio = round(p50[name] / p50[REFERENCE], 2)
        yield Decision(f"{words} / {REFERENCE}", ratio, p50[name], p99[name], p50[REFERENCE], p99[REFERENCE], calls)


def _call(proxy: SipProxy, source: str, expected: int, *, ends: bool = True) -> float:
    """Seconds from the INVITE to its final answer."""
    with Phone(proxy.place("udp"), source) as phone:
        began = time.perf_counter()
        status = phone.call()
        taken = time.perf_counter() - began
        if status != expected:
            raise RuntimeError(f"a call from {source} was answered {status}, not {expected}")
        if status == 200 and ends:
            phone.hang_up()
    return taken


def _changes(acl: Acl, proxy: SipProxy) -> Result:
    """From COMMIT of a trunk's other limit to the value in the proxy. The reference is the bound of two seconds."""
    taken = []
    for number in range(CHANGES):
        acl.do("UPDATE accounts.trunk_groups SET concurrent_calls = %s WHERE name = 'usual'", ENDLESS + number + 1)
        began = time.perf_counter()
        while (
            _rpc(proxy, "htable.get", "trunk_limits", "usual|BENCH")["item"]["value"]
            != f"{ENDLESS}|{ENDLESS + number + 1}"
        ):
            time.sleep(0.002)
        taken.append(time.perf_counter() - began)
    print(f"a changed limit: {max(taken):.2f} s at most", file=sys.stderr)
    return Result("a changed limit in effect / 2 s", round(median(taken) / 2, 3), round(median(taken), 3), 2, CHANGES)


def _flood(proxy: SipProxy) -> None:
    """One request each from many sources that are not listed."""
    before = _rpc(proxy, "core.shmmem")["real_used"]
    text = Phone(proxy.place("udp"), "127.0.99.9").text.encode()
    began = time.monotonic()
    for number in range(SOURCES):
        with socket.socket(type=socket.SOCK_DGRAM) as ours:
            ours.bind((f"127.{110 + number // 62_500}.{number // 250 % 250}.{number % 250 + 1}", 0))
            ours.sendto(text, proxy.place("udp"))
    seconds = time.monotonic() - began
    counters = {table["name"]: table["all"] for table in _rpc(proxy, "htable.stats")}["warp_unknown"]
    grown = (_rpc(proxy, "core.shmmem")["real_used"] - before) / 1e6
    print(f"{SOURCES} sources in {seconds:.0f} s: {counters} counters, {grown:.1f} MB more", file=sys.stderr)


def _rpc(proxy: SipProxy, *call: str) -> Any:
    while True:
        try:
            return proxy.rpc(10).call(*call)
        except Refused:
            continue


if __name__ == "__main__":
    for result in run():
        print(result, flush=True)
