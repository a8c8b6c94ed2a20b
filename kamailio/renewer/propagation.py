"""Whether every name server of the zone gives the challenge's value: a CA that finds none counts a failed validation.

The authoritative servers are asked themselves: no resolver's memory of "there is none" is in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver

from kamailio.reloader.environment import Endpoint
from kamailio.renewer.failures import Failure

ASK_SECONDS: Final = 5.0
CHALLENGE: Final = "_acme-challenge"


def challenge_name(name: str, challenge_domain: str) -> str:
    """Where the TXT value is written."""
    return f"{name}.{challenge_domain}" if challenge_domain else f"{CHALLENGE}.{name}"


class NameServers:
    """Those of the configuration, or every zone's own."""

    def __init__(self, given: tuple[Endpoint, ...]) -> None:
        self._given = given
        self._found: dict[str, list[list[Endpoint]]] = {}

    def lacking(self, name: str, value: str) -> str:
        """The first server that does not give the value, in words; empty: all do."""
        for server, answer in self._answers(name, dns.rdatatype.TXT):
            found = {
                b"".join(each.strings).decode(errors="replace")
                for rrset in answer.answer if rrset.rdtype == dns.rdatatype.TXT for each in rrset
            }  # fmt: skip
            if value not in found:
                return f"{server} has {len(found)} TXT values for {name}, not this one"
        return ""

    def delegated(self, name: str, target: str) -> None:
        """Raises `Failure` where _acme-challenge.NAME is no CNAME to that target."""
        alias = f"{CHALLENGE}.{name}"
        for server, answer in self._answers(alias, dns.rdatatype.CNAME):
            found = [
                each.target.to_text(omit_final_dot=True).lower()
                for rrset in answer.answer if rrset.rdtype == dns.rdatatype.CNAME for each in rrset
            ]  # fmt: skip
            if target not in found:
                raise Failure(
                    "propagation",
                    f"{server} has no `{alias} CNAME {target}.` (but {', '.join(found) or 'nothing'}): publish it, or"
                    " remove challengeDomain",
                )

    def _answers(self, name: str, kind: dns.rdatatype.RdataType) -> Iterator[tuple[Endpoint, dns.message.Message]]:
        """Of each server one answer, of the first of its addresses that gives one."""
        for addresses in [[each] for each in self._given] or self._authoritative(name):
            problem = ""
            for server in addresses:
                query = dns.message.make_query(name, kind, use_edns=0)
                query.flags &= ~dns.flags.RD
                try:
                    answer, _ = dns.query.udp_with_fallback(query, server.host, ASK_SECONDS, server.port)
                except (OSError, dns.exception.DNSException) as error:
                    problem = f"{server} does not answer for {name}: {error or type(error).__name__}"
                    continue
                if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                    problem = f"{server} answers {dns.rcode.to_text(answer.rcode())} for {name}"
                    continue
                yield server, answer
                break
            else:
                raise Failure("propagation", problem)

    def _authoritative(self, name: str) -> list[list[Endpoint]]:
        try:
            zone = dns.resolver.zone_for_name(name, lifetime=ASK_SECONDS * 2).to_text()
            if zone not in self._found:
                servers = [each.target for each in dns.resolver.resolve(zone, "NS", lifetime=ASK_SECONDS)]
                self._found[zone] = [
                    [Endpoint(address, 53) for address in dns.resolver.resolve_name(server).addresses()]
                    for server in servers
                ]
        except (dns.exception.DNSException, OSError) as error:
            raise Failure("propagation", f"the name servers of {name} are not found: {str(error)[:200]}") from None
        return self._found[zone]
