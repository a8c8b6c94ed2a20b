"""Rules that span TLS and other settings; `rules.py` runs them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from settings.database import Database
from settings.dedicated import ROLES, DedicatedCustomer
from settings.dns import Dns
from settings.ingress import Ingress
from settings.problems import config_key, refuse
from settings.rules import Given, Rule
from settings.secret_texts import TLS_DNS_TOKEN, TLS_HMAC_KEY
from settings.tls import RELOAD_PORT, Tls
from settings.trunk_acl import TrunkAcl

if TYPE_CHECKING:
    from settings.trunk_acl import Reloader

# RFC 4648, section 5: at least 128 bits.
_BASE64URL = re.compile(r"[A-Za-z0-9_-]{22,}={0,2}")


def names_are_below_the_domain(tls: Tls | None, dns: Dns) -> None:
    """In stacks of both roles."""
    for name in tls.names if tls else ():
        if not f".{name}".endswith(f".{dns.domain}"):
            raise refuse(
                f"{name} is not below {dns.domain}, where the renewer could prove that it is ours",
                "remove it from tls.names",
            )


def _something_speaks_tls(tls: Tls | None, ingress: Ingress) -> None:
    if tls and not {"sips", "wss"} & set(ingress.tcp.ports):
        raise refuse("no endpoint uses a certificate", "add sips: 5061 to ingress.tcp.ports, or remove tls")


def _the_reload_port_is_free(
    tls: Tls | None, ingress: Ingress, trunk_acl: TrunkAcl, dedicated: Mapping[str, DedicatedCustomer]
) -> None:
    """LoadBalancers lead to these ports of the pods, and whoever reaches the port of the reloads may try tokens."""
    taken = {*ingress.udp.ports.values(), *ingress.tcp.ports.values()}
    taken |= set(ingress.internal.ports.values()) if ingress.internal else set()
    taken |= {first + each for own in dedicated.values() for first in [own.target_port] for each in range(len(ROLES))}
    if trunk_acl.enforcement and trunk_acl.enforcement.reloader:
        taken.add(trunk_acl.enforcement.reloader.port)
    if tls and RELOAD_PORT in taken:
        raise refuse(
            f"port {RELOAD_PORT} of the pods is in use; the proxies reload there (kamailio/tls_listen.cfg)",
            "choose another port for what uses it: ingress, a dedicated customer, or trunkAcl.enforcement.reloader",
        )


def _a_renewer_runs_beside_the_reloader(tls: Tls | None, trunk_acl: TrunkAcl, database: Database) -> None:
    if tls is None or tls.issuer is None:
        return
    enforcement = trunk_acl.enforcement if trunk_acl.manage or database.replica_of else None
    reloader: Reloader | None = enforcement.reloader if enforcement else None
    if enforcement is None or reloader is None:
        raise refuse(
            "the renewer runs the reloader's image and calls the same proxies, and there is no reloader",
            "add trunkAcl.enforcement.reloader, or leave out tls.issuer and fill the Secret by other means",
        )
    if tls.secret in (enforcement.secret, f"{tls.name}-credentials"):
        raise refuse(f"Secret {tls.secret} has other data already", "choose another tls.secret, such as warp-tls")
    if tls.name in (reloader.name, enforcement.config_map):
        raise refuse(f"{tls.name} is the name of the reloader's objects", "choose another tls.name")


def _challenges_go_to_one_host(tls: Tls | None, dns: Dns) -> None:
    if tls is None or tls.issuer is None:
        return
    challenge = tls.challenge
    if challenge.host is None and len(dns.hosts) > 1:
        raise refuse(
            f"dns.backend is `{dns.backend}`, and challenges go to one host",
            "add tls.challenge.host: the host whose name servers the domain is delegated to",
        )
    if challenge_host(tls, dns) == "gandi":
        if tls.service_account:
            raise refuse("a Google service account, and challenges at Gandi", "remove tls.serviceAccount")
        return
    if challenge.zone is None and (challenge.domain or dns.zone is None):
        raise refuse("the challenges' managed zone at Cloud DNS is not known", "add tls.challenge.zone")
    if tls.service_account is None:
        raise refuse(
            "at Cloud DNS the renewer needs a Google service account",
            "create one without any role and add it as tls.serviceAccount; the program grants it the zone",
        )


def challenge_host(tls: Tls, dns: Dns) -> str:
    """Where the renewer writes: a backend."""
    return tls.challenge.host or dns.hosts[0]


def _the_renewer_has_its_secrets(tls: Tls | None, dns: Dns, given: Given) -> None:
    token, hmac_key = (given.config.get(config_key(each), "").strip() for each in (TLS_DNS_TOKEN, TLS_HMAC_KEY))
    at_gandi = tls is not None and tls.issuer is not None and challenge_host(tls, dns) == "gandi"
    if at_gandi and not token:
        raise refuse(
            "the renewer has no access to Gandi",
            f"create a token for the domain of the challenges and run `pulumi config set --secret {TLS_DNS_TOKEN}`",
        )
    if tls and tls.external_account_key_id and not _BASE64URL.fullmatch(hmac_key):
        wrong = "is not base64url" if hmac_key else "is missing"
        raise refuse(
            f"the HMAC key of the external account {wrong}", f"run `pulumi config set --secret {TLS_HMAC_KEY}`"
        )
    if hmac_key and not (tls and tls.external_account_key_id):
        raise refuse(
            f"{TLS_HMAC_KEY} is set, and no external account",
            f"add tls.externalAccountKeyId, or run `pulumi config rm {TLS_HMAC_KEY}`",
        )


RULES: tuple[Rule, ...] = (
    names_are_below_the_domain,
    _something_speaks_tls,
    _the_reload_port_is_free,
    _a_renewer_runs_beside_the_reloader,
    _challenges_go_to_one_host,
    _the_renewer_has_its_secrets,
)
