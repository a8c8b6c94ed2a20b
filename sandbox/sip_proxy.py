"""A real Kamailio on loopback with the fragments of `kamailio/` and the reloader: the sandbox's SIP proxy.

Answers OPTIONS and INVITE with 200 after IP_AUTH, with the matched BAN and trunk in headers. It runs until it is
stopped, also after the process that started it has ended. Not here: the database and its rows, the relay to it
(`database_relay.py`), and SIP clients (`sip_probe.py`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import trustme

from kamailio import DEDICATED, PROTECTION, START, TLS, TLS_FRAGMENTS, fragments, tls_profiles
from kamailio.reloader.rpc import Refused, Rpc, RpcError
from local_cloud import marks
from local_cloud.layout import GUEST_MARK
from local_cloud.postgres.account import Account, private_file
from sandbox.layout import SandboxError
from sandbox.sip_proxy_configuration import CONFIGURATION

ROOT: Final = Path(__file__).resolve().parent.parent
# What `certificates.py` keeps, for as long as the proxy runs.
CERTIFICATES: Final = "certificates"
PACKAGES: Final = ("kamailio", "kamailio-postgres-modules", "kamailio-tls-modules")
START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Database:
    """Where the trunk ACL is and how warp_acl_reader signs in. `authority`: PEM of the CA of its certificate."""

    host: str
    port: int
    name: str
    user: str
    password: str
    authority: str

    def access(self, host: str, port: int) -> dict[str, str]:
        """Environment, for both Kamailio and psycopg. Kamailio decodes nothing in a URL, libpq everything: what would
        need that is in libpq's own variables."""
        who, more = f"{self.user}:{self.password}@", {}
        if any(quote(each, safe="") != each for each in (self.user, self.password)):
            who, more = "", {"PGUSER": self.user, "PGPASSWORD": self.password}
        return {"WARP_ACL_DB_URL": f"postgres://{who}{host}:{port}/{self.name}", **more}


