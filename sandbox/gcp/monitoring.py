"""Cloud Monitoring and Logging: alert policies, notification channels, uptime checks, dashboards, log-based metrics.

Nothing is measured and nobody is notified. What is modelled are the shapes, the ids that the server makes, and what the
API refuses: docs.cloud.google.com/monitoring/api/ref_v3/rest/v3. Words marked "ours" are not the API's.
"""

from __future__ import annotations

import datetime
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from sandbox.cloud import Transaction, now
from sandbox.differences import META
from sandbox.errors import CheckFailure, CloudError, google_error, google_text
from sandbox.planning import Change
from sandbox.resource_type import ResourceType, Settings, known
from sandbox.shapes import Shape
from sandbox.values import UNKNOWN, Props

ALERT: Final = "gcp:monitoring/alertPolicy:AlertPolicy"
CHANNEL: Final = "gcp:monitoring/notificationChannel:NotificationChannel"
UPTIME: Final = "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig"
DASHBOARD: Final = "gcp:monitoring/dashboard:Dashboard"
METRIC: Final = "gcp:logging/metric:Metric"
METRIC_KNOWN_AFTER: Final = datetime.timedelta(minutes=10)
"""So long may Monitoring not know a metric that Logging has: github.com/hashicorp/terraform-provider-google/issues/11102"""

# What a channel of each type says about itself: notificationChannelDescriptors of the API.
CHANNELS: Final[Mapping[str, tuple[str, ...]]] = {
    "campfire": ("subdomain", "room"),
    "email": ("email_address",),
    "google_chat": ("space",),
    "hipchat": ("room",),
    "pagerduty": (),
    "pubsub": ("topic",),
    "slack": ("channel_name",),
    "sms": ("number",),
    "webhook_basicauth": ("url", "username"),
    "webhook_tokenauth": ("url",),
}
KINDS: Final = (
    "conditionAbsent",
    "conditionMatchedLog",
    "conditionMonitoringQueryLanguage",
    "conditionPrometheusQueryLanguage",
    "conditionSql",
    "conditionThreshold",
)
MOST_CONDITIONS: Final = 6
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


_AGGREGATIONS: Final = "alignmentPeriod crossSeriesReducer groupByFields[] perSeriesAligner"


