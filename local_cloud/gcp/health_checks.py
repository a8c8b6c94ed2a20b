"""Global health checks, to the extent that Cloud DNS uses them: TCP, HTTP or HTTPS, from three source regions.

Rules: docs.cloud.google.com/compute/docs/reference/rest/v1/healthChecks. Probing: `dns_server/routing.py`.
"""

from __future__ import annotations

import re
from typing import Any, Final

from local_cloud.cloud import Transaction
from local_cloud.errors import CheckFailure, google_error, google_text
from local_cloud.gcp.rules import born, check_name
from local_cloud.links import relative
from local_cloud.resource_type import ResourceType, known
from local_cloud.shapes import Shape
from local_cloud.values import UNKNOWN, Props

HEALTH_CHECK: Final = "gcp:compute/healthCheck:HealthCheck"
RECORD_SET: Final = "gcp:dns/recordSet:RecordSet"
KINDS: Final = {
    "grpcHealthCheck": "GRPC",
    "grpcTlsHealthCheck": "GRPC_WITH_TLS",
    "http2HealthCheck": "HTTP2",
    "httpHealthCheck": "HTTP",
    "httpsHealthCheck": "HTTPS",
    "sslHealthCheck": "SSL",
    "tcpHealthCheck": "TCP",
}
PROBED_FROM_REGIONS: Final = ("TCP", "HTTP", "HTTPS")
_WEB = "host port:int portName portSpecification proxyHeader=NONE requestPath=/ response"
_RAW = "port:int portName portSpecification proxyHeader=NONE request response"


class HealthCheck(ResourceType):
    """A global health check. In the local cloud only Cloud DNS uses them."""

    token = HEALTH_CHECK
    noun = "HealthCheck"
    key_format = "projects/{project}/global/healthChecks/{name}"
    import_formats = ("{project}/{name}", "{name}")
    shape = Shape.parse(
        f"""
        root: name!+ checkIntervalSec:int=5 deletionPolicy~% description grpcHealthCheck{{}}# grpcTlsHealthCheck{{}}#
            healthyThreshold:int=2 http2HealthCheck{{}}# httpHealthCheck{{}}# httpsHealthCheck{{}}# logConfig{{}}~
            project!~ sourceRegions[] sslHealthCheck{{}}# tcpHealthCheck{{}}# timeoutSec:int=5 unhealthyThreshold:int=2
            creationTimestamp^ selfLink^ type^
        grpcHealthCheck: grpcServiceName port:int portName portSpecification
        grpcTlsHealthCheck: grpcServiceName port:int portSpecification
        http2HealthCheck: {_WEB}
        httpHealthCheck: {_WEB}
        httpsHealthCheck: {_WEB}
        logConfig: enable:bool
        sslHealthCheck: {_RAW}
        tcpHealthCheck: {_RAW}
        """
    )

    def check(self, inputs: Props) -> list[CheckFailure]:
        failures = check_name(inputs)
        given = [name for name in KINDS if inputs.get(name) is not None]
        if len(given) != 1:
            wanted = "one" if not given else "only one"
            failures.append(
                CheckFailure(given[0] if given else "", f"{wanted} of `{','.join(KINDS)}` must be specified")
            )
        regions = known(inputs, "sourceRegions") or []
        if regions and len(regions) != 3:
            failures.append(
                _wrong("sourceRegions", ", ".join(map(str, regions)), "exactly 3 regions must be specified")
            )
        return failures

    def judge(self, planned: Props) -> list[CheckFailure]:
        failures = []
        if planned["timeoutSec"] > planned["checkIntervalSec"]:
            failures.append(_wrong("timeoutSec", planned["timeoutSec"], "must be at most the check interval"))
        return failures + (self._judge_sources(planned) if planned.get("sourceRegions") else [])

    def _judge_sources(self, planned: Props) -> list[CheckFailure]:
        """Settings that a health check with source regions does not support."""
        failures = []
        regions, interval = planned["sourceRegions"], planned["checkIntervalSec"]
        if len(set(regions)) < len(regions):
            failures.append(_wrong("sourceRegions", ", ".join(map(str, regions)), "duplicate region"))
        for each in regions:
            if not re.fullmatch(r"[a-z]+-[a-z]+[0-9]+", str(each)):
                failures.append(_wrong("sourceRegions", each, "unknown region"))
        if interval < 30:
            failures.append(_wrong("checkIntervalSec", interval, "must be at least 30 with source regions"))
        for name in (name for name in KINDS if planned.get(name) is not None):
            kind, block = KINDS[name], planned[name]
            if kind not in PROBED_FROM_REGIONS:
                failures.append(_wrong(name, kind, "the protocol is not supported with source regions"))
            if isinstance(block, dict):
                failures += _check_block(name, block)
        return failures

    def make(self, tx: Transaction, planned: Props) -> Props:
        return self._typed({**planned, **born(tx, self.key(planned))})

    def change(self, tx: Transaction, body: Props, planned: Props) -> Props:
        kept = {name: body[name] for name in ("creationTimestamp", "selfLink")}
        return self._typed({**body, **planned, **kept})

    def _typed(self, body: Props) -> Props:
        return {**body, "type": next(kind for name, kind in KINDS.items() if body.get(name) is not None)}

    def remove(self, tx: Transaction, body: Props) -> None:
        path = self.key(body)
        for record in tx.all(RECORD_SET):
            used = (record.body.get("routingPolicy") or {}).get("healthCheck")
            if used and relative(used) == path:
                message = f"The health_check resource '{path}' is already being used by '{record.id}'"
                raise google_error(400, message, "resourceInUseByAnotherResource")


def _check_block(name: str, block: Props) -> list[CheckFailure]:
    failures = []
    if block.get("request"):
        failures.append(_wrong(f"{name}.request", block["request"], "not supported with source regions"))
    if block.get("proxyHeader") not in (None, "", "NONE", UNKNOWN):
        failures.append(_wrong(f"{name}.proxyHeader", block["proxyHeader"], "not supported with source regions"))
    if (
        block.get("port") is None
        or block.get("portName")
        or block.get("portSpecification") not in (None, "", "USE_FIXED_PORT")
    ):
        failures.append(_wrong(f"{name}.port", block.get("port") or "", "a port number must be specified"))
    return failures


def _wrong(field: str, value: Any, why: str) -> CheckFailure:
    message = f"Invalid value for field 'resource.{field}': '{value}'. {why[:1].upper()}{why[1:]}"
    return CheckFailure(field, google_text(400, message, "invalid"))
