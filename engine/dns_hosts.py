"""The hosts that a zone can be at: of each, what the record, the settings, the policies and the reports must know.

A host's record sets are declared in `components/<name>/host.py`, its group of settings is in `settings/dns.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class DnsHost:
    """`title`: as people know it. `record_set`: the type of its record sets; their properties are named as Cloud DNS's.
    `least_ttl`: in seconds. `token`: the setting with the secret that it wants, also looked for in the environment
    under `variable`; empty: none. `reached_by`: properties of a record set that say how the host is reached, and change
    nothing in it. `imported`: whether the engine imports record sets; else the first update takes over what is the
    same.
    """

    title: str
    record_set: str
    least_ttl: int = 1
    token: str = ""
    variable: str = ""
    reached_by: tuple[str, ...] = ()
    imported: bool = True


HOSTS: Final[Mapping[str, DnsHost]] = {
    "cloud-dns": DnsHost("Cloud DNS", "gcp:dns/recordSet:RecordSet"),
    "gandi": DnsHost(
        "Gandi",
        "pulumi-python:dynamic/warp:GandiRecordSet",
        # "60 is less than minimum value 300": its own words; api.gandi.net/docs/livedns, `rrset_ttl`.
        least_ttl=300,
        token="gandiToken",  # noqa: S106
        variable="GANDI_TOKEN",
        reached_by=("api", "adopt", "deadlineSeconds"),
        imported=False,
    ),
}
# Setting to host, of those that have a token.
TOKENS: Final[Mapping[str, DnsHost]] = {each.token: each for each in HOSTS.values() if each.token}
OF_RECORD_SET: Final[Mapping[str, DnsHost]] = {each.record_set: each for each in HOSTS.values()}
