"""The promise, checked from outside: do names, addresses and SIP servers do what the stack's outputs say?

`promise.py` reads what is promised, `records.py`, `answering.py` and `certificate.py` judge (pure), `servers.py`,
`sip.py` and `tls.py` ask, `dns_checks.py` and `endpoint_checks.py` bring both together under `checks.py`, and
`report.py` tells. Nothing here changes anything, and nothing of a stack but its outputs is needed.
"""
