"""Adopts a live edge into a stack's state without changing the cloud.

`python -m adopt --stack prod` imports existing objects and then reports what the first `pulumi up` would change.
It never writes to the cloud; `docs/adopt.md` describes the steps.
"""

import command_line  # noqa: F401 (first: an interrupt while the rest is imported ends without a traceback)
