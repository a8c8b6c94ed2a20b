"""What all tests need.

Interrupts are received, also where the run was started by something that ignores them (nohup, a shell's `&`, many
CI runners): what ignores them is inherited by every process of every test.

Hypothesis is imported first. Its pytest plugin would import it when the last test has ended, and pytest parses its
modules then; with threads of servers still ending beside it, CPython 3.11's parser can fail ("AST constructor recursion
depth mismatch"), and a green run with it.
"""

from __future__ import annotations

import signal

import hypothesis  # noqa: F401

from tests import cases

cases.load()
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
