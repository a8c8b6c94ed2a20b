"""SIP servers' lists of trusted sources, from which calls are accepted without a password."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from inventory.formats.selection import FOR_ANYBODY, Format, Selection, described, lines, token

KAMAILIO_GROUP = 1
ANY_PORT = 0  # the source port behind NAT is arbitrary


def kamailio(selection: Selection) -> str:
    """Rows of the `address` table as the `permissions` module reads them from `address_file`:
    group, address, prefix length, source port, tag."""
    rows = (
        f"{KAMAILIO_GROUP} {address.cidr.replace('/', ' ')} {ANY_PORT} {token(address.name)}"
        for address in selection.living
    )
    return lines(f"# {selection.heading}", '# modparam("permissions", "address_file", "FILE")', *rows)


def kamailio_sql(selection: Selection) -> str:
    """The same rows for the database table `address`, group 1 replaced in one transaction."""
    # Nothing here can end a string: addresses are parsed, tags are single tokens.
    rows = (
        "INSERT INTO address (grp, ip_addr, mask, port, tag) VALUES"  # noqa: S608
        f" ({KAMAILIO_GROUP}, '{address.address}', {address.cidr.rpartition('/')[2]}, {ANY_PORT},"
        f" '{token(address.name)}');"
        for address in selection.living
    )
    empty = f"DELETE FROM address WHERE grp = {KAMAILIO_GROUP};"  # noqa: S608
    return lines(f"-- {selection.heading}", "BEGIN;", empty, *rows, "COMMIT;")


def asterisk(selection: Selection) -> str:
    """A section `identify` of pjsip.conf; the reader defines the endpoint."""
    name = f"warp-{selection.audience.label}"
    matches = (f"match={address.cidr} ; {described(address)}" for address in selection.living)
    return lines(f"; {selection.heading}", f"[{name}]", "type=identify", "endpoint=warp", *matches)


def freeswitch(selection: Selection) -> str:
    """A list for acl.conf.xml, used by `apply-inbound-acl` of a SIP profile."""
    nodes = (
        f'    <node type="allow" cidr={quoteattr(address.cidr)} description={quoteattr(described(address))}/>'
        for address in selection.living
    )
    return lines(
        '<configuration name="acl.conf" description="Network Lists">',
        "  <network-lists>",
        f'   <list name="warp-{selection.audience.label}" default="deny">',
        *nodes,
        "   </list>",
        "  </network-lists>",
        "</configuration>",
    )


VOICE = (
    Format("kamailio", "kamailio-address.list", "address_file of Kamailio's permissions module", kamailio, FOR_ANYBODY),
    Format("kamailio-sql", "kamailio-address.sql", "rows of Kamailio's table `address`", kamailio_sql, FOR_ANYBODY),
    Format("asterisk", "asterisk-pjsip.conf", "identify section of pjsip.conf", asterisk, FOR_ANYBODY),
    Format("freeswitch", "freeswitch-acl.conf.xml", "network list for acl.conf.xml", freeswitch, FOR_ANYBODY),
)
