-- A dedicated address can be one trunk's: calls to it count for that trunk, and other calls from the same source for the
-- trunk that has the source as an entry. So one source can be behind two trunks of a customer.

ALTER TABLE accounts.customer_dedicated_ips ADD COLUMN trunk text;
COMMENT ON COLUMN accounts.customer_dedicated_ips.trunk IS 'The trunk of this customer that calls to the address count for; NULL: the trunk of the source, or else `dedicated`';
-- Deferred: trunk and row may come and go in one transaction, in any order.
ALTER TABLE accounts.customer_dedicated_ips ADD CONSTRAINT customer_dedicated_ips_trunk
    FOREIGN KEY (ban, trunk) REFERENCES accounts.trunk_groups (ban, name) DEFERRABLE INITIALLY DEFERRED;
COMMENT ON CONSTRAINT customer_dedicated_ips_trunk ON accounts.customer_dedicated_ips IS 'A trunk of the same customer';

-- As before; where the address is a trunk's, it is nobody's while that trunk is switched off or wants a password.
CREATE OR REPLACE FUNCTION accounts.get_customer_by_dest_ip(destination inet) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT dedicated.ban
    FROM accounts.customer_dedicated_ips AS dedicated
    JOIN accounts.customers AS customer ON customer.ban = dedicated.ban AND customer.active
    LEFT JOIN accounts.trunk_groups AS trunk ON trunk.ban = dedicated.ban AND trunk.name = dedicated.trunk
    WHERE dedicated.active
        AND (dedicated.trunk IS NULL OR trunk.active AND trunk.auth_type <> 'DIGEST')
        AND dedicated.address = CASE
            WHEN destination <<= '::ffff:0:0/96'::inet THEN '0.0.0.0'::inet + (destination - '::ffff:0:0'::inet)
            ELSE set_masklen(destination, CASE family(destination) WHEN 4 THEN 32 ELSE 128 END)
        END;
END;

-- The value of an address is its BAN, as before, so fragments of before go on; they count its calls for the source's trunk.
CREATE OR REPLACE VIEW kamailio.dedicated AS
    WITH known AS (
        SELECT
            CASE family(dedicated.address) WHEN 4 THEN host(dedicated.address) ELSE kamailio.key(dedicated.address) END AS name,
            dedicated.ban,
            dedicated.trunk
        FROM accounts.customer_dedicated_ips AS dedicated
        JOIN accounts.customers AS customer ON customer.ban = dedicated.ban AND customer.active
        LEFT JOIN accounts.trunk_groups AS trunk ON trunk.ban = dedicated.ban AND trunk.name = dedicated.trunk
        WHERE dedicated.active AND (dedicated.trunk IS NULL OR trunk.active AND trunk.auth_type <> 'DIGEST')
    )
    SELECT name::varchar(64) AS key_name, 0 AS key_type, 0 AS value_type, ban::varchar(64) AS key_value, 0 AS expires
    FROM known
    UNION ALL
    SELECT ('trunk:' || name)::varchar(64) AS key_name, 0 AS key_type, 0 AS value_type, trunk::varchar(64) AS key_value, 0 AS expires
    FROM known WHERE trunk IS NOT NULL
    UNION ALL
    SELECT 'loaded' AS key_name, 0 AS key_type, 0 AS value_type, 'loaded' AS key_value, 0 AS expires;
COMMENT ON VIEW kamailio.dedicated IS 'For module htable: dedicated addresses of the premium tier, value BAN, and with `trunk:` before it its trunk; key `loaded` says that the table is there';

CREATE OR REPLACE FUNCTION trunk_acl.notify_updated_dedicated() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (
        (SELECT was.address, was.ban, was.trunk FROM was WHERE was.active
            EXCEPT SELECT is_now.address, is_now.ban, is_now.trunk FROM is_now WHERE is_now.active)
        UNION ALL
        (SELECT is_now.address, is_now.ban, is_now.trunk FROM is_now WHERE is_now.active
            EXCEPT SELECT was.address, was.ban, was.trunk FROM was WHERE was.active)
    ) THEN
        PERFORM trunk_acl.announce('dedicated');
    END IF;
    RETURN NULL;
END;
$$;
