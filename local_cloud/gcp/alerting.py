"""Alert policies and notification channels of Cloud Monitoring. Conditions are not evaluated, nothing is sent."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from typing import Final

from local_cloud.cloud import Transaction, now
from local_cloud.errors import google_error
from local_cloud.gcp.log_metrics import METRIC
from local_cloud.gcp.monitoring import ServerNamed, seconds
from local_cloud.shapes import Shape
from local_cloud.values import Props

ALERT: Final = "gcp:monitoring/alertPolicy:AlertPolicy"
CHANNEL: Final = "gcp:monitoring/notificationChannel:NotificationChannel"
METRIC_KNOWN_AFTER: Final = datetime.timedelta(minutes=10)
"""Delay until Monitoring knows a log-based metric: github.com/hashicorp/terraform-provider-google/issues/11102"""

# Labels of each channel type: the API's notificationChannelDescriptors.
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
_AGGREGATIONS: Final = "alignmentPeriod crossSeriesReducer groupByFields[] perSeriesAligner"


class AlertPolicy(ServerNamed):
    """Conditions, and the channels to notify."""

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
        if close and not seconds(close):
            yield f'Field alert_policy.alert_strategy.auto_close had an invalid value of "{close}".'

    def make(self, tx: Transaction, planned: Props) -> Props:
        record = {"mutateTime": now(), "mutatedBy": "local-cloud"}
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


def _condition_problems(name: str, kind: str, block: Props) -> Iterator[str]:
    for field in ("duration", "evaluationInterval"):
        given = block.get(field)
        if given and seconds(given) is None:
            yield f"Condition '{name}': field {field} had an invalid value of \"{given}\"."
            return
    interval = seconds(block.get("evaluationInterval") or "30s") or 0
    if kind == "conditionPrometheusQueryLanguage" and (interval <= 0 or interval % 30):
        yield f"Condition '{name}': the evaluation interval must be a positive multiple of 30 seconds."
    if block.get("evaluationMissingData") and not seconds(block.get("duration")):
        yield f"Condition '{name}': evaluation_missing_data needs a duration above 0."


def _refuse_young_metrics(tx: Transaction, project: str, condition: Props) -> None:
    """Refuse a filter on a log-based metric that Monitoring does not know (yet)."""
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
    """A recipient of notifications, and the means."""

    token = CHANNEL
    noun = "NotificationChannel"
    collection = "notificationChannels"
    shape = Shape.parse(
        """
        root: type* deletionPolicy~% description displayName enabled:bool=true forceDelete:bool%=false labels{}
            project!~
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
