"""Shows refusals of our dynamic providers as written: what is wrong, and the remedy.

From 3.260 on the SDK passes any exception of a dynamic provider to the engine as `traceback.format_exc()`
(pulumi/dynamic/__main__.py, `_abort_with_traceback`): the message is the last of twenty lines of source. There is no
other way to fail.
"""

from __future__ import annotations

import logging
import sys
import traceback

from refusal import Refusal

_with_traceback = traceback.format_exc


def report_plainly() -> None:
    """Format a `Refusal` as its message in this process from now on, so that only the engine reports it.

    Call it in `configure`, which the SDK calls only in the process of a dynamic provider. All other exceptions keep
    their traceback, as they are unexpected. Repeated calls are harmless.
    """
    logging.getLogger("grpc._server").setLevel(logging.CRITICAL)  # would report it again, with its traceback
    traceback.format_exc = _format_exc


def _format_exc(limit: int | None = None, chain: bool = True) -> str:
    error = sys.exc_info()[1]
    return str(error) if isinstance(error, Refusal) else _with_traceback(limit, chain)
