"""What a SIP server's certificate says, judged as RFC 5922 wants a SIP client to. Pure.

A client compares the certificate with the domain it set out for, not with the host that SRV led it to (section 4); a
customer who configures host and port sets out for the host. So both names have to be in there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509

from verify.finding import Judgement, Verdict, judged, one_line

RENEW = "renew the certificate, and see what was to renew it"
_SIP_URI = re.compile(r"sip:([^@;?/:]+)(?::\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Certificate:
    """`names`: the domains it speaks for. `untrusted`: why its chain leads to no authority we trust; empty: it does."""

    names: tuple[str, ...]
    begins: datetime
    ends: datetime
    untrusted: str = ""


class UnreadableCertificateError(Exception):
    """What the server sent is no X.509 certificate."""


def read(der: bytes, untrusted: str) -> Certificate:
    """The certificate a server showed. Raises `UnreadableCertificateError`."""
    try:
        found = x509.load_der_x509_certificate(der)
        return Certificate(_names(found), found.not_valid_before_utc, found.not_valid_after_utc, untrusted)
    except (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise UnreadableCertificateError(one_line(str(error))) from None


def _names(found: x509.Certificate) -> tuple[str, ...]:
    """RFC 5922 section 7.1: SIP URIs without a user; where there is none, DNS names. Never the common name alone."""
    try:
        listed = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    uris = [_SIP_URI.fullmatch(uri) for uri in listed.get_values_for_type(x509.UniformResourceIdentifier)]
    domains = [uri[1] for uri in uris if uri]
    return tuple(domains or listed.get_values_for_type(x509.DNSName))


def judge(found: Certificate, name: str, now: datetime, expiry_days: int, milliseconds: float | None) -> Judgement:
    """Whether a client that set out for `name` may speak with this server, and for how long still."""
    left = found.ends - now
    told = f"{one_line(', '.join(found.names)) or 'no name'}; until {found.ends:%Y-%m-%d} ({_days(left)})"
    return judged(told, _problems(found, name, now, timedelta(days=expiry_days)), milliseconds)


def _problems(found: Certificate, name: str, now: datetime, notice: timedelta) -> Iterator[tuple[Verdict, str, str]]:
    dated = found.begins <= now < found.ends
    if now >= found.ends:
        yield Verdict.BROKEN, f"expired on {found.ends:%Y-%m-%d}", RENEW
    elif now < found.begins:
        yield Verdict.BROKEN, f"not valid before {found.begins:%Y-%m-%d}", "see this machine's and the issuer's clocks"
    elif found.ends - now < notice:
        yield Verdict.WARNING, f"it expires within {notice.days} days", RENEW
    # An expired certificate fails its chain for that reason alone: told once.
    if found.untrusted and (dated or "expired" not in found.untrusted):
        yield (
            Verdict.BROKEN,
            f"not trusted: {one_line(found.untrusted)}",
            "send the whole chain up to a public authority; --ca FILE trusts another one",
        )
    # Section 7.2: whole names, without case, and no wildcards.
    if name.lower() not in {each.lower().rstrip(".") for each in found.names}:
        wild = f"*.{name.partition('.')[2]}".lower() in {each.lower() for each in found.names}
        why = " (SIP takes no wildcard: RFC 5922, 7.2)" if wild else ""
        yield Verdict.BROKEN, f"not for {name}{why}", f"get a certificate with the name {name} as DNS name or sip: URI"


def _days(left: timedelta) -> str:
    return f"{left.days} days left" if left > timedelta() else f"{-left.days} days ago"


def utc_now() -> datetime:
    """The one place that looks at the clock for a date."""
    return datetime.now(UTC)
