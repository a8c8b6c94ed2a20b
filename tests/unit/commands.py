"""Our commands, called inside the test's own process: a new one would import everything again for each call.

What only a process can show (signals, a pipe that is closed early, what an import loads) is tested in
`tests/processes`.
"""

from __future__ import annotations

import contextlib
import io
import os
import runpy
import subprocess
import sys
import traceback
import warnings
from unittest.mock import patch

from tests.stacks import ROOT

WIDTH = "80"  # of a pipe; else that of the terminal in which pytest runs


def called(module: str, *options: str, given: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m MODULE OPTIONS` in the repository, `given` on its standard input; output as text."""
    done = called_with_bytes(module, *options, given=given.encode(), **environment)
    out, err = (io.TextIOWrapper(io.BytesIO(each), "utf-8").read() for each in (done.stdout, done.stderr))
    return subprocess.CompletedProcess(done.args, done.returncode, out, err)


def called_with_bytes(
    module: str, *options: str, given: bytes = b"", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """The same with bytes in and out."""
    arguments = [module, *options]
    stdin, stdout, stderr = io.BytesIO(given), io.BytesIO(), io.BytesIO()
    with (
        patch.dict(os.environ, {"COLUMNS": WIDTH, **environment}),
        contextlib.chdir(ROOT),
        patch.object(sys, "argv", arguments),
        patch.object(sys, "stdin", io.TextIOWrapper(stdin, "utf-8")),
        patch.object(sys, "stdout", io.TextIOWrapper(stdout, "utf-8")),
        patch.object(sys, "stderr", io.TextIOWrapper(stderr, "utf-8", errors="backslashreplace")),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", RuntimeWarning)  # runpy's, where a test has imported the same module
        status = _status(module)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        return subprocess.CompletedProcess(arguments, status, stdout.getvalue(), stderr.getvalue())


def _status(module: str) -> int:
    """What the interpreter would exit with."""
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0
