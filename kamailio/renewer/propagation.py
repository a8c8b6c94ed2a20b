"""Whether every name server of the zone gives the challenge's value: a CA that finds none counts a failed validation.

The authoritative servers are asked themselves: no resolver's memory of "there is none" is in between.
"""

from __future__ import annotations

import logging
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
from kamailio.renewer.dns_host import Waits
from kamailio.renewer.failures import Failure

log = logging.getLogger("renewer")

ASK_SECONDS: Final = 5.0
CHALLENGE: Final = "_acme-challenge"


def challenge_name(name: str, challenge_domain: str) -> str:
    """Where the TXT value is written."""
    return f"{name}.{challenge_domain}" if challenge_domain else f"{CHALLENGE}.{name}"


class NameServers:
    """Those of the configuration, or every zone's own, for one attempt. `waits(0)` is called before every question."""

    def __init__(self, given: tuple[Endpoint, ...], waits: Waits) -> None:
        self._given, self._waits = given, waits
        self._found: dict[str, list[list[Endpoint]]] = {}
        # Each costs its time once, not once for every name.
        self._silent: set[Endpoint] = set()

    def lacking(self, name: str, value: str) -> str:
        """The first server that answers without the value, in words; empty: none does. Raises `Failure` where no
        server answers; one that is silent beside others that do is logged: a CA asks the others as well."""
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
        """Of each server that answers one answer, of the first of its addresses that gives one. Raises `Failure` for a
        server that gives an error, and where all are silent."""
        answered, problem = False, f"the zone of {name} has no name servers"
        for addresses in [[each] for each in self._given] or self._authoritative(name):
            refused = ""
            for server in addresses:
                if server in self._silent:
                    continue
                try:
                    answer = self._asked(server, name, kind)
                except (OSError, dns.exception.DNSException) as error:
                    problem = f"{server} does not answer for {name}: {error or type(error).__name__}"
                    log.warning("%s; it is left out of this attempt if others answer", problem)
                    self._silent.add(server)
                    continue
                if answer.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                    answered = True
                    yield server, answer
                    break
                refused = f"{server} answers {dns.rcode.to_text(answer.rcode())} for {name}"
            else:
                if refused:
                    raise Failure("propagation", refused)
        if not answered:
            self._silent.clear()
            raise Failure("propagation", problem)

    def _asked(self, server: Endpoint, name: str, kind: dns.rdatatype.RdataType) -> dns.message.Message:
        self._waits(0)
        query = dns.message.make_query(name, kind, use_edns=0)
        query.flags &= ~dns.flags.RD
        answer, _ = dns.query.udp_with_fallback(query, server.host, ASK_SECONDS, server.port)
        return answer

    def _authoritative(self, name: str) -> list[list[Endpoint]]:
        self._waits(0)
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
