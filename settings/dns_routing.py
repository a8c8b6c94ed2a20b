"""Which region's address a shared name answers with, where Cloud DNS decides it for each query."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic import ValidationInfo as Info

from settings.base import Name, Region, Section
from settings.problems import form, refuse

# docs.cloud.google.com/compute/docs/reference/rest/v1/healthChecks, `sourceRegions` and `checkIntervalSec`.
SOURCES = 3
LEAST_INTERVAL = 30
Seconds = Annotated[int, Field(ge=1, le=300)]
Times = Annotated[int, Field(ge=1, le=10)]


class Probe(Section):
    """How Cloud DNS finds out which region's TCP address answers."""

    name: Name = Field("warp-sip-tcp", description="name of the health check, in the project")
    source_regions: tuple[Region, ...] = Field(
        description="three Google Cloud regions that probe, best those nearest to customers"
    )
    path: (
        Annotated[
            str, Field(pattern=form(r"^/[!-~]*$", "write it as /health: a slash first, no blanks"), max_length=1024)
        ]
        | None
    ) = Field(
        None,
        description="path that proxies answer with 200 on their `ws` port; absent: the `sip` port takes connections",
    )
    interval_seconds: Annotated[Seconds, Field(ge=LEAST_INTERVAL)] = Field(30, description="from one probe to the next")
    timeout_seconds: Seconds = Field(5, description="how long an answer is waited for")
    unhealthy_after: Times = Field(2, description="failed probes in a row until an address is left out")
    healthy_after: Times = Field(2, description="answered probes in a row until it is back")

    @field_validator("source_regions")
    @classmethod
    def _three_of_them(cls, regions: tuple[str, ...]) -> tuple[str, ...]:
        if len(regions) != SOURCES or len(set(regions)) != SOURCES:
            raise refuse("Cloud DNS probes from exactly three regions", "name three different ones")
        return regions

    @field_validator("timeout_seconds")
    @classmethod
    def _one_probe_at_a_time(cls, timeout: int, info: Info) -> int:
        interval = info.data.get("interval_seconds")
        if interval is not None and timeout > interval:
            raise refuse(f"longer than the interval of {interval} s", f"use {interval} or less")
        return timeout


class Routing(Section):
    """Policies of the shared names' address records; their SRV sets need none."""

    udp: Literal["fixed", "geo"] = Field(
        "fixed",
        description="`fixed`: dns.names.primary and udp lead to the first active region; `geo`: each asker to the"
        " nearest, whether it answers or not",
    )
    tcp: Literal["fixed", "geo", "failover"] = Field(
        "fixed",
        description="the same for dns.names.tcp; `geo`: the nearest that answers; `failover`: the first active region,"
        " and while it does not answer the nearest other one",
    )
    probe: Probe | None = Field(None, description="how it is seen which region answers; needed for `tcp`")

    @field_validator("udp", mode="before")
    @classmethod
    def _what_answers_no_probe_is_not_probed(cls, udp: object) -> object:
        """A probe speaks TCP or HTTP to the very address that the record has."""
        if udp == "failover":
            raise refuse(
                "no probe can tell whether UDP is served: the address would look dead while it serves",
                "use geo or fixed here; clients over UDP fail over by the SRV records",
            )
        return udp

    @field_validator("probe")
    @classmethod
    def _what_is_probed_is_asked_for(cls, probe: Probe | None, info: Info) -> Probe | None:
        tcp = info.data.get("tcp")
        if probe is None and tcp not in (None, "fixed"):
            raise refuse(
                f"`tcp: {tcp}` leaves out who does not answer, and nothing says how that is seen",
                "add routing.probe with its sourceRegions",
            )
        if probe and tcp == "fixed":
            raise refuse("nothing would be probed", "set routing.tcp to failover or geo, or remove the probe")
        return probe

    @property
    def is_fixed(self) -> bool:
        """Whether every host of the zone answers everybody the same."""
        return self.udp == self.tcp == "fixed"
