"""Gandi LiveDNS as the host of the zone.

`host.py` declares record sets, `provider.py` the dynamic provider, `api.py` its
client, `records.py` knows when two record sets are the same.
"""
