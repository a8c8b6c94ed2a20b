"""`make bench`: every benchmark, or those named on the command line, one JSON object per line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from benchmarks import (
    dedicated,
    dynamic_providers,
    kamailio_acl,
    kamailio_limits,
    preview,
    processes,
    trunk_acl,
    trunk_files,
)

BENCHMARKS: dict[str, Callable[[], Iterator[object]]] = {
    "trunk_acl": trunk_acl.run,
    "trunk_files": trunk_files.run,
    "kamailio_acl": kamailio_acl.run,
    "kamailio_limits": kamailio_limits.run,
    "preview": preview.run,
    "everything": preview.everything,
    "processes": processes.run,
    "dynamic_providers": dynamic_providers.run,
    "dedicated": dedicated.run,
}

for name in sys.argv[1:] or BENCHMARKS:
    for result in BENCHMARKS[name]():
        print(result, flush=True)
