"""What one Google resource type has to say for itself; the providers' common work is in `bridged.py`.

A subclass gives its shape, where the cloud keeps it, what the cloud computes, and what the cloud refuses. It never sees
the engine, secrets or previews.
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
    """A provider's configuration, as far as resource types ask for it."""

    project: str = ""
    region: str = ""
    default_labels: Mapping[str, str] | None = None
    attribution: bool = True
    deletion_policy: str = "DELETE"

    def own_labels(self, given: Mapping[str, str]) -> dict[str, str]:
        """The labels the provider puts on a resource; the attribution label is the plugin's own idea."""
        attribution = {"goog-pulumi-provisioned": "true"} if self.attribution else {}
        return {**(self.default_labels or {}), **attribution, **given}


class ResourceType:
    """Base of all types whose resources live in the cloud's file."""

    token: ClassVar[str]
    shape: ClassVar[Shape]
    noun: ClassVar[str]
    """As the plugin calls it in its errors: "Error creating Address"."""
    key_format: ClassVar[str]
    """Where the cloud keeps it, from its own fields: projects/{project}/regions/{region}/addresses/{name}."""
    id_format: ClassVar[str] = ""
    """The id in the engine's state, where that differs."""
    import_formats: ClassVar[tuple[str, ...]] = ()
    """Shorter ids that can be imported as well, in the order the plugin tries them."""
    stable_name: ClassVar[str] = "name"
    suppressed: ClassVar[frozenset[str]] = frozenset()
    """Inputs that the plugin compares itself (DiffSuppressFunc): no change when the program leaves them out."""
    any_deletion_policy: ClassVar[bool] = False
    """Types that had a `deletionPolicy` before all had one do not look at its value; what is not known deletes."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    # Names and ids

    def key(self, values: Mapping[str, Any]) -> str:
        """The id under which the cloud keeps a resource with these values."""
        return self.key_format.format_map(values)

    def engine_id(self, body: Mapping[str, Any]) -> str:
        return (self.id_format or self.key_format).format_map(body)

    def identity(self, id_: str, settings: Settings) -> Props:
        """The fields that an id names: from the state, or as typed by somebody who imports."""
        for pattern in (self.key_format, self.id_format, *self.import_formats):
            match = re.fullmatch(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(pattern)), id_) if pattern else None
            if match:
                return {"project": settings.project, "region": settings.region, **match.groupdict()}
        raise CloudError(f'Import id "{id_}" doesn\'t match any of the accepted formats: {self.key_format}')

    # What the plugin checks before it asks the cloud

    def check(self, inputs: Props) -> list[CheckFailure]:
        """Values that the plugin refuses at once. Unknown values have to be let through."""
        return []

    def judge(self, planned: Props) -> list[CheckFailure]:
        """Values that the plugin plans with and the API then refuses, whatever else there is in the cloud."""
        return []

    def adjust(self, prior: Props, planned: Props) -> Props:
        """The plan with what the plugin itself works out."""
        return planned

    def customize(self, prior: Props, planned: Props) -> list[Change]:
        """Changes that a shape cannot say, added to the plan's own. A CloudError: the plugin refuses the plan."""
        return []

    # What the cloud does

    def make(self, tx: Transaction, planned: Props) -> Props:
        """The body of a new resource: refuse what the cloud refuses, compute what it computes."""
        return planned

    def change(self, tx: Transaction, body: Props, planned: Props) -> Props:
        """The body after an update."""
        return {**body, **planned}

    def remove(self, tx: Transaction, body: Props) -> None:
        """Refuse a deletion the cloud refuses; remove what goes with the resource."""

    def see(self, tx: Transaction, body: Props) -> Props | None:
        """What the cloud answers when it is asked: the body and what follows from other resources. None: it is gone."""
        return body

    # The whole operation; a type that has more to do than to write overrides these

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
        """What the cloud keeps: without the fields only the plugin knows, and without `labels`, see `bridged.py`."""
        own = {name for name, field in self.shape.fields.items() if field.plugin_only}
        hidden = {*own, "labels", "pulumiLabels"} if "effectiveLabels" in self.shape.fields else own
        return {name: value for name, value in body.items() if name not in hidden}

    def existing(self, tx: Transaction, values: Props) -> Props:
        body = tx.get(self.token, self.key(values))
        if body is None:
            raise google_error(404, f"The resource '{self.key(values)}' was not found", "notFound")
        return body

    def delete(self, values: Props) -> None:
        """Deleting what is gone already is fine, as it is for the plugin."""
        with self.cloud.change() as tx:
            body = tx.get(self.token, self.key(values))
            if body is not None:
                self.remove(tx, body)
                tx.delete(self.token, self.key(body))


def known(values: Mapping[str, Any], name: str) -> Any:
    """A value if it is given and known."""
    value = values.get(name)
    return None if value == UNKNOWN else value
