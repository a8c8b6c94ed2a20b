"""The SIP proxy of `make up`: a real Kamailio on the stack's own addresses, with the trunk ACL that the stack applied.

Not Google's control plane, so not of the cloud: it stands where the operator's Deployment stands in production. Without
Kamailio on this machine everything else works, and how to get it is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sandbox.layout import SandboxError
from sandbox.sip_proxy import Database, SipProxy

FOLDER = "sip"
LISTENING = ("active", "draining")


def of_stack(directory: Path, outputs: Mapping[str, Any], shared_names: Iterable[str] = ()) -> SipProxy:
    """The proxy for a stack's outputs, secrets included. `shared_names` lead here from another stack."""
    endpoints = outputs["customerEndpoints"]["endpoints"]
    # IPv6 addresses of the sandbox are documentation's own: no interface of this machine has them.
    addresses = {each["transport"]: each["address"] for each in endpoints if ":" not in each["address"]}
    own = [each for each in outputs["ipInventory"]["endpoints"] if "customer" in each]
    encrypted = [each["server"] for each in (*endpoints, *own) if each["transport"] == "TLS"]
    database, acl = outputs["database"], outputs["trunkAcl"]
    return SipProxy(
        directory / FOLDER,
        addresses["UDP"],
        addresses["TCP"],
        Database(
            host=database["publicAddress"],
            port=database["port"],
            name=database["name"],
            user=acl["reader"],
            password=acl["readerPassword"],
            authority=database["serverCa"],
        ),
        names=tuple(dict.fromkeys([*encrypted, *shared_names, outputs["ipInventory"]["domain"]])),
        also_listen=tuple(_dedicated(outputs["ipInventory"], endpoints)),
    )


def _dedicated(inventory: Mapping[str, Any], shared: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """No kube-proxy is in between here: the proxy listens at the dedicated addresses themselves, as long as they are
    held. Over TCP a port means what it means at the shared ingress."""
    over_tcp = {each["port"]: each["transport"] for each in shared if each["transport"] != "UDP"}
    for each in inventory["addresses"]:
        if "customer" in each and each["status"] in LISTENING:
            for port in each["ports"]:
                transport = "UDP" if each["protocol"] == "UDP" else over_tcp.get(port)
                if transport in ("UDP", "TCP", "TLS"):
                    yield f"{transport.lower()}:{each['address']}:{port}"


def start(directory: Path, outputs: Mapping[str, Any], shared_names: Iterable[str] = ()) -> str:
    """Start it, or leave it as it runs. What is in the way, in one line, where it cannot be started; else nothing."""
    try:
        of_stack(directory, outputs, shared_names).start()
    except SandboxError as error:
        return str(error)
    return ""


def authority_file(directory: Path) -> Path:
    """PEM of the authority that signed the proxy's certificate."""
    return _whatever_runs(directory).authority_file


def stop(directory: Path) -> bool:
    """End it, whatever it was started with. False when nothing ran."""
    return _whatever_runs(directory).stop()


def runs(directory: Path) -> bool:
    """Whether anything of it runs."""
    return _whatever_runs(directory).present()


def _whatever_runs(directory: Path) -> SipProxy:
    """A proxy is found by its folder alone."""
    return SipProxy(directory / FOLDER, "", "", Database("", 0, "", "", "", ""))
