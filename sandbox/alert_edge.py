"""A small edge for alerts: database, SIP proxy with a certificate of a real CA's, its reloader and renewer, SIP prober,
and a Prometheus that scrapes them, on loopback.

Nothing of `make up` is needed or touched. Every process ends with the context; what a crash left is ended by the next
start in the same folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from alerts.definition import of_pods
from alerts.definitions import ALERTS
from alerts.metrics import METRICS, Exporter, named
from alerts.rules import rule_file
from local_cloud import marks
from local_cloud.layout import GUEST_MARK
from local_cloud.postgres import PostgresServer
from sandbox.acl import Acl, migrated
from sandbox.alert_certificate import SHORT_LIFE, AlertCertificate
from sandbox.certificates import STATUS_PORT
from sandbox.layout import SandboxError
from sandbox.pebble import Pebble
from sandbox.sip_proxy import ROOT, SipProxy, require_kamailio
from settings.alerts import Thresholds

BAN, TRUNK, LIMITED_TRUNK = "100001", "main", "limited"
# Every alert on limits has something to read (kamailio/README.md).
PROTECTION: Final = """#!define WARP_CALLS_PER_SECOND
#!define WARP_CONCURRENT_CALLS
#!define WARP_UNKNOWN_ANSWERS 10
#!substdef "!WARP_UNKNOWN_SECONDS!60!g"
"""
FACTOR: Final = 1 / 30  # five minutes become ten seconds
# What lasts hours because a certificate lasts weeks is shortened as the certificate is.
BY_LIFE: Final = frozenset(("CertificateNearEnd", "CertificateRenewalFails"))
LIFE_FACTOR: Final = SHORT_LIFE / Pebble.seconds
SCRAPE: Final = "1s"
FULL_SECONDS: Final = 3  # the reloader loads everything this often, instead of 300 s
ACL_AGE: Final = 10  # and a table is stale after this, instead of 900 s
START_SECONDS: Final = 60.0
LABELS: Final = {"cluster": "sandbox", "location": "us-central1", "namespace": "warp-core"}
MATCHERS: Final = of_pods(region="us-central1", namespace="warp-core", cluster="sandbox")
VALUES: Final[Mapping[str, object]] = {**Thresholds().values(), "pods": MATCHERS, "aclAgeSeconds": ACL_AGE}
PLACES: Final = {"reloader": "30:9062", "prober": "31:9064", "renewer": f"11:{STATUS_PORT}"}
# What everything has said when it is ready: the proxy has its table, and serves the CA's certificate.
SAID: Final = ("warp_acl_proxy_complete == 1", "warp_tls_served_not_after_seconds == on () warp_tls_not_after_seconds")
# Google's metrics are not here.
OWN: Final = [
    each for each in ALERTS if all(METRICS[name].exporter is not Exporter.GOOGLE for name in named(each.expression))
]


def require_prometheus() -> str:
    """Path of the program. Raises `SandboxError` with the installation command."""
    if found := shutil.which("prometheus"):
        return found
    raise SandboxError("Prometheus is not installed; as root: apt-get install --no-install-recommends prometheus")


@dataclass
class AlertEdge:
    """`network`: the first three numbers of loopback addresses that are free. `running` starts and ends it."""

    folder: Path
    network: str
    server: PostgresServer = field(init=False)
    acl: Acl = field(init=False)
    proxy: SipProxy = field(init=False)
    certificate: AlertCertificate | None = None
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.server = PostgresServer(self.folder / "pg", f"{self.network}.1", 5432, require_tls=True, flags={})

    @property
    def prober_address(self) -> str:
        """From which the prober asks."""
        return "127.0.0.1"

    @property
    def customer(self) -> str:
        """An address of a trunk that may have one call a second."""
        return f"{self.network}.55"

    @property
    def stranger(self) -> str:
        """An address that is in no trunk."""
        return f"{self.network}.66"

    # Life

    @contextlib.contextmanager
    def running(self) -> Iterator[AlertEdge]:
        """All of it, until nothing fires. Raises `SandboxError`."""
        require_kamailio()
        prometheus = require_prometheus()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._end_leftovers()
        try:
            self._start_database()
            self.proxy = SipProxy(
                self.folder / "sip",
                f"{self.network}.10",
                f"{self.network}.11",
                self.acl.database,
                reload=False,
                protection=PROTECTION,
            )
            self.proxy.start()
            self.certificate = AlertCertificate(self.proxy)
            self._start("renewer", "kamailio.renewer", self.certificate.environment())
            self.start_reloader()
            self.start_prober()
            self._start_prometheus(prometheus)
            self.until(lambda: self.all_up() and not self.firing(), "every target is up and nothing fires")
            yield self
        finally:
            self._end_leftovers()

    def _end_leftovers(self) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
        self.processes.clear()
        if self.certificate:
            self.certificate.stop()
        marks.end(marks.marked(GUEST_MARK, str(self.folder.absolute()), below=True), (signal.SIGKILL, 10.0))
        self.server.destroy()

    # What scenarios break

    def start_reloader(self) -> None:
        """As the cluster starts a pod."""
        self._start("reloader", "kamailio.reloader", self._reloader_environment())

    def start_prober(self, promised: str = "") -> None:
        """The same. `promised`: what the inventory has as the address of a name; empty: what it resolves to."""
        self._start("prober", "verify.prober", self._prober_environment(promised))

    def stop(self, name: str) -> None:
        """End a process at once, as a lost node does."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def freeze_proxy(self, number: signal.Signals) -> None:
        """SIGSTOP or SIGCONT to Kamailio: it hangs, and its sockets stay open."""
        for pid in marks.marked(GUEST_MARK, str(self.proxy.directory.absolute())):
            if marks.name_of(pid).startswith("kamailio"):
                os.kill(pid, number)

    # What Prometheus knows

    def ask(self, path: str, **parameters: str) -> Any:
        """`data` of an answer of its API."""
        url = f"http://{self.network}.20:9090/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return json.loads(answer.read())["data"]
        except OSError as error:
            raise SandboxError(f"Prometheus does not answer: {error}; see {self.folder}/prometheus.log") from None

    def firing(self) -> dict[str, list[dict[str, str]]]:
        """Alert to the labels of each of its series that fires."""
        found: dict[str, list[dict[str, str]]] = {}
        for each in self.ask("alerts")["alerts"]:
            if each["state"] == "firing":
                found.setdefault(each["labels"]["alertname"], []).append(each["labels"])
        return found

    def exported(self, metric: str) -> bool:
        """Whether any target describes it, with or without a series."""
        return bool(self.ask("metadata", metric=metric))

    def all_up(self) -> bool:
        """Whether every target was scraped, and has said all that it will."""
        try:
            targets = self.ask("targets")["activeTargets"]
            return all(each["health"] == "up" for each in targets) and all(
                self.ask("query", query=each)["result"] for each in SAID
            )
        except SandboxError:
            return False

    def until(self, met: Callable[[], bool], what: str, most: float = START_SECONDS) -> float:
        """Seconds until it is met. Raises `SandboxError` when it takes longer."""
        began = time.monotonic()
        if not marks.within(most, met):
            raise SandboxError(f"not within {most:.0f} s: {what}; firing: {', '.join(self.firing()) or 'nothing'}")
        return time.monotonic() - began

    # Parts

    def _start_database(self) -> None:
        self.server.start()
        self.acl = migrated(self.server, "warp")
        self.acl.customer(BAN)
        for trunk, address, calls in ((TRUNK, self.prober_address, 100), (LIMITED_TRUNK, self.customer, 1)):
            self.acl.trunk(BAN, trunk, calls_per_second=calls, concurrent_calls=1000)
            self.acl.add(BAN, trunk, address)

    def _reloader_environment(self) -> dict[str, str]:
        authority = self.folder / "database-ca.pem"
        authority.write_text(self.server.server_ca)
        return {
            "WARP_ACL_RPC_TOKEN": self.proxy.token,
            **self.acl.database.access(self.server.host, self.server.port),
            "PGSSLMODE": "verify-ca",
            "PGSSLROOTCERT": str(authority),
            "PGCONNECT_TIMEOUT": "5",
            "WARP_ACL_PROXIES": f"{self.proxy.tcp_address}:{self.proxy.rpc_port}",
            "WARP_ACL_STATUS_LISTEN": self._place("reloader"),
            "WARP_ACL_WATCH_SECONDS": "1",
            "WARP_ACL_FULL_SECONDS": str(FULL_SECONDS),
        }

    def _prober_environment(self, promised: str) -> dict[str, str]:
        config = self.folder / "probe.json"
        targets = [
            {"name": f"{address}:{port}", "address": address, "port": port, "transport": transport}
            for transport in ("udp", "tcp", "tls")
            for address, port in (self.proxy.place(transport),)
        ]
        found = {str(each[4][0]) for each in socket.getaddrinfo("localhost", None)}
        names = {"localhost": [promised] if promised else sorted(found)}
        document = {"targets": targets, "names": names, "everySeconds": 1, "expected": 200}
        config.write_text(json.dumps(document))
        return {"WARP_PROBE_CONFIG": str(config), "WARP_PROBE_LISTEN": self._place("prober")}

    def _place(self, name: str) -> str:
        return f"{self.network}.{PLACES[name]}"

    def _start(self, name: str, module: str, environment: Mapping[str, str]) -> None:
        self._spawn(name, [sys.executable, "-m", module], {"PATH": os.defpath, **environment})

    def _start_prometheus(self, program: str) -> None:
        jobs = [
            {"job_name": name, "static_configs": [{"targets": [self._place(name)], "labels": dict(LABELS)}]}
            for name in PLACES
        ]
        config = {
            "global": {"scrape_interval": SCRAPE, "scrape_timeout": SCRAPE, "evaluation_interval": SCRAPE},
            "rule_files": ["rules.json", "rules-by-life.json"],
            "scrape_configs": jobs,
        }
        for name, by_life, factor in (("rules", False, FACTOR), ("rules-by-life", True, LIFE_FACTOR)):
            alerts = [each for each in OWN if (each.name in BY_LIFE) is by_life]
            rules = rule_file(alerts, VALUES, factor=factor, interval=SCRAPE)
            (self.folder / f"{name}.json").write_text(json.dumps(rules, indent=1))
        (self.folder / "prometheus.json").write_text(json.dumps(config, indent=1))
        shutil.rmtree(self.folder / "series", ignore_errors=True)
        command = [
            program,
            f"--config.file={self.folder / 'prometheus.json'}",
            f"--storage.tsdb.path={self.folder / 'series'}",
            f"--web.listen-address={self.network}.20:9090",
        ]
        self._spawn("prometheus", command, {"PATH": os.defpath})

    def _spawn(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**environment, GUEST_MARK: str(self.folder.absolute())},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
