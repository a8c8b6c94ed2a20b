"""Python runs this at the start of every process that has this folder on PYTHONPATH: at its end the process writes down
what processor time it took, user's and system's, into the file that WARP_EDGE_PROCESS_TIMES names.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import time


def _write() -> None:
    with open(os.environ["WARP_EDGE_PROCESS_TIMES"], "a", encoding="utf-8") as file:  # noqa: PTH123 - nothing imported
        file.write(json.dumps([time.process_time(), sys.orig_argv]) + "\n")


if "WARP_EDGE_PROCESS_TIMES" in os.environ:
    atexit.register(_write)
