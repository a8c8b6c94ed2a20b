"""Google's protection of the region against floods in front of the LoadBalancers (docs/protection.md)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator
from pydantic import ValidationInfo as Info

from settings.base import Name, Section
from settings.problems import refuse

HOW_TO_SEE = "`gcloud compute project-info describe --format 'value(cloudArmorTier)'`"


class Protection(Section):
    """Advanced network DDoS protection. It needs Cloud Armor Enterprise, which this program never buys."""

    tier: Literal["CA_STANDARD", "CA_ENTERPRISE_PAYGO", "CA_ENTERPRISE_ANNUAL"] = Field(
        "CA_STANDARD", description=f"the project's Cloud Armor tier, as it is: {HOW_TO_SEE}; never changed from here"
    )
    manage: bool = Field(False, description="false: nothing is declared; Google's standard protection is always on")
    mode: Literal["ADVANCED_PREVIEW", "ADVANCED"] = Field(
        "ADVANCED_PREVIEW", description="`ADVANCED_PREVIEW` logs what it would drop; `ADVANCED` drops it"
    )
    name: Name = Field("sip-edge", description="name of the region's policy and of the service that attaches it")

    @field_validator("manage")
    @classmethod
    def _never_bought_by_accident(cls, manage: bool, info: Info) -> bool:
        if manage and info.data.get("tier") == "CA_STANDARD":
            raise refuse(
                "Google refuses it without Cloud Armor Enterprise, which costs USD 200 a month and more",
                f"look at the project's tier ({HOW_TO_SEE}); where it is Enterprise, set protection.tier to it",
            )
        return manage
