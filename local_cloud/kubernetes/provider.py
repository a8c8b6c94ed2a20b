"""The kubernetes provider: checks, dry runs, applies, and waits, as the real plugin does in server-side-apply mode."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from local_cloud import faults
from local_cloud.cloud import Cloud, LogOperation
from local_cloud.errors import CheckFailure, CloudError, InitFailed
from local_cloud.kubernetes import objects, plan, waits
from local_cloud.kubernetes.apply import ConflictError, apply
from local_cloud.kubernetes.clusters import find_cluster, parse_kubeconfig
from local_cloud.kubernetes.schema import KINDS, unknown_fields
from local_cloud.planning import Change
from local_cloud.provider import Checked, Difference, Named, State
from local_cloud.values import UNKNOWN, Path, Props, has_unknown

VERSION: Final = "4.34.2"
FORCE: Final = "pulumi.com/patchForce"
AUTONAMED: Final = "pulumi.com/autonamed"
POLL_SECONDS: Final = 0.2
CONFIGURATION: Final = frozenset(
    {
        "alwaysRender",
        "cluster",
        "clusterIdentifier",
        "context",
        "deleteUnreachable",
        "enableConfigMapMutable",
        "enablePatchForce",
        "enableSecretMutable",
        "enableServerSideApply",
        "helmReleaseSettings",
        "kubeClientSettings",
        "kubeconfig",
        "namespace",
        "renderYamlToDirectory",
        "skipUpdateUnreachable",
        "strictMode",
        "suppressDeprecationWarnings",
        "suppressHelmHookWarnings",
        "upsertExistingObjects",
    }
)
_ENGINE_KEYS: Final = {"version", "pluginDownloadURL", "parameterization", "__internal"}
# Provider setting that makes a kind's data mutable.
_MUTABLE: Final = {"enableConfigMapMutable": plan.CONFIG_MAP, "enableSecretMutable": plan.SECRET}


@dataclass(frozen=True)
class ClusterSettings:
    """The cluster of a provider, or the reason why there is none."""

    cluster: str
    namespace: str = "default"
    unreachable: str = ""
    mutable: frozenset[str] = frozenset()

    def reach(self) -> str:
        if self.unreachable:
            raise CloudError(self.unreachable)
        return self.cluster


class KubernetesProvider:
    """One cluster's objects."""

    name = "kubernetes"
    version = VERSION

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    # Configuration

    def check_config(self, given: Props) -> Checked:
        failures = [
            CheckFailure(name, f"could not validate provider configuration: Invalid or unknown key `{name}`")
            for name in given
            if name not in CONFIGURATION | _ENGINE_KEYS
        ]
        text = given.get("kubeconfig")
        if isinstance(text, str) and not has_unknown(text):
            try:
                parse_kubeconfig(text)
            except CloudError as error:
                failures.append(CheckFailure("kubeconfig", str(error)))
        return Checked(given, failures)

    def diff_config(self, before: Props, after: Props) -> Difference:
        """Another kubeconfig of the same cluster changes nothing; another cluster replaces everything."""
        names = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
        if not names or has_unknown(after):
            return Difference()
        try:
            replace = find_cluster(self.cloud, before) != find_cluster(self.cloud, after)
        except CloudError:
            replace = False
        return Difference([Change((name,), "update", replace) for name in names])

    def configure(self, given: Props) -> ClusterSettings:
        namespace = str(given.get("namespace") or "default")
        # Provider settings arrive as strings.
        mutable = frozenset(kind for name, kind in _MUTABLE.items() if str(given.get(name)).lower() == "true")
        if has_unknown(given):
            return ClusterSettings("", namespace, "the cluster is not known yet", mutable)
        try:
            return ClusterSettings(find_cluster(self.cloud, given), namespace, mutable=mutable)
        except CloudError as error:
            return ClusterSettings("", namespace, str(error), mutable)

    # Resources

    def check(self, settings: ClusterSettings, resource: Named, prior: Props, given: Props) -> Checked:
        failures = unknown_fields(_kind(resource.type), given)
        if failures or given.get("metadata") == UNKNOWN:
            return Checked(given, failures)
        inputs = plan.normalised(resource.type, given)
        metadata = dict(inputs.get("metadata") or {})
        if not metadata.get("name"):
            metadata = _autonamed(metadata, resource, prior)
        if resource.type not in objects.CLUSTER_SCOPED:
            metadata.setdefault("namespace", settings.namespace)
        inputs = {**inputs, "metadata": metadata}
        return Checked(inputs, secrets=_secrets(resource.type, inputs))

    def diff(
        self, settings: ClusterSettings, resource: Named, id_: str, state: Props, inputs: Props, given: Props
    ) -> Difference:
        before = plan.pruned(state, plan.normalised(resource.type, inputs))
        after = plan.normalised(resource.type, given)
        was, will_be = state["metadata"], after["metadata"]
        if isinstance(will_be, dict):
            before["metadata"] = {**before.get("metadata", {}), **_identity(resource.type, was)}
            will_be = after["metadata"] = {**will_be, **_identity(resource.type, will_be)}
        changes = plan.changes(before, after, plan.forced(after, settings.mutable))
        # Deleted first if its replacement needs its name.
        same = isinstance(will_be, dict) and all(was.get(name) == will_be.get(name) for name in ("name", "namespace"))
        first = same and not _is_autonamed(after) and any(change.replace for change in changes)
        return Difference(changes, delete_before_replace=first)

    def create(
        self, settings: ClusterSettings, resource: Named, given: Props, *, preview: bool, timeout: float
    ) -> State:
        kind = resource.type
        if preview and (settings.unreachable or has_unknown(given)):
            return State("", dict(given))
        cluster = settings.reach()
        id_ = _id(kind, given)
        key = f"{cluster}/{id_}"
        if preview:
            # A dry run of the creation. An existing object is not refused yet: it may be the one being replaced (the
            # plugin's Create: a preview's AlreadyExists falls back to the inputs). Nor is a missing namespace.
            with self.cloud.dry_run() as tx:
                if tx.get(kind, key) is None:
                    objects.make(tx, cluster, kind, given)
            return State("", dict(given))
        with self._operation("create", kind, id_), self.cloud.change() as tx:
            self._refuse_existing(tx.get(kind, key), given)
            objects.refuse_without_namespace(tx, cluster, kind, given)
            tx.create(kind, key, objects.make(tx, cluster, kind, given))
        return self._awaited(cluster, kind, id_, given, timeout, "created")

    def read(self, settings: ClusterSettings, resource: Named, id_: str, inputs: Props, state: Props) -> State | None:
        cluster, kind = settings.reach(), _kind(resource.type)
        with self._operation("read", kind, id_), self.cloud.change() as tx:
            tx.record("read", kind, id_)
            live = tx.get(kind, f"{cluster}/{id_}")
            if live is None:
                return None
            live = objects.looked_after(tx, cluster, kind, live)
            tx.put(kind, f"{cluster}/{id_}", live)
            missing = waits.missing(tx, cluster, live)
        outputs = _outputs(live)
        refreshed = plan.pruned(outputs, plan.normalised(kind, inputs or _imported(live)))
        if missing and inputs:
            message = f"the Kubernetes API server reported that {id_!r} failed to fully initialize or become live"
            raise InitFailed(id_, outputs, refreshed, message, [*missing, *waits.events_of(live)])
        return State(id_, outputs, refreshed, _secrets(kind, outputs))

    def update(
        self, settings: ClusterSettings, resource: Named, prior: State, given: Props, *, preview: bool, timeout: float
    ) -> State:
        kind = resource.type
        if preview and (settings.unreachable or has_unknown(given)):
            return State(prior.id, {**prior.outputs, **given})
        cluster = settings.reach()
        key = f"{cluster}/{prior.id}"
        if preview:
            with self.cloud.dry_run() as tx:
                after = self._applied(tx, cluster, kind, prior.id, self._existing(tx.get(kind, key), prior.id), given)
            outputs = _outputs(after)
            if outputs.get("status") != prior.outputs.get("status"):
                outputs["status"] = UNKNOWN
            return State(prior.id, outputs, secrets=_secrets(kind, outputs))
        with self._operation("update", kind, prior.id), self.cloud.change() as tx:
            live = self._existing(tx.get(kind, key), prior.id)
            tx.update(kind, key, self._applied(tx, cluster, kind, prior.id, live, given))
        return self._awaited(cluster, kind, prior.id, given, timeout, "updated")

    def delete(self, settings: ClusterSettings, resource: Named, prior: State, *, timeout: float) -> None:
        cluster = settings.reach()
        with self._operation("delete", resource.type, prior.id), self.cloud.change() as tx:
            key = f"{cluster}/{prior.id}"
            if tx.get(resource.type, key) is not None:
                objects.delete(tx, cluster, resource.type, key)

    def invoke(self, settings: ClusterSettings, token: str, arguments: Props) -> Props:
        raise CloudError(f"the local cloud has no function {token}")

    # Common work

    @contextmanager
    def _operation(self, operation: LogOperation, kind: str, id_: str) -> Iterator[None]:
        """Injects faults, and logs refusals."""
        try:
            faults.meet(self.cloud, kind, operation, id_)
            yield
        except CloudError as refusal:
            with self.cloud.change() as tx:
                tx.record(operation, kind, id_, refusal=str(refusal))
            if operation in ("create", "update"):
                words = f"resource {id_} was not successfully {operation}d by the Kubernetes API server: {refusal}"
                raise CloudError(words) from refusal
            raise

    def _refuse_existing(self, live: Props | None, given: Props) -> None:
        if live is not None:
            raise CloudError(f'{objects.plural(given)} "{given["metadata"]["name"]}" already exists')

    def _existing(self, live: Props | None, id_: str) -> Props:
        if live is None:
            raise CloudError(f'"{id_}" not found')
        return live

    def _applied(self, tx: Any, cluster: str, kind: str, id_: str, live: Props, given: Props) -> Props:
        objects.refuse_duplicates(given)
        force = (given["metadata"].get("annotations") or {}).get(FORCE) == "true"
        try:
            after = apply(live, given, force=force)
        except ConflictError as conflict:
            raise CloudError(
                "Server-Side Apply field conflict detected. See https://www.pulumi.com/registry/packages/kubernetes/"
                "how-to-guides/managing-resources-with-server-side-apply/#handle-field-conflicts-on-existing-resources "
                f'for troubleshooting help\n: the resource managed by field manager "pulumi-kubernetes" had an apply '
                f"conflict (server-side apply field conflict): {conflict}"
            ) from None
        return objects.settled(tx, cluster, kind, after, live)

    def _awaited(self, cluster: str, kind: str, id_: str, given: Props, timeout: float, done: str) -> State:
        """The object once it is ready; controllers keep running while the engine waits."""
        key = f"{cluster}/{id_}"
        started = time.monotonic()
        while True:
            with self.cloud.change() as tx:
                live = objects.looked_after(tx, cluster, kind, self._existing(tx.get(kind, key), id_))
                tx.put(kind, key, live)
                missing = waits.missing(tx, cluster, live)
            outputs = _outputs(live)
            if not missing:
                return State(id_, outputs, secrets=_secrets(kind, outputs))
            if time.monotonic() - started > waits.timeout_of(live, timeout):
                break
            time.sleep(POLL_SECONDS)
        late = (
            "timed out waiting for the condition"
            if waits.WAIT_FOR in waits.annotations_of(live)
            else f"'{live['metadata']['name']}' timed out waiting to be Ready"
        )
        message = (
            f"resource {id_} was successfully {done}, but the Kubernetes API server reported that it failed to fully "
            f"initialize or become live: {late}"
        )
        raise InitFailed(id_, outputs, dict(given), message, [*missing, *waits.events_of(live)])


