"""Rules for alert policies."""

from __future__ import annotations

from collections.abc import Iterator

from engine.tokens import ALERT_POLICY
from policies.declared import UNKNOWN, Declared, items
from policies.rule import Finding, Options, ResourceRule, Unjudged, Violation

NO_CHANNEL = "it notifies nobody"


def _has_channel(policy: Declared, _: Options) -> Iterator[Finding]:
    channels = policy.at("notificationChannels")
    if channels is UNKNOWN:
        yield Unjudged("notificationChannels")
    elif not items(channels):
        yield Violation(NO_CHANNEL)


RULES = (
    ResourceRule(
        "alert-has-channel",
        "An alert policy has a notification channel",
        "an incident that only the console shows is found when a customer calls",
        "add a recipient to warp-edge:alerts.channels or to .existingChannels",
        frozenset({ALERT_POLICY}),
        check=_has_channel,
    ),
)
