"""`make bench`: every benchmark, or those named on the command line, one JSON object a line."""

from __future__ import annotations

import sys

from benchmarks import preview, trunk_acl

BENCHMARKS = {"trunk_acl": trunk_acl.run, "preview": preview.run}

for name in sys.argv[1:] or BENCHMARKS:
    for result in BENCHMARKS[name]():
        print(result, flush=True)
