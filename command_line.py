"""How all command-line programs here end: exit status, interrupts, unwritable output."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

INTERRUPTED = 130  # as shells report SIGINT
UNWRITTEN = 74  # EX_IOERR of sysexits.h


# `python -m PACKAGE` imports the package with this argument instead of a path (docs.python.org/3/library/sys.html,
# "argv"), then all modules that the command needs: seconds on a slow machine, in which an interrupt would end with a
# traceback. Until `run`, it ends the process as it ends other programs.
if sys.argv[:1] == ["-m"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class _UnwritableError(Exception):
    """A standard stream cannot be written, for example because the disk is full."""


class _Unread(io.TextIOWrapper):
    """A standard stream whose reader may close early, as `head` does: later writes are discarded."""

    def write(self, text: str, /) -> int:
        with self._written():
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with self._written():
            super().flush()

    @contextmanager
    def _written(self) -> Iterator[None]:
        """After a failure the buffers are discarded: they would fail again at the interpreter's exit
        (docs.python.org/3/library/signal.html, "Note on SIGPIPE")."""
        try:
            yield
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            if not isinstance(error, BrokenPipeError):
                raise _UnwritableError(error.strerror) from None


def run(main: Callable[[], int]) -> int:
    """The exit status of a whole program.

    A reader that closes the output early does not change it: an update runs to its end, and a check's finding is still
    the exit status. Ctrl-C prints one line.
    """
    sys.stdout, sys.stderr = _unread(sys.stdout), _unread(sys.stderr)
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        status = main()
        sys.stdout.flush()
    except _UnwritableError as error:
        print(f"the output cannot be written: {error}", file=sys.stderr)
        return UNWRITTEN
    except KeyboardInterrupt:
        print("\ninterrupted: run the same command again", file=sys.stderr)
        return INTERRUPTED
    return status


def _unread(stream: TextIO) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    encoding, errors, lines = stream.encoding, stream.errors, stream.line_buffering
    return _Unread(stream.detach(), encoding=encoding, errors=errors, line_buffering=lines)