class AlertPolicy(ServerNamed):
    """Conditions, and whom to tell."""

    token = ALERT
    noun = "AlertPolicy"
    collection = "alertPolicies"
    shape = Shape.parse(
        f"""
        root: combiner:AND|OR|AND_WITH_MATCHING_RESOURCE* conditions[]* displayName* alertStrategy{{}} deletionPolicy~%
            documentation{{}} enabled:bool=true notificationChannels[] project!~ severity:CRITICAL|ERROR|WARNING
            userLabels{{}} creationRecords[]^ name^
        conditions: displayName* conditionAbsent{{}} conditionMatchedLog{{}} conditionMonitoringQueryLanguage{{}}
            conditionPrometheusQueryLanguage{{}} conditionSql{{}} conditionThreshold{{}} name^
        conditions.conditionAbsent: duration* aggregations[] filter trigger{{}}
        conditions.conditionAbsent.aggregations: {_AGGREGATIONS}
        conditions.conditionAbsent.trigger: count:int percent:num
        conditions.conditionMatchedLog: filter* labelExtractors{{}}
        conditions.conditionMonitoringQueryLanguage: duration* query* evaluationMissingData trigger{{}}
        conditions.conditionMonitoringQueryLanguage.trigger: count:int percent:num
        conditions.conditionPrometheusQueryLanguage: query* alertRule disableMetricValidation:bool duration
            evaluationInterval labels{{}} ruleGroup
        conditions.conditionSql: query* booleanTest{{}} daily{{}} hourly{{}} minutes{{}} rowCountTest{{}}
        conditions.conditionSql.booleanTest: column*
        conditions.conditionSql.daily: periodicity:int* executionTime{{}}
        conditions.conditionSql.daily.executionTime: hours:int minutes:int nanos:int seconds:int
        conditions.conditionSql.hourly: periodicity:int* minuteOffset:int
        conditions.conditionSql.minutes: periodicity:int*
        conditions.conditionSql.rowCountTest: comparison* threshold:int*
        conditions.conditionThreshold: comparison* duration* aggregations[] denominatorAggregations[] denominatorFilter
            evaluationMissingData filter forecastOptions{{}} thresholdValue:num trigger{{}}
        conditions.conditionThreshold.aggregations: {_AGGREGATIONS}
        conditions.conditionThreshold.denominatorAggregations: {_AGGREGATIONS}
        conditions.conditionThreshold.forecastOptions: forecastHorizon*
        conditions.conditionThreshold.trigger: count:int percent:num
        alertStrategy: autoClose notificationChannelStrategies[] notificationPrompts[] notificationRateLimit{{}}
        alertStrategy.notificationChannelStrategies: notificationChannelNames[] renotifyInterval
        alertStrategy.notificationRateLimit: period
        documentation: content links[] mimeType=text/markdown subject
        documentation.links: displayName url
        """
    )

    def problems(self, planned: Props) -> Iterator[str]:
        conditions = planned["conditions"]
        if not 1 <= len(conditions) <= MOST_CONDITIONS:
            yield f"A policy has one to {MOST_CONDITIONS} conditions, not {len(conditions)}."
        rate_limit = (planned.get("alertStrategy") or {}).get("notificationRateLimit")
        for one in conditions:
            kinds = [kind for kind in KINDS if one.get(kind) is not None]
            if len(kinds) != 1:
                yield f"Condition '{one['displayName']}' must have exactly one kind of condition."
                continue
            yield from _condition_problems(one["displayName"], kinds[0], one[kinds[0]])
            if kinds[0] == "conditionMatchedLog" and (len(conditions) > 1 or not rate_limit):
                yield "A log match condition must be the only one, with a notification rate limit."
        close = (planned.get("alertStrategy") or {}).get("autoClose")
        if close and not _seconds(close):
            yield f"Field alert_policy.alert_strategy.auto_close had an invalid value of \"{close}\"."

    def make(self, tx: Transaction, planned: Props) -> Props:
        record = {"mutateTime": now(), "mutatedBy": "warp-sandbox"}
        return self._settled(tx, {**super().make(tx, planned), "creationRecords": [record]})

    def change(self, tx: Transaction, body: Props, planned: Props) -> Props:
        kept = {name: body[name] for name in ("name", "creationRecords")}
        return self._settled(tx, {**body, **planned, **kept})

    def _settled(self, tx: Transaction, body: Props) -> Props:
        for channel in body.get("notificationChannels") or []:
            if tx.get(CHANNEL, channel) is None:
                raise google_error(404, f"Notification channel not found: {channel}", "notFound")
        for one in body["conditions"]:
            _refuse_young_metrics(tx, body["project"], one)
        conditions = [
            {**one, "name": one.get("name") or f"{body['name']}/conditions/{10**15 + tx.next_number('conditions')}"}
            for one in body["conditions"]
        ]
        return {**body, "conditions": conditions}


def _seconds(text: Any) -> float | None:
    match = _DURATION.fullmatch(str(text))
    return float(match[1]) if match else None


def _condition_problems(name: str, kind: str, block: Props) -> Iterator[str]:
    for field in ("duration", "evaluationInterval"):
        given = block.get(field)
        if given and _seconds(given) is None:
            yield f"Condition '{name}': field {field} had an invalid value of \"{given}\"."
            return
    interval = _seconds(block.get("evaluationInterval") or "30s") or 0
    if kind == "conditionPrometheusQueryLanguage" and (interval <= 0 or interval % 30):
        yield f"Condition '{name}': the evaluation interval must be a positive multiple of 30 seconds."
    if block.get("evaluationMissingData") and not _seconds(block.get("duration")):
        yield f"Condition '{name}': evaluation_missing_data needs a duration above 0."


def _refuse_young_metrics(tx: Transaction, project: str, condition: Props) -> None:
    """A filter on a log-based metric that Monitoring does not know (yet)."""
    for kind in ("conditionThreshold", "conditionAbsent"):
        text = (condition.get(kind) or {}).get("filter") or ""
        for name in re.findall(r'logging\.googleapis\.com/user/([^"\s]+)', text):
            metric = tx.get(METRIC, f"{project}/{name}")
            age = datetime.datetime.now(datetime.UTC) - _time(metric["createTime"]) if metric else None
            if age is None or age < METRIC_KNOWN_AFTER:
                raise google_error(
                    404,
                    f'Cannot find metric(s) that match type = "logging.googleapis.com/user/{name}". If a metric was '
                    "created recently, it could take up to 10 minutes to become available. Please try again soon.",
                    "notFound",
                )


