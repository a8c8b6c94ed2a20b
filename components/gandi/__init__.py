"""Gandi LiveDNS as the host of the zone.

`record_set.py` is the resource, `provider.py` its dynamic provider, `api.py` speaks to Gandi, `records.py` knows when
two record sets are the same.
"""
