"""A SIP server's certificate, judged as RFC 5922 requires of a SIP client. Pure.

A client compares the certificate with the domain that it was configured with, not with the SRV target (section 4); a
customer may configure a host and port instead. So the certificate needs both names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import NameOID

from verify.finding import Judgement, Verdict, judged, one_line

RENEW = "renew the certificate, and check why it was not renewed automatically"
_SIP_URI = re.compile(r"sip:([^@;?/:]+)(?::\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Certificate:
    """`names`: the domains it is valid for. `untrusted`: why its chain is not trusted; empty: it is. `issuer`: the
    organisation of the CA; empty: it has none."""

    names: tuple[str, ...]
    begins: datetime
    ends: datetime
    untrusted: str = ""
    issuer: str = ""


class UnreadableCertificateError(Exception):
    """The server did not send an X.509 certificate."""


def read(der: bytes, untrusted: str) -> Certificate:
    """Parse a server's certificate. Raises `UnreadableCertificateError`."""
    try:
        found = x509.load_der_x509_certificate(der)
        return Certificate(
            _names(found), found.not_valid_before_utc, found.not_valid_after_utc, untrusted, _issuer(found)
        )
    except (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise UnreadableCertificateError(one_line(str(error))) from None


def _issuer(found: x509.Certificate) -> str:
    organisations = found.issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return str(organisations[0].value) if organisations else ""


def _names(found: x509.Certificate) -> tuple[str, ...]:
    """RFC 5922 section 7.1: SIP URIs without a user, or else DNS names. Never the common name alone."""
    try:
        listed = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    uris = [_SIP_URI.fullmatch(uri) for uri in listed.get_values_for_type(x509.UniformResourceIdentifier)]
    domains = [uri[1] for uri in uris if uri]
    return tuple(domains or listed.get_values_for_type(x509.DNSName))


def judge(found: Certificate, name: str, now: datetime, expiry_days: int, milliseconds: float | None) -> Judgement:
    """Whether a client that connects to `name` may trust this server, and for how long."""
    left = found.ends - now
    shown = f"{one_line(', '.join(found.names)) or 'no name'}; until {found.ends:%Y-%m-%d} ({_days(left)})"
    return judged(shown, _problems(found, name, now, timedelta(days=expiry_days)), milliseconds)


def _problems(found: Certificate, name: str, now: datetime, notice: timedelta) -> Iterator[tuple[Verdict, str, str]]:
    dated = found.begins <= now < found.ends
    if now >= found.ends:
        yield Verdict.BROKEN, f"expired on {found.ends:%Y-%m-%d}", RENEW
    elif now < found.begins:
        yield (
            Verdict.BROKEN,
            f"not valid before {found.begins:%Y-%m-%d}",
            "check this machine's and the issuer's clocks",
        )
    elif found.ends - now < notice:
        yield Verdict.WARNING, f"it expires within {notice.days} days", RENEW
    # An expired certificate also fails its chain for that reason: reported once.
    if found.untrusted and (dated or "expired" not in found.untrusted):
        yield (
            Verdict.BROKEN,
            f"not trusted: {one_line(found.untrusted)}",
            "send the complete chain up to a public CA; --ca FILE trusts another one",
        )
    # Section 7.2: whole names, case-insensitive, no wildcards.
    if name.lower() not in {each.lower().rstrip(".") for each in found.names}:
        wild = f"*.{name.partition('.')[2]}".lower() in {each.lower() for each in found.names}
        why = " (SIP allows no wildcards: RFC 5922, 7.2)" if wild else ""
        yield Verdict.BROKEN, f"not for {name}{why}", f"get a certificate with the name {name} as DNS name or sip: URI"


def _days(left: timedelta) -> str:
    return f"{left.days} days left" if left > timedelta() else f"{-left.days} days ago"


def utc_now() -> datetime:
    """The current time; the only place that reads the clock."""
    return datetime.now(UTC)
