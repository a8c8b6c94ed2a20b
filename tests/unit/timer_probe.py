"""A machine that fetches our list on a timer, in a network namespace: what the shell example of docs/formats.md does.

Run inside of the namespace by `run_steps`, as a program: it reads steps as JSON, and writes their results. The list is
an object in a bucket of the sandbox, served by its storage server; a relay before it loses the end of a download.
"""

from __future__ import annotations

import json
import logging
import os
import re
import socketserver
import subprocess
import sys
import tempfile
import threading
import urllib.parse
from pathlib import Path
from socket import create_connection
from typing import Any

from local_cloud.cloud import Cloud
from local_cloud.gcp.provider import GcpProvider
from local_cloud.gcp.sql_servers import SqlServers
from local_cloud.gcp.storage import BUCKET, MEMBER, OBJECT
from local_cloud.storage_server import StorageServer
from tests.local_cloud.plugin import Plugin, Resource
from tests.stacks import ROOT

Json = dict[str, Any]
BUCKET_INPUTS: Json = {"name": "warp-ips", "location": "us-central1", "uniformBucketLevelAccess": True}
GRANT: Json = {"bucket": "warp-ips", "role": "roles/storage.objectViewer", "member": "allUsers"}
PATH = "formats/nftables.nft"


def run_steps(*steps: Json) -> list[Any]:
    """Results of these steps, in a new namespace; people who are not root get a user namespace."""
    alone = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    # Of people who are not root, Debian's PATH has no sbin.
    env = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    command = [*alone, sys.executable, "-m", "tests.unit.timer_probe"]
    done = subprocess.run(
        command, cwd=ROOT, input=json.dumps(steps), capture_output=True, text=True, check=False, timeout=120, env=env
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found


def published(text: str) -> Json:
    """A step: the list on the site is this one now."""
    return {"publish": text}


def lossy(upto: str, *, known_length: bool) -> Json:
    """A step: from now on the connection ends after this text. With a known length, the client can tell by it."""
    return {"upto": upto, "known_length": known_length}


def run(command: str) -> Json:
    """A step: a shell command; its result is `status`, `error` (standard error), `out` and `answers`, the statuses that
    the storage server sent meanwhile. `URL` in it is the list's."""
    return {"run": command}


class Relay(socketserver.ThreadingTCPServer):
    """Passes one request on, and its answer back, whole or not."""

    daemon_threads = True
    upto = b""
    known_length = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Relayed)
        self.behind = port
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Relayed(socketserver.StreamRequestHandler):
    server: Relay

    def handle(self) -> None:
        asked = b""
        while not asked.endswith(b"\r\n\r\n"):
            asked += self.rfile.readline()
        with create_connection(("127.0.0.1", self.server.behind)) as storage:
            storage.sendall(asked.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            with storage.makefile("rb") as file:
                answer = file.read()
        head, _, body = answer.partition(b"\r\n\r\n")
        if self.server.upto and body:
            body = body[: body.index(self.server.upto) + len(self.server.upto)]
            if not self.server.known_length:
                head = re.sub(rb"\r\nContent-Length: \d+", b"", head)
        self.wfile.write(head + b"\r\nConnection: close\r\n\r\n" + body)


class _Answers(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.statuses: list[int] = []

    def emit(self, record: logging.LogRecord) -> None:
        if found := re.search(r'^storage: "GET .*" (\d+) ', record.getMessage()):
            self.statuses.append(int(found[1]))


def main() -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    steps, answers = json.load(sys.stdin), _Answers()
    logging.getLogger("local_cloud").addHandler(answers)
    logging.getLogger("local_cloud").setLevel(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        cloud = Cloud(Path(folder) / "cloud.db")
        sql = SqlServers(Path(folder) / "postgres")
        plugin = Plugin(
            GcpProvider(cloud, sql), project="warp", region="us-central1", addPulumiAttributionLabel="false"
        )
        storage = StorageServer("127.0.0.1", 0, cloud)
        storage.start()
        relay = Relay(storage.port)
        plugin.create(BUCKET, "bucket", BUCKET_INPUTS)
        plugin.create(MEMBER, "public", GRANT)
        results, file = [], None
        for step in steps:
            if "publish" in step:
                file = _published(plugin, file, step["publish"])
            elif "upto" in step:
                relay.upto, relay.known_length = step["upto"].encode(), step["known_length"]
            else:
                answers.statuses = []
                url = f"http://127.0.0.1:{relay.server_address[1]}/warp-ips/{urllib.parse.quote(PATH)}"
                results.append(_run(step["run"].replace("URL", url), Path(folder)) | {"answers": answers.statuses})
        plugin.close()
        storage.stop()
    json.dump(results, sys.stdout)


def _published(plugin: Plugin, file: Resource | None, text: str) -> Resource:
    inputs = {"bucket": "warp-ips", "name": PATH, "content": text, "contentType": "text/plain"}
    return plugin.update(file, inputs) if file else plugin.create(OBJECT, "file", inputs)


def _run(command: str, folder: Path) -> Json:
    done = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=False)
    return {"status": done.returncode, "error": done.stderr, "out": done.stdout}


if __name__ == "__main__":
    main()
