"""`make bench`: every benchmark, one JSON object a line."""

from __future__ import annotations

from benchmarks import preview

for result in preview.run():
    print(result, flush=True)
