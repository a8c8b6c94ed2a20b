"""Before Kamailio starts: is its TLS one of the layouts that are known to hold? (README.md, "TLS")

It reads kamailio.cfg as far as it has to: conditions, definitions, included files, and the few lines that decide. What
it does not understand it leaves to Kamailio. Python 3.11, nothing else: it is mounted beside start.py.
"""

from __future__ import annotations

import contextlib
import operator
import re
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path

FRAGMENT = "tls_listen.cfg"
RELOAD_PORT = "WARP_TLS_RELOAD_PORT"  # in tls_listen.cfg
USUAL = "/etc/kamailio/kamailio.cfg"
DEEPEST = 20  # includes in includes
# github.com/kamailio/kamailio: `tls_threads_mode` is in 5.7.6 and 5.8.0, and in no 5.6.
THREADS_FROM = (5, 7, 6)
MANY = 8  # workers, where none are set: Kamailio takes `children`, whose default is 8
_DIRECTIVE = re.compile(r"\s*#!(\w+)\s*(.*)")
_SUBST = re.compile(r'"(?P<by>.)(?P<name>.+?)(?P=by)(?P<text>.*?)(?P=by)\w*"')
_INCLUDE = re.compile(r'\s*(?:include_file|import_file)\s+"?([^"\s]+)"?')
_NUMBER = re.compile(r"\s*(children|tcp_children|socket_workers|tls_threads_mode)\s*=\s*(\w+)")
_LISTEN = re.compile(r'\s*listen\s*=\s*"?(\w+):(\S+?)"?(?:\s|$)')
_MODPARAM = re.compile(r'\s*modparam\(\s*"tls"\s*,\s*"(\w+)"\s*,\s*"?([^")]*)"?\s*\)')
_LOAD = re.compile(r'\s*loadmodule\s+"(?:.*/)?tls(?:\.so)?"')
_PROFILE = re.compile(r'\s*(certificate|private_key)\s*=\s*(?:"([^"]*)"|(\S+))')
_TOKENS = re.compile(r'"(?:\\.|[^"\\\n])*"|^[ \t]*(?:#|//)[^\n]*|/\*.*?(?:\*/|\Z)', re.DOTALL | re.MULTILINE)
_COMPARISONS = {
    "==": operator.eq, "!=": operator.ne, ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
}  # fmt: skip
_COMPARED = re.compile(r"(!)?\s*(?:defined\s+)?(\w+)(?:\s*(==|!=|>=|<=|>|<)\s*(\d+))?")
# The same machine, by address or by socket.
_LOCAL = re.compile(r"(?:postgres(?:ql)?://(?:[^@/]*@)?(?:127\.[\d.]+|localhost|\[::1\])?(?:[:/?]|$))")
_VERSION = re.compile(r"version:\s*kamailio\s+(\d+)\.(\d+)(?:\.(\d+))?")


class LayoutError(Exception):
    """A configuration that does not hold, in one line: what is wrong, and the remedy."""


@dataclass
class Layout:
    """What decides. `tls`: of each TLS socket, how many workers it has of its own; None: it is served by the common
    ones. `tcp`: the same of plain TCP sockets, by port."""

    loaded: bool = False
    included: bool = False  # tls_listen.cfg
    numbers: dict[str, int] = field(default_factory=dict)
    modparams: dict[str, str] = field(default_factory=dict)
    tls: list[int | None] = field(default_factory=list)
    tcp: dict[str, int | None] = field(default_factory=dict)

    @property
    def common(self) -> int:
        """Workers for every TCP and TLS socket without its own."""
        return self.numbers.get("tcp_children", self.numbers.get("children", MANY))


