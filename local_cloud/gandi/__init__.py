"""Gandi LiveDNS on loopback: `zones.py` is what it holds and refuses, `server.py` its API.

Bodies of errors are those of api.gandi.net/docs/livedns and of the answers that clients of it have published; which of
401 and 403 an expired token gets is not documented, both are possible here.
"""
