"""Shapes have exactly the inputs of the installed SDK, and the same required ones."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pulumi import _types

from local_cloud.cloud import Cloud
from local_cloud.fields import Field
from local_cloud.gcp.provider import CONFIGURATION as GCP_CONFIGURATION
from local_cloud.gcp.provider import GcpProvider
from local_cloud.gcp.sql_servers import SqlServers
from local_cloud.kubernetes.provider import CONFIGURATION as KUBERNETES_CONFIGURATION
from local_cloud.random_provider import RandomProvider
from local_cloud.resource_type import ResourceType
from local_cloud.shapes import Shape

# Inputs of the SDK that only the cloud sets: the plugin's own schema has them as outputs.
OUTPUTS_AMONG_INPUTS = {
    "gcp:sql/databaseInstance:DatabaseInstance": {
        "replicationCluster.drReplica",
        "settings.backupConfiguration.backupTier",
        "settings.effectiveAvailabilityType",
        "settings.version",
        *(
            f"settings.ipConfiguration.pscConfigs.pscAutoConnections.{name}"
            for name in (
                "consumerNetworkStatus",
                "instanceAutoDnsStatus",
                "ipAddress",
                "serviceConnectionPolicy",
                "serviceConnectionPolicyCreationResult",
                "status",
                "writeEndpointAutoDnsStatus",
            )
        ),
    },
    "gcp:storage/bucket:Bucket": {
        "softDeletePolicy.effectiveTime",
        *(
            f"encryption.{whose}EncryptionEnforcementConfig.effectiveTime"
            for whose in ("customerManaged", "customerSupplied", "googleManaged")
        ),
    },
    "gcp:storage/bucketObject:BucketObject": {"contexts.customs.createTime", "contexts.customs.updateTime"},
    "gcp:monitoring/alertPolicy:AlertPolicy": {"conditions.name"},
    "gcp:sql/user:User": {
        "passwordPolicy.statuses",
        "passwordPolicy.statuses.locked",
        "passwordPolicy.statuses.passwordExpirationTime",
    },
}


def types(cloud: Cloud) -> dict[str, ResourceType]:
    return {**GcpProvider(cloud, SqlServers(cloud.path.parent)).types, **RandomProvider(cloud).types}


def arguments(token: str) -> type:
    """The SDK's argument class of a resource type: gcp:dns/recordSet:RecordSet -> pulumi_gcp.dns.RecordSetArgs."""
    package, module, name = token.split(":")
    path = f"pulumi_{package}" + ("" if package == "random" else f".{module.split('/')[0]}")
    # In a resource's own module: a block of another resource may have the name, and then this one's is "...InitArgs".
    own = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    if importlib.util.find_spec(f"{path}.{own}"):
        path = f"{path}.{own}"
    found = importlib.import_module(path)
    args: type = getattr(found, f"{name}InitArgs", None) or getattr(found, f"{name}Args")
    return args


def inputs_of(cls: type, prefix: str = "") -> Iterator[str]:
    """Dotted wire names of all inputs of a program."""
    hints = _types.input_type_types(cls)
    for name in _types.input_type_py_to_pulumi_names(cls).values():
        yield prefix + name
        nested = _class_in(hints[name])
        if nested:
            yield from inputs_of(nested, f"{prefix}{name}.")


def _class_in(annotation: Any) -> type | None:
    if isinstance(annotation, type):
        return annotation if _types.is_input_type(annotation) else None
    if typing.get_origin(annotation) is Mapping:
        return None
    return next(filter(None, map(_class_in, typing.get_args(annotation))), None)


def required_of(cls: type) -> set[str]:
    signature = inspect.signature(cls.__init__)  # type: ignore[misc]
    names = _types.input_type_py_to_pulumi_names(cls)
    return {names[name] for name, one in signature.parameters.items() if one.default is one.empty and name in names}


def test_every_type_has_exactly_the_sdks_inputs(cloud: Cloud) -> None:
    for token, one in types(cloud).items():
        mine = {name for name, field in one.shape.walk() if not _is_output(field)}
        theirs = set(inputs_of(arguments(token))) - OUTPUTS_AMONG_INPUTS.get(token, set())
        assert mine == theirs, token


