"""Gandi LiveDNS as the host of the zone.

`host.py` declares record sets, `record_set.py` is their resource, `provider.py` the dynamic provider, `api.py` its
client, `records.py` knows when two record sets are the same.
"""
