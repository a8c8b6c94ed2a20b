"""SIP servers' lists of trusted sources, from which calls are accepted without a password."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

from inventory.formats.selection import FOR_ANYBODY, Format, Selection, described, lines, token

GROUP = 1
ANY_PORT = 0  # the source port behind NAT is arbitrary
KAMAILIO_TAG, OPENSIPS_TAG = 64, 32  # width of the columns `tag` and `context_info`


def _tag(selection: Selection, name: str, width: int) -> str:
    """`warp-egress:NAME`: rows with this prefix are ours, and no others."""
    prefix = _ours(selection)
    return prefix + token(name, width - len(prefix))


def _ours(selection: Selection) -> str:
    return f"warp-{selection.audience.label}:"


def kamailio(selection: Selection) -> str:
    """Rows of the `address` table as the `permissions` module reads them from `address_file`:
    group, address, prefix length, source port, tag."""
    head = (
        selection.heading,
        "Only if `permissions` has no db_url: with an address_file it reads no database, and cuts off the peers there.",
        "Else load kamailio-address.sql.",
        "With peers of your own, put both into one file, because `permissions` reads one: cat OWN FILE > address.list",
        'modparam("permissions", "address_file", "/etc/kamailio/address.list")',
        f'And once, in request_route, where calls are let in: if (allow_source_address("{GROUP}")) {{ ... }}',
        "After each update: kamcmd permissions.addressReload",
    )
    rows = (
        f"{GROUP} {address.cidr.replace('/', ' ')} {ANY_PORT} {_tag(selection, address.name, KAMAILIO_TAG)}"
        for address in selection.living
    )
    return lines(*(f"# {each}" for each in head), *rows)


def kamailio_sql(selection: Selection) -> str:
    """The same rows for the database table `address`: ours are replaced in one transaction.

    Files before 2026-11-28 tagged rows with an address's name alone. These are taken over: rows of the group with
    the address and the name of one of ours, a retired one included.
    """
    prefix = _ours(selection)
    before = dict.fromkeys(
        f"(ip_addr = '{address.address}' AND tag = '{token(address.name)}')" for address in selection.everything
    )
    return _rows_replaced(
        selection,
        (
            f"Each load replaces the rows whose tag begins with {prefix} in one transaction, and those that a file",
            "before 2026-11-28 wrote. All other rows stay, in group 1 too. Then: kamcmd permissions.addressReload",
            f'Once, in request_route, where calls are let in: if (allow_source_address("{GROUP}")) {{ ... }}',
        ),
        f"tag LIKE '{prefix}%' OR (grp = {GROUP} AND ({' OR '.join(before)}))",
        "grp, ip_addr, mask, port, tag",
        KAMAILIO_TAG,
    )


def opensips_sql(selection: Selection) -> str:
    """Rows of OpenSIPS' table `address` (module permissions, version 5 of the table)."""
    prefix = _ours(selection)
    return _rows_replaced(
        selection,
        (
            f"Each load replaces the rows whose context_info begins with {prefix} in one transaction. All other rows",
            "stay, in group 1 too. Then: opensips-cli -x mi address_reload",
        ),
        f"context_info LIKE '{prefix}%'",
        "grp, ip, mask, port, context_info",
        OPENSIPS_TAG,
    )


def _rows_replaced(selection: Selection, head: Sequence[str], ours: str, columns: str, width: int) -> str:
    # Nothing here can end a string: addresses are parsed, tags are single tokens.
    rows = (
        f"INSERT INTO address ({columns}) VALUES"  # noqa: S608
        f" ({GROUP}, '{address.address}', {address.cidr.rpartition('/')[2]}, {ANY_PORT},"
        f" '{_tag(selection, address.name, width)}');"
        for address in selection.living
    )
    empty = f"DELETE FROM address WHERE {ours};"  # noqa: S608
    return lines(*(f"-- {each}" for each in (selection.heading, *head)), "BEGIN;", empty, *rows, "COMMIT;")


def asterisk(selection: Selection) -> str:
    """A section `identify` of pjsip.conf; the reader defines the endpoint."""
    name = f"warp-{selection.audience.label}"
    head = (
        selection.heading,
        f"Replace /etc/asterisk/{name}.conf by this file each time. Once: `#include {name}.conf` at the end of",
        "pjsip.conf (FreePBX: of pjsip_custom.conf), and an endpoint (FreePBX: a trunk) named warp.",
        # `pjsip reload` is an alias of cli_aliases.conf, which not every system has; this module's sections are these.
        "After each update: asterisk -rx 'module reload res_pjsip_endpoint_identifier_ip.so'",
        *(["IPv6 needs a transport bound to [::]."] if any(":" in each.address for each in selection.living) else []),
    )
    matches = (f"match={address.cidr} ; {described(address)}" for address in selection.living)
    return lines(*(f"; {each}" for each in head), f"[{name}]", "type=identify", "endpoint=warp", *matches)


def freeswitch(selection: Selection) -> str:
    """A list to be included in acl.conf.xml: FreeSWITCH reads one `acl.conf`, so a second one would not count.

    The comment may not have the element itself: FreeSWITCH's preprocessor knows no comments (src/switch_xml.c), and the
    file would include itself.
    """
    name = f"warp-{selection.audience.label}"
    head = (
        selection.heading,
        f"Replace conf/acl/{name}.xml by this file each time. Once, inside of network-lists in",
        'autoload_configs/acl.conf.xml, in angle brackets: X-PRE-PROCESS cmd="include" data="../acl/*.xml"/',
        "and in the SIP profile that listens on port 5060 (as delivered: internal):",
        f'<param name="apply-inbound-acl" value="{name}"/>',
        "After each update: fs_cli -x reloadacl",
    )
    # A line with these words and without a bracket before them is dropped, and its address with it.
    remarks = (
        re.sub("X-PRE-PROCESS", "X_PRE_PROCESS", described(each), flags=re.IGNORECASE) for each in selection.living
    )
    nodes = (
        f'    <node type="allow" cidr={quoteattr(address.cidr)} description={quoteattr(remark)}/>'
        for address, remark in zip(selection.living, remarks, strict=True)
    )
    # Two hyphens would end the comment (XML 1.0, section 2.5).
    comment = (f"  {each.replace('--', '__')}" for each in head)
    return lines(
        "<include>",
        "<!--",
        *comment,
        "-->",
        f'  <list name="{name}" default="deny">',
        *nodes,
        "  </list>",
        "</include>",
    )


VOICE = (
    Format(
        "kamailio",
        "kamailio-address.list",
        "address_file of Kamailio's permissions module",
        kamailio,
        FOR_ANYBODY,
        comment="#",
    ),
    Format(
        "kamailio-sql",
        "kamailio-address.sql",
        "rows of Kamailio's table `address`",
        kamailio_sql,
        FOR_ANYBODY,
        comment="--",
    ),
    Format(
        "opensips-sql",
        "opensips-address.sql",
        "rows of OpenSIPS' table `address`",
        opensips_sql,
        FOR_ANYBODY,
        comment="--",
    ),
    Format(
        "asterisk",
        "asterisk-pjsip.conf",
        "identify section for Asterisk and FreePBX",
        asterisk,
        FOR_ANYBODY,
        comment=";",
    ),
    Format("freeswitch", "freeswitch-acl.conf.xml", "network list for acl.conf.xml", freeswitch, FOR_ANYBODY),
)
