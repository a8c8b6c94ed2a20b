"""Which host the challenge's zone is at."""

from __future__ import annotations

import time

from kamailio.renewer.cloud_dns import CloudDnsHost
from kamailio.renewer.configuration import Configuration, Gandi
from kamailio.renewer.dns_host import DnsHost, Waits
from kamailio.renewer.gandi import GandiHost


def of(configuration: Configuration, waits: Waits) -> DnsHost:
    """The host of the configuration."""
    at = configuration.dns
    return GandiHost(at, waits) if isinstance(at, Gandi) else CloudDnsHost(at, waits, time.time)
