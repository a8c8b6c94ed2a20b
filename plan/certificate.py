"""The names of the SIP proxies' certificate, and the DNS records with which it is issued. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from inventory.address import Status
from inventory.endpoint import Record
from plan.names import names
from refusal import Refusal
from settings import Settings
from settings.dedicated import own_names
from settings.dns import Dns
from settings.tls import MOST_NAMES, Tls

# Port roles whose listeners show a certificate.
ENCRYPTED = frozenset({"sips", "wss"})


def certificate_names(settings: Settings) -> tuple[str, ...]:
    """Every name that a client may compare with the certificate; none without `tls`. The domain comes first: a client
    of `sips:ringer.tel` compares that, and not the SRV target it was led to (RFC 5922, sections 4 and 7.3). Raises
    `Refusal` for more than a certificate can have.
    """
    tls = settings.tls
    if tls is None:
        return ()
    found = tuple(
        dict.fromkeys(
            (
                *_shared(settings.dns),
                *_regional(settings.dns, settings.region),
                *(dict(_dedicated(settings)) if tls.dedicated_names else ()),
                *tls.names,
            )
        )
    )
    if len(found) > MOST_NAMES:
        raise Refusal(
            f"the certificate would have {len(found)} names, and Let's Encrypt allows {MOST_NAMES}",
            "remove some of warp-edge:tls.names, or set warp-edge:tls.dedicatedNames: false",
        )
    return found


def _shared(dns: Dns) -> Iterator[str]:
    """UDP's own name is no name of a TLS client."""
    at_domain = names(dns)
    yield from (at_domain.domain, at_domain.fqdn(dns.names.primary), at_domain.fqdn(dns.names.tcp))


def _regional(dns: Dns, region: str) -> Iterator[str]:
    own = names(dns, region)
    if own.region:
        yield from (own.base, own.fqdn(dns.names.primary), own.fqdn(dns.names.tcp))


def _dedicated(settings: Settings) -> Iterator[tuple[str, str]]:
    """Name and customer. A client of the plain name is led to the TCP one by the SRV records below it."""
    for each in settings.dedicated_listeners:
        if each.protocol == "TCP" and each.status is Status.ACTIVE and ENCRYPTED & set(each.ports):
            for name in own_names(settings.dns.domain, settings.dedicated[each.key]).values():
                yield name, each.ban


def of_region(settings: Settings) -> list[Record]:
    """The records of a region's stack: where it has the shared names, those of the domain as well."""
    tls, dns = settings.tls, settings.dns
    if tls is None:
        return []
    at_domain = {*_shared(dns), *tls.names}
    mine = [name for name in certificate_names(settings) if dns.scope == "domain" or name not in at_domain]
    return [
        *_delegations(tls, mine, dict(_dedicated(settings))),
        *(_caa(tls, dns) if dns.scope == "domain" else ()),
    ]


def of_domain(tls: Tls | None, dns: Dns) -> list[Record]:
    """The records of the stack of the shared names."""
    return [*_delegations(tls, dict.fromkeys((*_shared(dns), *tls.names)), {}), *_caa(tls, dns)] if tls else []


def _delegations(tls: Tls, known_as: Iterable[str], customers: Mapping[str, str]) -> Iterator[Record]:
    """RFC 8555, section 8.4: the CA follows a CNAME at the name of the challenge."""
    if domain := tls.challenge.domain:
        for name in known_as:
            yield Record(f"_acme-challenge.{name}.", "CNAME", (f"{name}.{domain}.",), customer=customers.get(name))


def _caa(tls: Tls, dns: Dns) -> Iterator[Record]:
    """RFC 8659 and 8657. All names below the domain are bound by it, other teams' too."""
    if caa := tls.caa:
        own = (f"{tls.caa_issuer}; accounturi={uri}; validationmethods=dns-01" for uri in caa.account_uris)
        values = [*(("issue", value) for value in (*own, *caa.others))]
        values += [("issuewild", value) for value in caa.wildcards or (";",)]
        yield Record(f"{dns.domain}.", "CAA", tuple(f'0 {tag} "{value}"' for tag, value in values))
