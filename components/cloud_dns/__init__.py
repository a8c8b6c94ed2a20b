"""Google Cloud DNS as the host of the zone: `host.py` declares it."""
