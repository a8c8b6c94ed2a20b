-- A customer's trunks and the ranges they call from. accounts.customers is production's own and is only referenced.

CREATE TABLE accounts.trunk_groups (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ban text NOT NULL REFERENCES accounts.customers (ban),
    name text NOT NULL,
    auth_type text NOT NULL DEFAULT 'IP_ACL',
    calls_per_second integer NOT NULL,
    concurrent_calls integer NOT NULL,
    active boolean NOT NULL DEFAULT true,
    owner text NOT NULL DEFAULT 'portal',
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT trunk_groups_name_once UNIQUE (ban, name),
    CONSTRAINT trunk_groups_for_entries UNIQUE (id, ban),
    CONSTRAINT trunk_groups_ban_is_plain CHECK (ban ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$'),
    CONSTRAINT trunk_groups_name_is_plain CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
    CONSTRAINT trunk_groups_auth_type_is_known CHECK (auth_type IN ('IP_ACL', 'DIGEST', 'BOTH')),
    CONSTRAINT trunk_groups_calls_per_second_positive CHECK (calls_per_second > 0),
    CONSTRAINT trunk_groups_concurrent_calls_positive CHECK (concurrent_calls > 0)
);
COMMENT ON TABLE accounts.trunk_groups IS 'A customer''s SIP trunks';
COMMENT ON COLUMN accounts.trunk_groups.id IS 'Key; 32 bits, because Kamailio reads no wider integer';
COMMENT ON COLUMN accounts.trunk_groups.ban IS 'The customer''s billing account number';
COMMENT ON COLUMN accounts.trunk_groups.name IS 'The trunk''s name, once per customer; Kamailio gets it with every call';
COMMENT ON COLUMN accounts.trunk_groups.auth_type IS 'IP_ACL: by source address; DIGEST: by password, its ranges never match; BOTH: either';
COMMENT ON COLUMN accounts.trunk_groups.calls_per_second IS 'Limit: new calls a second';
COMMENT ON COLUMN accounts.trunk_groups.concurrent_calls IS 'Limit: calls at the same time';
COMMENT ON COLUMN accounts.trunk_groups.active IS 'When false, no entry of this trunk matches';
COMMENT ON COLUMN accounts.trunk_groups.owner IS 'Who keeps this row: the portal, or the stack whose trunk files declare it';
COMMENT ON COLUMN accounts.trunk_groups.created_at IS 'When the row was made';

CREATE TABLE accounts.trunk_ips (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trunk_group_id integer NOT NULL,
    ban text NOT NULL,
    cidr cidr NOT NULL,
    active boolean NOT NULL DEFAULT true,
    owner text NOT NULL DEFAULT 'portal',
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT trunk_ips_of_a_trunk FOREIGN KEY (trunk_group_id, ban) REFERENCES accounts.trunk_groups (id, ban),
    -- One index is the rule "a range once" and the whole of a lookup's search.
    CONSTRAINT trunk_ips_cidr_once UNIQUE (cidr) INCLUDE (ban, trunk_group_id, active),
    -- Inactive entries count: a range that is switched off for a while is still its customer's.
    CONSTRAINT trunk_ips_one_customer EXCLUDE USING gist (cidr inet_ops WITH &&, ban WITH <>)
);
CREATE INDEX trunk_ips_by_trunk ON accounts.trunk_ips (trunk_group_id);
COMMENT ON TABLE accounts.trunk_ips IS 'The ACL entries of trunks: the ranges their calls come from';
COMMENT ON COLUMN accounts.trunk_ips.id IS 'Key; 32 bits, because Kamailio reads no wider integer';
COMMENT ON COLUMN accounts.trunk_ips.trunk_group_id IS 'The trunk';
COMMENT ON COLUMN accounts.trunk_ips.ban IS 'The trunk''s customer, here again so that no two customers can have overlapping ranges';
COMMENT ON COLUMN accounts.trunk_ips.cidr IS 'The range, IPv4 or IPv6, host bits zero; a single host is a /32 or /128';
COMMENT ON COLUMN accounts.trunk_ips.active IS 'When false, this entry never matches';
COMMENT ON COLUMN accounts.trunk_ips.owner IS 'Who keeps this row: the portal, or the stack whose trunk files declare it';
COMMENT ON COLUMN accounts.trunk_ips.created_at IS 'When the row was made';
COMMENT ON CONSTRAINT trunk_ips_one_customer ON accounts.trunk_ips IS 'No two customers have overlapping ranges, also under concurrent inserts';
COMMENT ON INDEX accounts.trunk_ips_by_trunk IS 'For removing and switching off a trunk';

CREATE TABLE accounts.customer_dedicated_ips (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ban text NOT NULL REFERENCES accounts.customers (ban),
    address inet NOT NULL,
    gcp_address_name text NOT NULL,
    gcp_service_name text NOT NULL,
    active boolean NOT NULL DEFAULT true,
    owner text NOT NULL DEFAULT 'portal',
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT customer_dedicated_ips_address_once UNIQUE (address),
    CONSTRAINT customer_dedicated_ips_ban_is_plain CHECK (ban ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$'),
    CONSTRAINT customer_dedicated_ips_single_address CHECK (masklen(address) = CASE family(address) WHEN 4 THEN 32 ELSE 128 END)
);
COMMENT ON TABLE accounts.customer_dedicated_ips IS 'Premium tier: ingress addresses that belong to one customer';
COMMENT ON COLUMN accounts.customer_dedicated_ips.id IS 'Key';
COMMENT ON COLUMN accounts.customer_dedicated_ips.ban IS 'The customer''s billing account number';
COMMENT ON COLUMN accounts.customer_dedicated_ips.address IS 'The address that the customer sends calls to';
COMMENT ON COLUMN accounts.customer_dedicated_ips.gcp_address_name IS 'Name of the reserved address at Google Cloud';
COMMENT ON COLUMN accounts.customer_dedicated_ips.gcp_service_name IS 'Name of the LoadBalancer Service that holds it';
COMMENT ON COLUMN accounts.customer_dedicated_ips.active IS 'When false, this address is nobody''s';
COMMENT ON COLUMN accounts.customer_dedicated_ips.owner IS 'Who keeps this row: the portal, or the stack that declares the address';
COMMENT ON COLUMN accounts.customer_dedicated_ips.created_at IS 'When the row was made';

-- Per statement, so that 100,000 rows cost one join.
CREATE FUNCTION trunk_acl.refuse_unfit_entries() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    refused record;
BEGIN
    SELECT entry.ban, why.reason INTO refused
    FROM changed AS entry, LATERAL (SELECT trunk_acl.unfit(entry.cidr)) AS why (reason)
    WHERE why.reason IS NOT NULL
    ORDER BY entry.cidr
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'range refused: %', refused.reason
            USING ERRCODE = 'check_violation', DETAIL = format('BAN %s', refused.ban),
            HINT = 'the limits are settings of the stack: widestIpv4, widestIpv6 and allowReserved of trunkAcl.limits';
    END IF;
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION trunk_acl.refuse_unfit_entries() IS 'Refuses entries that are too wide or reserved';
REVOKE ALL ON FUNCTION trunk_acl.refuse_unfit_entries() FROM PUBLIC;

CREATE TRIGGER refuse_unfit_inserted AFTER INSERT ON accounts.trunk_ips
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION trunk_acl.refuse_unfit_entries();
CREATE TRIGGER refuse_unfit_updated AFTER UPDATE ON accounts.trunk_ips
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION trunk_acl.refuse_unfit_entries();
COMMENT ON TRIGGER refuse_unfit_inserted ON accounts.trunk_ips IS 'New entries: not too wide, not reserved';
COMMENT ON TRIGGER refuse_unfit_updated ON accounts.trunk_ips IS 'Changed entries: not too wide, not reserved';
