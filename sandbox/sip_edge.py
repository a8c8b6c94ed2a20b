"""The SIP proxy of `make up`: a real Kamailio on the stack's addresses, with the trunk ACL that the stack applied.

Not part of the cloud: it takes the place of the operator's Deployment in production, and has what that would mount of
the stack's objects in the cluster. Without Kamailio on this machine everything else works, and the message says how to
install it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from local_cloud.layout import CLOUD
from sandbox.layout import SandboxError
from sandbox.mounted import NOTHING, Cluster, Mounted
from sandbox.sip_proxy import Database, SipProxy

FOLDER = "sip"
LISTENING = ("active", "draining")


def of_stack(
    directory: Path, outputs: Mapping[str, Any], shared_names: Iterable[str] = (), mounted: Mounted = NOTHING
) -> SipProxy:
    """The proxy for a stack's outputs, secrets included. `shared_names`: another stack's names that resolve to it."""
    endpoints = outputs["customerEndpoints"]["endpoints"]
    # The sandbox's IPv6 addresses are from the documentation prefix: no interface of this machine has them.
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
        protection=mounted.protection,
        rpc_token=mounted.rpc_token,
    )


def _dedicated(inventory: Mapping[str, Any], shared: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Listening sockets of dedicated addresses in use: there is no kube-proxy here, so the proxy binds them itself. A
    TCP port has the same transport as at the shared ingress."""
    over_tcp = {each["port"]: each["transport"] for each in shared if each["transport"] != "UDP"}
    for each in inventory["addresses"]:
        if "customer" in each and each["status"] in LISTENING:
            for port in each["ports"]:
                transport = "UDP" if each["protocol"] == "UDP" else over_tcp.get(port)
                if transport in ("UDP", "TCP", "TLS"):
                    yield f"{transport.lower()}:{each['address']}:{port}"


def start(
    directory: Path, outputs: Mapping[str, Any], shared_names: Iterable[str] = (), cluster: Cluster | None = None
) -> str:
    """Start it unless it runs as configured. The reason in one line if it cannot be started, else empty. Without
    `cluster` it enforces no limits, and has an RPC token of its own."""
    try:
        of_stack(directory, outputs, shared_names, cluster.mounted() if cluster else NOTHING).start()
    except SandboxError as error:
        return str(error)
    return ""


def certify(cluster: Cluster, directory: Path, outputs: Mapping[str, Any]) -> str:
    """Have the running proxy serve the certificate of the renewer that the stack declares. The reason in one line if
    there is none: then it keeps the one that it was started with."""
    from sandbox import certificates  # large, and only this needs it

    proxy, settings, cloud = of_stack(directory, outputs), cluster.settings, cluster.cloud
    if settings.tls is None:
        certificates.stop(proxy)
        return "the stack declares no certificate (warp-edge:tls)"
    places = {"gandi": cloud.gandi_dns_endpoint(), certificates.CLOUD_DNS: cloud.dns_endpoint()}
    wish = certificates.Wish(
        directory=str(proxy.directory),
        host=proxy.tcp_address,
        cloud=str(cloud.directory / CLOUD),
        cluster=cluster.name,
        namespace=settings.ingress.namespace,
        deployment=settings.tls.name,
        secret=settings.tls.secret,
        name_servers={host: f"{address}:{port}" for host, (address, port) in places.items()},
    )
    return certificates.start(proxy, wish)


def authority_file(directory: Path) -> Path:
    """PEM file of the CA that signed the proxy's certificate."""
    return _in_folder(directory).authority_file


def stop(directory: Path) -> bool:
    """Stop it, however it was configured. False if nothing was running."""
    return _in_folder(directory).stop()


def runs(directory: Path) -> bool:
    """Whether any of its processes is running."""
    return _in_folder(directory).present()


def _in_folder(directory: Path) -> SipProxy:
    """A proxy known only by its folder: enough to find its processes."""
    return SipProxy(directory / FOLDER, "", "", Database("", 0, "", "", "", ""))
