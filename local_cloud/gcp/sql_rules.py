"""Validation of a Cloud SQL instance's settings, and its defaults.

Sources: docs.cloud.google.com/sql/docs/postgres (instance settings, editions, high availability, flags, private IP).
The plugin itself checks few of these values (`|` and `..` in the shape); the others pass the plan and are refused by
the API.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Any, Final

from local_cloud.errors import CheckFailure, google_text
from local_cloud.resource_type import known
from local_cloud.values import UNKNOWN, Props

SETTINGS: Final = """
settings: tier* activationPolicy=ALWAYS activeDirectoryConfig{} advancedMachineFeatures{} autoUpgradeEnabled:bool
    availabilityType:REGIONAL|ZONAL=ZONAL backupConfiguration{}~ collation! connectionPoolConfigs<>~
    connectorEnforcement~
    dataApiAccess~ dataCacheConfig{}~ dataDiskProvisionedIops:int~ dataDiskProvisionedThroughput:int~ databaseFlags[]
    deletionProtectionEnabled:bool denyMaintenancePeriod{} diskAutoresize:bool=true diskAutoresizeLimit:int=0
    diskSize:int~ diskType~ edition:ENTERPRISE|ENTERPRISE_PLUS~ effectiveAvailabilityType^
    enableDataplexIntegration:bool
    enableGoogleMlIntegration:bool entraidConfig{} finalBackupConfig{} insightsConfig{}~# ipConfiguration{}~
    locationPreference{}~ maintenanceWindow{} passwordValidationPolicy{} performanceCaptureConfig{}~ pricingPlan=PER_USE
    readPoolAutoScaleConfig{}~ replicationLagMaxSeconds:int retainBackupsOnDelete:bool sqlServerAuditConfig{} timeZone
    userLabels{}~ version:int^
settings.activeDirectoryConfig: domain* adminCredentialSecretName dnsServers[] mode organizationalUnit
settings.advancedMachineFeatures: threadsPerCore:int
settings.backupConfiguration: backupRetentionSettings{}~ backupTier^ binaryLogEnabled:bool enabled:bool location
    pointInTimeRecoveryEnabled:bool startTime~ transactionLogRetentionDays:int~
settings.backupConfiguration.backupRetentionSettings: retainedBackups:int* retentionUnit=COUNT
settings.connectionPoolConfigs: connectionPoolingEnabled:bool flags<>
settings.connectionPoolConfigs.flags: name* value*
settings.dataCacheConfig: dataCacheEnabled:bool
settings.databaseFlags: name* value*
settings.denyMaintenancePeriod: endDate* startDate* time*
settings.entraidConfig: applicationId tenantId
settings.finalBackupConfig: enabled:bool retentionDays:int
settings.insightsConfig: enhancedQueryInsightsEnabled:bool queryInsightsEnabled:bool queryPlansPerMinute:int~
    queryStringLength:int~ recordApplicationTags:bool recordClientAddress:bool
settings.ipConfiguration: allocatedIpRange authorizedNetworks<> customSubjectAlternativeNames[]
    enablePrivatePathForGoogleCloudServices:bool ipv4Enabled:bool=true privateNetwork@ pscConfigs<> serverCaMode~
    serverCaPool serverCertificateRotationMode
    sslMode:ALLOW_UNENCRYPTED_AND_ENCRYPTED|ENCRYPTED_ONLY|TRUSTED_CLIENT_CERTIFICATE_REQUIRED~
settings.ipConfiguration.authorizedNetworks: value* expirationTime name
settings.ipConfiguration.pscConfigs: allowedConsumerProjects<> networkAttachmentUri pscAutoConnectionPolicyEnabled:bool~
    pscAutoConnections[] pscAutoDnsEnabled:bool~ pscEnabled:bool pscWriteEndpointDnsEnabled:bool~
settings.ipConfiguration.pscConfigs.pscAutoConnections: consumerNetwork* consumerNetworkStatus^
    consumerServiceProjectId~ instanceAutoDnsStatus^ ipAddress^ serviceConnectionPolicy^
    serviceConnectionPolicyCreationResult^ status^ writeEndpointAutoDnsStatus^
settings.locationPreference: followGaeApplication secondaryZone zone
settings.maintenanceWindow: day:1..7 hour:0..23 updateTrack
settings.passwordValidationPolicy: enablePasswordPolicy:bool* complexity disallowUsernameSubstring:bool minLength:int
    passwordChangeInterval reuseInterval:int
