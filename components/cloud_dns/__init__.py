"""Google Cloud DNS as the host of the zone: `host.py` declares it, `routing.py` the choice among regions' addresses."""
