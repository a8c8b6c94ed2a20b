"""Start Kamailio, also while the database is away: one command before it.

    exec python3 /etc/kamailio/warp/start.py kamailio -DD -E

Kamailio's modules load their tables from the database while it starts, or it does not start. Where the database
answers, this program becomes Kamailio and has done nothing. Otherwise it stays in front of it: it gives Kamailio's main
process, and no other, the tables of the reloader's snapshot, and connects every other connection to the database as
soon as that is back. The main process loads tables only before it has children, so no reload can read the snapshot.

The snapshot has to be whole, and signed with a key made of the RPC token. Without such a one Kamailio starts with no
table and answers 503 until the database is back. Environment: README.md, "Start without the database". It needs Python
3.11 and the three modules beside it, nothing else. TLS that is known not to hold is refused (tls_layout.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import sys
import time
import types
from collections.abc import Mapping
from pathlib import Path

if "kamailio" not in sys.modules:
    # Mounted from a ConfigMap, which has no folders: the one that it is in is the package.
    package = types.ModuleType("kamailio")
    package.__path__ = [str(Path(__file__).parent)]
    sys.modules["kamailio"] = package

from kamailio import tls_layout
from kamailio.gate import AwayError, Database, Gate  # see above
from kamailio.snapshot import Snapshot, Unusable, fetch


def say(words: str) -> None:
    """A line beside Kamailio's own log."""
    print(f"warp-edge start: {words}", file=sys.stderr, flush=True)


async def stand_in(command: list[str], database: Database, snapshot: Snapshot | None) -> int:
    """Run Kamailio behind a gate until it ends; its exit status."""
    gate = Gate(database, snapshot)
    # In the abstract namespace (unix(7)): no file to leave behind, none that a read-only root or `-u` keeps from us.
    place = f"@warp-acl-{secrets.token_hex(8)}"
    server = await asyncio.start_unix_server(gate.serve, f"\0{place[1:]}/.s.PGSQL.{database.port}", backlog=1024)
    changed = {"WARP_ACL_DB_URL": database.kept, "PGHOST": place, "PGPORT": str(database.port)}
    async with server:
        kamailio = await asyncio.create_subprocess_exec(*command, env=dict(database.environment) | changed)
        gate.main.set_result(kamailio.pid)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            asyncio.get_running_loop().add_signal_handler(number, _send, kamailio, number)
        status = await kamailio.wait()
        return status if status >= 0 else 128 - status


def _send(kamailio: asyncio.subprocess.Process, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        kamailio.send_signal(number)


def main(command: list[str], environment: Mapping[str, str]) -> int:
    """Becomes Kamailio where the database answers."""
    if not command:
        say("what to start? as in: python3 start.py kamailio -DD -E")
        return 2
    try:
        tls_layout.check(command, environment)
    except tls_layout.LayoutError as error:
        say(f"not started: {error}")
        return 2
    where, token = environment.get("WARP_ACL_SNAPSHOT", ""), environment.get("WARP_ACL_RPC_TOKEN", "")
    database = Database.read(environment)
    if database and where:
        try:
            asyncio.run(database.check())
        except AwayError as away:
            return asyncio.run(stand_in(command, database, _snapshot(where, token, str(away))))
    try:
        os.execvpe(command[0], command, dict(environment))  # noqa: S606  # what the caller asked for
    except OSError as error:
        say(f"{command[0]}: {error.strerror}")
        return 127


def _snapshot(where: str, token: str, away: str) -> Snapshot | None:
    now = time.time()
    try:
        snapshot = fetch(where, token)
    except Unusable as reason:
        say(f"the database is away ({away}) and no snapshot can be used: {reason}; calls get 503 until it is back")
        return None
    age = f"the database is away ({away}); the snapshot is {(now - snapshot.taken) / 3600:.1f} h old"
    if snapshot.until < now:
        say(f"{age}, too old to be used: calls get 503 until the database is back")
    else:
        say(f"{age}: its tables serve for {(snapshot.until - now) / 3600:.1f} h more, then calls get 503")
    return snapshot


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
