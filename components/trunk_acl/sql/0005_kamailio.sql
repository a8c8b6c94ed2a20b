-- What Kamailio reads, in the shapes its modules want (kamailio/README.md): permissions' address table, and a hash
-- table of hosts beside a prefix tree. Every view has what matches and one row more, which matches no address: Kamailio
-- tells by it an empty table from one that is not there. A value is `trunk|BAN`. Every column of every part has its name:
-- only then is a view's text the same again after it was made from it (a repair).

CREATE SCHEMA kamailio;
COMMENT ON SCHEMA kamailio IS 'Views for Kamailio: the trunk ACL as its modules load it';

-- One character says the family, then the address in hexadecimal: what route[WARP_KEY] of kamailio/ip_auth.cfg makes.
CREATE FUNCTION kamailio.key(address inet) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN family(address) || substr(encode(inet_send(address), 'hex'), 9);
COMMENT ON FUNCTION kamailio.key(inet) IS 'Key of an address: its family (4 or 6), then the address in hexadecimal';
REVOKE ALL ON FUNCTION kamailio.key(inet) FROM PUBLIC;

CREATE VIEW kamailio.entries AS
    SELECT entry.id, entry.cidr, entry.ban, trunk.name AS trunk
    FROM accounts.trunk_ips AS entry
    JOIN accounts.trunk_groups AS trunk ON trunk.id = entry.trunk_group_id AND trunk.active AND trunk.auth_type <> 'DIGEST'
    JOIN accounts.customers AS customer ON customer.ban = entry.ban AND customer.active
    WHERE entry.active;
COMMENT ON VIEW kamailio.entries IS 'Entries that match: active, of active trunks that authenticate by address, of active customers';

-- The row that matches no customer is the last range: when max_subnets cuts any off, it is missing too.
CREATE VIEW kamailio.address AS
    SELECT id, grp, ip_addr::varchar(50) AS ip_addr, mask, port, tag::varchar(128) AS tag
    FROM (
        SELECT id, 1 AS grp, host(cidr) AS ip_addr, masklen(cidr) AS mask, 0 AS port, trunk || '|' || ban AS tag
        FROM kamailio.entries
        UNION ALL
        SELECT 0 AS id, 2 AS grp, '0.0.0.0' AS ip_addr, 1 AS mask, 0 AS port, 'loaded' AS tag
    ) AS rows
    ORDER BY grp, mask DESC, id;
COMMENT ON VIEW kamailio.address IS 'For module permissions: first match in the order loaded, so longest prefix first; group 2 says that all is loaded';

-- A host is called by its key only in IPv6, which people and programs write in several ways: making a key takes Kamailio
-- longer than the rest of its decision.
CREATE VIEW kamailio.acl_hosts AS
    SELECT
        (CASE family(cidr) WHEN 4 THEN host(cidr) ELSE kamailio.key(cidr) END)::varchar(64) AS key_name,
        0 AS key_type,
        0 AS value_type,
        (trunk || '|' || ban)::varchar(128) AS key_value,
        0 AS expires,
        cidr
    FROM kamailio.entries
    WHERE masklen(cidr) = CASE family(cidr) WHEN 4 THEN 32 ELSE 128 END
    UNION ALL
    SELECT 'loaded' AS key_name, 0 AS key_type, 0 AS value_type, 'loaded' AS key_value, 0 AS expires, NULL AS cidr;
COMMENT ON VIEW kamailio.acl_hosts IS 'For module htable: single hosts; key `loaded` says that the table is there. Column cidr is for the reloader';

-- A tree of hexadecimal digits: a prefix that ends inside a digit becomes up to eight keys. Where two entries give the
-- same key the longer one has it.
CREATE VIEW kamailio.acl_prefixes AS
    SELECT DISTINCT ON (tprefix) tprefix, tvalue
    FROM (
        SELECT
            (CASE WHEN masklen(cidr) % 4 = 0 THEN kept
                ELSE left(kept, -1) || to_hex(('x' || right(kept, 1))::bit(4)::integer + digit)
            END)::varchar(64) AS tprefix,
            (trunk || '|' || ban)::varchar(128) AS tvalue,
            masklen(cidr) AS length
        FROM kamailio.entries,
            LATERAL (SELECT left(kamailio.key(cidr), 1 + (masklen(cidr) + 3) / 4)) AS k (kept),
            LATERAL generate_series(0, CASE WHEN masklen(cidr) % 4 = 0 THEN 0 ELSE (1 << (4 - masklen(cidr) % 4)) - 1 END) AS digit
        WHERE masklen(cidr) < CASE family(cidr) WHEN 4 THEN 32 ELSE 128 END
        UNION ALL
        SELECT '0' AS tprefix, 'loaded' AS tvalue, 0 AS length
    ) AS keys
    ORDER BY tprefix, length DESC;
