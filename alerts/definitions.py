"""Every alert. The order is that of docs/alerts.md.

Google publishes its metrics 60 to 225 s late (monitoring pages of NAT and Cloud SQL); a `hold` comes on top of that.
"""

from __future__ import annotations

from alerts.definition import Alert, Part, Severity

CRITICAL, ERROR, WARNING = Severity
_NAT = 'monitored_resource="nat_gateway",$gateway'
_SQL = 'monitored_resource="cloudsql_database",database_id="$database"'
_UP = f"cloudsql_googleapis_com:database_up{{{_SQL}}}"
_LAG = f"cloudsql_googleapis_com:database_replication_replica_lag{{{_SQL}}}"


def _strangers(window: str) -> str:
    """Requests of unknown sources per second: what was answered with 403, and what is no longer answered."""
    answered, silenced = (f"sum(rate(warp_acl_{each}_total{{$pods}}{window}))" for each in ("rejected", "silenced"))
    return f"({answered} + ({silenced} or vector(0)) or {silenced})"


# An attack becomes usual only when it lasted a day; the mean of a day would have an attack of an hour in it.
_A_DAY_AGO, _HALF_A_DAY_AGO = _strangers("[1h] offset 1d"), _strangers("[1h] offset 12h")
_USUAL = f"({_A_DAY_AGO} < {_HALF_A_DAY_AGO} or {_HALF_A_DAY_AGO} or {_A_DAY_AGO} or vector(0))"
_NO_TABLE = "warp_acl_no_table_total{$pods}"
_LIMITED = "warp_acl_limited_total{$pods}"
_NOT_AFTER, _NOT_BEFORE = "max(warp_tls_not_after_seconds{$pods})", "max(warp_tls_not_before_seconds{$pods})"
_SEEN_FROM, _SEEN_UNTIL = (
    f"max by (target) (warp_sip_probe_not_{each}_seconds{{$pods}})" for each in ("before", "after")
)

