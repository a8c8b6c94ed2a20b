"""The dynamic provider of one record set at Gandi LiveDNS.

Importable and stateless: the engine stores only this module's path and this class's name, so neither may be renamed
while a stack has the resource. The token comes from `configure` and is not stored.

Unknown data is never overwritten or deleted. A record set is written if Gandi has none, or has the state's data; any
other data is an error, unless `adopt` is set. `pulumi refresh` takes a manual change into the state, a preview then
shows it, and the next update overwrites it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    ResourceProvider,
    UpdateResult,
)
from pulumi.runtime.rpc import UNKNOWN

from components.gandi.records import LEAST_TTL, RecordSet, same_values
from components.plain_errors import report_plainly
from engine.dns_hosts import HOSTS
from refusal import Refusal

if TYPE_CHECKING:
    from components.gandi.api import Api

OURS = HOSTS["gandi"]
Props = dict[str, Any]

# Another name, type or domain means another record set.
IDENTITY = ("domain", "name", "type")
# Properties whose change is an update. Not `adopt` and `deadlineSeconds`, which only control writing.
COMPARED = (*IDENTITY, "ttl", "rrdatas", "api")
ADOPT = "find out who created it; then set dns.gandi.adopt: true to overwrite it"


class GandiRecordSetProvider(ResourceProvider):
    """Writes complete record sets, and never overwrites unknown ones."""

    # Only this class's name is pickled. It need not be secret, so that it can be compared.
    serialize_as_secret_always = False
    _token = ""

    def __getstate__(self) -> None:
        """Pickle only the class's name, never the token."""

    def configure(self, req: ConfigureRequest) -> None:
        """Store the token; it is checked at the first request to Gandi."""
        report_plainly()
        self._token = str(req.config.get(OURS.token) or os.environ.get(OURS.variable, "")).strip()

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Refuse, before anything is sent, what Gandi would refuse."""
        ttl = news.get("ttl")
        short = ttl != UNKNOWN and not (isinstance(ttl, int | float) and ttl >= LEAST_TTL)
        reason = f"TTL {ttl} is less than the {LEAST_TTL} s that Gandi accepts: raise dns.ttlSeconds"
        return CheckResult(news, [CheckFailure("ttl", reason)] if short else [])

    def create(self, props: Props) -> CreateResult:
        """Adopt equal data; write if there is none."""
        api, wanted = self._api(props), _record(props)
        there = api.get(wanted)
        if there is None or (props["adopt"] and not there.same_as(wanted)):
            api.put(wanted)
        elif not there.same_as(wanted):
            raise Refusal(f"{wanted} already exists with {there.data}, not {wanted.data}", ADOPT)
        return CreateResult(f"{wanted.domain}/{wanted.label}/{wanted.type}", _outputs(props))

    def update(self, _id: str, olds: Props, news: Props) -> UpdateResult:
        """Replace the state's record set, or create it."""
        api, known, wanted = self._api(news), _record(olds), _record(news)
        there = api.get(wanted)
        if there is None or there.same_as(known) or (news["adopt"] and not there.same_as(wanted)):
            api.put(wanted)
        elif not there.same_as(wanted):
            raise Refusal(
                f"{wanted} was changed outside this program: it has {there.data}, not {known.data}, and should become"
                f" {wanted.data}",
                "`pulumi refresh` takes it into the state, a preview then shows it, and `pulumi up` overwrites it;"
                " or set dns.gandi.adopt: true",
            )
        return UpdateResult(_outputs(news))

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """Compare only the last outputs with the inputs; drift found by `read` is a change."""
        changed = [key for key in COMPARED if not _same(key, olds, news)]
        return DiffResult(changes=bool(changed), replaces=[key for key in changed if key in IDENTITY])

    def read(self, id_: str, props: Props) -> ReadResult:
        """Read the record set from Gandi. Never writes."""
        known = _record(props)
        there = self._api(props).get(known)
        if there is None:
            return ReadResult("", {})
        outs = _outputs(props)
        if not there.same_as(known):
            outs |= {"ttl": there.ttl, "rrdatas": list(there.values)}
        return ReadResult(id_, outs, dict(outs))

    def delete(self, _id: str, props: Props) -> None:
        """Delete the record set if it still has the state's data."""
        api, known = self._api(props), _record(props)
        there = api.get(known)
        if there is None:
            return
        if not there.same_as(known):
            raise Refusal(
                f"{known} was changed outside this program: it has {there.data}, not {known.data}; it is not deleted",
                "`pulumi refresh` takes it into the state, and then it can be deleted; `pulumi state delete` leaves it",
            )
        api.delete(known)

    def _api(self, props: Mapping[str, Any]) -> Api:
        # Imported here: the program needs only this class's name, and importing HTTP libraries is slow.
        from components.gandi.api import Api  # noqa: PLC0415

        return Api(props["api"], self._token, float(props["deadlineSeconds"]))


def _outputs(props: Mapping[str, Any]) -> Props:
    return {key: value for key, value in props.items() if not key.startswith("__")}


def _record(props: Mapping[str, Any]) -> RecordSet:
    # Numbers arrive as floats.
    return RecordSet(props["domain"], props["name"], props["type"], int(props["ttl"]), tuple(props["rrdatas"]))


def _same(key: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> bool:
    old, new = olds.get(key), news.get(key)
    if key != "rrdatas" or not isinstance(old, list) or not isinstance(new, list) or UNKNOWN in new:
        return bool(old == new)
    return same_values(str(news.get("domain")), str(news.get("type")), old, new)
