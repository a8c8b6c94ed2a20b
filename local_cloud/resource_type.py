"""Base of the Google resource types; what they have in common with other providers is in `bridged.py`.

A subclass defines its shape, its key in the cloud, what the cloud computes, and what the cloud refuses. It does not
deal with the engine, secrets or previews.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from local_cloud.cloud import Cloud, Transaction
from local_cloud.errors import CheckFailure, CloudError, google_error
from local_cloud.planning import Change
from local_cloud.shapes import Shape
from local_cloud.values import UNKNOWN, Props


@dataclass(frozen=True)
class Settings:
    """The part of a provider's configuration that resource types need."""

    project: str = ""
    region: str = ""
    default_labels: Mapping[str, str] | None = None
    attribution: bool = True
    deletion_policy: str = "DELETE"

    def own_labels(self, given: Mapping[str, str]) -> dict[str, str]:
        """The labels that the provider adds to a resource; the plugin adds the attribution label by itself."""
        attribution = {"goog-pulumi-provisioned": "true"} if self.attribution else {}
        return {**(self.default_labels or {}), **attribution, **given}


class ResourceType:
    """Base of all types whose resources are stored in the cloud's file."""

    token: ClassVar[str]
    shape: ClassVar[Shape]
    noun: ClassVar[str]
    """Its name in the plugin's errors: "Error creating Address"."""
    key_format: ClassVar[str]
    """Its key in the cloud, from its fields: projects/{project}/regions/{region}/addresses/{name}."""
    id_format: ClassVar[str] = ""
    """The id in the engine's state, where that differs."""
    import_formats: ClassVar[tuple[str, ...]] = ()
    """Shorter ids that can be imported as well, in the order the plugin tries them."""
    stable_name: ClassVar[str] = "name"
    suppressed: ClassVar[frozenset[str]] = frozenset()
    """Inputs that the plugin compares itself (DiffSuppressFunc): no change if the program omits them."""
    any_deletion_policy: ClassVar[bool] = False
    """For types that had `deletionPolicy` before all did: its value is not checked, and an unknown one deletes."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    # Names and ids

    def key(self, values: Mapping[str, Any]) -> str:
        """The cloud's key of a resource with these values."""
        return self.key_format.format_map(values)

    def engine_id(self, body: Mapping[str, Any]) -> str:
        return (self.id_format or self.key_format).format_map(body)

    def identity(self, id_: str, settings: Settings) -> Props:
        """The fields in an id, from the state or from an import."""
        for pattern in (self.key_format, self.id_format, *self.import_formats):
            match = re.fullmatch(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(pattern)), id_) if pattern else None
            if match:
                return {"project": settings.project, "region": settings.region, **match.groupdict()}
        raise CloudError(f'Import id "{id_}" doesn\'t match any of the accepted formats: {self.key_format}')

    # What the plugin checks before it calls the cloud

    def check(self, inputs: Props) -> list[CheckFailure]:
        """Values that the plugin refuses in Check. Unknown values must pass."""
        return []

    def judge(self, planned: Props) -> list[CheckFailure]:
        """Values that the plugin accepts in a plan and that the API always refuses."""
        return []

    def adjust(self, prior: Props, planned: Props) -> Props:
        """The plan with values that the plugin computes."""
        return planned

    def customize(self, prior: Props, planned: Props) -> list[Change]:
        """Further changes, which a shape cannot express. Raises `CloudError` if the plugin refuses the plan."""
        return []

    # What the cloud does

    def make(self, tx: Transaction, planned: Props) -> Props:
        """The body of a new resource, with computed values. Raises what the cloud refuses."""
        return planned

    def change(self, tx: Transaction, body: Props, planned: Props) -> Props:
        """The body after an update."""
        return {**body, **planned}

    def remove(self, tx: Transaction, body: Props) -> None:
        """Refuse a deletion that the cloud refuses; remove dependent resources."""

    def see(self, tx: Transaction, body: Props) -> Props | None:
        """The cloud's answer to a read: the body with what depends on other resources. None: it does not exist."""
        return body

    # The whole operation; overridden by types that do more than write

    def create(self, planned: Props) -> Props:
        with self.cloud.change() as tx:
            self.refuse_existing(tx, planned)
            body = self.stored(self.make(tx, planned))
            tx.create(self.token, self.key(body), body)
            return self.see(tx, body) or body

    def refuse_existing(self, tx: Transaction, planned: Props) -> None:
        if tx.get(self.token, self.key(planned)) is not None:
            raise google_error(409, f"The resource '{self.key(planned)}' already exists", "alreadyExists")

    def read(self, values: Props) -> Props | None:
        with self.cloud.change() as tx:
            key = self.key(values)
            tx.record("read", self.token, key)
            body = tx.get(self.token, key)
            return None if body is None else self.see(tx, body)

    def update(self, prior: Props, planned: Props) -> Props:
        with self.cloud.change() as tx:
            body = self.existing(tx, prior)
            after = self.stored(self.change(tx, body, planned))
            tx.drop(self.token, self.key(body))
            tx.update(self.token, self.key(after), after)
            return self.see(tx, after) or after

    def stored(self, body: Props) -> Props:
        """What the cloud stores: without the plugin's own fields, and without `labels` (see `bridged.py`)."""
        own = {name for name, field in self.shape.fields.items() if field.plugin_only}
        hidden = {*own, "labels", "pulumiLabels"} if "effectiveLabels" in self.shape.fields else own
        return {name: value for name, value in body.items() if name not in hidden}

    def existing(self, tx: Transaction, values: Props) -> Props:
        body = tx.get(self.token, self.key(values))
        if body is None:
            raise google_error(404, f"The resource '{self.key(values)}' was not found", "notFound")
        return body

    def delete(self, values: Props) -> None:
        """Deleting a resource that no longer exists succeeds, as with the plugin."""
        with self.cloud.change() as tx:
            body = tx.get(self.token, self.key(values))
            if body is not None:
                self.remove(tx, body)
                tx.delete(self.token, self.key(body))


def known(values: Mapping[str, Any], name: str) -> Any:
    """A value if it is given and known."""
    value = values.get(name)
    return None if value == UNKNOWN else value