ALERTS: tuple[Alert, ...] = (
    # Egress
    Alert(
        "NatPacketsDropped",
        Part.NAT,
        CRITICAL,
        "Cloud NAT drops packets: a VM has no free source port. Calls to vendors fail.",
        "sum by (gateway_name) (increase(router_googleapis_com:nat_dropped_sent_packets_count"
        f'{{{_NAT},reason="OUT_OF_RESOURCES"}}[5m])) > $natDrops',
        hold=0,
        threshold="natDrops",
    ),
    Alert(
        "NatAllocationFailed",
        Part.NAT,
        CRITICAL,
        "Cloud NAT cannot give every VM its ports: the addresses of the pool are used up.",
        f"max by (gateway_name) (router_googleapis_com:nat_nat_allocation_failed{{{_NAT}}}) > 0",
        hold=60,
    ),
    Alert(
        "NatVmPortsNearEnd",
        Part.NAT,
        WARNING,
        "One VM has nearly as many connections to a single vendor endpoint as it can have ports.",
        f"100 * max by (gateway_name) (router_googleapis_com:nat_port_usage{{{_NAT}}}) / $ports_of_a_vm"
        " > $natVmPortsPercent",
        hold=300,
        threshold="natVmPortsPercent",
    ),
    Alert(
        "NatPoolNearEnd",
        Part.NAT,
        WARNING,
        "Nearly all ports of the egress addresses are given to VMs: the next VM gets none.",
        f"100 * sum by (gateway_name) (router_googleapis_com:nat_allocated_ports{{{_NAT}}}) / $ports_of_the_pool"
        " > $natPoolPercent",
        hold=300,
        threshold="natPoolPercent",
    ),
    Alert(
        "EgressAddressUnknown",
        Part.NAT,
        CRITICAL,
        "Calls leave from an address that is not in the inventory: vendors reject them.",
        f'sum by (nat_ip) (router_googleapis_com:nat_allocated_ports{{{_NAT},nat_ip!~"$egress"}}) > 0',
        hold=0,
    ),
    # Ingress
    Alert(
        "IngressUnreachable",
        Part.INGRESS,
        CRITICAL,
        "An ingress address takes no TCP connection from several places in the world.",
        "count by (check_id) (last_over_time(monitoring_googleapis_com:uptime_check_check_passed"
        '{monitored_resource="uptime_url",check_id=~"$checks"}[$uptime_window]) == 0) > $uptimeLocations',
        hold=60,
        threshold="uptimeLocations",
    ),
    Alert(
        "SipProbeFailed",
        Part.PROBER,
        CRITICAL,
        "An ingress address does not answer a SIP OPTIONS as it should.",
        "min by (target, transport) (warp_sip_probe_success{$pods}) < 1",
        hold=120,
    ),
    Alert(
        "SipProbeMissing",
        Part.PROBER,
        ERROR,
        "The SIP prober reports nothing: whether calls are answered is not known.",
        "absent(warp_sip_probe_success{$pods})",
        hold=300,
    ),
    Alert(
        "SipProbeNotSent",
        Part.PROBER,
        ERROR,
        "The SIP prober cannot send to one of its targets: whether calls are answered there is not known.",
        "max by (target, transport) (warp_sip_probe_configured{$pods})"
        " unless max by (target, transport) (warp_sip_probe_success{$pods})",
        hold=300,
    ),
    Alert(
        "NameMoved",
        Part.PROBER,
        CRITICAL,
        "A name that customers use resolves to another address than the inventory has, or to none.",
        "min by (host) (warp_dns_probe_success{$pods}) < 1",
        hold=300,
    ),
    # Certificates
    Alert(
        "CertificateNearEnd",
        Part.CERTIFICATE,
        CRITICAL,
        "The certificate has less of its life left than renewal would have allowed.",
        f"100 * ({_NOT_AFTER} - time()) / ({_NOT_AFTER} - {_NOT_BEFORE}) < $certificatePercent",
        hold=3600,
        threshold="certificatePercent",
    ),
    Alert(
        "RenewerMissing",
        Part.CERTIFICATE,
        ERROR,
        "The renewer reports no certificate: it does not run, or never got one. Nothing is renewed.",
        "absent(warp_tls_not_after_seconds{$pods})",
        hold=900,
    ),
    Alert(
        "ServedCertificateNearEnd",
        Part.PROBER,
        CRITICAL,
        "Clients get a certificate over TLS that has less of its life left than renewal would have allowed.",
        f"100 * ({_SEEN_UNTIL} - time()) / ({_SEEN_UNTIL} - {_SEEN_FROM}) < $certificatePercent",
        hold=3600,
        threshold="certificatePercent",
    ),
    Alert(
        "CertificateNotServed",
        Part.CERTIFICATE,
        ERROR,
        "A proxy serves an older certificate than the Secret has.",
        f"min by (proxy) (warp_tls_served_not_after_seconds{{$pods}}) < on () group_left () {_NOT_AFTER}",
        hold=900,
    ),
    Alert(
        "CertificateRenewalFails",
        Part.CERTIFICATE,
        WARNING,
        "The last attempt to renew the certificate failed, and no later one succeeded.",
        "max by (cause) (warp_tls_last_failure{$pods}) > 0",
        hold=21_600,
    ),
    # Trunk ACL
    Alert(
        "AclStale",
        Part.TRUNK_ACL,
        CRITICAL,
        "A proxy decides by an old trunk ACL: customers who were added are rejected, those removed still call.",
        "time() - max by (proxy) (warp_acl_proxy_tables_timestamp_seconds{$pods}) > $aclAgeSeconds",
        hold=0,
        threshold="aclAgeSeconds",
    ),
    Alert(
        "AclIncomplete",
        Part.TRUNK_ACL,
        CRITICAL,
        "A proxy holds fewer rows of the trunk ACL than the database has.",
        "min by (proxy) (warp_acl_proxy_complete{$pods}) < 1",
        hold=120,
    ),
    Alert(
        "RequestsWithoutTable",
        Part.TRUNK_ACL,
        CRITICAL,
        "A proxy answers 503 because it has no complete trunk ACL: nobody can call there.",
        # The first answers of a new proxy are no increase: its whole value counts. New is what was not there within an
        # hour although a reloader led: after a gap nothing is new.
        f"sum by (proxy) (increase({_NO_TABLE}[5m])) > 0"
        f" or (max by (proxy) ({_NO_TABLE}) unless max by (proxy) (max_over_time({_NO_TABLE}[1h] offset 5m))) > 0"
        " and on () sum(warp_acl_leading{$pods} offset 5m) > 0",
        hold=0,
    ),
    Alert(
        "ProxyUnreachable",
        Part.TRUNK_ACL,
        ERROR,
        "A SIP proxy does not answer the reloader: no change reaches it.",
        "max by (proxy) (warp_acl_proxy_up{$pods}) < 1",
        hold=60,
    ),
    Alert(
        "NoProxies",
        Part.TRUNK_ACL,
        CRITICAL,
        "No SIP proxy is known to any reloader: none is ready, and no call is answered.",
        "max(warp_acl_proxies{$pods}) < 1",
        hold=120,
    ),
    Alert(
        "NoReloader",
        Part.TRUNK_ACL,
        ERROR,
        "No reloader leads: changes of the trunk ACL reach no proxy.",
        "(sum(warp_acl_leading{$pods}) or vector(0)) < 1",
        hold=120,
    ),
    Alert(
        "UnauthorisedAttempts",
        Part.TRUNK_ACL,
        WARNING,
        "Far more requests from unknown sources than usual: an attack, or a customer who is not in the trunk ACL.",
        f"{_strangers('[5m]')} > $rejectedFloor + $rejectedFactor * {_USUAL}"
        f" or {_strangers('[5m]')} > $rejectedCeiling",
        hold=120,
        threshold="rejectedFloor",
    ),
    Alert(
        "TrunkLimitHit",
        Part.TRUNK_ACL,
        WARNING,
        "A trunk reaches its limit of calls per second or of concurrent calls, and calls are rejected.",
        # A series begins with its first refusals, which are no increase: its whole value counts while it is new. By
        # proxy, not by reloader: another one that leads has series of its own. And only of a proxy that was known
        # before: after a gap nothing is new.
        f"sum by (trunk, limit) (increase({_LIMITED}[5m])) > $limitedCalls"
        f" or sum by (trunk, limit) ((max by (proxy, trunk, limit) ({_LIMITED})"
        f" unless max by (proxy, trunk, limit) ({_LIMITED} offset 5m))"
        " and on (proxy) max by (proxy) (warp_acl_proxy_up{$pods} offset 5m)) > $limitedCalls",
        hold=0,
        threshold="limitedCalls",
    ),
    # Database
    Alert(
        "DatabaseUnreachable",
        Part.TRUNK_ACL,
        ERROR,
        "No reloader reaches the database: proxies keep their tables, and no change arrives.",
        "max(warp_acl_database_up{$pods}) < 1",
        hold=60,
    ),
    Alert(
        "DatabaseDown",
        Part.DATABASE,
        CRITICAL,
        "Cloud SQL reports the instance as down, or reports nothing.",
        f"min by (database_id) ({_UP}) < 1 or absent({_UP})",
        hold=120,
    ),
    Alert(
        "DatabaseConnections",
        Part.DATABASE,
        WARNING,
        "The database has nearly as many connections as it takes: the next client is refused.",
        f"sum by (database_id) (cloudsql_googleapis_com:database_postgresql_num_backends{{{_SQL}}})"
        " > $databaseConnections",
        hold=300,
        threshold="databaseConnections",
    ),
    Alert(
        "DatabaseDisk",
        Part.DATABASE,
        ERROR,
        "The database's disk is nearly full: a full one stops it.",
        f"100 * max by (database_id) (cloudsql_googleapis_com:database_disk_utilization{{{_SQL}}})"
        " > $databaseDiskPercent",
        hold=300,
        threshold="databaseDiskPercent",
    ),
    Alert(
        "ReplicaLag",
        Part.REPLICA,
        WARNING,
        "The read replica is behind its owner: changes of the trunk ACL arrive late in this region.",
        f"max by (database_id) ({_LAG}) > $replicaLagSeconds",
        hold=120,
        threshold="replicaLagSeconds",
    ),
    Alert(
        "ReplicaNotReplicating",
        Part.REPLICA,
        ERROR,
        "The read replica does not replicate: changes of the trunk ACL no longer arrive in this region.",
        # A negative lag means that replication is inactive (Cloud SQL's list of metrics).
        f"min by (database_id) ({_LAG}) < 0",
        hold=120,
    ),
)
BY_NAME = {each.name: each for each in ALERTS}


def chosen(parts: frozenset[Part], off: frozenset[str] = frozenset()) -> list[Alert]:
    """Those of a stack with these parts, without the ones that are off."""
    return [each for each in ALERTS if each.part in parts and each.name not in off]
