-- The whole list of reserved ranges. The preview reads it from this file (special_purpose.py), so that both refuse the
-- same; a later list is a later migration, which holds all of it again.
--
-- Source: the IANA IPv4 and IPv6 Special-Purpose Address Registries (iana.org/assignments/iana-ipv4-special-registry,
-- iana-ipv6-special-registry; 27 and 25 records, the newest of 2025-04, as of 2026-11), their outermost blocks; what
-- stands inside another, such as 192.0.0.8/32 in 192.0.0.0/24, is covered by it. Blocks that
-- are globally reachable are in it, too: nobody's PBX stands in an anycast service of the DNS or of multicast relays.
-- Multicast has registries of its own (RFC 5771, RFC 4291).

DELETE FROM trunk_acl.reserved_ranges;
INSERT INTO trunk_acl.reserved_ranges (range, name, source) VALUES
    ('0.0.0.0/8', 'this network', 'RFC 791'),
    ('10.0.0.0/8', 'private use', 'RFC 1918'),
    ('100.64.0.0/10', 'shared address space', 'RFC 6598'),
    ('127.0.0.0/8', 'loopback', 'RFC 1122'),
    ('169.254.0.0/16', 'link local', 'RFC 3927'),
    ('172.16.0.0/12', 'private use', 'RFC 1918'),
    ('192.0.0.0/24', 'IETF protocol assignments', 'RFC 6890'),
    ('192.0.2.0/24', 'documentation', 'RFC 5737'),
    ('192.31.196.0/24', 'AS112 anycast', 'RFC 7535'),
    ('192.52.193.0/24', 'automatic multicast tunneling', 'RFC 7450'),
    ('192.88.99.0/24', '6to4 relay anycast', 'RFC 7526'),
    ('192.168.0.0/16', 'private use', 'RFC 1918'),
    ('192.175.48.0/24', 'AS112 direct delegation', 'RFC 7534'),
    ('198.18.0.0/15', 'benchmarking', 'RFC 2544'),
    ('198.51.100.0/24', 'documentation', 'RFC 5737'),
    ('203.0.113.0/24', 'documentation', 'RFC 5737'),
    ('224.0.0.0/4', 'multicast', 'RFC 5771'),
    ('240.0.0.0/4', 'reserved', 'RFC 1112'),
    ('::/128', 'unspecified address', 'RFC 4291'),
    ('::1/128', 'loopback', 'RFC 4291'),
    ('::ffff:0:0/96', 'IPv4-mapped addresses', 'RFC 4291'),
    ('64:ff9b::/96', 'IPv4-IPv6 translation', 'RFC 6052'),
    ('64:ff9b:1::/48', 'local IPv4-IPv6 translation', 'RFC 8215'),
    ('100::/64', 'discard only', 'RFC 6666'),
    ('100:0:0:1::/64', 'dummy prefix', 'RFC 9780'),
    ('2001::/23', 'IETF protocol assignments', 'RFC 2928'),
    ('2001:db8::/32', 'documentation', 'RFC 3849'),
    ('2002::/16', '6to4', 'RFC 3056'),
    ('2620:4f:8000::/48', 'AS112 direct delegation', 'RFC 7534'),
    ('3fff::/20', 'documentation', 'RFC 9637'),
    ('5f00::/16', 'segment routing identifiers', 'RFC 9602'),
    ('fc00::/7', 'unique local', 'RFC 4193'),
    ('fe80::/10', 'link local', 'RFC 4291'),
    ('ff00::/8', 'multicast', 'RFC 4291');

-- As before, with words for a range around a reserved one, and the first of several.
CREATE OR REPLACE FUNCTION trunk_acl.unfit(entry cidr) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT reason
    FROM (
        SELECT 1 AS place, NULL::cidr AS range, format('%s is wider than /%s', entry, widest) AS reason
        FROM trunk_acl.limits, LATERAL (SELECT CASE family(entry) WHEN 4 THEN widest_ipv4 ELSE widest_ipv6 END) AS w (widest)
        WHERE masklen(entry) < widest
        UNION ALL
        SELECT 2, reserved.range, format('%s %s %s, reserved: %s (%s)', entry,
            CASE WHEN reserved.range >>= entry THEN 'is in' ELSE 'contains' END, reserved.range, reserved.name, reserved.source)
        FROM trunk_acl.reserved_ranges AS reserved
        WHERE reserved.range && entry
            AND NOT EXISTS (SELECT FROM trunk_acl.allowed_ranges AS allowed WHERE allowed.range >>= entry)
    ) AS reasons
    ORDER BY place, range
    LIMIT 1;
END;
