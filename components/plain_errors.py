"""Refusals of our dynamic providers reach people as they are written: what is wrong, and the remedy.

From 3.260 on the SDK hands any exception of a dynamic provider to the engine as `traceback.format_exc()`
(pulumi/dynamic/__main__.py, `_abort_with_traceback`): the words that matter are the last of twenty lines of source. It
offers no other way to fail.
"""

from __future__ import annotations

import logging
import sys
import traceback

from refusal import Refusal

_with_traceback = traceback.format_exc


def report_plainly() -> None:
    """From now on a `Refusal` is formatted as its message in this process; the engine alone reports it.

    To be called in `configure`, which the SDK calls in the process of a dynamic provider alone. All other exceptions
    keep their traceback: they are not expected. Fine to call again.
    """
    logging.getLogger("grpc._server").setLevel(logging.CRITICAL)  # would report it once more, with its traceback
    traceback.format_exc = _format_exc


def _format_exc(limit: int | None = None, chain: bool = True) -> str:
    error = sys.exc_info()[1]
    return str(error) if isinstance(error, Refusal) else _with_traceback(limit, chain)
