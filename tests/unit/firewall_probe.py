"""A machine whose own firewall drops by default, in a network namespace: what packets reach it, and what leaves it.

Run inside of the namespace by `run_steps`, as a program: it reads steps as JSON, and writes their results. Every
address is local there by a route, because an IPv6 address comes into use some time after it was added. A second packet,
which the machine's own rule admits, follows each one in the same queue, so that no test waits for one that was dropped.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

Json = dict[str, Any]

# The machine itself, and a peer of its own that its firewall has always known.
MACHINE = {4: "203.0.113.80", 6: "2001:db8:80::1"}
KNOWN = {4: "203.0.113.90", 6: "2001:db8:90::1"}
IP_FREEBIND, IPV6_FREEBIND = 15, 78  # linux/in.h, linux/in6.h
KINDS = {"udp": socket.SOCK_DGRAM, "tcp": socket.SOCK_STREAM}


def run_steps(*steps: Json) -> list[Any]:
    """Results of these steps, in a new namespace; people who are not root get a user namespace."""
    alone = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    command = [*alone, sys.executable, str(Path(__file__))]
    # Of people who are not root, Debian's PATH has no sbin.
    env = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    done = subprocess.run(
        command, input=json.dumps(steps), capture_output=True, text=True, check=False, timeout=120, env=env
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found


def run(command: str, text: str = "") -> Json:
    """A step: a shell command that must succeed; its result is what it writes."""
    return {"run": command, "input": text}


def probe(source: str, target: str, protocol: str, port: int) -> Json:
    """A step: does a packet (of TCP: a connection) from `source` arrive at `target`? Its result is true or false."""
    return {"source": source, "target": target, "protocol": protocol, "port": port}


def _run(step: Json) -> str:
    done = subprocess.run(["sh", "-ec", step["run"]], input=step["input"], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{step['run']}: {done.stderr}")
    return done.stdout


def _probe(step: Json) -> bool:
    """Whether it arrived before a packet that always does."""
    six = ":" in step["target"]
    family = socket.AF_INET6 if six else socket.AF_INET
    kind = KINDS[step["protocol"]]
    with socket.socket(family, kind) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("::" if six else "0.0.0.0", step["port"]))
        if step["protocol"] == "tcp":
            server.listen()
        senders = [
            _sent(family, kind, step["source"], (step["target"], step["port"])),
            _sent(family, kind, KNOWN[6 if six else 4], (MACHINE[6 if six else 4], step["port"])),
        ]
        first = _next(server, step["protocol"])
        known = KNOWN[6 if six else 4]
        last = first if first == known else _next(server, step["protocol"])
        for each in senders:
            each.close()
    if last != known or first not in (known, step["source"]):
        sys.exit(f"{first} and {last} arrived, instead of {step['source']} and {known}")
    return bool(first == step["source"])


def _sent(family: int, kind: int, source: str, target: tuple[str, int]) -> socket.socket:
    sender = socket.socket(family, kind)
    level, free = (
        (socket.IPPROTO_IPV6, IPV6_FREEBIND) if family == socket.AF_INET6 else (socket.IPPROTO_IP, IP_FREEBIND)
    )
    sender.setsockopt(level, free, 1)
    sender.bind((source, 0))
    sender.setblocking(False)
    try:
        if kind == socket.SOCK_DGRAM:
            sender.sendto(b"x", target)
        else:
            sender.connect_ex(target)
    except PermissionError:
        pass  # dropped where it leaves: EPERM
    return sender


def _next(server: socket.socket, protocol: str) -> str:
    if not select.select([server], [], [], 60)[0]:
        sys.exit("nothing arrived, not even from the machine's own peer")
    if protocol == "udp":
        return str(server.recvfrom(16)[1][0])
    connection, address = server.accept()
    connection.close()
    return str(address[0])


def main() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one queue: packets keep their order
    for command in ("link set lo up", "route add local 0.0.0.0/0 dev lo", "-6 route add local ::/0 dev lo"):
        subprocess.run(["ip", *command.split()], check=True)
    steps = json.load(sys.stdin)
    json.dump([_run(step) if "run" in step else _probe(step) for step in steps], sys.stdout)


if __name__ == "__main__":
    main()
