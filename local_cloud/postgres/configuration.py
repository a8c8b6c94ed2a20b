"""Contents of postgresql.conf and pg_hba.conf: the local cloud's defaults, the instance's flags, Cloud SQL's rules.

Not here: whether PostgreSQL accepts a flag (`Postmaster.check`), and writing the files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from local_cloud.postgres.errors import PostgresError
from local_cloud.postgres.roles import SUPERUSER

EVERYBODY = "127.0.0.0/8"  # the local cloud listens on loopback only
HEADING = "# Written by the local cloud at every start."
CERTIFICATE, KEY = "server.crt", "server.key"
# Set by the local cloud; Cloud SQL does not offer them as flags either.
OWN_SETTINGS = re.compile(
    "listen_addresses|port|unix_socket_directories|unix_socket_permissions|ssl|ssl_cert_file|ssl_key_file|ssl_ca_file"
    "|hba_file|ident_file|data_directory|config_file|external_pid_file|logging_collector|log_destination"
    "|primary_conninfo|primary_slot_name"
)
DEFAULTS = {
    # Data need not survive a power failure, in exchange for speed. Commits do survive a killed server (so
    # synchronous_commit stays on: without it the last half second is only in the server's memory).
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "jit": "off",
    # A failed `ALTER ROLE ... PASSWORD '...'` must not be logged.
    "log_min_error_statement": "panic",
    "password_encryption": "scram-sha-256",
}


def refuse_own_setting(name: str, value: str) -> None:
    """Refuse a flag that is one of the local cloud's settings, or that would add one on a line of its own."""
    if OWN_SETTINGS.fullmatch(name) or not re.fullmatch(r"[a-z_][a-z0-9_.]*", name) or "\n" in value:
        raise PostgresError(f'"{name}" with value "{value}" is not a flag of Cloud SQL; remove it')


def postgresql_conf(
    host: str, port: int, socket_folder: Path, *, has_tls: bool, flags: Mapping[str, str], source: Mapping[str, str]
) -> bytes:
    """A server built without TLS listens on its socket only, for `TlsFront`. `source`: a standby's settings."""
    own = {
        "listen_addresses": host if has_tls else "",
        "port": str(port),
        "unix_socket_directories": str(socket_folder),
        "unix_socket_permissions": "0700",
        "logging_collector": "off",
        "log_destination": "stderr",
    }
    if has_tls:
        own |= {"ssl": "on", "ssl_cert_file": CERTIFICATE, "ssl_key_file": KEY}
    # The last line of a name wins: defaults, then the instance's flags, then settings that the local cloud depends on.
    lines = [f"{name} = {quoted(value)}" for part in (DEFAULTS, flags, own, source) for name, value in part.items()]
    return "\n".join([HEADING, *lines, ""]).encode()


def pg_hba_conf(*, has_tls: bool, require_tls: bool, networks: Sequence[str] = (EVERYBODY,)) -> bytes:
    """The superuser connects over the socket only, other users over TCP from these networks."""
    host = "hostssl" if require_tls else "host"
    rules = [
        f"local all {SUPERUSER} scram-sha-256",
        f"local replication {SUPERUSER} scram-sha-256",  # its standbys
        # Connections through TlsFront, which enforces encryption.
        f"local all all {'reject' if has_tls else 'scram-sha-256'}",
        f"host all {SUPERUSER} all reject",
        *(f"{host} all all {network} scram-sha-256" for network in networks),
    ]
    return "\n".join([HEADING, *rules, ""]).encode()


def quoted(value: str) -> str:
    """A value in postgresql.conf: https://www.postgresql.org/docs/current/config-setting.html"""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
