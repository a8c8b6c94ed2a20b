"""`python -m verify.prober`: sends SIP OPTIONS every few seconds and looks names up, as metrics for Prometheus.

A TCP check is green while every call gets a 403; this one asks as a customer's PBX does, with the client of `sip.py`.
In the reloader's image (kamailio/reloader/Dockerfile). Its configuration is one JSON file, named in the environment as
`WARP_PROBE_CONFIG`; docs/alerts.md, "The prober".
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from cryptography import x509

from kamailio.reloader.environment import Endpoint
from kamailio.reloader.status import Status, serve
from verify.sip import NoWayError, Peer, SipError, options

log = logging.getLogger("prober")

STATUS_PORT = 9064
LISTEN = f"0.0.0.0:{STATUS_PORT}"
# An answer that takes longer is none: a PBX has given up.
ANSWER_SECONDS = 4.0
HELP: Mapping[str, str] = {
    "warp_sip_probe_configured": "gauge 1 for each target; one without the numbers below cannot be asked from here",
    "warp_sip_probe_success": "gauge 1 while OPTIONS is answered with the expected status",
    "warp_sip_probe_status": "gauge status of the last answer; 0: none",
    "warp_sip_probe_seconds": "gauge time to the last answer; 0: none",
    "warp_sip_probe_not_before_seconds": "gauge begin of the certificate that was last seen over TLS, as Unix time",
    "warp_sip_probe_not_after_seconds": "gauge end of the certificate that was last seen over TLS, as Unix time",
    "warp_dns_probe_success": "gauge 1 while the name resolves to exactly the addresses of the inventory",
}
# Of a target; all but the first are of an answer, or of none.
_CONFIGURED, *_FOUND = (name for name in HELP if name.startswith("warp_sip_"))
_KEYS = frozenset({"targets", "names", "everySeconds", "expected"})


class ConfigError(Exception):
    """The configuration is missing or wrong."""


@dataclass(frozen=True)
class Target:
    """One address, under a name of its own."""

    name: str
    peer: Peer
    server_name: str | None


@dataclass(frozen=True)
class Config:
    """`names`: host name to the addresses that it must resolve to; with a dot at its end the resolver does not try the
    cluster's own domains first."""

    targets: tuple[Target, ...]
    names: Mapping[str, frozenset[str]]
    every_seconds: float
    expected: int

    @classmethod
    def read(cls, text: str) -> Config:
        """Raises `ConfigError`, which names the key."""
        try:
            raw: dict[str, Any] = json.loads(text)
            if unknown := sorted(raw.keys() - _KEYS):
                raise ConfigError(f"no such key: {unknown[0]}; it may have {', '.join(sorted(_KEYS))}")
            return cls(
                tuple(
                    Target(
                        str(each["name"]),
                        Peer(str(each["address"]), int(each["port"]), str(each["transport"])),
                        each.get("serverName"),
                    )
                    for each in raw["targets"]
                ),
                {str(name): frozenset(addresses) for name, addresses in raw.get("names", {}).items()},
                float(raw["everySeconds"]),
                int(raw["expected"]),
            )
        except KeyError as missing:
            raise ConfigError(f"key {missing} is missing") from None
        except (AttributeError, TypeError, ValueError) as wrong:
            raise ConfigError(f"not what it must be: {wrong}") from None


async def probe(target: Target, expected: int, status: Status) -> None:
    """Ask once, and record what came."""
    labels = {"target": target.name, "transport": target.peer.transport}
    status.set(_CONFIGURED, 1, **labels)
    try:
        answer = await options(target.peer, server_name=target.server_name, seconds=ANSWER_SECONDS)
    except NoWayError as error:
        # Nothing is known about the target any more: no number, as `verify` says "not checked".
        log.warning("%s (%s): %s", target.name, target.peer, error)
        for name in _FOUND:
            status.drop(name, **labels)
        return
    except SipError as error:
        log.warning("%s (%s): %s", target.name, target.peer, error)
        code, seconds = 0, 0.0
    else:
        code, seconds = answer.status, answer.milliseconds / 1000
        _dates(answer.certificate, status, labels)
    status.set("warp_sip_probe_success", code == expected, **labels)
    status.set("warp_sip_probe_status", code, **labels)
    status.set("warp_sip_probe_seconds", seconds, **labels)


def _dates(certificate: bytes, status: Status, labels: Mapping[str, str]) -> None:
    """Of what clients get, whether our renewer or somebody else writes the Secret."""
    if not certificate:
        return
    try:
        found = x509.load_der_x509_certificate(certificate)
    except ValueError as error:
        log.warning("%s shows a certificate that cannot be read: %s", labels["target"], error)
        return
    status.set("warp_sip_probe_not_before_seconds", found.not_valid_before_utc.timestamp(), **labels)
    status.set("warp_sip_probe_not_after_seconds", found.not_valid_after_utc.timestamp(), **labels)


async def look_up(name: str, wanted: frozenset[str], status: Status) -> None:
    """Resolve once, and record whether it is what the inventory says."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_DGRAM)
    except OSError as error:
        log.warning("%s does not resolve: %s", name, error)
        found = []
    addresses = {str(each[4][0]) for each in found}
    if addresses != wanted:
        log.warning("%s resolves to %s; the inventory has %s", name, sorted(addresses), sorted(wanted))
    status.set("warp_dns_probe_success", addresses == wanted, host=name.removesuffix("."))


async def one_round(config: Config, status: Status) -> None:
    """Ask everything once, side by side."""
    await asyncio.gather(
        *(probe(each, config.expected, status) for each in config.targets),
        *(look_up(name, wanted, status) for name, wanted in config.names.items()),
    )


async def run(config: Config, status: Status) -> NoReturn:
    """Round after round, each begun an interval after the one before."""
    while True:
        began = time.monotonic()
        await one_round(config, status)
        status.turn()
        while (left := began + config.every_seconds - time.monotonic()) > 0:
            # In steps: it is alive while it waits (`Status.alive`).
            await asyncio.sleep(min(left, 10))
            status.turn()


def main(environment: Mapping[str, str]) -> int:
    """2 with one line if the configuration is wrong."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    path = environment.get("WARP_PROBE_CONFIG", "")
    host, _, port = environment.get("WARP_PROBE_LISTEN", LISTEN).rpartition(":")
    status = Status(described=HELP)
    if not path:
        print("prober: WARP_PROBE_CONFIG is not set; it is the path of the JSON file", file=sys.stderr)
        return 2
    try:
        config = Config.read(Path(path).read_text(encoding="utf-8"))
        serve(status, Endpoint(host.strip("[]"), int(port)), token="")
    except ConfigError as wrong:
        print(f"prober: {path}: {wrong}", file=sys.stderr)
        return 2
    except (OSError, ValueError) as error:
        print(f"prober: {error}; see WARP_PROBE_CONFIG ({path}) and WARP_PROBE_LISTEN", file=sys.stderr)
        return 2
    try:
        asyncio.run(run(config, status))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(os.environ))