COMMENT ON VIEW kamailio.acl_prefixes IS 'For module mtree: ranges, as prefixes of the key in hexadecimal; prefix 0 says that the tree is there';

CREATE VIEW kamailio.dedicated AS
    SELECT
        (CASE family(dedicated.address) WHEN 4 THEN host(dedicated.address) ELSE kamailio.key(dedicated.address) END)::varchar(64)
            AS key_name,
        0 AS key_type,
        0 AS value_type,
        dedicated.ban::varchar(64) AS key_value,
        0 AS expires
    FROM accounts.customer_dedicated_ips AS dedicated
    JOIN accounts.customers AS customer ON customer.ban = dedicated.ban AND customer.active
    WHERE dedicated.active
    UNION ALL
    SELECT 'loaded' AS key_name, 0 AS key_type, 0 AS value_type, 'loaded' AS key_value, 0 AS expires;
COMMENT ON VIEW kamailio.dedicated IS 'For module htable: dedicated addresses of the premium tier, value BAN; key `loaded` says that the table is there';

CREATE VIEW kamailio.acl_counts AS
    SELECT
        (SELECT count(*)::integer FROM kamailio.acl_hosts) AS hosts,
        (SELECT count(*)::integer FROM kamailio.address WHERE mask < CASE WHEN ip_addr ~ ':' THEN 128 ELSE 32 END) AS subnets,
        (SELECT count(*)::integer FROM kamailio.acl_prefixes) AS prefixes,
        (SELECT count(*)::integer FROM kamailio.dedicated) AS dedicated;
COMMENT ON VIEW kamailio.acl_counts IS 'How many rows a complete load of each view has, subnets of `address`: Kamailio drops what exceeds max_subnets and says OK';

CREATE VIEW kamailio.version AS
    SELECT table_name::varchar(32) AS table_name, table_version
    FROM (VALUES ('address', 6)) AS known (table_name, table_version);
COMMENT ON VIEW kamailio.version IS 'Table versions that Kamailio''s modules check at start';

-- Which ranges changed, for the reloader; `all` when there are too many to list (a payload ends at 8000 bytes).
CREATE FUNCTION trunk_acl.notify_entries() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ranges text;
BEGIN
    SELECT CASE WHEN count(*) <= 50 THEN string_agg(cidr::text, ' ' ORDER BY cidr) ELSE 'all' END INTO ranges
    FROM (SELECT cidr FROM changed LIMIT 51) AS counted;
    IF ranges IS NOT NULL THEN
        PERFORM pg_notify('trunk_acl', ranges);
    END IF;
    RETURN NULL;
END;
$$;
CREATE FUNCTION trunk_acl.notify_all() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_notify('trunk_acl', 'all');
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION trunk_acl.notify_entries() IS 'Tells listeners of channel trunk_acl which ranges changed';
COMMENT ON FUNCTION trunk_acl.notify_all() IS 'Tells listeners of channel trunk_acl that anything may have changed';
REVOKE ALL ON FUNCTION trunk_acl.notify_entries(), trunk_acl.notify_all() FROM PUBLIC;

CREATE TRIGGER notify_inserted AFTER INSERT ON accounts.trunk_ips
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION trunk_acl.notify_entries();
CREATE TRIGGER notify_deleted AFTER DELETE ON accounts.trunk_ips
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION trunk_acl.notify_entries();
CREATE TRIGGER notify_was AFTER UPDATE ON accounts.trunk_ips
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION trunk_acl.notify_entries();
CREATE TRIGGER notify_is AFTER UPDATE ON accounts.trunk_ips
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION trunk_acl.notify_entries();
CREATE TRIGGER notify_changed AFTER UPDATE ON accounts.trunk_groups
    FOR EACH STATEMENT EXECUTE FUNCTION trunk_acl.notify_all();
CREATE TRIGGER notify_changed AFTER INSERT OR UPDATE OR DELETE ON accounts.customer_dedicated_ips
    FOR EACH STATEMENT EXECUTE FUNCTION trunk_acl.notify_all();
COMMENT ON TRIGGER notify_inserted ON accounts.trunk_ips IS 'Tells the reloader';
COMMENT ON TRIGGER notify_deleted ON accounts.trunk_ips IS 'Tells the reloader';
COMMENT ON TRIGGER notify_was ON accounts.trunk_ips IS 'Tells the reloader';
COMMENT ON TRIGGER notify_is ON accounts.trunk_ips IS 'Tells the reloader';
COMMENT ON TRIGGER notify_changed ON accounts.trunk_groups IS 'Tells the reloader';
COMMENT ON TRIGGER notify_changed ON accounts.customer_dedicated_ips IS 'Tells the reloader';
