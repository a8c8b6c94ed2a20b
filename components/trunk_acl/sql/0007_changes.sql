-- A change that alters a decision is announced twice: as a notification, and as a row of a log. A standby cannot LISTEN
-- (postgresql.org/docs/current/hot-standby.html), so a reloader there reads the log.
--
-- A log and not a counter: one row that every writer updates would make each wait for the other's commit, and fail in
-- REPEATABLE READ. Numbers of an identity do not come in the order of the commits; transactions are asked for instead: what
-- a later snapshot sees and an earlier one did not is of a transaction at or above the earlier one's xmin.

CREATE TABLE trunk_acl.changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id(),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    payload text NOT NULL
);
CREATE INDEX changes_by_transaction ON trunk_acl.changes (transaction);
COMMENT ON TABLE trunk_acl.changes IS 'What was announced to reloaders; an update of the stack removes what is older than a day';
COMMENT ON COLUMN trunk_acl.changes.id IS 'Key';
COMMENT ON COLUMN trunk_acl.changes.transaction IS 'The transaction that changed it';
COMMENT ON COLUMN trunk_acl.changes.changed_at IS 'When';
COMMENT ON COLUMN trunk_acl.changes.payload IS 'As the notification has it: ranges, `dedicated` or `all`';
COMMENT ON INDEX trunk_acl.changes_by_transaction IS 'For the reloaders at standbys, which ask every two seconds';

CREATE VIEW kamailio.changes AS
    SELECT changes.id, changes.transaction, changes.payload FROM trunk_acl.changes;
COMMENT ON VIEW kamailio.changes IS 'For the reloader at a standby, which gets no notifications: what changed, by transaction';
GRANT SELECT ON kamailio.changes TO warp_acl_reader;

