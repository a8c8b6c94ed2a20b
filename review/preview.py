"""The output of `pulumi preview --json` as data; also that of `pulumi refresh --preview-only --json`.

There are two forms. The documented one is a single object: changed resources, the configuration and messages, but
neither future outputs nor policies (pulumi/pkg/backend/display/json.go leaves them out). With
`PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true` it is one event per line and complete. What a form does not include is None
here, never empty. Values that the engine marks as secret are removed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.cli import Json, masked, step_of
from engine.tokens import STACK, type_of
from review.causes import Message, causes

# Severity of a program's or plugin's standard error (pulumi/sdk/go/common/diag/sink.go).
OUTPUT = "info#err"
# The steps of one replacement, in any order (pulumi/pkg/resource/deploy/step.go).
REPLACING = ("replace", "create-replacement", "delete-replaced", "import-replacement", "remove-pending-replace")
# Steps that change nothing in the cloud.
IDLE = ("same", "refresh", "read", "read-replacement", "discard", "discard-replaced", "import", "diff")
_OBJECT = frozenset(("steps", "changeSummary", "config", "duration"))


class UnreadableError(Exception):
    """The input is not a complete preview; the text says why."""


class Violation(BaseModel):
    """A violated rule of a policy pack. `level` is `mandatory` or `advisory`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    rule: str = Field(alias="policyName")
    level: str = Field(alias="enforcementLevel")
    message: str
    urn: str = Field("", alias="resourceUrn")


@dataclass(frozen=True)
class Policies:
    """Results of the policy packs. `rules`: names of all rules that ran."""

    violations: tuple[Violation, ...]
    rules: frozenset[str]
    mended: tuple[Message, ...]


class Step(BaseModel):
    """A step for one resource, with the engine's names. A replacement is one step here."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    op: str
    urn: str = Field(pattern=r"^urn:pulumi:.*?::.*?::.*?::")
    oldState: Json | None = None
    newState: Json | None = None
    detailedDiff: dict[str, Json] | None = None
    diffReasons: list[str] | None = None
    replaceReasons: list[str] | None = None

    @property
    def type(self) -> str:
        """`gcp:compute/address:Address`."""
        return type_of(self.urn)

    def state(self, which: str, place: str) -> Mapping[str, Any]:
        """`inputs` or `outputs` of `oldState` or `newState`; empty if there are none."""
        found = (getattr(self, which) or {}).get(place)
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Preview:
    """One preview. `before`, `after`: the stack's outputs, None: not included; `complete`: the form includes
    everything; `refresh`: it shows drift, not what an update would do; `programless`: it ran without the program."""

    steps: tuple[Step, ...]
    before: Json | None
    after: Json | None
    config: Mapping[str, str]
    policies: Policies | None
    errors: tuple[Message, ...]
    warnings: tuple[Message, ...]
    failed: bool
    complete: bool
    refresh: bool
    programless: bool

    @property
    def partial(self) -> bool:
        """Whether it ended before the program had finished; a policy violation alone does not stop a preview."""
        return self.failed and any(not message.text.strip().endswith("preview failed") for message in self.errors)

    @property
    def conclusive(self) -> bool:
        """Whether it shows what would change: every complete preview has a step of the stack itself, even without
        changes (pulumi/pkg/backend/display/json.go)."""
        return self.failed or any(step.type == STACK for step in self.steps)

    @property
    def changes(self) -> list[Step]:
        """Steps that change something."""
        return [step for step in self.steps if step.op not in IDLE]


def read(text: str) -> Preview:
    """Parse a preview in either form. Raises `UnreadableError`."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    try:
        if isinstance(document, dict) and _OBJECT & document.keys():
            return _object(document)
        return _stream(_lines(text))
    except (ValidationError, RecursionError, AttributeError, KeyError, TypeError, IndexError):
        raise UnreadableError("it does not have the format of a preview") from None


