"""The policies: each rule in the form of `pulumi_policy`, and the data that policies pass to each other.

One policy alone is not enough in two cases. The engine marks secret inputs for remediations, not for validations, so
the remediation of `no-plaintext-secret` records them for its validation, which the engine runs next. And a policy has
one level, so exceptions in force are reported by a separate advisory policy, which runs last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

from engine.tokens import STACK
from policies.adapter import NotJudgedError, bare, declared, secret_paths
from policies.judge import Excepted, NotJudged, Refused, Verdict, judge_exceptions, judge_resource, judge_stack, mended
from policies.rule import Options, ResourceRule, Rule, StackRule
from policies.rules import RULES

NAME = "warp-edge"
EXCEPTIONS_IN_FORCE = "exceptions-in-force"
Today = Callable[[], date]


class Heard:
    """Data passed between policies, during one preview or update."""

    def __init__(self) -> None:
        self.secret: dict[str, frozenset[str]] = {}
        self.excepted: dict[tuple[str, str, str], Excepted] = {}


def policies(rules: Iterable[Rule] = RULES, today: Today = date.today) -> list[Policy]:
    """Every rule as a policy, in order."""
    heard = Heard()
    found: list[Policy] = []
    for rule in rules:
        if isinstance(rule, ResourceRule):
            found.append(_resource_policy(rule, heard, today))
        elif isinstance(rule, StackRule):
            found.append(_stack_policy(rule, heard, today))
    return [*found, _exceptions_in_force(heard)]


def _resource_policy(rule: ResourceRule, heard: Heard, today: Today) -> ResourceValidationPolicy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        verdicts: list[Verdict] = []
        if args.resource_type == STACK:
            verdicts += judge_exceptions(rule, args.get_config(), today())
        if not rule.types or args.resource_type in rule.types:
            resource = declared(args, heard.secret.get(args.urn))
            verdicts += judge_resource(rule, resource, args.get_config(), today())
        _report_verdicts(verdicts, report, heard)

    def remediate(args: ResourceValidationArgs) -> Mapping[str, Any] | None:
        inputs: dict[str, Any] = bare(args.props)
        heard.secret[args.urn] = frozenset(secret_paths(inputs))
        if args.resource_type not in rule.types:
            return None
        return inputs if mended(rule, declared(args), inputs, args.get_config(), today()) else None

    return ResourceValidationPolicy(
        rule.name,
        rule.says,
        validate,
        EnforcementLevel[rule.level.name],
        _schema(rule.options),
        # Also for rules that fix nothing: at level remediate the policy gets which inputs are secret.
        remediate=remediate,  # type: ignore[arg-type]  # the library awaits it only if it has to
        remediation_steps=rule.remedy,
    )


def _stack_policy(rule: StackRule, heard: Heard, today: Today) -> StackValidationPolicy:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        resources = [declared(each) for each in args.resources]
        verdicts: list[Verdict] = [*judge_exceptions(rule, args.get_config(), today())]
        verdicts += judge_stack(rule, resources, args.get_config(), today())
        _report_verdicts(verdicts, report, heard)

    return StackValidationPolicy(
        rule.name,
        rule.says,
        validate,
        EnforcementLevel[rule.level.name],
        _schema(rule.options),
        remediation_steps=rule.remedy,
    )


def _exceptions_in_force(heard: Heard) -> StackValidationPolicy:
    def validate(_: StackValidationArgs, report: ReportViolation) -> None:
        for each in heard.excepted.values():
            granted = each.granted
            message = f"{each.rule}: {each.what}; until {granted.expires} ({granted.by}: {granted.reason})"
            report(message, each.urn)

    return StackValidationPolicy(
        EXCEPTIONS_IN_FORCE, "Exceptions in force are reported", validate, EnforcementLevel.ADVISORY
    )


def _report_verdicts(verdicts: Sequence[Verdict], report: ReportViolation, heard: Heard) -> None:
    """Violations first: a policy reports what it could not judge by raising, which ends it."""
    for verdict in verdicts:
        if isinstance(verdict, Refused):
            report(verdict.message, verdict.urn or None)
        elif isinstance(verdict, Excepted):
            heard.excepted[verdict.rule, verdict.urn, verdict.what] = verdict
    if unknown := [verdict.message for verdict in verdicts if isinstance(verdict, NotJudged)]:
        raise NotJudgedError("could not be judged: " + "; ".join(dict.fromkeys(unknown)))


def _schema(options: type[Options]) -> PolicyConfigSchema:
    """The schema by which the engine checks a stack's configuration and fills in defaults. It supports no
    references."""
    schema = options.model_json_schema()
    properties: dict[str, dict[str, Any]] = _resolved(schema["properties"], schema.get("$defs", {}))
    return PolicyConfigSchema(properties)


def _resolved(value: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        if "$ref" in value:
            return _resolved(definitions[value["$ref"].rpartition("/")[2]], definitions)
        return {key: _resolved(inner, definitions) for key, inner in value.items()}
    return [_resolved(inner, definitions) for inner in value] if isinstance(value, list | tuple) else value
