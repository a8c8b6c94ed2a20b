"""Rules for labels: owner and cost allocation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from engine.tokens import ADDRESS, BUCKET, GLOBAL_ADDRESS, INSTANCE, SERVICE, ZONE
from policies.declared import UNKNOWN, Declared, at
from policies.rule import Finding, Options, ResourceRule, Unjudged, Violation

# Path of the labels, for each type that has labels.
WHERE = {
    ADDRESS: "labels",
    GLOBAL_ADDRESS: "labels",
    ZONE: "labels",
    BUCKET: "labels",
    INSTANCE: "settings.userLabels",
    SERVICE: "metadata.labels",
}


class Labels(Options):
    """Required labels, with their values if given."""

    required: dict[str, str] = Field(
        {"platform": "", "component": "", "managed-by": "pulumi"}, description="label to value; empty: any value"
    )


def _labelled(resource: Declared, options: Labels) -> Iterator[Finding]:
    labels = resource.at(WHERE[resource.type])
    if labels is UNKNOWN:
        yield Unjudged(WHERE[resource.type])
        return
    for key, wanted in options.required.items():
        value = (labels or {}).get(key)
        if value is UNKNOWN:
            yield Unjudged(f"label {key}")
        elif not value:
            yield Violation(f"label {key} is missing")
        elif wanted and value != wanted:
            yield Violation(f"label {key} is {value}, should be {wanted}")


def mend_labels(inputs: dict[str, Any], options: Labels) -> bool:
    """Add missing labels whose value is configured. Resources without any labels, and different values, are not
    fixed."""
    found = (at(inputs, where) for where in dict.fromkeys(WHERE.values()))
    labels = next((each for each in found if isinstance(each, dict)), None)
    missing = {key: value for key, value in options.required.items() if value and labels and key not in labels}
    if labels and missing:
        labels.update(missing)
    return bool(missing)


RULES = (
    ResourceRule(
        "labels",
        "Every resource that can have labels has the required ones",
        "cost reports and alerts are split by them, and they identify the owner",
        "set warp-edge:labels to {platform: warp, component: edge, managed-by: pulumi}",
        frozenset(WHERE),
        options=Labels,
        check=_labelled,
        mend=mend_labels,
    ),
)
