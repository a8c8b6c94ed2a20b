"""Log-based metrics of Cloud Logging. Log entries are not counted."""

from __future__ import annotations

from typing import Final

from local_cloud.cloud import Transaction, now
from local_cloud.errors import CheckFailure, google_error, google_text
from local_cloud.resource_type import ResourceType, Settings
from local_cloud.shapes import Shape
from local_cloud.values import Props

METRIC: Final = "gcp:logging/metric:Metric"


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
        """A metric cannot be renamed: an update with another name creates another metric and leaves the old one."""
        if planned["name"] == prior["name"]:
            return super().update(prior, planned)
        with self.cloud.change() as tx:
            body = self.stored(self.make(tx, planned))
            tx.update(METRIC, self.key(body), body)
            return body
