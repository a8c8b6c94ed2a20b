-- A row in accounts.customer_dedicated_ips makes every call to its address a customer's, from any source. So a row needs an
-- address that a stack has reserved for this customer: never a shared ingress or egress address, and nothing that is not the
-- edge's at all. Every stack lists its own here, in the transaction that writes its rows; the portal can read the list.

CREATE TABLE trunk_acl.dedicated_addresses (
    address inet PRIMARY KEY,
    ban text NOT NULL,
    name text NOT NULL,
    owner text NOT NULL,
    CONSTRAINT dedicated_addresses_for_rows UNIQUE (address, ban),
    CONSTRAINT dedicated_addresses_single_address CHECK (masklen(address) = CASE family(address) WHEN 4 THEN 32 ELSE 128 END)
);
COMMENT ON TABLE trunk_acl.dedicated_addresses IS 'Dedicated ingress addresses that stacks have reserved, each for one customer; written by pulumi';
COMMENT ON COLUMN trunk_acl.dedicated_addresses.address IS 'The address';
COMMENT ON COLUMN trunk_acl.dedicated_addresses.ban IS 'The customer it is reserved for';
COMMENT ON COLUMN trunk_acl.dedicated_addresses.name IS 'Name of the reserved address at Google Cloud';
COMMENT ON COLUMN trunk_acl.dedicated_addresses.owner IS 'The stack (setting trunkAcl.owner) that reserves it';
GRANT USAGE ON SCHEMA trunk_acl TO warp_acl_writer;
GRANT SELECT ON trunk_acl.dedicated_addresses TO warp_acl_writer;

CREATE FUNCTION trunk_acl.refuse_unfit_dedicated() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reason text := trunk_acl.unfit(NEW.address::cidr);
BEGIN
    IF reason IS NOT NULL THEN
        RAISE EXCEPTION 'address refused: %', reason
            USING ERRCODE = 'check_violation', DETAIL = format('dedicated address %s of BAN %s', NEW.name, NEW.ban),
            HINT = 'exceptions are a setting of the stack: allowReserved of trunkAcl.limits';
    END IF;
    RETURN NEW;
END;
$$;
COMMENT ON FUNCTION trunk_acl.refuse_unfit_dedicated() IS 'Refuses dedicated addresses that nobody can call';
REVOKE ALL ON FUNCTION trunk_acl.refuse_unfit_dedicated() FROM PUBLIC;
CREATE TRIGGER refuse_unfit BEFORE INSERT OR UPDATE ON trunk_acl.dedicated_addresses
    FOR EACH ROW EXECUTE FUNCTION trunk_acl.refuse_unfit_dedicated();
COMMENT ON TRIGGER refuse_unfit ON trunk_acl.dedicated_addresses IS 'Global unicast addresses only';

-- Rows that are there already: those of stacks are reserved addresses, which each stack corrects with its next update. The
-- portal's are not taken over: the update after this migration refuses to go on as long as one of them lets calls in, and
-- lists them (dedicated.py). NOT VALID for good, because such a row can still be switched off. Deferrable for the stack, which
-- changes both tables at once.
INSERT INTO trunk_acl.dedicated_addresses (address, ban, name, owner)
    SELECT listed.address, listed.ban, listed.gcp_address_name, listed.owner FROM accounts.customer_dedicated_ips AS listed
    WHERE listed.owner <> 'portal' AND trunk_acl.unfit(listed.address::cidr) IS NULL;
ALTER TABLE accounts.customer_dedicated_ips ADD CONSTRAINT customer_dedicated_ips_reserved
    FOREIGN KEY (address, ban) REFERENCES trunk_acl.dedicated_addresses (address, ban) DEFERRABLE NOT VALID;
COMMENT ON CONSTRAINT customer_dedicated_ips_reserved ON accounts.customer_dedicated_ips IS 'Only addresses that a stack has reserved for the customer, also under concurrent updates';

-- The same in words. The constraint holds where two transactions do not see each other.
CREATE FUNCTION trunk_acl.refuse_unreserved() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NOT NEW.active AND (NEW.address, NEW.ban) = (OLD.address, OLD.ban) THEN
        RETURN NEW;
    END IF;
    IF NOT EXISTS (
        SELECT FROM trunk_acl.dedicated_addresses AS known WHERE known.address = NEW.address AND known.ban = NEW.ban
    ) THEN
        RAISE EXCEPTION 'address refused: % is not a dedicated address reserved for BAN %', host(NEW.address), NEW.ban
            USING ERRCODE = 'foreign_key_violation',
            HINT = 'reserve one first: the stack does, for customers under warp-edge:dedicated; trunk_acl.dedicated_addresses lists them';
    END IF;
    RETURN NEW;
