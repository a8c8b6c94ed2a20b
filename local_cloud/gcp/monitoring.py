"""Cloud Monitoring: what its resources have in common, uptime checks, dashboards.

Nothing is measured and nobody is notified. What is modelled are the shapes, the ids that the server makes, and what the
API refuses: docs.cloud.google.com/monitoring/api/ref_v3/rest/v3. Words marked "ours" are not the API's.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from local_cloud.cloud import Transaction
from local_cloud.differences import META
from local_cloud.errors import CheckFailure, CloudError, google_text
from local_cloud.planning import Change
from local_cloud.resource_type import ResourceType, Settings, known
from local_cloud.shapes import Shape
from local_cloud.values import UNKNOWN, Props

UPTIME: Final = "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig"
DASHBOARD: Final = "gcp:monitoring/dashboard:Dashboard"
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)s")
_PLACES: Final[Mapping[str, int]] = {
    "USA": 3, "USA_OREGON": 1, "USA_IOWA": 1, "USA_VIRGINIA": 1, "EUROPE": 1, "SOUTH_AMERICA": 1, "ASIA_PACIFIC": 1,
}  # fmt: skip


class ServerNamed(ResourceType):
    """A resource whose id is the full name that the server gave it."""

    collection: ClassVar[str]
    stable_name = "displayName"
    key_format = "{name}"

    def key(self, values: Mapping[str, Any]) -> str:
        return str(values.get("name") or values.get("id") or "")

    def engine_id(self, body: Mapping[str, Any]) -> str:
        return self.key(body)

    def identity(self, id_: str, settings: Settings) -> Props:
        match = re.fullmatch(rf"projects/([^/]+)/{self.collection}/[^/]+", id_)
        if match is None:
            raise CloudError(f'Import id "{id_}" doesn\'t match projects/PROJECT/{self.collection}/ID')
        return {"project": match[1], "name": id_}

    def refuse_existing(self, tx: Transaction, planned: Props) -> None:
        """Each new one gets a name of its own."""

    def named(self, tx: Transaction, planned: Props) -> str:
        return f"projects/{planned['project']}/{self.collection}/{10**15 + tx.next_number(self.collection)}"

    def make(self, tx: Transaction, planned: Props) -> Props:
        return {**planned, "name": self.named(tx, planned)}

    def judge(self, planned: Props) -> list[CheckFailure]:
        return [CheckFailure("", google_text(400, text, "invalid")) for text in self.problems(planned)]

    def problems(self, planned: Props) -> Iterator[str]:
        """What the API refuses of the values alone; ours, as far as the wording goes."""
        yield from ()


def seconds(text: Any) -> float | None:
    """A duration as the API writes it, "60s"; None where it is none."""
    match = _DURATION.fullmatch(str(text))
    return float(match[1]) if match else None


class UptimeCheckConfig(ServerNamed):
    """A check from Google's places around the world. None is made."""

    token = UPTIME
    noun = "UptimeCheckConfig"
    collection = "uptimeCheckConfigs"
    shape = Shape.parse(
        """
        root: displayName* timeout* checkerType:STATIC_IP_CHECKERS|VPC_CHECKERS!~ contentMatchers[] deletionPolicy~%
            httpCheck{} logCheckFailures:bool monitoredResource{}! period=300s project!~ resourceGroup{}!
            selectedRegions[] syntheticMonitor{}! tcpCheck{} userLabels{} name^ uptimeCheckId^
        contentMatchers: content* jsonPathMatcher{} matcher=CONTAINS_STRING
        contentMatchers.jsonPathMatcher: jsonPath* jsonMatcher=EXACT_MATCH
        httpCheck: acceptedResponseStatusCodes[] authInfo{} body contentType customContentType headers{}~
            maskHeaders:bool
            path=/ pingConfig{} port:int~ requestMethod!=GET serviceAgentAuthentication{} useSsl:bool validateSsl:bool
        httpCheck.acceptedResponseStatusCodes: statusClass statusValue:int
        httpCheck.authInfo: username* password$ passwordWo$ passwordWoVersion!
        httpCheck.pingConfig: pingsCount:int*
        httpCheck.serviceAgentAuthentication: type
        monitoredResource: labels{}*! type*!
        resourceGroup: groupId! resourceType!
        syntheticMonitor: cloudFunctionV2{}*!
        syntheticMonitor.cloudFunctionV2: name*!
        tcpCheck: port:int* pingConfig{}
        tcpCheck.pingConfig: pingsCount:int*
        """
    )

    def check(self, inputs: Props) -> list[CheckFailure]:
        kinds = ("httpCheck", "tcpCheck", "syntheticMonitor")
        given = [name for name in kinds if inputs.get(name) is not None]
        if len(given) == 1:
            return []
        told = "one" if not given else "only one"
        return [CheckFailure(given[0] if given else "tcpCheck", f"{told} of `{','.join(kinds)}` must be specified")]

    def adjust(self, prior: Props, planned: Props) -> Props:
        """The project's id among the labels is no difference when it is left out; that there is a label less is one."""
        before, after = _labels(prior), _labels(planned)
        if not after or "project_id" in after or "project_id" not in before:
            return planned
        resource = planned["monitoredResource"]
        labels = {**resource["labels"], "project_id": before["project_id"]}
        return {**planned, "monitoredResource": {**resource, "labels": labels}, META: "a label less"}

    def customize(self, prior: Props, planned: Props) -> list[Change]:
        return [Change((META,), "update", replace=True)] if planned.get(META) else []

    def problems(self, planned: Props) -> Iterator[str]:
        timeout = seconds(planned["timeout"])
        if timeout is None or not 1 <= timeout <= 60:
            yield f"The timeout ({planned['timeout']}) must be between 1s and 60s."
        if planned["period"] not in ("60s", "300s", "600s", "900s"):
            yield f"The period ({planned['period']}) must be one of 60s, 300s, 600s, 900s."
        regions = planned.get("selectedRegions") or []
        for one in regions:
            if one not in _PLACES:
                yield f"Unknown region: {one}."
        if regions and sum(_PLACES.get(one, 0) for one in regions) < 3:
            yield f"The selected regions ({', '.join(regions)}) must give at least 3 locations."
        for name in ("tcpCheck", "httpCheck"):
            port = (planned.get(name) or {}).get("port")
            if port and not 1 <= port <= 65535:
                yield f"The port ({port}) must be between 1 and 65535."
        resource = planned.get("monitoredResource") or {}
        if resource and resource["type"] == "uptime_url" and not resource["labels"].get("host"):
            yield "The monitored resource uptime_url needs the label host."

    def make(self, tx: Transaction, planned: Props) -> Props:
        slug = re.sub(r"[^a-z0-9]+", "-", planned["displayName"].lower()).strip("-")[:40]
        number = f"{slug}-{secrets.token_urlsafe(8)}"
        name = f"projects/{planned['project']}/{self.collection}/{number}"
        return {**planned, "name": name, "uptimeCheckId": number}


