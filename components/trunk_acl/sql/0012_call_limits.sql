-- Limits of trunks, for proxies that enforce them (kamailio/trunk_limits.cfg). Of all trunks, also of those that are switched
-- off: whether a trunk may call is what the other views say, so switching one alters nothing here.
CREATE VIEW kamailio.trunk_limits AS
    SELECT
        (trunk.name || '|' || trunk.ban)::varchar(128) AS key_name,
        0 AS key_type,
        0 AS value_type,
        (trunk.calls_per_second || '|' || trunk.concurrent_calls)::varchar(64) AS key_value,
        0 AS expires
    FROM accounts.trunk_groups AS trunk;
COMMENT ON VIEW kamailio.trunk_limits IS 'For module htable: of every trunk, `trunk|BAN`, calls a second and calls at a time';
GRANT SELECT ON kamailio.trunk_limits TO warp_acl_reader;

-- Which trunks' limits changed: `limits` and `trunk|BAN` of each, `limits` alone where there are more than 50. A reloader from
-- before this does not know the word and loads everything, as with every payload it does not know.
CREATE FUNCTION trunk_acl.announce_limits(trunks text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF cardinality(trunks) > 50 THEN
        PERFORM trunk_acl.announce('limits');
    ELSIF cardinality(trunks) > 0 THEN
        PERFORM trunk_acl.announce('limits ' || array_to_string(trunks, ' '));
    END IF;
END;
$$;
COMMENT ON FUNCTION trunk_acl.announce_limits(text[]) IS 'Tells reloaders which trunks'' limits changed; all of them when there are more than 50';
REVOKE ALL ON FUNCTION trunk_acl.announce_limits(text[]) FROM PUBLIC;

CREATE FUNCTION trunk_acl.notify_limits() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM trunk_acl.announce_limits(ARRAY(SELECT changed.name || '|' || changed.ban FROM changed ORDER BY 1 LIMIT 51));
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION trunk_acl.notify_limits() IS 'Announces the limits of trunks that were added or removed';

-- As before; and limits, where nothing else decides another way: `all` loads them, too.
CREATE OR REPLACE FUNCTION trunk_acl.notify_trunks() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT was.id, was.ban, was.name, was.active AND was.auth_type <> 'DIGEST' FROM was
        EXCEPT SELECT is_now.id, is_now.ban, is_now.name, is_now.active AND is_now.auth_type <> 'DIGEST' FROM is_now
    ) THEN
        PERFORM trunk_acl.announce('all');
    ELSE
        PERFORM trunk_acl.announce_limits(ARRAY(
            SELECT altered.name || '|' || altered.ban
            FROM (
                SELECT is_now.name, is_now.ban, is_now.calls_per_second, is_now.concurrent_calls FROM is_now
                EXCEPT SELECT was.name, was.ban, was.calls_per_second, was.concurrent_calls FROM was
            ) AS altered
            ORDER BY 1 LIMIT 51
        ));
    END IF;
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION trunk_acl.notify_trunks() IS 'Announces that trunks match another way than before, or have other limits';
REVOKE ALL ON FUNCTION trunk_acl.notify_limits() FROM PUBLIC;

CREATE TRIGGER notify_inserted AFTER INSERT ON accounts.trunk_groups
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION trunk_acl.notify_limits();
CREATE TRIGGER notify_deleted AFTER DELETE ON accounts.trunk_groups
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION trunk_acl.notify_limits();
COMMENT ON TRIGGER notify_inserted ON accounts.trunk_groups IS 'Tells the reloader';
COMMENT ON TRIGGER notify_deleted ON accounts.trunk_groups IS 'Tells the reloader';
