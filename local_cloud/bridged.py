"""A Terraform-bridged provider: Check, Diff, Create, Read, Update, Delete for a set of resource types.

Like the bridge, it does the same for every type: defaults, generated names, labels, plans, secrets, previews that write
nothing, deletion policies, import.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ClassVar

from local_cloud import faults
from local_cloud.cloud import Cloud, LogOperation
from local_cloud.differences import compare, settled_by_the_way
from local_cloud.errors import CheckFailure, CloudError
from local_cloud.fields import Field
from local_cloud.planning import Change, ChangeKind, imported_inputs, plan, refreshed_inputs
from local_cloud.provider import Checked, Difference, Named, State
from local_cloud.resource_type import ResourceType, Settings
from local_cloud.values import DEFAULTS, UNKNOWN, Path, Props, has_unknown, without_defaults

Function = Callable[[Cloud, Settings, Props], Props]
_LABELS = ("effectiveLabels", "pulumiLabels")


class BridgedProvider:
    """One provider of resource types and functions."""

    detailed: ClassVar[bool] = True
    """Whether Diff reports paths. Plugins built with Terraform's plugin framework report top-level properties only."""

    def __init__(
        self,
        cloud: Cloud,
        name: str,
        version: str,
        types: Iterable[ResourceType],
        functions: Mapping[str, Function] | None = None,
    ) -> None:
        self.cloud = cloud
        self.name = name
        self.version = version
        self.types = {one.token: one for one in types}
        self.functions = dict(functions or {})

    # Configuration; overridden by providers that have any

    def check_config(self, given: Props) -> Checked:
        return Checked(given)

    def diff_config(self, before: Props, after: Props) -> Difference:
        names = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
        return Difference([Change((name,), "update", False) for name in names])

    def configure(self, given: Props) -> Settings:
        return Settings()

    # Resources

    def check(self, settings: Settings, resource: Named, prior: Props, given: Props) -> Checked:
        one = self._type(resource.type)
        inputs = one.shape.with_defaults(given, prior) if not one.shape.check(given, resource.name) else dict(given)
        for field in one.shape.fields.values():
            if field.autonamed and given.get(field.name) is None:
                inputs[field.name] = _autoname(resource, prior, field.name)
                inputs[DEFAULTS] = sorted({*inputs.get(DEFAULTS, []), field.name})
        failures = one.shape.check(inputs, resource.name)
        if not failures:
            failures = [*_deletion_policy(one, inputs), *one.check(without_defaults(inputs))]
        return Checked(inputs, failures)

    def diff(
        self, settings: Settings, resource: Named, id_: str, state: Props, inputs: Props, given: Props
    ) -> Difference:
        one = self._type(resource.type)
        planned = self._planned(one, settings, state, given)
        changes = self._changes(one, state, planned)
        if changes:
            by_the_way = settled_by_the_way(one.shape, state, planned)
            changes += [change for change in by_the_way if change.path[0] not in {*_LABELS, *one.suppressed}]
        replaced = any(change.replace for change in changes)
        deleted_first = replaced and _named_by_hand(one, given)
        return Difference(changes, deleted_first, detailed=self.detailed, bridged=True)

    def create(self, settings: Settings, resource: Named, given: Props, *, preview: bool, timeout: float) -> State:
        one = self._type(resource.type)
        planned = self._planned(one, settings, {}, given)
        if preview:
            open_values = _unknown_where_open(one.shape.fields, planned)
            return State("", open_values, secrets=_secrets(one, open_values))
        with Operation(self.cloud, one, "create", f"Error creating {one.noun}", _id(one, planned)):
            _judge(one, planned)
            body = one.create(_without_none(planned))
        return self._state(one, body, planned)

    def read(self, settings: Settings, resource: Named, id_: str, inputs: Props, state: Props) -> State | None:
        one = self._type(resource.type)
        identity = {**one.identity(id_, settings), **{name: value for name, value in state.items() if value}}
        with Operation(self.cloud, one, "read", f"Error when reading or editing {one.noun}", id_):
            body = one.read(identity)
        if body is None:
            return None
        read = self._state(one, body, state)
        if inputs or state:
            refreshed = refreshed_inputs(one.shape, inputs, read.outputs)
        else:
            refreshed = {**imported_inputs(one.shape, read.outputs), DEFAULTS: []}
        return State(read.id, read.outputs, refreshed, read.secrets)

    def update(
        self, settings: Settings, resource: Named, prior: State, given: Props, *, preview: bool, timeout: float
    ) -> State:
        one = self._type(resource.type)
        planned = self._planned(one, settings, prior.outputs, given)
        if preview:
            outputs = {**prior.outputs, **_without_none(one.shape.with_zeros(planned))}
            return State(prior.id, outputs, secrets=_secrets(one, outputs))
        changed = {str(change.path[0]) for change in self._changes(one, prior.outputs, planned)}
        own = {name for name, field in one.shape.fields.items() if field.plugin_only and not field.secret}
        if changed <= own:  # nothing to send to the cloud
            outputs = {**prior.outputs, **{name: planned[name] for name in own}}
            return State(prior.id, outputs, secrets=_secrets(one, outputs))
        if faults.drops_update(self.cloud, one.token):
            planned = self._planned(one, settings, prior.outputs, prior.outputs)
        with Operation(self.cloud, one, "update", f"Error updating {one.noun}", prior.id):
            _judge(one, planned)
            body = one.update(prior.outputs, _without_none(planned, keep=_resettable(one)))
        return self._state(one, body, planned)

    def delete(self, settings: Settings, resource: Named, prior: State, *, timeout: float) -> None:
        one = self._type(resource.type)
        policy = prior.outputs.get("deletionPolicy")
        if policy == "PREVENT":
            raise CloudError(
                f"cannot destroy {one.noun} {prior.id} without setting deletion_policy to something other than PREVENT"
            )
        if policy == "ABANDON":
            return
        with Operation(self.cloud, one, "delete", f"Error when reading or editing {one.noun}", prior.id):
            one.delete(prior.outputs)

    def invoke(self, settings: Settings, token: str, arguments: Props) -> Props:
        function = self.functions.get(token)
        if function is None:
            raise CloudError(f"the local cloud has no function {token}; it knows {', '.join(sorted(self.functions))}")
        with self.cloud.change() as tx:
            tx.record("invoke", token, str(arguments.get("name", "")))
        faults.meet(self.cloud, token, "invoke", str(arguments.get("name", "")))
        return function(self.cloud, settings, arguments)

    # Common work

    def _type(self, token: str) -> ResourceType:
        if token not in self.types:
            raise CloudError(f"the local cloud has no resource type {token}; it knows {', '.join(sorted(self.types))}")
        return self.types[token]

    def _planned(self, one: ResourceType, settings: Settings, prior: Props, given: Props) -> Props:
        planned = plan(one.shape, prior, without_defaults(given))
        fields = one.shape.fields
        for name, configured in (("project", settings.project), ("region", settings.region)):
            # The plugin takes these from its own configuration in preference to the existing value.
            if name in fields and fields[name].computed and not given.get(name) and configured:
                planned[name] = configured
        if "deletionPolicy" in fields:
            planned["deletionPolicy"] = given.get("deletionPolicy") or settings.deletion_policy
        if "effectiveLabels" in fields:
            _plan_labels(planned, settings, prior)
        return one.adjust(prior, planned)

    def _changes(self, one: ResourceType, state: Props, planned: Props) -> list[Change]:
        changes = [*compare(one.shape, state, planned), *one.customize(state, planned)]
        for name in _LABELS:
            if name in one.shape.fields:
                changes += _label_changes(name, state.get(name), planned[name])
        return changes

    def _state(self, one: ResourceType, body: Props, known: Props) -> State:
        outputs = one.shape.with_zeros(body)
        for name, field in one.shape.fields.items():
            if field.plugin_only:
                value = known.get(name)
                outputs[name] = field.default if value is None else value
        if "deletionPolicy" in outputs:
            outputs["deletionPolicy"] = outputs["deletionPolicy"] or "DELETE"
        if "effectiveLabels" in one.shape.fields:
            effective = body.get("effectiveLabels") or {}
            outputs["effectiveLabels"] = effective
            for name in ("labels", "pulumiLabels"):
                mine = known.get(name) or {}
                outputs[name] = {key: effective[key] for key in mine if key in effective}
        outputs["id"] = one.engine_id(body)
        return State(outputs["id"], outputs, secrets=_secrets(one, outputs))