def _is_output(field: Field) -> bool:
    return field.output_only


def test_every_type_requires_what_the_sdk_requires(cloud: Cloud) -> None:
    for token, one in types(cloud).items():
        mine = {name for name, field in one.shape.fields.items() if field.required}
        assert mine == required_of(arguments(token)), token


def test_provider_configuration_has_exactly_the_sdks_keys() -> None:
    from pulumi_gcp.provider import ProviderArgs as Gcp
    from pulumi_kubernetes.provider import ProviderArgs as Kubernetes

    gcp = {name for name in inputs_of(Gcp) if "." not in name and not name.endswith("CustomEndpoint")}
    # Two settings that exist only in the stack's configuration.
    assert gcp | {"disableGlobalProjectWarning", "skipRegionValidation"} == GCP_CONFIGURATION
    kubernetes = {name for name in inputs_of(Kubernetes) if "." not in name}
    assert kubernetes | {"strictMode"} == KUBERNETES_CONFIGURATION


# The provider's own report of its schema (pulumi-gcp 9.35), for the types of the edge: `!` and `~`.
FORCE_NEW = {
    "gcp:compute/address:Address": (
        "address addressType description ipCollection ipVersion ipv6EndpointType name network networkTier prefixLength "
        "project purpose region subnetwork"
    ),
    "gcp:compute/routerNat:RouterNat": "endpointTypes initialNatIps name project region router type",
    "gcp:compute/router:Router": "encryptedInterconnectRouter name nccGateway network params project region",
    "gcp:dns/managedZone:ManagedZone": "dnsName name project reverseLookup serviceDirectoryConfig visibility",
    "gcp:dns/recordSet:RecordSet": "managedZone name project",
    "gcp:sql/databaseInstance:DatabaseInstance": "encryptionKeyName name project region",
    "gcp:sql/database:Database": "instance name project",
    "gcp:sql/user:User": "host instance name project type",
    "gcp:servicenetworking/connection:Connection": "network service",
    "gcp:storage/bucket:Bucket": "enableObjectRetention hierarchicalNamespace location name project",
    "gcp:storage/bucketObject:BucketObject": (
        "bucket cacheControl contentDisposition contentEncoding contentLanguage contentType forceEmptyContentType "
        "kmsKeyName metadata name source storageClass"
    ),
    "gcp:storage/bucketIAMMember:BucketIAMMember": "bucket condition member role",
    "gcp:dns/dnsManagedZoneIamMember:DnsManagedZoneIamMember": "condition managedZone member project role",
    "gcp:serviceaccount/iAMMember:IAMMember": "condition member role serviceAccountId",
    "gcp:compute/globalAddress:GlobalAddress": (
        "address addressType description ipVersion name network prefixLength project purpose"
    ),
    "gcp:compute/firewall:Firewall": "direction name params project",
    "gcp:compute/healthCheck:HealthCheck": "name project",
    "gcp:compute/regionSecurityPolicy:RegionSecurityPolicy": "name project region type",
    "gcp:compute/regionSecurityPolicyRule:RegionSecurityPolicyRule": "priority project region securityPolicy",
    "gcp:compute/networkEdgeSecurityService:NetworkEdgeSecurityService": "name project region",
    "gcp:compute/caExternalAccountKey:CaExternalAccountKey": "location project",
    "gcp:monitoring/alertPolicy:AlertPolicy": "project",
    "gcp:monitoring/notificationChannel:NotificationChannel": "project",
    "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig": (
        "checkerType monitoredResource project resourceGroup syntheticMonitor"
    ),
    "gcp:monitoring/dashboard:Dashboard": "project",
    "gcp:logging/metric:Metric": "project",
    "gcp:serviceaccount/account:Account": "accountId project",
    "gcp:secretmanager/secret:Secret": "project replication secretId tags",
}
KEPT_WHEN_LEFT_OUT = {
    "gcp:compute/routerNat:RouterNat": (
        "autoNetworkTier deletionPolicy drainNatIps enableDynamicPortAllocation enableEndpointIndependentMapping "
        "endpointTypes minPortsPerVm natIps project region"
    ),
    "gcp:dns/managedZone:ManagedZone": "cloudLoggingConfig deletionPolicy dnssecConfig project",
    "gcp:dns/recordSet:RecordSet": "deletionPolicy project",
    "gcp:storage/bucket:Bucket": (
        "deletionPolicy project publicAccessPrevention rpo softDeletePolicy uniformBucketLevelAccess versioning website"
    ),
    "gcp:storage/bucketObject:BucketObject": "content contentType deletionPolicy kmsKeyName storageClass",
    "gcp:compute/firewall:Firewall": "deletionPolicy destinationRanges direction enableLogging project",
    "gcp:compute/regionSecurityPolicy:RegionSecurityPolicy": "deletionPolicy project region rules",
    "gcp:compute/networkEdgeSecurityService:NetworkEdgeSecurityService": "deletionPolicy project",
    "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig": "checkerType deletionPolicy project",
    "gcp:logging/metric:Metric": "deletionPolicy metricDescriptor project",
    "gcp:secretmanager/secret:Secret": "deletionPolicy expireTime project",
}


