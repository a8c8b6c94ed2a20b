"""`make alerts`: what each alert is about is done for real, and a real Prometheus shows it fire and resolve.

Durations are shortened (`alert_edge.FACTOR`, `LIFE_FACTOR`), expressions and thresholds are those of the definitions. A
scenario is a line of `SCENARIOS`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from alerts.definitions import BY_NAME
from alerts.metrics import named
from command_line import run
from sandbox.alert_edge import BAN, LABELS, TRUNK, AlertEdge
from sandbox.layout import SandboxError
from verify.sip import Peer, request

FIRES_WITHIN, RESOLVES_WITHIN = 60.0, 60.0
# A second: well above the threshold, and nothing for a SIP proxy.
FLOOD = 50
LEAST_WIDTH = 160


@dataclass(frozen=True)
class Scenario:
    """`breaks` is a context: inside it the thing is broken, at its end it is whole again."""

    alert: str
    done: str
    breaks: Callable[[AlertEdge], AbstractContextManager[None]]


@dataclass(frozen=True)
class Outcome:
    """Seconds from the break to the alert and from the repair to its end; `labels`: of one series that fired; `beside`:
    other alerts that fired. `missing`: metrics that nothing exports, so that nothing was done."""

    scenario: Scenario
    fired: float = 0.0
    resolved: float = 0.0
    labels: Mapping[str, str] | None = None
    beside: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@contextlib.contextmanager
def _sending(edge: AlertEdge, source: str, method: str) -> Iterator[None]:
    """Requests from this source, without reading an answer."""
    over, place = threading.Event(), (edge.proxy.udp_address, edge.proxy.port)

    def send() -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as sender:
            sender.bind((source, 0))
            while not over.wait(1 / FLOOD):
                sender.sendto(request(method, Peer(*place, "udp", source)).encode(), place)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _flood(edge: AlertEdge) -> AbstractContextManager[None]:
    return _sending(edge, edge.stranger, "OPTIONS")


def _many_calls(edge: AlertEdge) -> AbstractContextManager[None]:
    return _sending(edge, edge.customer, "INVITE")


@contextlib.contextmanager
def _without_reloader(edge: AlertEdge) -> Iterator[None]:
    edge.stop("reloader")
    yield
    edge.start_reloader()


@contextlib.contextmanager
def _without_database(edge: AlertEdge) -> Iterator[None]:
    edge.server.stop()
    yield
    edge.server.start()


@contextlib.contextmanager
def _without_a_view(edge: AlertEdge) -> Iterator[None]:
    """The proxy cannot read one of the views: it keeps its table, and answers."""
    edge.acl.do("REVOKE SELECT ON kamailio.acl_hosts FROM warp_acl_reader")
    yield
    edge.acl.do("GRANT SELECT ON kamailio.acl_hosts TO warp_acl_reader")


@contextlib.contextmanager
def _empty_view(edge: AlertEdge) -> Iterator[None]:
    """The view has no row, not even the one that says it is there: the proxy loads a table that is none."""
    ((definition,),) = edge.acl.do("SELECT pg_get_viewdef('kamailio.acl_hosts'::regclass)")
    body, view = str(definition).rstrip("; \n"), "CREATE OR REPLACE VIEW kamailio.acl_hosts AS"
    edge.acl.do(f"{view} SELECT * FROM ({body}) AS was WHERE false".encode())  # noqa: S608 - the view's own definition
    yield
    edge.acl.do(f"{view} {body}".encode())


@contextlib.contextmanager
def _hanging_proxy(edge: AlertEdge) -> Iterator[None]:
    edge.freeze_proxy(signal.SIGSTOP)
    try:
        yield
    finally:
        edge.freeze_proxy(signal.SIGCONT)


@contextlib.contextmanager
def _prober_unknown(edge: AlertEdge) -> Iterator[None]:
    """Every TCP check stays green, and every call gets a 403."""
    edge.acl.remove(edge.prober_address)
    yield
    edge.acl.add(BAN, TRUNK, edge.prober_address)


@contextlib.contextmanager
def _without_prober(edge: AlertEdge) -> Iterator[None]:
    edge.stop("prober")
    yield
    edge.start_prober()


@contextlib.contextmanager
def _another_address(edge: AlertEdge) -> Iterator[None]:
    edge.stop("prober")
    edge.start_prober("192.0.2.1")
    yield
    edge.stop("prober")
    edge.start_prober()


@contextlib.contextmanager
def _without_authority(edge: AlertEdge) -> Iterator[None]:
    assert edge.certificate is not None
    with edge.certificate.without_authority() as gone:
        edge.until(gone.is_set, "the renewer has written a certificate of a short life")
        yield
        # Not only near its end, but because of that.
        in_vain = 'warp_tls_last_failure{cause="ca-unreachable"} == 1'
        edge.until(lambda: bool(edge.ask("query", query=in_vain)["result"]), "the renewer has asked the CA in vain")


SCENARIOS: tuple[Scenario, ...] = (
    Scenario("SipProbeFailed", "the prober's address leaves the trunk ACL: 403, while TCP connects", _prober_unknown),
    Scenario("SipProbeMissing", "the prober is killed", _without_prober),
    Scenario("NameMoved", "the inventory has another address than the name resolves to", _another_address),
    Scenario("UnauthorisedAttempts", f"a stranger sends {FLOOD} OPTIONS a second", _flood),
    Scenario("TrunkLimitHit", f"a customer with one call a second sends {FLOOD}", _many_calls),
    Scenario("RequestsWithoutTable", "a view of the trunk ACL is empty: calls get 503", _empty_view),
    Scenario("ProxyUnreachable", "the SIP proxy hangs", _hanging_proxy),
    Scenario("AclStale", "the proxy may no longer read a view: its table stays, and ages", _without_a_view),
    Scenario("NoReloader", "the reloader is killed", _without_reloader),
    Scenario("DatabaseUnreachable", "the database is stopped", _without_database),
    Scenario(
        "CertificateNearEnd", "the CA is gone when the renewer wants another certificate of it", _without_authority
    ),
)


def play(edge: AlertEdge, scenario: Scenario) -> Outcome:
    """Break it until the alert fires, repair it until it resolves. Raises `SandboxError` if either takes too long."""
    name = scenario.alert
    if missing := sorted(metric for metric in named(BY_NAME[name].expression) if not edge.exported(metric)):
        return Outcome(scenario, missing=tuple(missing))
    edge.until(lambda: not edge.firing(), f"nothing fires before: {scenario.done}")
    with scenario.breaks(edge):
        fired = edge.until(lambda: name in edge.firing(), f"{name} fires after: {scenario.done}", FIRES_WITHIN)
        found = edge.firing()
    resolved = edge.until(
        lambda: not edge.firing(), f"nothing fires after the repair of: {scenario.done}", RESOLVES_WITHIN
    )
    labels = {
        key: text for key, text in found.get(name, [{}])[0].items() if key not in ("alertname", "severity", *LABELS)
    }
    return Outcome(scenario, fired, resolved, labels, tuple(sorted(found.keys() - {name})))


def shown(outcomes: Iterable[Outcome]) -> Table:
    """For people."""
    table = Table("alert", "what was done", "fired", "of", "resolved", "beside it")
    table.columns[0].no_wrap = True
    for each in outcomes:
        of = ", ".join(f"{key} {text}" for key, text in (each.labels or {}).items())
        times = (f"{each.fired:.0f} s", of, f"{each.resolved:.0f} s", ", ".join(each.beside))
        missing = ("-", f"not exported: {', '.join(each.missing)}", "-", "")
        table.add_row(each.scenario.alert, each.scenario.done, *(missing if each.missing else times))
    return table


def main() -> int:
    """1 if an alert could not be shown."""
    chosen = [each for each in SCENARIOS if each.alert in sys.argv[1:] or not sys.argv[1:]]
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="warp-alerts-") as folder:
        Path(folder).chmod(0o755)
        print("Starting database, CA, SIP proxy, renewer, reloader, prober and Prometheus ...", flush=True)
        with AlertEdge(Path(folder) / "edge", f"127.97.{os.getpid() % 250}").running() as edge:
            for each in chosen:
                print(f"{each.alert}: {each.done} ...", flush=True)
                outcomes.append(play(edge, each))
    Console(width=max(Console().width, LEAST_WIDTH)).print(shown(outcomes))
    return int(any(each.missing for each in outcomes))


def _ended() -> int:
    try:
        return main()
    except SandboxError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(run(_ended))
