"""Settings that are secrets: texts beside the groups, because a secret inside a group would hide the whole group.

The models never hold them: who needs one reads it from the engine, as a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from engine.dns_hosts import TOKENS


@dataclass(frozen=True)
class SecretText:
    """`meaning`: for docs/settings.md; `replace`: what to do with one that was in clear text."""

    meaning: str
    replace: str


TLS_DNS_TOKEN, TLS_HMAC_KEY = "tlsDnsToken", "tlsHmacKey"
SECRETS: Final[Mapping[str, SecretText]] = {
    field: SecretText(
        f"{host.title}'s access token, as a secret (docs/dns.md); empty: {host.variable} from the environment",
        f"revoke it at {host.title}, create a new one",
    )
    for field, host in TOKENS.items()
} | {
    TLS_DNS_TOKEN: SecretText(
        "Gandi's access token of the certificate's renewer, as a secret; it is in the cluster, so give it rights of as"
        " few domains as possible (docs/certificates.md)",
        "revoke it at Gandi, create a new one",
    ),
    TLS_HMAC_KEY: SecretText(
        "HMAC key of `tls.externalAccountKeyId`, base64url, as a secret",
        "request a new external account key at the CA",
    ),
}
