-- The log of changes stays short by itself, also where the stack is not updated for months and the portal writes: every
-- thousandth announcement removes up to 5000 rows older than a day, so more than come.
--
-- The writer whose announcement it is must not notice: rows that another transaction removes are passed over and not waited
-- for, and an error ends in the server's log. In REPEATABLE READ a row that was removed meanwhile is such an error. In
-- SERIALIZABLE what is read here could fail the writer's commit, where nothing can be caught: there it is left to the next.
CREATE FUNCTION trunk_acl.forget_changes() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF current_setting('transaction_isolation') = 'serializable' THEN
        RETURN;
    END IF;
    DELETE FROM trunk_acl.changes WHERE changes.id IN (
        SELECT old.id FROM trunk_acl.changes AS old
        WHERE old.changed_at < now() - interval '1 day'
            AND old.id < (SELECT min(changes.id) + 5000 FROM trunk_acl.changes)
        FOR UPDATE SKIP LOCKED
    );
EXCEPTION WHEN OTHERS THEN
    RAISE LOG 'trunk_acl.changes keeps its old rows for now: %', SQLERRM;
END;
$$;
COMMENT ON FUNCTION trunk_acl.forget_changes() IS 'Removes old rows of the log of changes; waits for no one and never fails';
REVOKE ALL ON FUNCTION trunk_acl.forget_changes() FROM PUBLIC;

CREATE OR REPLACE FUNCTION trunk_acl.announce(payload text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    number bigint;
BEGIN
    PERFORM pg_notify('trunk_acl', payload);
    INSERT INTO trunk_acl.changes (payload) VALUES (payload) RETURNING changes.id INTO number;
    IF number % 1000 = 0 THEN
        PERFORM trunk_acl.forget_changes();
    END IF;
END;
$$;
COMMENT ON TABLE trunk_acl.changes IS 'What was announced to reloaders; what is older than a day is removed, every thousandth time and by updates of the stack';

-- A later list of reserved ranges (0008_special_purpose.sql) may have a block in which an entry stands. That entry can be
-- switched off: only what lets calls in, or stands where nothing stood before, has to be fit.
CREATE FUNCTION trunk_acl.refuse_unfit_updates() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    refused record;
BEGIN
    SELECT entry.ban, why.reason INTO refused
    FROM (
        SELECT is_now.ban, is_now.cidr FROM is_now WHERE is_now.active
        UNION ALL
        (SELECT is_now.ban, is_now.cidr FROM is_now WHERE NOT is_now.active EXCEPT SELECT was.ban, was.cidr FROM was)
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
COMMENT ON FUNCTION trunk_acl.refuse_unfit_updates() IS 'Refuses updated entries that are too wide or reserved, and active or moved';
REVOKE ALL ON FUNCTION trunk_acl.refuse_unfit_updates() FROM PUBLIC;

DROP TRIGGER refuse_unfit_updated ON accounts.trunk_ips;
CREATE TRIGGER refuse_unfit_updated AFTER UPDATE ON accounts.trunk_ips
    REFERENCING OLD TABLE AS was NEW TABLE AS is_now FOR EACH STATEMENT EXECUTE FUNCTION trunk_acl.refuse_unfit_updates();
COMMENT ON TRIGGER refuse_unfit_updated ON accounts.trunk_ips IS 'Changed entries that are active or moved: not too wide, not reserved';
