"""Protection against floods in front of the edge: Google Cloud Armor's advanced network DDoS protection."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from settings.base import Name, Section


class Protection(Section):
    """Advanced network DDoS protection of this stack's region. It needs Cloud Armor Enterprise, which the project has
    to have already."""

    mode: Literal["off", "preview", "advanced", "standard"] = Field(
        "off",
        description="`off`: nothing is declared; `preview`: attacks are logged, not mitigated; `advanced`: mitigated;"
        " `standard`: declared, with the protection that every project has for free, as a step before `off`",
    )
    policy: Name = Field("warp-edge-ddos", description="name of the region's security policy")
    service: Name = Field("warp-edge", description="name of the network edge security service that attaches it")

    @property
    def declared(self) -> bool:
        """Whether anything is."""
        return self.mode != "off"

    @property
    def billed(self) -> bool:
        """Whether it needs Cloud Armor Enterprise."""
        return self.mode in ("preview", "advanced")