def _labels(values: Props) -> Props:
    labels = (values.get("monitoredResource") or {}).get("labels") if values.get("monitoredResource") != UNKNOWN else {}
    return labels if isinstance(labels, dict) else {}


class Dashboard(ServerNamed):
    """A page of charts, as JSON. The API drops what has its default value, so writing such a value never comes to rest:
    github.com/hashicorp/terraform-provider-google/issues/16173
    """

    token = DASHBOARD
    noun = "Dashboard"
    collection = "dashboards"
    stable_name = "dashboardJson"
    shape = Shape.parse("root: dashboardJson* deletionPolicy~% project!~")

    def check(self, inputs: Props) -> list[CheckFailure]:
        text = known(inputs, "dashboardJson")
        try:
            json.loads(text or "{}")
        except ValueError as error:
            return [CheckFailure("dashboardJson", f'"dashboardJson" contains an invalid JSON: {error}')]
        return []

    def adjust(self, prior: Props, planned: Props) -> Props:
        """The plugin compares the JSON without the keys that the server added."""
        before, after = prior.get("dashboardJson"), planned["dashboardJson"]
        if not before or after == UNKNOWN:
            return planned
        same = _shared(json.loads(before), json.loads(after)) == json.loads(after)
        return {**planned, "dashboardJson": before} if same else planned

    def problems(self, planned: Props) -> Iterator[str]:
        board = json.loads(planned["dashboardJson"])
        layouts = [name for name in ("gridLayout", "mosaicLayout", "rowLayout", "columnLayout") if name in board]
        if not board.get("displayName"):
            yield "Field displayName is required."
        if len(layouts) > 1:
            yield f"A dashboard has one layout, not {' and '.join(layouts)}."

    def make(self, tx: Transaction, planned: Props) -> Props:
        name = self.named(tx, planned)
        return {**planned, "name": name, "dashboardJson": _kept(planned["dashboardJson"], name, tx)}

    def change(self, tx: Transaction, body: Props, planned: Props) -> Props:
        return {**body, **planned, "dashboardJson": _kept(planned["dashboardJson"], body["name"], tx)}


def _kept(text: str, name: str, tx: Transaction) -> str:
    board = {**_without_defaults(json.loads(text)), "name": name, "etag": f"{tx.next_number('dashboard etags'):032x}"}
    return json.dumps(board, sort_keys=True, separators=(",", ":"))


def _without_defaults(value: Any) -> Any:
    if isinstance(value, dict):
        inner = {key: _without_defaults(item) for key, item in value.items()}
        return {key: item for key, item in inner.items() if item not in ("", 0, [], False, None, "ALIGN_NONE")}
    if isinstance(value, list):
        return [_without_defaults(item) for item in value]
    return value


def _shared(old: Any, new: Any) -> Any:
    """The old value with only those keys that the new one has."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {key: _shared(item, new[key]) for key, item in old.items() if key in new}
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [_shared(left, right) for left, right in zip(old, new, strict=True)]
    return old