settings.performanceCaptureConfig: cpuUtilizationThresholdPercent:int~ enabled:bool~
    historyListLengthThresholdCount:int~ memoryUsageThresholdPercent:int~ probeThreshold:int~
    probingIntervalSeconds:int~ runningThreadsThreshold:int~ secondsBehindSourceThreshold:int~
    semaphoreWaitThresholdCount:int~
    transactionDurationThreshold:int~ transactionKillExcludedUserHosts[] transactionKillThresholdSeconds:int~
    transactionKillType~ transactionLockWaitThresholdCount:int~
settings.readPoolAutoScaleConfig: disableScaleIn:bool enabled:bool maxNodeCount:int minNodeCount:int
    scaleInCooldownSeconds:int scaleOutCooldownSeconds:int targetMetrics[]
settings.readPoolAutoScaleConfig.targetMetrics: metric targetValue:num
settings.sqlServerAuditConfig: bucket retentionInterval uploadInterval
"""

CA_MODE: Final = "GOOGLE_MANAGED_INTERNAL_CA"  # default
_VALUES: Final[dict[str, tuple[str, ...]]] = {
    "activationPolicy": ("ALWAYS", "NEVER"),
    "diskType": ("PD_SSD", "PD_HDD", "HYPERDISK_BALANCED"),
    "connectorEnforcement": ("NOT_REQUIRED", "REQUIRED"),
    "maintenanceWindow.updateTrack": ("canary", "stable", "week5"),
}
_RANGES: Final[dict[str, tuple[int, int]]] = {
    "diskSize": (10, 65536),
    "insightsConfig.queryPlansPerMinute": (0, 20),
    "insightsConfig.queryStringLength": (256, 1048576),
    "backupConfiguration.transactionLogRetentionDays": (1, 35),
    "backupConfiguration.backupRetentionSettings.retainedBackups": (1, 365),
}
_TIER: Final = re.compile(
    r"db-f1-micro|db-g1-small|db-(?:custom|perf-optimized-N|n1-\w+|c4a-\w+)-[\w-]+", re.IGNORECASE
)


def judge_instance(planned: Props) -> list[CheckFailure]:
    """What the API refuses in name and version; for the settings see `settings_problems`."""
    failures = []
    name, version = known(planned, "name"), known(planned, "databaseVersion")
    if name and not re.fullmatch(r"[a-z](?:[-a-z0-9]{0,96}[a-z0-9])?", name):
        failures.append(_failure("name", f"Invalid instance name ({name})."))
    if version and not re.fullmatch(r"POSTGRES_(?:9_6|1[0-9])", version):
        failures.append(
            _failure("databaseVersion", f"Invalid database version ({version}); the local cloud runs PostgreSQL.")
        )
    return failures


def _failure(field: str, text: str) -> CheckFailure:
    return CheckFailure(field, google_text(400, f"Invalid request: {text}", "invalid"))


def default_edition(version: str) -> str:
    """From PostgreSQL 16 the API's default is ENTERPRISE_PLUS."""
    number = re.fullmatch(r"POSTGRES_(\d+)", version)
    return "ENTERPRISE_PLUS" if number and int(number.group(1)) >= 16 else "ENTERPRISE"


def settled(settings: Props, version: str) -> Props:
    """The settings with the API's defaults."""
    ip = settings.get("ipConfiguration") or {}
    backup = settings.get("backupConfiguration") or {}
    zone = settings.get("availabilityType") or "ZONAL"
    return {
        **settings,
        "edition": settings.get("edition") or default_edition(version),
        "diskSize": settings.get("diskSize") or 10,
        "diskType": settings.get("diskType") or "PD_SSD",
        "connectorEnforcement": settings.get("connectorEnforcement") or "NOT_REQUIRED",
        "effectiveAvailabilityType": zone,
        "backupConfiguration": {**backup, "transactionLogRetentionDays": backup.get("transactionLogRetentionDays") or 7}
        if backup.get("enabled")
        else {**backup, "enabled": False},
        "ipConfiguration": {
            **ip,
            "ipv4Enabled": ip.get("ipv4Enabled", True) is not False,
            "sslMode": ip.get("sslMode") or "ALLOW_UNENCRYPTED_AND_ENCRYPTED",
            "serverCaMode": ip.get("serverCaMode") or CA_MODE,
        },
    }


