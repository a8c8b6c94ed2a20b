"""What the SIP proxies do beyond the trunk ACL's yes and no: limits of trunks, few answers to strangers, capture."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated

from pydantic import Field, field_validator
from pydantic import ValidationInfo as Info

from settings.base import Address, Port, Section
from settings.problems import refuse


class DedicatedLimits(Section):
    """Limits of each customer at dedicated addresses of no trunk, for callers without an entry."""

    calls_per_second: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        50, description="calls in a second of the clock"
    )
    concurrent_calls: Annotated[int, Field(ge=1, le=1_000_000)] = Field(500, description="calls at a time")


class CallLimits(Section):
    """Enforcement of the limits that each trunk has in the trunk ACL (`kamailio/trunk_limits.cfg`)."""

    calls_per_second: bool = Field(True, description="enforce `callsPerSecond` of a trunk, in each second of the clock")
    concurrent_calls: bool = Field(True, description="enforce `concurrentCalls` of a trunk; also while it rings")
    proxies: Annotated[int, Field(ge=1, le=100)] = Field(
        1,
        description="each proxy allows this part of a limit, rounded up: 3 means a third. Each counts for itself,"
        " so 1 lets a trunk have its whole limit at every proxy that its calls reach (kamailio/README.md)",
    )
    forbidden: bool = Field(False, description="answer a call above a limit with 403 and not with 503 and Retry-After")
    retry_after_seconds: Annotated[int, Field(ge=1, le=3600)] = Field(
        1, description="of the 503; a client that obeys sends no call at all for so long (RFC 3261, 21.5.4)"
    )
    longest_call_hours: Annotated[int, Field(ge=1, le=168)] = Field(
        4, description="a call whose end was not seen counts for so long; one that goes on longer is not counted then"
    )
    dedicated: DedicatedLimits = Field(
        DedicatedLimits(), description="of each customer, for calls to its dedicated addresses that are of no trunk"
    )

    @field_validator("concurrent_calls")
    @classmethod
    def _one_of_them(cls, concurrent_calls: bool, info: Info) -> bool:
        if not concurrent_calls and info.data.get("calls_per_second") is False:
            raise refuse("neither limit is enforced", "remove trunkAcl.enforcement.callLimits, or set one of them true")
        return concurrent_calls


class UnknownSources(Section):
    """Answers over UDP to sources that are not listed (`kamailio/unknown.cfg`)."""

    answers: Annotated[int, Field(ge=1, le=10_000)] = Field(
        10, description="how many 403 a source gets within `seconds`; after that it gets no answer"
    )
    seconds: Annotated[int, Field(ge=1, le=86_400)] = Field(60, description="how long a source's answers are counted")


class Capture(Section):
    """Copies of customers' SIP messages in HEP3 (`kamailio/hep.cfg`): unencrypted, so inside the network only."""

    collector: Address = Field(description="address of the collector, such as Homer's heplify-server; no name")
    port: Port = Field(9060, description="its UDP port")
    id: Annotated[int, Field(ge=1, le=2_147_483_647)] = Field(1, description="by which the collector knows this stack")

    @field_validator("collector", mode="before")
    @classmethod
    def _no_name(cls, collector: object) -> object:
        try:
            ip_address(str(collector))
        except ValueError:
            raise refuse(
                "not an address; Kamailio looks a name up for every message, and answers no call while DNS does not",
                "write the collector's address, as 10.0.0.5: its Service's clusterIP, or an internal LoadBalancer's",
            ) from None
        return collector