CREATE FUNCTION trunk_acl.announce(payload text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_notify('trunk_acl', payload);
    INSERT INTO trunk_acl.changes (payload) VALUES (payload);
END;
$$;
COMMENT ON FUNCTION trunk_acl.announce(text) IS 'Tells reloaders what changed, when its transaction ends';
REVOKE ALL ON FUNCTION trunk_acl.announce(text) FROM PUBLIC;

-- Only a row's own columns say whether it alters a decision. What other rows say may change at the same time: an entry of
-- a DIGEST trunk is announced, because a transaction that this one does not see may be turning the trunk into IP_ACL.
CREATE FUNCTION trunk_acl.announce_ranges(ranges cidr[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- A payload ends at 8000 bytes.
    IF cardinality(ranges) > 50 THEN
        PERFORM trunk_acl.announce('all');
    ELSIF cardinality(ranges) > 0 THEN
        PERFORM trunk_acl.announce(array_to_string(ranges, ' '));
    END IF;
END;
$$;
COMMENT ON FUNCTION trunk_acl.announce_ranges(cidr[]) IS 'Tells reloaders which ranges changed; `all` when there are more than 50';
REVOKE ALL ON FUNCTION trunk_acl.announce_ranges(cidr[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION trunk_acl.notify_entries() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM trunk_acl.announce_ranges(ARRAY(
        SELECT DISTINCT changed.cidr FROM changed WHERE changed.active ORDER BY changed.cidr LIMIT 51
    ));
    RETURN NULL;
END;
$$;
CREATE FUNCTION trunk_acl.notify_updated_entries() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM trunk_acl.announce_ranges(ARRAY(
        SELECT DISTINCT altered.cidr
        FROM (
            (SELECT was.cidr, was.trunk_group_id FROM was WHERE was.active
                EXCEPT SELECT is_now.cidr, is_now.trunk_group_id FROM is_now WHERE is_now.active)
            UNION ALL
            (SELECT is_now.cidr, is_now.trunk_group_id FROM is_now WHERE is_now.active
                EXCEPT SELECT was.cidr, was.trunk_group_id FROM was WHERE was.active)
        ) AS altered
        ORDER BY altered.cidr LIMIT 51
    ));
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION trunk_acl.notify_entries() IS 'Announces the active entries that were added or removed';
COMMENT ON FUNCTION trunk_acl.notify_updated_entries() IS 'Announces the entries of which an update altered what they decide';

-- A trunk decides for all its entries, also for those that are being added in a transaction not seen here: everything is
-- loaded. Limits, owner and the like decide nothing.
CREATE FUNCTION trunk_acl.notify_trunks() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT was.id, was.ban, was.name, was.active AND was.auth_type <> 'DIGEST' FROM was
        EXCEPT SELECT is_now.id, is_now.ban, is_now.name, is_now.active AND is_now.auth_type <> 'DIGEST' FROM is_now
    ) THEN
        PERFORM trunk_acl.announce('all');
    END IF;
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION trunk_acl.notify_trunks() IS 'Announces that trunks match another way than before';

CREATE FUNCTION trunk_acl.notify_dedicated() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM changed WHERE changed.active) THEN
        PERFORM trunk_acl.announce('dedicated');
    END IF;
    RETURN NULL;
END;
$$;
CREATE FUNCTION trunk_acl.notify_updated_dedicated() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (
        (SELECT was.address, was.ban FROM was WHERE was.active
            EXCEPT SELECT is_now.address, is_now.ban FROM is_now WHERE is_now.active)
        UNION ALL
        (SELECT is_now.address, is_now.ban FROM is_now WHERE is_now.active
            EXCEPT SELECT was.address, was.ban FROM was WHERE was.active)
    ) THEN
        PERFORM trunk_acl.announce('dedicated');
    END IF;
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION trunk_acl.notify_dedicated() IS 'Announces that dedicated addresses were added or removed';
COMMENT ON FUNCTION trunk_acl.notify_updated_dedicated() IS 'Announces that an update altered whose dedicated addresses are';
REVOKE ALL ON FUNCTION trunk_acl.notify_updated_entries(), trunk_acl.notify_trunks(), trunk_acl.notify_dedicated(),
    trunk_acl.notify_updated_dedicated() FROM PUBLIC;

DROP TRIGGER notify_was ON accounts.trunk_ips;
DROP TRIGGER notify_is ON accounts.trunk_ips;
DROP TRIGGER notify_changed ON accounts.trunk_groups;
DROP TRIGGER notify_changed ON accounts.customer_dedicated_ips;
DROP FUNCTION trunk_acl.notify_all();

CREATE TRIGGER notify_updated AFTER UPDATE ON accounts.trunk_ips
    REFERENCING OLD TABLE AS was NEW TABLE AS is_now FOR EACH STATEMENT EXECUTE FUNCTION trunk_acl.notify_updated_entries();
CREATE TRIGGER notify_updated AFTER UPDATE ON accounts.trunk_groups
    REFERENCING OLD TABLE AS was NEW TABLE AS is_now FOR EACH STATEMENT EXECUTE FUNCTION trunk_acl.notify_trunks();
CREATE TRIGGER notify_inserted AFTER INSERT ON accounts.customer_dedicated_ips
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION trunk_acl.notify_dedicated();
CREATE TRIGGER notify_deleted AFTER DELETE ON accounts.customer_dedicated_ips
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION trunk_acl.notify_dedicated();
CREATE TRIGGER notify_updated AFTER UPDATE ON accounts.customer_dedicated_ips
    REFERENCING OLD TABLE AS was NEW TABLE AS is_now FOR EACH STATEMENT EXECUTE FUNCTION trunk_acl.notify_updated_dedicated();
COMMENT ON TRIGGER notify_updated ON accounts.trunk_ips IS 'Tells the reloader';
COMMENT ON TRIGGER notify_updated ON accounts.trunk_groups IS 'Tells the reloader';
COMMENT ON TRIGGER notify_inserted ON accounts.customer_dedicated_ips IS 'Tells the reloader';
COMMENT ON TRIGGER notify_deleted ON accounts.customer_dedicated_ips IS 'Tells the reloader';
COMMENT ON TRIGGER notify_updated ON accounts.customer_dedicated_ips IS 'Tells the reloader';