def settings_problems(settings: Props, *, replica: bool = False) -> Iterator[tuple[str, str]]:
    """Field and problem of each invalid setting; unknown values are not checked."""
    for path, allowed in _VALUES.items():
        value = _at(settings, path)
        if value not in (None, "", UNKNOWN) and value not in allowed:
            yield path, f"Invalid value ({value}) for {path}: one of {', '.join(allowed)}."
    for path, (low, high) in _RANGES.items():
        value = _at(settings, path)
        if value not in (None, 0, UNKNOWN) and not low <= value <= high:
            yield path, f"Invalid value ({value}) for {path}: between {low} and {high}."
    yield from _tier_problems(settings)
    if not replica:  # a replica has none: `sql_replicas.py`
        yield from _backup_problems(settings)
    yield from _network_problems(settings)
    yield from _flag_problems(settings)
    limit, size = known(settings, "diskAutoresizeLimit") or 0, known(settings, "diskSize") or 0
    if 0 < limit < size:
        yield "diskAutoresizeLimit", f"The storage auto-resize limit ({limit}) is below the disk size ({size})."


def _tier_problems(settings: Props) -> Iterator[tuple[str, str]]:
    tier, edition = known(settings, "tier"), known(settings, "edition")
    if not tier:
        return
    if not _TIER.fullmatch(tier):
        yield "tier", f"Invalid Tier ({tier})."
    elif edition == "ENTERPRISE_PLUS" and not tier.lower().startswith(("db-perf-optimized-", "db-c4a-")):
        yield (
            "tier",
            f"Invalid Tier ({tier}) for (ENTERPRISE_PLUS) Edition. Use a predefined Tier like "
            "db-perf-optimized-N-* instead. Learn more at https://cloud.google.com/sql/docs/postgres/create-instance#machine-types",
        )
    elif edition == "ENTERPRISE" and tier.lower().startswith(("db-perf-optimized-", "db-c4a-")):
        yield "tier", f"Invalid Tier ({tier}) for (ENTERPRISE) Edition."


def _backup_problems(settings: Props) -> Iterator[tuple[str, str]]:
    backup = known(settings, "backupConfiguration") or {}
    enabled, recovery = backup.get("enabled"), backup.get("pointInTimeRecoveryEnabled")
    if known(settings, "availabilityType") == "REGIONAL" and UNKNOWN not in (enabled, recovery):
        if not enabled or not recovery:
            yield (
                "availabilityType",
                "A REGIONAL (highly available) instance needs automated backups and point-in-time recovery.",
            )
    elif recovery and enabled is not True and enabled != UNKNOWN:
        yield "backupConfiguration.pointInTimeRecoveryEnabled", "Point-in-time recovery needs automated backups."
    start = backup.get("startTime")
    if start not in (None, "", UNKNOWN) and not re.fullmatch(r"(?:[01]\d|2[0-3]):[0-5]\d", start):
        yield "backupConfiguration.startTime", f"Invalid backup start time ({start}): HH:MM."


# Google's message as quoted in issues, there for 10.0.0.0/8. Loopback is accepted: here it is the public network.
_PRIVATE = tuple(map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))


def _network_problems(settings: Props) -> Iterator[tuple[str, str]]:
    ip = known(settings, "ipConfiguration") or {}
    if ip.get("ipv4Enabled") is False and not ip.get("privateNetwork") and not ip.get("pscConfigs"):
        yield (
            "ipConfiguration",
            "At least one of Public IP or Private IP or PSC connectivity must be enabled.",
        )
    networks = known(ip, "authorizedNetworks") or []
    for index, network in enumerate(networks):
        value = network.get("value") if isinstance(network, dict) else UNKNOWN
        if value == UNKNOWN:
            continue
        try:
            private = any(ipaddress.IPv4Network(str(value), strict=False).overlaps(each) for each in _PRIVATE)
        except ValueError:
            yield (
                f"ipConfiguration.authorizedNetworks[{index}].value",
                f"The authorized network ({value}) is not an IPv4 range in CIDR notation.",
            )
            continue
        if private:
            yield (
                f"ipConfiguration.authorizedNetworks[{index}].value",
                f"Non-routable or private authorized network ({value})..",
            )


def _flag_problems(settings: Props) -> Iterator[tuple[str, str]]:
    flags = known(settings, "databaseFlags") or []
    names: list[Any] = [flag.get("name") for flag in flags if isinstance(flag, dict)]
    for index, name in enumerate(names):
        if name == UNKNOWN:
            continue
        if not re.fullmatch(r"[a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)?", str(name)):
            yield f"databaseFlags[{index}].name", f"Invalid flag name ({name})."
        if names.index(name) != index:
            yield f"databaseFlags[{index}].name", f"Duplicate flag ({name})."


def _at(settings: Props, path: str) -> Any:
    value: Any = settings
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value