class Operation:
    """Wraps one operation on the cloud: injects faults, prefixes refusals as the plugin does, and logs them."""

    def __init__(self, cloud: Cloud, one: ResourceType, operation: LogOperation, words: str, id_: str) -> None:
        self._cloud, self._one, self._operation, self._words, self._id = cloud, one, operation, words, id_

    def __enter__(self) -> None:
        try:
            faults.meet(self._cloud, self._one.token, self._operation, self._id)
        except CloudError as refusal:
            raise self._refused(refusal) from None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, CloudError):
            raise self._refused(error) from error

    def _refused(self, refusal: CloudError) -> CloudError:
        with self._cloud.change() as tx:
            tx.record(self._operation, self._one.token, self._id, refusal=str(refusal))
        text = str(refusal)
        words = f"{self._words}: {text}" if text.startswith("googleapi:") else text
        return CloudError(f"1 error occurred:\n\t* {words}\n\n")


def _deletion_policy(one: ResourceType, inputs: Props) -> list[CheckFailure]:
    policy = inputs.get("deletionPolicy")
    if policy in (None, UNKNOWN, "DELETE", "ABANDON", "PREVENT") or one.any_deletion_policy:
        return []
    reason = f'expected deletion_policy to be one of ["DELETE" "ABANDON" "PREVENT"], got {policy}'
    return [CheckFailure("deletionPolicy", reason)]