class Reader:
    """kamailio.cfg, line by line, as Kamailio's preprocessor would pass it on."""

    def __init__(self, defined: Sequence[str], version: Callable[[], Sequence[int]]) -> None:
        """`version`: Kamailio's, for conditions that name it."""
        self._defined = {name: text for name, _, text in (each.partition("=") for each in defined)}
        self._version = version
        self.replaced: dict[str, str] = {}

    def lines(self, file: Path, depth: int = 0) -> Iterator[str]:
        """Those of the file and of what it includes. A file that cannot be read has none: Kamailio says so itself."""
        text = ""
        with contextlib.suppress(OSError, UnicodeDecodeError):
            text = _without_blocks(file.read_text(encoding="utf-8"))
        on = [True]
        for line in text.splitlines():
            if found := _DIRECTIVE.match(line):
                self._directive(found[1], found[2].strip(), on)
            elif all(on) and not line.lstrip().startswith(("#", "//")):
                replaced = self._with_replacements(line)
                yield replaced
                if (included := _INCLUDE.match(replaced)) and depth < DEEPEST:
                    yield from self.lines(file.parent / included[1], depth + 1)

    def _directive(self, word: str, rest: str, on: list[bool]) -> None:
        name, value = (*rest.split(maxsplit=1), "", "")[:2]
        if word in ("ifdef", "ifndef"):
            on.append((name in self._defined) == (word == "ifdef"))
        elif word == "ifexp":
            on.append(self._holds(rest))
        elif word == "else" and len(on) > 1:
            on[-1] = not on[-1]
        elif word == "endif" and len(on) > 1:
            on.pop()
        elif all(on) and word in ("define", "trydef", "redefine"):
            self._defined[name] = value
        elif all(on) and word in ("subst", "substdef", "substdefs") and (found := _SUBST.match(rest)):
            self.replaced[found["name"]] = found["text"]
            self._defined[found["name"]] = found["text"]

    def _holds(self, expression: str) -> bool:
        """`NAME`, `!NAME`, `defined NAME`, `NAME >= 5008000`; what is more than that is taken to hold."""
        found = _COMPARED.fullmatch(expression.strip().removeprefix("(").removesuffix(")").strip())
        if not found:
            return True
        value = self._defined.get(found[2])
        if found[2] == "KAMAILIO_VERSION":
            major, minor, patch = (*self._version(), 0)[:3]
            value = str(major * 1_000_000 + minor * 1_000 + patch)
        if not found[3]:
            return (value is not None) != bool(found[1])
        return bool(value and value.isdecimal() and _COMPARISONS[found[3]](int(value), int(found[4])))

    def _with_replacements(self, line: str) -> str:
        for name, text in self.replaced.items():
            line = line.replace(name, text)
        # A number by its name (`tcp_children=N`).
        if (number := _NUMBER.match(line)) and (value := self._defined.get(number[2])):
            return f"{number[1]}={value}"
        return line


def _without_blocks(text: str) -> str:
    """Without /* */, and not where that stands in a text or behind # or //; lines stay lines."""
    return _TOKENS.sub(lambda found: "\n" * found[0].count("\n") if found[0].startswith("/*") else found[0], text)


def read(lines: Iterator[str]) -> Layout:
    """The layout."""
    layout, workers = Layout(), None
    for line in lines:
        if found := _NUMBER.match(line):
            if not found[2].isdecimal():
                continue
            if found[1] == "socket_workers":
                workers = int(found[2])
            else:
                layout.numbers[found[1]] = int(found[2])
        elif found := _INCLUDE.match(line):
            layout.included |= Path(found[1]).name == FRAGMENT
        elif found := _LISTEN.match(line):
            if found[1] == "tls":
                layout.tls.append(workers)
            elif found[1] == "tcp":
                layout.tcp[found[2].rpartition(":")[2]] = workers
            workers = None  # of the next socket only
        elif found := _MODPARAM.match(line):
            layout.modparams[found[1]] = found[2]
        elif _LOAD.match(line):
            layout.loaded = True
    return layout


