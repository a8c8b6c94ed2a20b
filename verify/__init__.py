"""The promise, checked from outside: do names, addresses and SIP servers do what the stack's outputs say?

`promise.py` reads the promise, `records.py`, `answering.py` and `certificate.py` judge (pure), `servers.py`, `sip.py`
and `tls.py` query, `dns_checks.py` and `endpoint_checks.py` combine both under `checks.py`, and `report.py` reports.
The checks change nothing and need only a stack's outputs.
"""

import command_line  # noqa: F401 (first: an interrupt while the rest is imported ends without a traceback)
