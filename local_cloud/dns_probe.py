"""Queries one of the local cloud's name servers, for machines without `dig +short`."""

from __future__ import annotations

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

from local_cloud.layout import LocalCloudError

SECONDS = 3.0


def ask(place: tuple[str, int], name: str, type_: str, source: str | None = None) -> list[str]:
    """The answer's data in order, in presentation format. Raises `LocalCloudError` if there is none."""
    host, port = place
    try:
        question = dns.message.make_query(name, type_)
        reply, _ = dns.query.udp_with_fallback(question, host, timeout=SECONDS, port=port, source=source)
    except (dns.rdatatype.UnknownRdatatype, dns.exception.DNSException, OSError) as error:
        raise LocalCloudError(f"{name} {type_} at {host}:{port}: {error or type(error).__name__}") from None
    found = [data.to_text() for answer in reply.answer for data in answer]
    if not found:
        raise LocalCloudError(f"{name} {type_} at {host}:{port}: no data ({dns.rcode.to_text(reply.rcode())})")
    return found
