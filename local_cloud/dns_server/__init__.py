"""Authoritative DNS server for the local cloud's zones, over UDP and TCP.

Standards: RFC 1034/1035, wildcards 4592, negative answers 2308, EDNS0 6891, client subnet 7871, minimal ANY 8482,
SRV 2782, NAPTR 3403. Routing policies are Cloud DNS's.
Nothing is cached: each query gets the current zones from `lookup`.

Not here: validation of records (done by the cloud's Cloud DNS), recursion, zone transfer and update (refused), DNSSEC
signatures.
"""

from local_cloud.dns_server.server import DnsServer, DnsServerError
from local_cloud.dns_server.zones import RecordData, ZoneData

__all__ = ["DnsServer", "DnsServerError", "RecordData", "ZoneData"]
