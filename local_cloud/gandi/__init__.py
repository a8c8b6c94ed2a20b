"""Gandi LiveDNS on loopback: `zones.py` stores and validates record sets, `server.py` is its API.

Error bodies are those of api.gandi.net/docs/livedns and of responses published by its clients; whether an expired token
gets 401 or 403 is not documented, both are possible here.
"""
