-- Who changed what, when. Rows are written by triggers alone; nobody but the owner may touch them.

CREATE TABLE accounts.trunk_acl_audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by text NOT NULL DEFAULT session_user,
    application text NOT NULL DEFAULT current_setting('application_name'),
    relation text NOT NULL,
    operation text NOT NULL,
    ban text NOT NULL,
    before jsonb,
    after jsonb
);
CREATE INDEX trunk_acl_audit_by_customer ON accounts.trunk_acl_audit (ban, id);
COMMENT ON TABLE accounts.trunk_acl_audit IS 'Every change of trunks, their entries and dedicated addresses';
COMMENT ON COLUMN accounts.trunk_acl_audit.id IS 'In the order of the changes';
COMMENT ON COLUMN accounts.trunk_acl_audit.changed_at IS 'When';
COMMENT ON COLUMN accounts.trunk_acl_audit.changed_by IS 'Who: the role that signed in';
COMMENT ON COLUMN accounts.trunk_acl_audit.application IS 'What with: application_name of the session';
COMMENT ON COLUMN accounts.trunk_acl_audit.relation IS 'The table';
COMMENT ON COLUMN accounts.trunk_acl_audit.operation IS 'INSERT, UPDATE or DELETE';
COMMENT ON COLUMN accounts.trunk_acl_audit.ban IS 'The customer';
COMMENT ON COLUMN accounts.trunk_acl_audit.before IS 'The row as it was';
COMMENT ON COLUMN accounts.trunk_acl_audit.after IS 'The row as it is';
COMMENT ON INDEX accounts.trunk_acl_audit_by_customer IS 'A customer''s history';

CREATE FUNCTION trunk_acl.audit_inserted() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO accounts.trunk_acl_audit (relation, operation, ban, after)
    SELECT TG_TABLE_NAME, TG_OP, is_now.ban, to_jsonb(is_now) FROM is_now;
    RETURN NULL;
END;
$$;
CREATE FUNCTION trunk_acl.audit_deleted() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO accounts.trunk_acl_audit (relation, operation, ban, before)
    SELECT TG_TABLE_NAME, TG_OP, was.ban, to_jsonb(was) FROM was;
    RETURN NULL;
END;
$$;
CREATE FUNCTION trunk_acl.audit_updated() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- A key can change: an identity that is always generated may still be set to its DEFAULT, the next number. Such a
    -- row has no partner; it is recorded in two rows.
    INSERT INTO accounts.trunk_acl_audit (relation, operation, ban, before, after)
    SELECT TG_TABLE_NAME, TG_OP, coalesce(is_now.ban, was.ban), to_jsonb(was), to_jsonb(is_now)
    FROM is_now FULL JOIN was USING (id)
    WHERE was IS DISTINCT FROM is_now;
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION trunk_acl.audit_inserted() IS 'Records new rows';
COMMENT ON FUNCTION trunk_acl.audit_deleted() IS 'Records removed rows';
COMMENT ON FUNCTION trunk_acl.audit_updated() IS 'Records changed rows';
REVOKE ALL ON FUNCTION trunk_acl.audit_inserted(), trunk_acl.audit_deleted(), trunk_acl.audit_updated() FROM PUBLIC;

CREATE FUNCTION trunk_acl.refuse_truncate() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% cannot be truncated: it would leave no audit trail', TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege', HINT = 'use DELETE';
END;
$$;
COMMENT ON FUNCTION trunk_acl.refuse_truncate() IS 'Refuses what no audit trigger sees';
REVOKE ALL ON FUNCTION trunk_acl.refuse_truncate() FROM PUBLIC;

DO $$
DECLARE
    relation text;
BEGIN
    FOREACH relation IN ARRAY ARRAY['trunk_groups', 'trunk_ips', 'customer_dedicated_ips'] LOOP
        EXECUTE format('CREATE TRIGGER audit_inserted AFTER INSERT ON accounts.%I REFERENCING NEW TABLE AS is_now'
            ' FOR EACH STATEMENT EXECUTE FUNCTION trunk_acl.audit_inserted()', relation);
        EXECUTE format('CREATE TRIGGER audit_deleted AFTER DELETE ON accounts.%I REFERENCING OLD TABLE AS was'
            ' FOR EACH STATEMENT EXECUTE FUNCTION trunk_acl.audit_deleted()', relation);
        EXECUTE format('CREATE TRIGGER audit_updated AFTER UPDATE ON accounts.%I REFERENCING OLD TABLE AS was NEW TABLE AS is_now'
            ' FOR EACH STATEMENT EXECUTE FUNCTION trunk_acl.audit_updated()', relation);
        EXECUTE format('CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON accounts.%I'
            ' FOR EACH STATEMENT EXECUTE FUNCTION trunk_acl.refuse_truncate()', relation);
        EXECUTE format('COMMENT ON TRIGGER audit_inserted ON accounts.%I IS ''Audit trail''', relation);
        EXECUTE format('COMMENT ON TRIGGER audit_deleted ON accounts.%I IS ''Audit trail''', relation);
        EXECUTE format('COMMENT ON TRIGGER audit_updated ON accounts.%I IS ''Audit trail''', relation);
        EXECUTE format('COMMENT ON TRIGGER refuse_truncate ON accounts.%I IS ''Audit trail''', relation);
    END LOOP;
END;
$$;