def _kind(token: str) -> str:
    if token not in KINDS:
        raise CloudError(f"the local cloud has no resource type {token}; it knows {', '.join(sorted(KINDS))}")
    return token


def _id(kind: str, given: Props) -> str:
    metadata = given["metadata"]
    name = str(metadata["name"])
    return name if kind in objects.CLUSTER_SCOPED else f"{metadata['namespace']}/{name}"


def _autonamed(metadata: Props, resource: Named, prior: Props) -> Props:
    """Logical name and eight hex digits. A generated name is kept; one that was set and is now omitted is not."""
    if _is_autonamed(prior):
        name = prior["metadata"]["name"]
    elif prior:
        return metadata
    else:
        name = f"{resource.name}-{hashlib.sha256(resource.seed or resource.urn.encode()).hexdigest()[:8]}"
    return {**metadata, "name": name, "annotations": {**(metadata.get("annotations") or {}), AUTONAMED: "true"}}


def _is_autonamed(given: Props) -> bool:
    annotations = (given.get("metadata") or {}).get("annotations") or {}
    return bool(annotations.get(AUTONAMED) == "true")


def _identity(token: str, metadata: Props) -> Props:
    """Name, if any, and namespace as the plugin compares it: none is `default`."""
    name = {"name": metadata["name"]} if metadata.get("name") else {}
    return name if token in objects.CLUSTER_SCOPED else {**name, "namespace": metadata.get("namespace") or "default"}


def _outputs(live: Props) -> Props:
    return {name: value for name, value in live.items() if name != objects.HIDDEN}


def _secrets(kind: str, outputs: Props) -> frozenset[Path]:
    return frozenset((name,) for name in ("data", "stringData") if kind == objects.SECRET and name in outputs)


def _imported(live: Props) -> Props:
    """The inputs after an import, as observed with 4.32: the object's identity only."""
    metadata = {name: live["metadata"][name] for name in ("name", "namespace") if name in live["metadata"]}
    return {"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": metadata}