def _judge(one: ResourceType, planned: Props) -> None:
    """The API's own validation of the values, which the plan does not include."""
    for failure in one.judge(_without_none(planned)):
        raise CloudError(failure.reason)


def _autoname(resource: Named, prior: Props, name: str) -> str:
    """The existing name; for a new resource logical name and seven hex digits, as the plugin does."""
    if prior.get(name):
        return str(prior[name])
    return f"{resource.name}-{hashlib.sha256(resource.seed or resource.urn.encode()).hexdigest()[:7]}"


def _plan_labels(planned: Props, settings: Settings, prior: Props) -> None:
    """Labels set by the program, those added by the provider, and all labels on the resource are kept separately."""
    given = planned.get("labels") or {}
    if given == UNKNOWN or has_unknown(given):
        planned["pulumiLabels"] = planned["effectiveLabels"] = UNKNOWN
        return
    own = settings.own_labels(given)
    strangers = {
        key: value
        for key, value in (prior.get("effectiveLabels") or {}).items()
        if key not in (prior.get("pulumiLabels") or {})
    }
    planned["pulumiLabels"] = own
    planned["effectiveLabels"] = {**strangers, **own}


def _label_changes(name: str, before: Props | None, after: Props | str) -> Iterator[Change]:
    if isinstance(after, str):
        yield Change((name,), "update" if before else "add", replace=False)
        return
    if before is None and name == "effectiveLabels":
        yield Change((name,), "add", replace=False)  # recomputed, with any other labels on the resource
        return
    before = before or {}
    for key in sorted({*before, *after}):
        if before.get(key) != after.get(key):
            kind: ChangeKind = "add" if key not in before else "update" if key in after else "delete"
            yield Change((name, key), kind, replace=False)


def _unknown_where_open(fields: Mapping[str, Field], planned: Props) -> Props:
    """A preview's outputs: values that the cloud assigns are unknown."""
    result: Props = {}
    for name, field in fields.items():
        value = planned.get(name)
        if value is None:
            result[name] = UNKNOWN if field.computed or field.output_only else field.zero()
        elif field.block and isinstance(value, dict):
            result[name] = _unknown_where_open(field.fields, value)
        else:
            result[name] = value
    return result


def _secrets(one: ResourceType, outputs: Props) -> frozenset[Path]:
    return frozenset((name,) for name, field in one.shape.fields.items() if field.secret and name in outputs)


def _without_none(values: Props, keep: frozenset[str] = frozenset()) -> Props:
    return {name: value for name, value in values.items() if value is not None or name in keep}


def _resettable(one: ResourceType) -> frozenset[str]:
    """Inputs that an update removes when they are left out."""
    return frozenset(name for name, field in one.shape.fields.items() if not field.computed and not field.output_only)


def _id(one: ResourceType, planned: Props) -> str:
    try:
        return one.key(planned)
    except KeyError:
        return str(planned.get(one.stable_name, ""))


def _named_by_hand(one: ResourceType, given: Props) -> bool:
    """Whether the program set the name, so that old and new resource cannot coexist (the bridge's rule)."""
    made_up = given.get(DEFAULTS)
    return made_up is not None and any(
        field.autonamed and given.get(name) is not None and name not in made_up
        for name, field in one.shape.fields.items()
    )
