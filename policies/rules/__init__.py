"""Every rule, in the order of `docs/policies.md`. A new one is added only to its module's `RULES`."""

from policies.rule import Rule
from policies.rules import alerts, database, dns, egress, firewall, ingress, labels, locks, secrets, storage

RULES: tuple[Rule, ...] = (
    *ingress.RULES,
    *locks.RULES,
    *egress.RULES,
    *dns.RULES,
    *database.RULES,
    *labels.RULES,
    *secrets.RULES,
    *firewall.RULES,
    *storage.RULES,
    *alerts.RULES,
)