END;
$$;
COMMENT ON FUNCTION trunk_acl.refuse_unreserved() IS 'Refuses dedicated addresses that no stack has reserved for the customer';
REVOKE ALL ON FUNCTION trunk_acl.refuse_unreserved() FROM PUBLIC;
CREATE TRIGGER refuse_unreserved BEFORE INSERT OR UPDATE ON accounts.customer_dedicated_ips
    FOR EACH ROW EXECUTE FUNCTION trunk_acl.refuse_unreserved();
COMMENT ON TRIGGER refuse_unreserved ON accounts.customer_dedicated_ips IS 'Only addresses that a stack has reserved for the customer';

-- As before, but only entries that are too wide or touch a reserved range are asked why (`unfit` then allows exceptions). A
-- call for each of 100,000 entries took a fifth of their update.
CREATE OR REPLACE FUNCTION trunk_acl.refuse_unfit_entries() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reserved inet[] := ARRAY(SELECT known.range FROM trunk_acl.reserved_ranges AS known);
    narrow4 integer := coalesce((SELECT widest_ipv4 FROM trunk_acl.limits), 0);
    narrow6 integer := coalesce((SELECT widest_ipv6 FROM trunk_acl.limits), 0);
    refused record;
BEGIN
    SELECT entry.ban, why.reason INTO refused
    FROM (
        SELECT changed.ban, changed.cidr FROM changed
        WHERE masklen(changed.cidr) < CASE family(changed.cidr) WHEN 4 THEN narrow4 ELSE narrow6 END
            OR changed.cidr && ANY (reserved)
        OFFSET 0
    ) AS entry, LATERAL (SELECT trunk_acl.unfit(entry.cidr)) AS why (reason)
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

-- As before; of more than 50 ranges no list is made first.
CREATE OR REPLACE FUNCTION trunk_acl.notify_entries() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM trunk_acl.announce_ranges(ARRAY(
        SELECT first.cidr FROM (SELECT changed.cidr FROM changed WHERE changed.active LIMIT 51) AS first ORDER BY first.cidr
    ));
    RETURN NULL;
END;
$$;

-- The portal's own words: the constraints say which customer has the range, and that is no other customer's business. They
-- still hold where two transactions do not see each other. The stack's entries are refused by the constraints alone, and its
-- message names the other trunk: it is read by operators. A range that the customer has already is left to the constraint,
-- which says nothing of others: a trigger comes before ON CONFLICT, and would refuse every upsert.
CREATE FUNCTION trunk_acl.refuse_taken_range() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    other record;
BEGIN
    SELECT entry.cidr, entry.ban, entry.owner, trunk.name INTO other
    FROM accounts.trunk_ips AS entry JOIN accounts.trunk_groups AS trunk ON trunk.id = entry.trunk_group_id
    WHERE entry.cidr && NEW.cidr AND entry.ban <> NEW.ban AND entry.id <> NEW.id
    LIMIT 1;
    IF FOUND THEN
        RAISE LOG 'trunk ACL: % of BAN % refused: it overlaps % of BAN %, trunk %, kept by %',
            NEW.cidr, NEW.ban, other.cidr, other.ban, other.name, other.owner;
        RAISE EXCEPTION 'range refused: % overlaps a range of another customer', NEW.cidr
            USING ERRCODE = 'exclusion_violation', CONSTRAINT = 'trunk_ips_one_customer', DETAIL = format('BAN %s', NEW.ban),
            HINT = 'a range has one customer; operators find the other one in the server''s log';
    END IF;
    RETURN NEW;
END;
$$;
COMMENT ON FUNCTION trunk_acl.refuse_taken_range() IS 'Refuses entries of the portal that another customer has, without saying which';
REVOKE ALL ON FUNCTION trunk_acl.refuse_taken_range() FROM PUBLIC;
CREATE TRIGGER refuse_taken_inserted BEFORE INSERT ON accounts.trunk_ips
    FOR EACH ROW WHEN (NEW.owner = 'portal') EXECUTE FUNCTION trunk_acl.refuse_taken_range();
CREATE TRIGGER refuse_taken_updated BEFORE UPDATE ON accounts.trunk_ips
    FOR EACH ROW WHEN (NEW.owner = 'portal' AND (NEW.cidr <> OLD.cidr OR NEW.ban <> OLD.ban))
    EXECUTE FUNCTION trunk_acl.refuse_taken_range();
COMMENT ON TRIGGER refuse_taken_inserted ON accounts.trunk_ips IS 'New entries of the portal: no other customer''s';
COMMENT ON TRIGGER refuse_taken_updated ON accounts.trunk_ips IS 'Changed entries of the portal: no other customer''s';
