"""What all tests need.

Interrupts are received, also where the run was started by something that ignores them (nohup, a shell's `&`, many
CI runners): what ignores them is inherited by every process of every test.

Hypothesis is imported first. Its pytest plugin would import it when the last test has ended, and pytest parses its
modules then; with threads of servers still ending beside it, CPython 3.11's parser can fail ("AST constructor recursion
depth mismatch"), and a green run with it.
"""

from __future__ import annotations

import signal
from collections.abc import Generator
from typing import Any

import hypothesis  # noqa: F401
import pytest

from tests import cases, kept

cases.load()
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_addoption(parser: pytest.Parser) -> None:
    kept.add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    kept.configure(config)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        kept.note_failure(item.nodeid)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process of pytest-xdist hands over what it kept."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["kept"] = kept.told


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    kept.told.extend(getattr(node, "workeroutput", {}).get("kept", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if kept.told:
        terminalreporter.section("kept")
        terminalreporter.write_line("\n".join(kept.told))