def _lines(text: str) -> list[Json]:
    """The events. A plugin or a language host may have written its own lines among them."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("{"):
            try:
                found.append(json.loads(line))
            except (ValueError, RecursionError):
                raise UnreadableError(f"line {number} is truncated or not JSON") from None
    if not any("sequence" in event for event in found):
        raise UnreadableError("it does not contain a preview")
    return found


def _object(digest: Json) -> Preview:
    steps = [Step.model_validate(masked(step)) for step in digest.get("steps") or ()]
    said = [
        # In this form the text also begins with the severity.
        (severity, Message(each.get("urn", ""), str(each["message"]).removeprefix(f"{severity}: ")))
        for each in digest.get("diagnostics") or ()
        for severity in (str(each.get("severity")),)
    ]
    output = [message.text for severity, message in said if severity == OUTPUT]
    errors = causes((message for severity, message in said if severity == "error"), output)
    return _preview(
        steps,
        after=None,
        config=dict(digest.get("config") or {}),
        policies=None,
        errors=errors,
        warnings=tuple(message for severity, message in said if severity == "warning"),
        failed=bool(errors),
        complete=False,
    )


def _stream(events: Sequence[Json]) -> Preview:
    steps, found = list[Step](), list[Step]()
    outputs: Json | None = None
    config: Json = {}
    errors, warnings, output = list[Message](), list[Message](), list[str]()
    ended, failed, cancelled = False, False, False
    for event in events:
        if prelude := event.get("preludeEvent"):
            config = dict(prelude.get("config") or {})
        elif before := event.get("resourcePreEvent"):
            steps.append(_step(before["metadata"]))
        elif done := event.get("resOutputsEvent"):
            step = _step(done["metadata"])
            if step.type == STACK:
                outputs = dict(step.state("newState", "outputs"))
            found.append(step)
        elif (said := event.get("diagnosticEvent")) and said["severity"] in ("error", "warning"):
            message = Message(said.get("urn", ""), str(said["message"]))
            (errors if said["severity"] == "error" else warnings).append(message)
        elif said and said["severity"] == OUTPUT:
            output.append(str(said["message"]))
        elif summary := event.get("summaryEvent"):
            ended, failed = True, summary.get("result", "succeeded") != "succeeded"
        elif "cancelEvent" in event:
            cancelled = True
    if not ended and not cancelled:
        raise UnreadableError("it is truncated: the engine's last event is missing")
    # A refresh reports its result only afterwards, also for `same`: that event has both outputs.
    refreshed = {step.urn for step in steps if step.op == "refresh" or step.type == STACK}
    return _preview(
        steps,
        [step for step in found if step.urn in refreshed and step.op in ("update", "delete", "same")],
        after=outputs,
        config={key: str(value) for key, value in config.items()},
        policies=_policies(events),
        errors=causes(errors, output),
        warnings=tuple(warnings),
        failed=failed or not ended or bool(errors),
        complete=True,
    )


def _preview(steps: Sequence[Step], refreshed: Sequence[Step] = (), **rest: Any) -> Preview:
    root = next((step for step in steps if step.type == STACK), None)
    refresh = any(step.op == "refresh" for step in steps)
    return Preview(
        steps=_by_resource([*steps, *(refreshed if refresh else ())]),
        before=dict(root.state("oldState", "outputs")) if root and root.oldState else None,
        refresh=refresh,
        programless=bool(root and root.op == "refresh"),
        **rest,
    )


def _policies(events: Sequence[Json]) -> Policies | None:
    """What the policy packs' events say; None when no pack was there."""
    violations = [Violation.model_validate(each["policyEvent"]) for each in events if each.get("policyEvent")]
    rules = {violation.rule for violation in violations}
    for event in events:
        for kind in ("policyAnalyzeSummaryEvent", "policyAnalyzeStackSummaryEvent"):
            summary = event.get(kind) or {}
            rules.update(summary.get("passed") or (), summary.get("failed") or ())
    if not rules and not any("policyLoadEvent" in each for each in events):
        return None
    mended = [
        Message(each.get("resourceUrn", ""), str(each["policyName"]))
        for event in events
        if (each := event.get("policyRemediationEvent"))
    ]
    return Policies(tuple(violations), frozenset(rules), tuple(mended))


def _step(metadata: Json) -> Step:
    return Step.model_validate(masked(step_of(metadata)))


def _by_resource(steps: Iterable[Step]) -> tuple[Step, ...]:
    """One step per resource, in the engine's order."""
    found: dict[str, Step] = {}
    for step in steps:
        earlier = found.get(step.urn)
        if step.op in REPLACING:
            states = [each for each in (step, earlier) if each]
            step = step.model_copy(  # noqa: PLW2901 - one step instead of the two or three
                update={"op": "replace"}
                | {
                    name: next((value for each in states if (value := getattr(each, name))), None)
                    for name in ("oldState", "newState", "detailedDiff", "diffReasons", "replaceReasons")
                }
            )
        elif earlier and earlier.op not in IDLE:
            continue
        found[step.urn] = step
    return tuple(found.values())