def check(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Raises `LayoutError`. Nothing is checked of a Kamailio without tls_listen.cfg: its TLS is not this project's, and
    one that only calls others needs no certificate; a line says so."""
    file, version = Path(_option(command, "-f") or USUAL), cache(lambda: _version(command))
    reader = Reader(_options(command, "-A"), version)
    layout = read(reader.lines(file))
    if not layout.included:
        if layout.tls:
            print(f"warp-edge start: TLS without {FRAGMENT}: its layout is not checked", file=sys.stderr)
        return
    for name in ("certificate", "private_key"):
        if name in layout.modparams:
            raise LayoutError(
                f'modparam("tls", "{name}") names the certificate: a renewed one would never be served; remove it, and'
                " include tls_listen.cfg, whose tls.cfg is read again at every reload"
            )
    threads = version() >= THREADS_FROM
    if threads and not layout.numbers.get("tls_threads_mode"):
        raise LayoutError(
            "this Kamailio has tls_threads_mode, and it is off: TLS connections are lost under load; write `#!define"
            " WARP_TLS_THREADS` before tls_listen.cfg"
        )
    if not threads:
        _check_one_worker(layout, reader.replaced.get(RELOAD_PORT, ""))
        _check_database(environment)
    if config := layout.modparams.get("config"):
        _check_files(Path(config))


def _check_one_worker(layout: Layout, reload_port: str) -> None:
    own = [workers for workers in layout.tls if workers is not None]
    count = sum(own) + (layout.common if len(own) < len(layout.tls) else 0)
    if count > 1:
        raise LayoutError(
            f"{count} workers serve TLS, and a Kamailio without tls_threads_mode holds with one: it loses connections"
            " under load; set tcp_children=1 after your own, with no socket_workers before `listen=tls:`, and give each"
            " plain TCP socket its own (`socket_workers=4` before its `listen`)"
        )
    if reload_port not in layout.tcp or (layout.tcp[reload_port] is not None) or own:
        raise LayoutError(
            "no port for reloads is served by TLS's own worker: a renewed certificate would not be served, or reloads"
            " fail for ever after a few; include tls_listen.cfg as it is, with no socket_workers before its sockets"
        )


def _check_database(environment: Mapping[str, str]) -> None:
    url = environment.get("WARP_ACL_DB_URL", "")
    # libpq's default is `prefer`: it speaks TLS with every server that can.
    mode = environment.get("PGSSLMODE", "") or "prefer"
    if not url or mode == "disable" or (mode in ("allow", "prefer") and _LOCAL.match(url)):
        return
    raise LayoutError(
        f"PGSSLMODE is {mode}: libpq's TLS and module tls in one process fail at random; reach the database over a"
        " Cloud SQL Auth Proxy in the pod (WARP_ACL_DB_URL to 127.0.0.1, PGSSLMODE=disable)"
    )


def _check_files(config: Path) -> None:
    try:
        text = config.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LayoutError(f"{config} cannot be read ({_why(error)}); mount the stack's ConfigMap there") from None
    pair = {found[1]: Path(found[2] or found[3]) for found in map(_PROFILE.match, text.splitlines()) if found}
    for name in ("certificate", "private_key"):
        if name not in pair:
            raise LayoutError(f"{config} names no {name}; take the stack's tls.cfg")
    for file in pair.values():
        try:
            file.read_bytes()
        except OSError as error:
            raise LayoutError(
                f"{file} cannot be read ({_why(error)}); mount the Secret of warp-edge:tls.secret at {file.parent}. If"
                " it is mounted, it is still empty: see the renewer's log for why nothing was issued yet"
            ) from None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pair["certificate"], pair["private_key"], lambda: "")
    except (ssl.SSLError, ValueError, OSError) as error:
        reason = getattr(error, "reason", None) or str(error)
        raise LayoutError(
            f"{pair['certificate']} and {pair['private_key']} are no pair ({_lower(reason)}); see who else writes the"
            " Secret, and let the renewer write it again"
        ) from None


def _version(command: Sequence[str]) -> tuple[int, ...]:
    """Of the Kamailio in the command, which may stand behind another program (nice, tini, gosu): the first word that
    is one. Words that are no programs, or do not end in time, are passed over."""
    for program in (each for each in command if Path(each).name.startswith("kamailio") and not each.startswith("-")):
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run(
                [program, "-v"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False
            )
            if found := _VERSION.search(done.stdout):
                return tuple(int(each or 0) for each in found.groups())
    # One that does not say is somebody's own: taken for a new one.
    return THREADS_FROM


def _options(command: Sequence[str], name: str) -> list[str]:
    """Values of an option, as getopt takes them: `-f FILE` or `-fFILE`."""
    found = [after for option, after in pairwise(command) if option == name]
    return found + [each[len(name) :] for each in command[1:] if each.startswith(name) and each != name]


def _option(command: Sequence[str], name: str) -> str:
    return next(iter(_options(command, name)), "")


def _why(error: OSError | UnicodeDecodeError) -> str:
    return _lower(error.strerror or "") if isinstance(error, OSError) else "it is not UTF-8"


def _lower(words: str) -> str:
    return words.replace("_", " ").lower()
