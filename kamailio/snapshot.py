"""The snapshot of the tables: a file of the reloader's, for proxies that start while the database is away.

Views of schema kamailio, and a signature with a key that is made of the RPC token. The reloader writes it
(reloader/snapshot.py) and serves it over HTTP; `start.py`, beside which this file is mounted, reads it.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import socket
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

MAGIC = b"warp-acl-snapshot 1\n"
# When a reloader last heard of a change; with every answer.
CHANGED = "X-WARP-Changed"
FETCH_SECONDS = 5.0
# Clocks of two nodes differ by less.
CLOCK_SECONDS = 300.0


class Unusable(Exception):
    """A snapshot that is refused, in words. `changed`: what its reloader knows of changes nevertheless."""

    def __init__(self, words: str, changed: int = 0) -> None:
        super().__init__(words)
        self.changed = changed


@dataclass(frozen=True)
class Part:
    """A view: its columns, their PostgreSQL types, and its rows as COPY writes them, compressed (zlib)."""

    columns: tuple[str, ...]
    types: tuple[int, ...]
    rows: bytes


@dataclass(frozen=True)
class Snapshot:
    """Views of schema kamailio by name, read in one transaction. Unix times: when, and until when they may be used."""

    taken: int
    until: int
    parts: Mapping[str, Part]


def seal(snapshot: Snapshot, token: str) -> bytes:
    """The snapshot as bytes, signed."""
    parts = [[name, part.columns, part.types, len(part.rows)] for name, part in snapshot.parts.items()]
    head = json.dumps({"taken": snapshot.taken, "until": snapshot.until, "parts": parts}).encode() + b"\n"
    content = head + b"".join(part.rows for part in snapshot.parts.values())
    return MAGIC + _signature(content, token) + b"\n" + content


def unseal(sealed: bytes, token: str, now: float) -> Snapshot:
    """The snapshot in these bytes. Raises `Unusable`. One that is too old is none of these: Kamailio answers 503."""
    if not sealed.startswith(MAGIC):
        raise Unusable("it is no snapshot of this version of the program")
    signature, _, content = sealed.removeprefix(MAGIC).partition(b"\n")
    if not token or not hmac.compare_digest(signature, _signature(content, token)):
        raise Unusable("its signature does not match: it was cut short, altered, or signed with another RPC token")
    head, _, rows = content.partition(b"\n")
    known = json.loads(head)
    parts, start = {}, 0
    for name, columns, types, length in known["parts"]:
        parts[name] = Part(tuple(columns), tuple(types), rows[start : start + length])
        start += length
    if known["taken"] > now + CLOCK_SECONDS:
        raise Unusable("it is from the future: one of the two clocks is wrong")
    return Snapshot(known["taken"], known["until"], parts)


def _signature(content: bytes, token: str) -> bytes:
    key = hmac.digest(token.encode(), MAGIC, "sha256")
    return hmac.new(key, content, hashlib.sha256).hexdigest().encode()


def fetch(where: str, token: str) -> Snapshot:
    """The newest one at that URL, of all the addresses it resolves to, or in that file. Raises `Unusable`, also when a
    reloader has heard of a later change."""
    found, problems, changed = [], [], 0
    for place, read in _places(where, token):
        try:
            sealed, heard = read()
            changed = max(changed, heard)
            found.append(unseal(sealed, token, time.time()))
        except (OSError, http.client.HTTPException, ValueError) as problem:
            problems.append(f"{place}: {problem}")
        except Unusable as problem:
            problems.append(f"{place}: {problem}")
            changed = max(changed, problem.changed)
    newest = max(found, key=lambda snapshot: snapshot.taken, default=None)
    if newest and newest.taken >= changed:
        return newest
    if newest:
        problems.append("the tables have changed since it was read, as another reloader knows")
    raise Unusable("; ".join(problems))


def _places(where: str, token: str) -> Iterator[tuple[str, Callable[[], tuple[bytes, int]]]]:
    url = urllib.parse.urlsplit(where)
    if url.scheme != "http":
        yield where, lambda: (Path(where).read_bytes(), 0)
        return
    host, port = url.hostname or "", url.port or 80
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unusable(f"{host}: {error}") from None
    for address in dict.fromkeys(str(answer[4][0]) for answer in answers):
        yield f"{address}:{port}", partial(_read, address, port, url.path, token)


def _read(host: str, port: int, path: str, token: str) -> tuple[bytes, int]:
    connection = http.client.HTTPConnection(host, port, timeout=FETCH_SECONDS)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    changed = int(answer.headers.get(CHANGED, "0"))
    if answer.status != http.HTTPStatus.OK:
        raise Unusable(f"{answer.status} {content[:200].decode(errors='replace').strip()}", changed)
    return content, changed
