"""Enabled APIs of a project, and private services access."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote

from local_cloud.cloud import Transaction
from local_cloud.errors import CheckFailure, CloudError, google_error
from local_cloud.gcp.rules import find_network
from local_cloud.gcp.sql_instances import CONNECTION, DELETED_NAME
from local_cloud.gcp.sql_servers import INSTANCE
from local_cloud.links import name_of, project_of, relative, self_link
from local_cloud.resource_type import ResourceType, Settings, known
from local_cloud.shapes import Shape
from local_cloud.values import Props

# Google keeps an instance's network resources for days after its deletion; until then the connection cannot be deleted:
# docs.cloud.google.com/sql/docs/postgres/configure-private-services-access, github.com/hashicorp/
# terraform-provider-google/issues/16275.
KEPT_BY_PRODUCER: Final = datetime.timedelta(days=4)


class ProjectService(ResourceType):
    """An enabled API."""

    token = "gcp:projects/service:Service"
    noun = "Service"
    key_format = "{project}/{service}"
    import_formats = ("{service}",)
    stable_name = "service"
    shape = Shape.parse(
        """
        root: service*! checkIfServiceHasUsageOnDestroy:bool% deletionPolicy~% disableDependentServices:bool%
            disableOnDestroy:bool% project!~
        """
    )

    def check(self, inputs: Props) -> list[CheckFailure]:
        service = known(inputs, "service")
        if service is None or re.fullmatch(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+", service):
            return []
        return [CheckFailure("service", f"{service!r} is not a service such as compute.googleapis.com")]

    def refuse_existing(self, tx: Transaction, planned: Props) -> None:
        """Enabling an enabled API is not an error."""

    def delete(self, values: Props) -> None:
        """Without `disableOnDestroy` the API stays enabled; it is only removed from the state."""
        if values.get("disableOnDestroy"):
            super().delete(values)


class Connection(ResourceType):
    """Private services access: a peering of a network with Google's, over reserved ranges."""

    token = CONNECTION
    noun = "ServiceNetworkingConnection"
    key_format = "{network}:{service}"
    stable_name = "service"
    any_deletion_policy = True
    shape = Shape.parse(
        """
        root: network*!@ service*! reservedPeeringRanges[]* deletionPolicy~% updateOnCreationFail:bool% peering^
        """
    )

    def key(self, values: Mapping[str, Any]) -> str:
        return f"{relative(values['network'])}:{values['service']}"

    def engine_id(self, body: Mapping[str, Any]) -> str:
        return f"{quote(relative(body['network']), safe='')}:{body['service']}"

    def identity(self, id_: str, settings: Settings) -> Props:
        network, _, service = unquote(id_).lstrip("/").rpartition(":")
        if not network:
            raise CloudError(f'Import id "{id_}" doesn\'t match NETWORK:SERVICE')
        path = network if "/" in network else f"projects/{settings.project}/global/networks/{network}"
        return {"network": path, "service": service}

    def refuse_existing(self, tx: Transaction, planned: Props) -> None:
        """A network has one: the plugin sets its ranges with `updateOnCreationFail`."""
        if tx.get(self.token, self.key(planned)) is not None and not planned.get("updateOnCreationFail"):
            message = "Cannot modify allocated ranges in CreateConnection. Please use UpdateConnection."
            raise google_error(400, message, "badRequest")

    def make(self, tx: Transaction, planned: Props) -> Props:
        found = find_network(tx, planned["network"], project_of(relative(planned["network"])))
        if found is None:
            raise google_error(404, f"The resource '{relative(planned['network'])}' was not found", "notFound")
        ranges = {one.body["name"]: one.body for one in tx.all("gcp:compute/globalAddress:GlobalAddress")}
        for name in planned["reservedPeeringRanges"]:
            if ranges.get(name_of(name), {}).get("purpose") != "VPC_PEERING":
                message = f"Cannot find reserved peering range '{name}' of purpose VPC_PEERING in {found[0]}"
                raise google_error(400, message, "invalid")
        return {**planned, "network": self_link(found[0]), "peering": "servicenetworking-googleapis-com"}

    def change(self, tx: Transaction, body: Props, planned: Props) -> Props:
        return self.make(tx, {**body, **planned})

    def remove(self, tx: Transaction, body: Props) -> None:
        if any(relative(each) == relative(body["network"]) for each in _networks_in_use(tx)):
            message = (
                "Failed to delete connection; Producer services (e.g. CloudSQL, Cloud Memstore, etc.) are still "
                "using this connection."
            )
            raise google_error(400, message, "failedPrecondition")


def _networks_in_use(tx: Transaction) -> Iterator[str]:
    """Networks of instances that exist or were deleted recently."""
    for instance in tx.all(INSTANCE):
        yield (instance.body["settings"].get("ipConfiguration") or {}).get("privateNetwork") or ""
    now = datetime.datetime.now(datetime.UTC)
    for deleted in tx.all(DELETED_NAME):
        if now - datetime.datetime.fromisoformat(deleted.body["deletedAt"]) < KEPT_BY_PRODUCER:
            yield deleted.body.get("privateNetwork") or ""
