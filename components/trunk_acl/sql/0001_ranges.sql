-- What a range must be like before it can be anybody's. Schema trunk_acl is made by the migrator, with its registry.

CREATE EXTENSION IF NOT EXISTS btree_gist WITH SCHEMA trunk_acl;

CREATE TABLE trunk_acl.limits (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    widest_ipv4 integer NOT NULL DEFAULT 20 CHECK (widest_ipv4 BETWEEN 8 AND 32),
    widest_ipv6 integer NOT NULL DEFAULT 40 CHECK (widest_ipv6 BETWEEN 16 AND 128)
);
COMMENT ON TABLE trunk_acl.limits IS 'How wide a range of one customer may be; written by pulumi from the stack''s settings';
COMMENT ON COLUMN trunk_acl.limits.only_row IS 'Always true: there is one row';
COMMENT ON COLUMN trunk_acl.limits.widest_ipv4 IS 'Shortest IPv4 prefix length of an entry';
COMMENT ON COLUMN trunk_acl.limits.widest_ipv6 IS 'Shortest IPv6 prefix length of an entry';
INSERT INTO trunk_acl.limits DEFAULT VALUES;

CREATE TABLE trunk_acl.reserved_ranges (
    range cidr PRIMARY KEY,
    name text NOT NULL,
    source text NOT NULL
);
COMMENT ON TABLE trunk_acl.reserved_ranges IS 'Special-purpose ranges, which cannot be a customer''s (RFC 6890 and the IANA registries it set up)';
COMMENT ON COLUMN trunk_acl.reserved_ranges.range IS 'The range';
COMMENT ON COLUMN trunk_acl.reserved_ranges.name IS 'Its name in the registry';
COMMENT ON COLUMN trunk_acl.reserved_ranges.source IS 'The RFC that reserves it';
INSERT INTO trunk_acl.reserved_ranges (range, name, source) VALUES
    ('0.0.0.0/8', 'this network', 'RFC 791'),
    ('10.0.0.0/8', 'private use', 'RFC 1918'),
    ('100.64.0.0/10', 'shared address space', 'RFC 6598'),
    ('127.0.0.0/8', 'loopback', 'RFC 1122'),
    ('169.254.0.0/16', 'link local', 'RFC 3927'),
    ('172.16.0.0/12', 'private use', 'RFC 1918'),
    ('192.0.0.0/24', 'IETF protocol assignments', 'RFC 6890'),
    ('192.0.2.0/24', 'documentation', 'RFC 5737'),
    ('192.88.99.0/24', '6to4 relay anycast', 'RFC 7526'),
    ('192.168.0.0/16', 'private use', 'RFC 1918'),
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
    ('2001::/23', 'IETF protocol assignments', 'RFC 2928'),
    ('2001:db8::/32', 'documentation', 'RFC 3849'),
    ('2002::/16', '6to4', 'RFC 3056'),
    ('3fff::/20', 'documentation', 'RFC 9637'),
    ('5f00::/16', 'segment routing identifiers', 'RFC 9602'),
    ('fc00::/7', 'unique local', 'RFC 4193'),
    ('fe80::/10', 'link local', 'RFC 4291'),
    ('ff00::/8', 'multicast', 'RFC 4291');

CREATE TABLE trunk_acl.allowed_ranges (
    range cidr PRIMARY KEY
);
COMMENT ON TABLE trunk_acl.allowed_ranges IS 'Reserved ranges whose inside may be used here all the same; written by pulumi from the stack''s settings';
COMMENT ON COLUMN trunk_acl.allowed_ranges.range IS 'Entries inside it are accepted';

-- The first reason why a range cannot be an entry, NULL when there is none.
CREATE FUNCTION trunk_acl.unfit(entry cidr) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT reason
    FROM (
        SELECT 1 AS place, format('%s is wider than /%s', entry, widest) AS reason
        FROM trunk_acl.limits, LATERAL (SELECT CASE family(entry) WHEN 4 THEN widest_ipv4 ELSE widest_ipv6 END) AS w (widest)
        WHERE masklen(entry) < widest
        UNION ALL
        SELECT 2, format('%s is in %s, reserved: %s (%s)', entry, reserved.range, reserved.name, reserved.source)
        FROM trunk_acl.reserved_ranges AS reserved
        WHERE reserved.range && entry
            AND NOT EXISTS (SELECT FROM trunk_acl.allowed_ranges AS allowed WHERE allowed.range >>= entry)
    ) AS reasons
    ORDER BY place
    LIMIT 1;
END;
COMMENT ON FUNCTION trunk_acl.unfit(cidr) IS 'Why a range cannot be a trunk''s entry; NULL when it can';
REVOKE ALL ON FUNCTION trunk_acl.unfit(cidr) FROM PUBLIC;
