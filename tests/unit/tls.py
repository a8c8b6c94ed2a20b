"""Settings with TLS, for tests."""

from __future__ import annotations

from typing import Any

from settings import Settings
from tests.stacks import Config, as_engine_gives_it, changed, stack_config, without_site

TOKEN, HMAC_KEY = "a-token-of-gandi", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG"
SECRET_KEYS = ("warp-edge:tlsDnsToken", "warp-edge:tlsHmacKey")
ROBOT = "warp-tls@warp-sandbox.iam.gserviceaccount.com"
ACCOUNT = "https://acme-v02.api.letsencrypt.org/acme/acct/1"
AT_GANDI: dict[str, Any] = {"issuer": "letsEncrypt", "contact": ["noc@ringer.tel"], "challenge": {"host": "gandi"}}
AT_CLOUD_DNS: dict[str, Any] = {"issuer": "letsEncrypt", "serviceAccount": ROBOT}
ALONE: dict[str, Any] = {"secret": "warp-tls"}


def with_tls(tls: dict[str, Any], stack: str = "sandbox", **more: Any) -> Config:
    """A stack's settings with TLS; `more`: other top-level settings."""
    config = changed(without_site(stack_config(stack)), ("warp-edge:tls",), tls)
    if (tls.get("challenge") or {}).get("host") == "gandi":
        config = changed(config, ("warp-edge:tlsDnsToken",), TOKEN)
    for key, value in more.items():
        config = changed(config, (f"warp-edge:{key}",), value)
    return config


def parsed(config: Config) -> Settings:
    return Settings.parse(as_engine_gives_it(config), SECRET_KEYS)
