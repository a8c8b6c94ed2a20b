"""Every rule, in the order of `docs/policies.md`. A new one is added only to its module's `RULES`."""

from policies.rule import Rule
from policies.rules import (
    alerts,
    certificate,
    database,
    dns,
    egress,
    firewall,
    ingress,
    labels,
    locks,
    protection,
    secrets,
    storage,
)

RULES: tuple[Rule, ...] = (
    *ingress.RULES,
    *certificate.RULES,
    *locks.RULES,
    *egress.RULES,
    *dns.RULES,
    *database.RULES,
    *labels.RULES,
    *secrets.RULES,
    *firewall.RULES,
    *storage.RULES,
    *protection.RULES,
    *alerts.RULES,
)
