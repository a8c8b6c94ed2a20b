"""TLS: who issues the certificate of the SIP proxies, for which names, and how its renewal is authorised."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic import ValidationInfo as Info

from settings.base import Domain, EachOnce, Line, Name, Section, Text
from settings.problems import form, refuse, show
from settings.rules import rule
from settings.trunk_acl import Quantity

# Their directory, and the name that stands for the CA in CAA records (letsencrypt.org/docs/caa,
# cloud.google.com/certificate-manager/docs/public-ca).
ISSUERS = {
    "letsEncrypt": ("https://acme-v02.api.letsencrypt.org/directory", "letsencrypt.org"),
    "google": ("https://dv.acme-v02.api.pki.goog/directory", "pki.goog"),
}
# The proxies' TCP port inside the cluster for reloads: WARP_TLS_RELOAD_PORT of kamailio/tls_listen.cfg, which keeps it
# from the rest of Kamailio. One port in both places; a key here would open another one than the fragment guards.
RELOAD_PORT = 9064
MOST_NAMES = 100  # of one certificate: letsencrypt.org/docs/rate-limits, "Identifiers per Certificate"
_A_URL = re.compile(r"https://[a-z0-9.-]+(:[0-9]{1,5})?(/[!-~]*)?")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n?")
Email = Annotated[
    str,
    Field(pattern=form(r"^[A-Za-z0-9._%+-]+@([a-z0-9-]+\.)+[a-z]{2,63}$", "write an e-mail address"), max_length=254),
]
AccountUri = Annotated[
    str,
    Field(
        pattern=form(r"^https://[A-Za-z0-9._~:/?#@!$&()*+,=%-]+$", "write the account's URI, https://..."),
        max_length=255,
    ),
]
ServiceAccount = Annotated[
    str,
    Field(
        pattern=form(
            r"^[a-z][-a-z0-9]{4,28}[a-z0-9]@[a-z0-9.:-]+\.iam\.gserviceaccount\.com$",
            "write it as name@project.iam.gserviceaccount.com",
        )
    ),
]


class Challenge(Section):
    """Where the renewer proves that the names are ours: TXT records `_acme-challenge` (RFC 8555, section 8.4)."""

    host: Literal["gandi", "cloud-dns"] | None = Field(
        None, description="host of the zone that the TXT records go to; absent: dns.backend"
    )
    domain: Domain | None = Field(
        None,
        description="a zone for challenges alone, so that the renewer's credential can change nothing else:"
        " `_acme-challenge.NAME` becomes a CNAME to `NAME.<domain>`; absent: dns.domain",
    )
    zone: Name | None = Field(None, description="its managed zone at Cloud DNS; absent: dns.zone.name")

    @rule
    def _another_domain_is_in_another_zone(cls, zone: str | None, host: str = "", domain: str | None = None) -> None:
        if zone and host == "gandi":
            raise refuse("a managed zone is at Cloud DNS, the challenges at Gandi", "remove tls.challenge.zone")
        if zone is None and domain and host == "cloud-dns":
            raise refuse("the domain of the challenges is a zone of its own", "add tls.challenge.zone")


class Caa(Section):
    """CAA records at the domain: who may issue certificates for it and all names below it (RFC 8659)."""

    account_uris: Annotated[tuple[AccountUri, ...], EachOnce] = Field(
        min_length=1,
        description="accounts of the renewers, one of each region; `account.json` in the Secret has it as `uri`. No"
        " other account of the CA can issue (RFC 8657)",
    )
    issuer: Domain | None = Field(
        None, description="the CA's name in CAA records; needed where tls.issuer is a URL or absent"
    )
    others: Annotated[tuple[Domain, ...], EachOnce] = Field(
        (), description="CAs that issue for other names of the domain, such as its web site's"
    )
    wildcards: Annotated[tuple[Domain, ...], EachOnce] = Field(
        (), description="CAs that may issue wildcard certificates; empty: none may"
    )


class Tls(Section):
    """The certificate of the SIP proxies."""

    issuer: Text | None = Field(
        None,
        description="`letsEncrypt`, `google`, or the URL of an ACME directory; absent: somebody else fills the Secret,"
        " cert-manager for example",
    )
    issuer_roots: Text | None = Field(
        None, max_length=100_000, description="PEM: what the directory's own certificate is checked with; a private CA"
    )
    contact: Annotated[tuple[Email, ...], EachOnce] = Field((), description="e-mail addresses that the CA may write to")
    external_account_key_id: Line | None = Field(
        None, description="key ID of the external account binding (EAB); its HMAC key is `tlsHmacKey`"
    )
    profile: Annotated[str, Field(pattern=form(r"^[A-Za-z0-9._-]{1,40}$", "write the profile's name"))] | None = Field(
        None, description="certificate profile that is asked for, such as `tlsserver`; absent: the CA's default"
    )
    key: Literal["rsa2048", "ecdsaP256"] = Field(
        "rsa2048", description="RSA, because older SBCs that only know RSA cannot connect to an ECDSA certificate"
    )
    names: Annotated[tuple[Domain, ...], EachOnce] = Field(
        (), description="names below dns.domain in addition to the domain itself and the names of this stack"
    )
    dedicated_names: bool = Field(
        True, description="dedicated customers' names too; names in a certificate are public (certificate transparency)"
    )
    renew_at_percent: Annotated[int, Field(ge=5, le=90)] = Field(
        33, description="per cent of its lifetime that is left when it is renewed, unless the CA suggests a time (ARI)"
    )
    challenge: Challenge = Field(Challenge(), description="where challenges are published")
    service_account: ServiceAccount | None = Field(
        None, description="Google service account of the renewer, where challenges are at Cloud DNS"
    )
    name_servers: tuple[str, ...] = Field(
        (),
        description="`address:port` of the zone's authoritative servers, at which the renewer waits for the challenge;"
        " absent: those that its NS records name",
    )
    resolvers: tuple[str, ...] = Field(
        (),
        description="`address:port` of resolvers, the first of which a preview asks about DNSSEC where there are CAA"
        " records; absent: this machine's",
    )
    caa: Caa | None = Field(None, description="CAA records beside the names; absent: none are declared")
    secret: Name = Field("warp-tls", description="Secret with `tls.crt` and `tls.key`, which the proxies mount")
    name: Name = Field("warp-tls-renewer", description="name of the renewer's Deployment and ServiceAccount")
    cpu: Quantity = Field("20m", description="requested CPU")
    memory: Quantity = Field("128Mi", description="requested memory, and its limit")

    @property
    def directory(self) -> str | None:
        """URL of the ACME directory; None where nothing is issued here."""
        return ISSUERS[self.issuer][0] if self.issuer in ISSUERS else self.issuer

    @property
    def caa_issuer(self) -> str:
        """The CA's name in CAA records. Only of a valid `caa`."""
        named = self.caa.issuer if self.caa else None
        return named or ISSUERS[self.issuer or ""][1]

    @rule
    def _a_known_one_or_a_url(cls, issuer: str | None) -> None:
        if not (issuer is None or issuer in ISSUERS or _A_URL.fullmatch(issuer)):
            raise refuse("no CA of this name", f"use {', '.join(ISSUERS)}, or the https:// URL of an ACME directory")

    @rule
    def _of_a_directory(cls, issuer_roots: str | None, issuer: str | None = None) -> None:
        if issuer_roots is None:
            return
        if issuer in (None, *ISSUERS):
            raise refuse("only a directory given by its URL has its own roots", "remove tls.issuerRoots")
        if not re.fullmatch(rf"({_PEM.pattern})+", issuer_roots):
            raise refuse(
                "not certificates in PEM form", "paste the CA's certificate, -----BEGIN CERTIFICATE----- first"
            )

    @rule
    def _an_account_where_one_is_needed(cls, external_account_key_id: str | None, issuer: str | None = "") -> None:
        if external_account_key_id and issuer == "letsEncrypt":
            raise refuse("Let's Encrypt has no external accounts", "remove tls.externalAccountKeyId, or use google")
        if external_account_key_id is None and issuer == "google":
            raise refuse(
                "Google's public CA needs an external account",
                "run `gcloud publicca external-account-keys create`; its key ID goes here, its HMAC key into"
                " `pulumi config set --secret tlsHmacKey`",
            )

    @field_validator("names", mode="before")
    @classmethod
    def _no_wildcards(cls, names: object) -> object:
        for name in names if isinstance(names, list | tuple) else ():
            if isinstance(name, str) and "*" in name:
                raise refuse(
                    f"{show(name)} is a wildcard, which SIP clients must not accept (RFC 5922, 7.2)", "name it"
                )
        return tuple(names) if isinstance(names, list) else names  # JSON's list, which a strict model takes no more

    @field_validator("name_servers", "resolvers")
    @classmethod
    def _places(cls, places: tuple[str, ...]) -> tuple[str, ...]:
        for place in places:
            host, _, port = place.rpartition(":")
            try:
                ip_address(host.strip("[]"))
            except ValueError:
                host = ""
            if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
                raise refuse(f"{show(place)} is not an address with a port", "write it as 192.0.2.1:53")
        return places

    @rule
    def _the_ca_has_a_name(cls, caa: Caa | None, issuer: str | None = "letsEncrypt") -> None:
        if caa and caa.issuer is None and issuer not in ISSUERS:
            raise refuse("the CA's name in CAA records is not known", "add tls.caa.issuer; the CA's documents have it")

    @field_validator("contact", "external_account_key_id", "profile", "service_account")
    @classmethod
    def _a_renewer_has_them(cls, value: object, info: Info) -> object:
        if value and info.data.get("issuer", "") is None:
            raise refuse(
                "it is the renewer's, and without tls.issuer there is none", "add tls.issuer, or remove this key"
            )
        return value
