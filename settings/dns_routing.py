"""DNS routing: which region's address Cloud DNS answers for a shared name, query by query."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from settings.base import Name, Region, Section, like
from settings.problems import refuse
from settings.rules import rule

# docs.cloud.google.com/compute/docs/reference/rest/v1/healthChecks, `sourceRegions` and `checkIntervalSec`.
SOURCES = 3
LEAST_INTERVAL = 30
Seconds = Annotated[int, Field(ge=1, le=300)]
Times = Annotated[int, Field(ge=1, le=10)]


class Probe(Section):
    """The health check by which Cloud DNS finds out which region's TCP address answers."""

    name: Name = Field("warp-sip-tcp", description="name of the health check, in the project")
    source_regions: tuple[Region, ...] = Field(
        description="three Google Cloud regions to probe from, preferably those nearest to customers"
    )
    path: (
        Annotated[str, like(r"^/[!-~]*$", "write it as /health: a slash first, no blanks", max_length=1024)] | None
    ) = Field(
        None,
        description="path that proxies answer with 200 on their `ws` port; absent: a TCP connection to the `sip` port",
    )
    interval_seconds: Annotated[Seconds, Field(ge=LEAST_INTERVAL)] = Field(30, description="interval between probes")
    timeout_seconds: Seconds = Field(5, description="timeout of one probe")
    unhealthy_after: Times = Field(2, description="consecutive failures after which an address is left out")
    healthy_after: Times = Field(2, description="consecutive successes after which it returns")

    @rule
    def _three_of_them(cls, source_regions: tuple[str, ...]) -> None:
        if len(source_regions) != SOURCES or len(set(source_regions)) != SOURCES:
            raise refuse("Cloud DNS probes from exactly three regions", "name three different ones")

    @rule
    def _one_probe_at_a_time(cls, timeout_seconds: int, interval_seconds: int) -> None:
        if timeout_seconds > interval_seconds:
            raise refuse(f"longer than the interval of {interval_seconds} s", f"use {interval_seconds} or less")


class Routing(Section):
    """DNS routing of the shared names' address records; their SRV sets need none."""

    udp: Literal["fixed", "geo"] = Field(
        "fixed",
        description="`fixed`: dns.names.primary and udp resolve to the first active region; `geo`: to the region"
        " nearest to the client, whether it answers or not",
    )
    tcp: Literal["fixed", "geo", "failover"] = Field(
        "fixed",
        description="the same for dns.names.tcp; `geo`: the nearest that answers; `failover`: the first active region,"
        " or, while it does not answer, the nearest other one",
    )
    probe: Probe | None = Field(None, description="health check of the regions; required for `tcp`")

    @field_validator("udp", mode="before")
    @classmethod
    def _what_answers_no_probe_is_not_probed(cls, udp: object) -> object:
        """A probe uses TCP or HTTP, to the address of the record."""
        if udp == "failover":
            raise refuse(
                "probes cannot check UDP: the address would look dead while it serves calls",
                "use geo or fixed here; clients over UDP fail over by the SRV records",
            )
        return udp

    @rule
    def _what_is_probed_is_asked_for(cls, probe: Probe | None, tcp: str) -> None:
        if probe is None and tcp != "fixed":
            raise refuse(
                f"`tcp: {tcp}` leaves out regions that do not answer, which needs a health check",
                "add routing.probe with its sourceRegions",
            )
        if probe and tcp == "fixed":
            raise refuse("a probe that is not used", "set routing.tcp to failover or geo, or remove the probe")

    @property
    def is_fixed(self) -> bool:
        """Whether every client gets the same answer."""
        return self.udp == self.tcp == "fixed"