def test_what_forces_a_replacement_is_what_the_provider_reports(cloud: Cloud) -> None:
    for token, names in FORCE_NEW.items():
        mine = {name for name, field in types(cloud)[token].shape.fields.items() if field.force_new}
        assert mine == set(names.split()), token


def test_what_is_kept_when_left_out_is_what_the_provider_reports(cloud: Cloud) -> None:
    for token, names in KEPT_WHEN_LEFT_OUT.items():
        mine = {name for name, field in types(cloud)[token].shape.fields.items() if field.computed}
        assert mine == set(names.split()), token


def test_an_invalid_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="not a field: 'a-b'"):
        Shape.parse("root: a-b")
    with pytest.raises(ValueError, match="blocks without a field: nowhere"):
        Shape.parse("root: a\nnowhere: b")


def test_defaults_are_filled_in_and_noted_as_the_bridge_does() -> None:
    shape = Shape.parse("root: name* ttl:int=300 log{}\nlog: filter=ALL enable:bool")
    filled = shape.with_defaults({"name": "x", "log": {"enable": "true"}})
    assert filled == {
        "name": "x",
        "ttl": 300,
        "log": {"filter": "ALL", "enable": True, "__defaults": ["filter"]},
        "__defaults": ["ttl"],
    }


@pytest.mark.parametrize(
    "wrong", [{"ttl": "soon"}, {"names": "one"}, {"log": []}, {"ttl": True}, {"log": {"enable": 3}}]
)
def test_values_of_the_wrong_type_are_refused(wrong: dict[str, Any]) -> None:
    shape = Shape.parse("root: ttl:int names[] log{}\nlog: enable:bool")
    assert [failure.property for failure in shape.check(wrong, "r")] == [
        "log.enable" if wrong == {"log": {"enable": 3}} else next(iter(wrong))
    ]


def test_a_default_once_filled_in_stays_and_an_empty_one_is_not_written() -> None:
    shape = Shape.parse("root: ttl:int=300 force:bool=false log{}\nlog: filter=ALL")
    noted = {"ttl": 60, "__defaults": ["ttl"]}
    assert shape.with_defaults({}, noted) == {"ttl": 60, "__defaults": ["ttl"]}
    own = {"ttl": 60, "__defaults": []}
    assert shape.with_defaults({}, own) == {"ttl": 300, "__defaults": ["ttl"]}, "the program's own value is not kept"
    without_notes = {"ttl": 60, "force": True, "log": {"filter": "SOME"}}
    kept = shape.with_defaults({"log": {}}, without_notes)
    assert (kept["ttl"], kept["force"], kept["log"]["filter"]) == (60, True, "SOME")


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"kind": "C"}, r'expected kind to be one of ["A" "B"], got C'),
        ({"day": 8}, "expected day to be in the range (1 - 7), got 8"),
        ({"check": {}}, "one of `port,path` must be specified"),
    ],
)
def test_values_that_a_field_does_not_take_are_refused(inputs: dict[str, Any], words: str) -> None:
    shape = Shape.parse("root: kind:A|B! day:1..7 check{}#\ncheck: port:int path")
    (failure,) = shape.check(inputs, "r")
    assert words in failure.reason
    assert shape.check({"kind": "B", "day": 7, "check": {"port": 1}}, "r") == []