@dataclass(frozen=True)
class Certificate:
    """PEM: the chain, the server's own certificate first, and its key."""

    chain: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class SipProxy:
    """The proxy of one folder. Ports default to SIP's; memory is in megabytes.

    `names`: those that customers look up, all in the certificate (RFC 5922).
    `dedicated`: the fragment with the sockets of dedicated addresses, as the stack outputs it.
    `protection`: the fragment with the settings of limits and capture, as the stack publishes it.
    `rpc_token`: the one that the stack generated; empty: the proxy gets one of its own at each start.
    `snapshot_hours`: how long a snapshot serves that Kamailio started from; None: it starts with the database only.
    """

    directory: Path
    udp_address: str
    tcp_address: str
    database: Database
    table: str = "mtree"
    port: int = 5060
    tls_port: int = 5061
    wss_port: int | None = None
    rpc_port: int = 9061
    reload_port: int = 9064
    status_port: int = 9062
    relay_port: int = 6432
    callee_port: int = 6070
    also_listen: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    dedicated: str = ""
    protection: str = ""
    rpc_token: str = field(default="", repr=False)
    substitutions: tuple[tuple[str, str], ...] = ()
    reload: bool = True
    snapshot_hours: float | None = 24
    full_seconds: float = 300
    shared_memory: int = 128
    package_memory: int = 16
    start_seconds: float = START_SECONDS

    # Life

    def start(self) -> bool:
        """Start both processes and wait until the proxy answers. False if they were running already, as configured."""
        program = require_kamailio()
        if self.running() and self._recorded().get("wanted") == self._wanted():
            return False
        self.stop()
        self.directory.mkdir(parents=True, exist_ok=True)
        account = _account()
        folder = self._make_folder(account)
        token = self.rpc_token or secrets.token_urlsafe(32)
        self._write_files(folder, account)
        private_file(
            self._record, json.dumps({"folder": str(folder), "wanted": self._wanted(), "token": token}).encode()
        )
        try:
            self._start_relay(folder)
            self._start_kamailio(program, account, folder, token)
            if self.reload:
                self._start_reloader(folder, token)
        except BaseException:
            self.stop()
            raise
        return True

    def restart_kamailio(self) -> None:
        """Kamailio alone, as the cluster restarts a container: the relay and the reloader go on."""
        record = self._recorded()
        group = int(record["pid"])
        # start.py, where it is still there, waits for it and ends as well.
        kamailio = [one for one in self._processes() if _group(one) == group]
        marks.end(kamailio, (signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS))
        self._start_kamailio(require_kamailio(), _account(), Path(record["folder"]), str(record["token"]))

    def stop(self) -> bool:
        """Stop both, and what a crash left of them. False if nothing was running."""
        found = list(self._processes())
        # Listed again each time: a process may have forked meanwhile.
        for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
            marks.end(self._processes(), (number, seconds))
            if not self.present():
                break
        else:
            raise SandboxError(f"the SIP proxy of {self.directory} does not end; see {self.log_file}")
        if folder := self._recorded().get("folder"):
            shutil.rmtree(folder, ignore_errors=True)
        # Signed with the token of this run.
        for file in (self._record, self.snapshot_file):
            file.unlink(missing_ok=True)
        shutil.rmtree(self.directory / CERTIFICATES, ignore_errors=True)
        return bool(found)

    def present(self) -> bool:
        """Whether any of its processes exists, answering or not."""
        return any(True for _ in self._processes())

    def running(self) -> bool:
        """Whether the proxy answers; orphaned children do not count."""
        if self._recorded().get("pid") not in set(self._processes()):
            return False
        try:
            # Over TCP, whose processes are started last.
            return bool(self.rpc(over_http=True).call("core.uptime"))
        except Refused:
            return True  # it is doing another call
        except RpcError:
            return False

    # Inspection

    def place(self, transport: str) -> tuple[str, int]:
        """Address and port of `udp`, `tcp` or `tls`."""
        return {
            "udp": (self.udp_address, self.port),
            "tcp": (self.tcp_address, self.port),
            "tls": (self.tcp_address, self.tls_port),
        }[transport]

    def rpc(self, seconds: float = 2.0, *, over_http: bool = False) -> Rpc:
        """The proxy's own RPC, as the reloader uses it."""
        return Rpc(self.tcp_address, self.rpc_port, self.token, seconds, over_http=over_http)

    @property
    def token(self) -> str:
        """Of the proxy's RPC; empty while it is not running."""
        return str(self._recorded().get("token", ""))

    def reload_certificate(self) -> None:
        """As the renewer does it. Raises `RpcError`, `Refused` for files that are no pair."""
        Rpc(self.tcp_address, self.reload_port, self.token, 10, over_http=True).call("tls.reload")

    @property
    def authority_file(self) -> Path:
        """PEM file of the CA that signed the proxy's certificate."""
        return self.directory / "sip-ca.pem"

    @property
    def authority(self) -> bytes:
        """Its contents."""
        return self.authority_file.read_bytes()

    @property
    def log_file(self) -> Path:
        return self.directory / "kamailio.log"

    @property
    def reloader_log(self) -> Path:
        return self.directory / "reloader.log"

    @property
    def snapshot_file(self) -> Path:
        return self.directory / "acl.snapshot"

    @property
    def relay_log(self) -> Path:
        return self.directory / "relay.log"

    # Files

    @property
    def _record(self) -> Path:
        return self.directory / "sip.json"

    def _recorded(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError):
            record: dict[str, Any] = json.loads(self._record.read_text())
            return record
        return {}

    def _note(self, **more: object) -> None:
        """Keep what the next command has to know: where the files are, the token, Kamailio's process."""
        private_file(self._record, json.dumps(self._recorded() | more).encode())

    def _wanted(self) -> str:
        """What the running processes were made from, in one word."""
        texts = sorted((fragments() | fragments(TLS_FRAGMENTS)).items())
        return hashlib.sha256(f"{self!r}{self.rpc_token}{texts}{CONFIGURATION}".encode()).hexdigest()

    def _make_folder(self, account: Account) -> Path:
        """A folder that the proxy's system user can access and whose path has no space: Kamailio's `include_file` reads
        a name up to the first one, quoted or not. Inside the proxy's folder, or in the system's temporary one."""
        for place in (self.directory, Path(tempfile.gettempdir())):
            if re.fullmatch(r"[\w./+-]+", str(place)) and account.can_enter(place):
                folder = Path(tempfile.mkdtemp(prefix="warp-edge-sip-", dir=place))
                account.own(folder)
                return folder
        raise SandboxError(
            f"the system user of the SIP proxy (uid {account.uid}) can use neither {self.directory} nor TMPDIR:"
            " make one of them accessible to it, with no space in its path"
        )

    def _write_files(self, folder: Path, account: Account) -> None:
        authority = trustme.CA(organization_name="warp-edge sandbox SIP")
        issued = authority.issue_cert(*self.names, self.tcp_address, "localhost")
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        self._mount(folder, account, Certificate(chain, issued.private_key_pem.bytes()))
        files = {
            **{name: text.encode() for name, text in (fragments() | fragments(TLS_FRAGMENTS)).items()},
            TLS: tls_profiles(f"{folder}/tls").encode(),
            **({DEDICATED: self.dedicated.encode()} if self.dedicated else {}),
            **({PROTECTION: self.protection.encode()} if self.protection else {}),
            "kamailio.cfg": self._configuration(folder).encode(),
            "database-ca.pem": self.database.authority.encode(),
        }
        for name, content in files.items():
            private_file(folder / name, content)
            account.own(folder / name)
        self.authority_file.write_bytes(authority.cert_pem.bytes())

    def put_certificate(self, certificate: Certificate) -> None:
        """Change the files as Kubernetes does where a Secret is mounted: both at once, by a link that is renamed. The
        proxy serves it after `tls.reload`."""
        self._mount(Path(self._recorded()["folder"]), _account(), certificate)

    def _configuration(self, folder: Path) -> str:
        """Its text. `folder`: where the fragments are."""
        defines = ["#!define WARP_TABLE_PERMISSIONS"] if self.table == "permissions" else []
        defines += [f'#!substdef "!WARP_DEDICATED_LISTEN!{self.udp_address}!g"']
        defines += [f'#!substdef "!{name}!{value}!g"' for name, value in self.substitutions]
        listens = [f"udp:{self.udp_address}:{self.port}", f"tcp:{self.tcp_address}:{self.port}", *self.also_listen]
        # Kamailio 5.6: what serves TLS is one worker (kamailio/tls_listen.cfg), so plain TCP has its own.
        lines = (("socket_workers=2\n" if one.startswith("tcp:") else "") + f"listen={one}" for one in listens)
        if self.wss_port:
            defines += ["#!define WARP_WITH_WEBSOCKET"]
            defines += [f'#!substdef "!WARP_WSS_LISTEN!tls:{self.tcp_address}:{self.wss_port}!g"']
        else:
            defines += ["#!define WARP_NO_WSS"]
        return CONFIGURATION.format(
            udp=self.udp_address,
            tcp=self.tcp_address,
            rpc_port=self.rpc_port,
            callee_port=self.callee_port,
            folder=folder,
            dedicated=DEDICATED,
            defines="\n".join(defines),
            listens="\n".join(lines),
            tls_port=self.tls_port,
            reload_port=self.reload_port,
        )

    def _mount(self, folder: Path, account: Account, certificate: Certificate) -> None:
        data = Path(tempfile.mkdtemp(prefix="tls-", dir=folder))
        account.own(data)
        for name, content in (("tls.crt", certificate.chain), ("tls.key", certificate.key)):
            private_file(data / name, content)
            account.own(data / name)
        link = data.with_suffix(".link")
        link.symlink_to(data)
        link.replace(folder / "tls")

    # Processes

    def _environment(self, token: str) -> dict[str, str]:
        """For every process: the token, and the mark by which it is found."""
        return {GUEST_MARK: str(self.directory.absolute()), "WARP_ACL_RPC_TOKEN": token, "PGCONNECT_TIMEOUT": "5"}

    def _start_relay(self, folder: Path) -> None:
        ends = [self.tcp_address, str(self.relay_port), self.database.host, str(self.database.port)]
        command = [sys.executable, "-m", "sandbox.database_relay", *ends, str(folder / "database-ca.pem")]
        relay = self._spawn(command, self.relay_log, {"cwd": ROOT}, {GUEST_MARK: str(self.directory.absolute())})
        if not marks.within(
            START_SECONDS, lambda: relay.poll() is not None or _listens(self.tcp_address, self.relay_port)
        ):
            raise SandboxError(f"the relay to the database is not ready; see {self.relay_log}")
        if relay.poll() is not None:
            raise SandboxError(f"the relay to the database did not start; see {self.relay_log}")

    def _start_kamailio(self, program: str, account: Account, folder: Path, token: str) -> None:
        options = ["-DD", "-E", "-m", str(self.shared_memory), "-M", str(self.package_memory)]
        command = [program, "-f", str(folder / "kamailio.cfg"), *options, "-Y", str(folder), "-w", str(folder)]
        # start.py as the current user, who has a Python; Kamailio as its own.
        command = [sys.executable, str(folder / START), *command, "-u", str(account.uid), "-g", str(account.gid)]
        environment = self._environment(token) | {
            **self._snapshot_url(),
            **self.database.access(self.tcp_address, self.relay_port),
            "PGSSLMODE": "disable",
            "PGGSSENCMODE": "disable",
        }
        begun = self.log_file.stat().st_size if self.log_file.exists() else 0
        kamailio = self._spawn(
            command, self.log_file, {name: account.of_child[name] for name in ("cwd", "env")}, environment
        )
        self._note(pid=kamailio.pid)
        marks.within(self.start_seconds, lambda: kamailio.poll() is not None or self.running())
        if not self.running():
            log = self.log_file.read_bytes()[begun:].decode(errors="replace")
            errors = re.findall(r"(?:CRITICAL|ERROR): (.*)", log)
            why = "; ".join(errors[-3:]) or "it logged no error"
            raise SandboxError(f"Kamailio did not start: {why}; see {self.log_file}")
        self._note(wanted=self._wanted())

    def _snapshot_url(self) -> dict[str, str]:
        """For Kamailio."""
        where = f"http://{self.tcp_address}:{self.status_port}/snapshot"
        return {"WARP_ACL_SNAPSHOT": where} if self.reload and self.snapshot_hours else {}

    def _snapshot_file(self) -> dict[str, str]:
        """For the reloader."""
        if not self.snapshot_hours:
            return {}
        return {"WARP_ACL_SNAPSHOT_FILE": str(self.snapshot_file), "WARP_ACL_SNAPSHOT_HOURS": str(self.snapshot_hours)}

    def _start_reloader(self, folder: Path, token: str) -> None:
        environment = self._environment(token) | {
            "PATH": os.defpath,
            **self.database.access(self.database.host, self.database.port),
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": str(folder / "database-ca.pem"),
            "WARP_ACL_TABLE": self.table,
            "WARP_ACL_PROXIES": f"{self.tcp_address}:{self.rpc_port}",
            "WARP_ACL_STATUS_LISTEN": f"{self.tcp_address}:{self.status_port}",
            "WARP_ACL_FULL_SECONDS": str(self.full_seconds),
            "WARP_ACL_WATCH_SECONDS": "1",
            **self._snapshot_file(),
        }
        command = [sys.executable, "-m", "kamailio.reloader"]
        reloader = self._spawn(command, self.reloader_log, {"cwd": ROOT}, environment)
        place = self.tcp_address, self.status_port
        marks.within(START_SECONDS, lambda: reloader.poll() is not None or _listens(*place))
        if reloader.poll() is not None or not _listens(*place):
            raise SandboxError(f"the reloader did not start; see {self.reloader_log}")

    def _spawn(
        self, command: list[str], log_file: Path, options: dict[str, Any], environment: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        environment = options.get("env", {}) | environment
        with log_file.open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **(options | {"env": environment}),
            )

    def _processes(self) -> Iterator[int]:
        """Every running process with our mark: Kamailio's children have it too, also after their parent was killed."""
        yield from marks.marked(GUEST_MARK, str(self.directory.absolute()))


def require_kamailio() -> str:
    """Path of the program. Raises `SandboxError` with the installation command if it is missing."""
    program = shutil.which("kamailio", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    modules = program and all(
        any(Path("/usr/lib").glob(f"*/kamailio/modules/{name}.so")) for name in ("db_postgres", "tls")
    )
    if program is None or not modules:
        raise SandboxError(
            f"Kamailio is not installed; as root: apt-get install --no-install-recommends {' '.join(PACKAGES)}"
        )
    return program


def _account() -> Account:
    """The current user, or as root an unprivileged one."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    for name in ("kamailio", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise SandboxError("there is no system user `kamailio` or `nobody`, and a SIP proxy must not run as root")


def _group(pid: int) -> int:
    with contextlib.suppress(ProcessLookupError):
        return os.getpgid(pid)
    return 0


def _listens(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False
