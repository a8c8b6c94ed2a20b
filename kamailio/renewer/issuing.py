"""One certificate: account, order, challenges, chain. The record is saved after every step, so that a crash loses none.

A crash before the order is saved leaves one that the CA forgets; after it, the next attempt continues the order with
the same key, whatever the CA has done with it meanwhile.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from acme import messages

from kamailio.renewer import certificate
from kamailio.renewer.authority import Authority, OrderLostError, UnknownAccountError, dns_challenge
from kamailio.renewer.configuration import Configuration
from kamailio.renewer.dns_host import DnsHost, Waits
from kamailio.renewer.failures import Failure, anything
from kamailio.renewer.propagation import NameServers, challenge_name
from kamailio.renewer.record import Order, Record

log = logging.getLogger("renewer")

FIRST_LOOK, LONGEST_LOOK = 0.5, 15.0
Challenge = tuple[messages.AuthorizationResource, messages.ChallengeBody]
# An account or an order that the CA forgot is made anew; more than both at once is no accident.
BEGINNINGS: Final = 3
# Of this machine's clock and the CA's. Let's Encrypt begins a certificate an hour before it is issued.
SKEW: Final = datetime.timedelta(minutes=10)
# A certificate that was refused here counts at the CA (five for the same names in a week).
AFTER_A_USELESS_ONE: Final = 2 * 24 * 3600.0


class Issuer:
    """An attempt. `save` keeps a record and raises `Failure` where it cannot."""

    def __init__(
        self,
        *,
        configuration: Configuration,
        authority: Authority,
        host: DnsHost,
        servers: NameServers,
        save: Callable[[Record], None],
        waits: Waits,
        propagation_seconds: float,
        good_until: datetime.datetime | None = None,
    ) -> None:
        """`good_until`: end of the present certificate, where nothing is wrong with that but its age."""
        self._configuration, self._authority, self._host, self._servers = configuration, authority, host, servers
        self._save, self._waits, self._propagation_seconds = save, waits, propagation_seconds
        self._good_until = good_until

    def issue(self, record: Record) -> tuple[certificate.Pair, Record]:
        """The certificate, and the record without its order; the caller writes both in one go, and then the record
        that `tidied` returns. Raises `Failure`."""
        record = self.tidied(record)
        fresh = False
        for _ in range(BEGINNINGS):
            try:
                signed_in = self._authority.sign_in(record)
                if signed_in != record:
                    record = signed_in
                    self._save(record)
                    log.info("account %s; a CAA record with accounturi has to name this one", record.uri)
                if not record.order or set(record.order.names) != set(self._configuration.names):
                    record, fresh = self._begin(record), True
                return self._finish(record)
            except UnknownAccountError as unknown:
                log.warning("account %s is not there any more: %s; registering its key again", record.uri, unknown)
                record = replace(record, uri="", order=None)
            except OrderLostError as lost:
                if fresh or not record.order:
                    raise
                log.warning("order %s cannot be continued: %s", record.order.uri, lost)
                record = self._forget(record)
            self._save(record)
        raise Failure("account", "the CA forgets the account again and again")

    def tidied(self, record: Record) -> Record:
        """Without what is left over of an order, which is taken away."""
        self._withdraw(record.leftover)
        return replace(record, leftover=())

    def _begin(self, record: Record) -> Record:
        record = self._forget(record)
        key = certificate.new_key(self._configuration.key)
        order = self._authority.place(self._configuration.names, key)
        record = replace(record, order=order)
        self._save(record)
        log.info("order %s for %s", order.uri, ", ".join(order.names))
        return record

    def _forget(self, record: Record) -> Record:
        """Without its order, and without what was published for that."""
        if record.order:
            self._withdraw(record.order.published)
        return replace(record, order=None)

    def _finish(self, record: Record) -> tuple[certificate.Pair, Record]:
        order = record.order
        assert order is not None
        try:
            # What cannot be continued for an unforeseen reason is begun anew.
            with anything(f"order {order.uri}", OrderLostError):
                if todo := self._to_answer(order):
                    values = tuple((self._place(each), self._authority.validation(one)) for each, one in todo)
                    # Before they are published: after a crash it is known what has to be removed.
                    order = replace(order, published=tuple(dict.fromkeys((*order.published, *values))))
                    self._save(replace(record, order=order))
                    self._look_at_delegations(todo)
                    self._publish(values)
                    self._answer(todo)
                pair = self._checked(self._authority.finished(order), order.key)
        except Failure as failure:
            self._withdraw(order.published)
            if failure.cause in ("authorization", "caa"):
                # The CA has given the order up with its authorization.
                self._save(replace(record, order=None))
            raise
        return pair, replace(record, order=None, leftover=order.published)

    def _to_answer(self, order: Order) -> list[Challenge]:
        """Of the authorizations that are not valid yet: a CA reuses those of earlier orders."""
        found = []
        for each in self._authority.authorizations(order):
            if each.body.identifier.value not in order.names:
                raise OrderLostError("authorization", f"{each.body.identifier.value} is not a name of the order")
            if each.body.status == messages.STATUS_PENDING:
                found.append((each, dns_challenge(each)))
            elif each.body.status != messages.STATUS_VALID:
                name = each.body.identifier.value
                raise OrderLostError("authorization", f"{name}: the authorization is {each.body.status.name}")
        return found

    def _place(self, authorization: messages.AuthorizationResource) -> str:
        return challenge_name(authorization.body.identifier.value, self._configuration.challenge_domain)

    def _look_at_delegations(self, challenges: list[Challenge]) -> None:
        if domain := self._configuration.challenge_domain:
            for authorization, _ in challenges:
                name = authorization.body.identifier.value
                self._servers.delegated(name, challenge_name(name, domain))

    def _publish(self, values: tuple[tuple[str, str], ...]) -> None:
        """Write every value, and wait until all name servers give them."""
        self._add(values)
        left, pause, lacks = self._propagation_seconds, FIRST_LOOK, "nothing"
        for name, value in values:
            while lacks := self._lacking(name, value):
                if left <= 0:
                    raise Failure("propagation", f"not within {self._propagation_seconds:.0f} s: {lacks}")
                self._waits(min(pause, left))
                left, pause = left - pause, min(LONGEST_LOOK, pause * 2)
                # Another region may have replaced it at a host without preconditions.
                self._host.add(name, value)
        self._add(values)

    def _add(self, values: tuple[tuple[str, str], ...]) -> None:
        for name, value in values:
            self._waits(0)
            self._host.add(name, value)

    def _lacking(self, name: str, value: str) -> str:
        try:
            return self._servers.lacking(name, value)
        except Failure as failure:
            return str(failure)

    def _answer(self, challenges: list[Challenge]) -> None:
        for authorization, challenge in challenges:
            # One in `processing` was answered before a crash.
            if challenge.status == messages.STATUS_PENDING:
                self._authority.answer(authorization, challenge)
        for authorization, _ in challenges:
            self._authority.validated(authorization)

    def _withdraw(self, published: tuple[tuple[str, str], ...]) -> None:
        """What stays is untidy and harmless: no reason to fail."""
        for name, value in published:
            self._waits(0)
            try:
                with anything(name):
                    self._host.remove(name, value)
            except Failure as failure:
                log.warning("%s: the TXT value %s was not removed: %s", name, value, failure)

    def _checked(self, chain: bytes, key: str) -> certificate.Pair:
        """A chain that is not for the key or the names goes nowhere, nor does one that ends before the present one:
        what is there is better."""
        try:
            pair = certificate.read(chain, key.encode())
        except ValueError as wrong:
            raise OrderLostError("authorization", f"the CA's answer: {wrong}") from None
        if lacks := pair.lacks(self._configuration.names):
            raise OrderLostError("authorization", f"the CA's certificate is not for {', '.join(lacks)}")
        now = datetime.datetime.now(datetime.UTC)
        fault = ""
        if pair.ends <= now:
            fault = f"has expired at {pair.ends}"
        elif pair.begins > now + SKEW:
            fault = f"is not valid before {pair.begins}"
        elif self._good_until and pair.ends < self._good_until:
            fault = f"ends at {pair.ends}, before the present one ({self._good_until})"
        if fault:
            words = f"the CA's certificate {fault}; it is not used: look at the clocks, of this node and of the CA"
            raise OrderLostError("authorization", words, AFTER_A_USELESS_ONE)
        return pair
