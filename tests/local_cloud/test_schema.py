"""The Kubernetes schema, used by several requests at once right after the cloud's start."""

from __future__ import annotations

import subprocess
import sys

from tests.stacks import ROOT

# A separate process: earlier tests have loaded the SDK's modules.
ASKED_AT_ONCE = """
import sys, threading
from local_cloud.kubernetes import schema
kinds, failures = list(schema.KINDS)[:8], []
together = threading.Barrier(len(kinds))
def ask(kind):
    together.wait()
    try:
        schema.fields(schema.input_class(kind))
    except AttributeError as error:
        failures.append(f"{kind}: {error}")
threads = [threading.Thread(target=ask, args=(kind,)) for kind in kinds]
sys.setswitchinterval(1e-5)
for each in threads:
    each.start()
for each in threads:
    each.join()
sys.exit("; ".join(failures) or 0)
"""


def test_requests_of_several_kinds_at_once_all_find_their_fields() -> None:
    """The engine refreshes resources in parallel, and the first requests load the SDK's modules."""
    done = subprocess.run(
        [sys.executable, "-c", ASKED_AT_ONCE], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