def _time(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


class NotificationChannel(ServerNamed):
    """Whom to tell, and how."""

    token = CHANNEL
    noun = "NotificationChannel"
    collection = "notificationChannels"
    shape = Shape.parse(
        """
        root: type* deletionPolicy~% description displayName enabled:bool=true forceDelete:bool%=false labels{} project!~
            sensitiveLabels{}$ userLabels{} name^ verificationStatus^
        sensitiveLabels: authToken authTokenWo authTokenWoVersion password passwordWo passwordWoVersion serviceKey
            serviceKeyWo serviceKeyWoVersion
        """
    )

    def problems(self, planned: Props) -> Iterator[str]:
        wanted = CHANNELS.get(planned["type"])
        if wanted is None:
            yield f"Unknown notification channel type: {planned['type']}."
        for name in wanted or ():
            if not (planned.get("labels") or {}).get(name):
                yield f"A channel of type {planned['type']} needs the label {name}."

    def remove(self, tx: Transaction, body: Props) -> None:
        for policy in tx.all(ALERT):
            if body["name"] in (policy.body.get("notificationChannels") or []):
                message = f"Notification channel {body['name']} is used by {policy.id}; it is deleted only with force."
                raise google_error(400, message, "failedPrecondition")

    def delete(self, values: Props) -> None:
        if values.get("forceDelete"):
            with self.cloud.change() as tx:
                for policy in tx.all(ALERT):
                    kept = [one for one in policy.body.get("notificationChannels") or [] if one != values["name"]]
                    tx.put(ALERT, policy.id, {**policy.body, "notificationChannels": kept})
        super().delete(values)


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
        httpCheck: acceptedResponseStatusCodes[] authInfo{} body contentType customContentType headers{}~ maskHeaders:bool
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
        timeout = _seconds(planned["timeout"])
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


class Metric(ResourceType):
    """A metric counted from log entries."""

    token = METRIC
    noun = "Metric"
    key_format = "{project}/{name}"
    id_format = "{name}"
    shape = Shape.parse(
        """
        root: name+ filter* bucketName bucketOptions{} deletionPolicy~% description disabled:bool labelExtractors{}
            metricDescriptor{}~ project!~ valueExtractor
        bucketOptions: explicitBuckets{} exponentialBuckets{} linearBuckets{}
        bucketOptions.explicitBuckets: bounds:num[]*
        bucketOptions.exponentialBuckets: growthFactor:num* numFiniteBuckets:int* scale:num*
        bucketOptions.linearBuckets: numFiniteBuckets:int* offset:num* width:num*
        metricDescriptor: metricKind:DELTA|GAUGE|CUMULATIVE*
            valueType:BOOL|INT64|DOUBLE|STRING|DISTRIBUTION|MONEY* displayName labels<> unit=1
        metricDescriptor.labels: key*! description valueType:BOOL|INT64|STRING!=STRING
        """
    )

    def identity(self, id_: str, settings: Settings) -> Props:
        project, _, name = id_.rpartition(" ")
        return {"project": project or settings.project, "name": name}

    def judge(self, planned: Props) -> list[CheckFailure]:
        descriptor = planned.get("metricDescriptor") or {}
        labels = {one["key"] for one in descriptor.get("labels") or []}
        failures = []
        if labels != set(planned.get("labelExtractors") or {}):
            text = "Label extractors must be specified for exactly the labels in the metric descriptor."
            failures.append(CheckFailure("labelExtractors", google_text(400, text, "invalid")))
        distribution = descriptor.get("valueType") == "DISTRIBUTION"
        if distribution != bool(planned.get("valueExtractor")):
            text = "A value extractor is required with the value type DISTRIBUTION, and for no other."
            failures.append(CheckFailure("valueExtractor", google_text(400, text, "invalid")))
        return failures

    def refuse_existing(self, tx: Transaction, planned: Props) -> None:
        if tx.get(METRIC, self.key(planned)) is not None:
            raise google_error(409, f"The metric {planned['name']} already exists", "alreadyExists")

    def make(self, tx: Transaction, planned: Props) -> Props:
        counted = {"metricKind": "DELTA", "valueType": "INT64", "unit": "1"}
        descriptor = planned.get("metricDescriptor") or counted
        return {**planned, "metricDescriptor": descriptor, "createTime": now()}

    def update(self, prior: Props, planned: Props) -> Props:
        """A metric cannot be renamed: the API's update of another name makes another metric and leaves the old one."""
        if planned["name"] == prior["name"]:
            return super().update(prior, planned)
        with self.cloud.change() as tx:
            body = self.stored(self.make(tx, planned))
            tx.update(METRIC, self.key(body), body)
            return body
