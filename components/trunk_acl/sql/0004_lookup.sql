-- Whose call is it? By source address (standard tier) and by destination address (premium tier).

-- Longest prefix match by stepping down one btree. Entries sort by network, shorter prefixes first, so the greatest
-- entry not above the address is either an entry that contains it, and then the longest, or one that shares its first
-- k bits and not the next; then every entry that contains the address has k bits at most, and the search goes on below
-- the address's own /k. A hit takes one probe, a miss about two (docs/trunk-acl.md, "Lookups").
CREATE FUNCTION accounts.get_customer_by_source_ip(source inet) RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    address cidr;
    bound cidr;
    entry cidr;
    entry_ban text;
    entry_trunk integer;
    entry_active boolean;
    common integer;
    widest integer;
BEGIN
    IF source <<= '::ffff:0:0/96'::inet THEN
        source := '0.0.0.0'::inet + (source - '::ffff:0:0'::inet);
    END IF;
    address := set_masklen(source, CASE family(source) WHEN 4 THEN 32 ELSE 128 END);
    bound := address;
    LOOP
        SELECT i.cidr, i.ban, i.trunk_group_id, i.active INTO entry, entry_ban, entry_trunk, entry_active
        FROM accounts.trunk_ips AS i WHERE i.cidr <= bound ORDER BY i.cidr DESC LIMIT 1;
        IF entry IS NULL OR family(entry) <> family(address) THEN
            RETURN NULL;
        END IF;
        IF entry >>= address THEN
            IF entry_active
                AND EXISTS (SELECT FROM accounts.trunk_groups AS g WHERE g.id = entry_trunk AND g.active AND g.auth_type <> 'DIGEST')
                AND EXISTS (SELECT FROM accounts.customers AS c WHERE c.ban = entry_ban AND c.active)
            THEN
                RETURN entry_ban;
            END IF;
            common := masklen(entry) - 1;
        ELSE
            common := masklen(inet_merge(entry, address));
        END IF;
        IF widest IS NULL THEN
            SELECT CASE family(address) WHEN 4 THEN widest_ipv4 ELSE widest_ipv6 END INTO widest FROM trunk_acl.limits;
        END IF;
        IF common < widest THEN
            RETURN NULL;
        END IF;
        bound := network(set_masklen(address, common));
    END LOOP;
END;
$$;
COMMENT ON FUNCTION accounts.get_customer_by_source_ip(inet) IS 'BAN of the customer whose active entry contains this source address, longest prefix first; NULL when there is none';

CREATE FUNCTION accounts.get_customer_by_dest_ip(destination inet) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT dedicated.ban
    FROM accounts.customer_dedicated_ips AS dedicated
    JOIN accounts.customers AS customer ON customer.ban = dedicated.ban AND customer.active
    WHERE dedicated.active
        AND dedicated.address = CASE
            WHEN destination <<= '::ffff:0:0/96'::inet THEN '0.0.0.0'::inet + (destination - '::ffff:0:0'::inet)
            ELSE set_masklen(destination, CASE family(destination) WHEN 4 THEN 32 ELSE 128 END)
        END;
END;
COMMENT ON FUNCTION accounts.get_customer_by_dest_ip(inet) IS 'BAN of the customer whose dedicated address this destination address is; NULL when it is nobody''s';

REVOKE ALL ON FUNCTION accounts.get_customer_by_source_ip(inet), accounts.get_customer_by_dest_ip(inet) FROM PUBLIC;
