-- Every object of the trunk ACL with its definition: all of schemas trunk_acl and kamailio, and in accounts what is ours
-- (accounts has tables of others). PostgreSQL's own functions write the definitions.
WITH ours_in_accounts (name) AS (
    VALUES ('trunk_groups'), ('trunk_ips'), ('customer_dedicated_ips'), ('trunk_acl_audit'),
        ('get_customer_by_source_ip'), ('get_customer_by_dest_ip')
),
schemas AS (
    SELECT oid, nspname, nspowner, nspacl FROM pg_namespace WHERE nspname IN ('trunk_acl', 'kamailio')
),
relations AS (
    SELECT c.oid, c.relname, c.relkind, c.relowner, c.relacl, c.relrowsecurity, c.relforcerowsecurity, c.relpersistence,
        c.relreplident, c.reloptions, format('%I.%I', n.nspname, c.relname) AS identity
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'v')
        AND (n.nspname IN ('trunk_acl', 'kamailio') OR n.nspname = 'accounts' AND c.relname IN (SELECT name FROM ours_in_accounts))
        -- The registry and this record of it are the migrator's own.
        AND NOT (n.nspname = 'trunk_acl' AND c.relname IN ('migrations', 'catalogue'))
),
functions AS (
    SELECT p.oid, p.proowner, p.proacl, p.oid::regprocedure::text AS identity
    FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
    WHERE (n.nspname IN ('trunk_acl', 'kamailio') OR n.nspname = 'accounts' AND p.proname IN (SELECT name FROM ours_in_accounts))
        -- An OID is one of its own class only: after pg_upgrade an operator class may have the number of a function.
        AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')
),
sequences AS (
    SELECT c.oid, c.relowner, c.relacl, s.*, a.atttypid, c.oid::regclass::text AS identity
    FROM relations AS r
    JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = r.oid AND d.classid = 'pg_class'::regclass
        AND d.deptype = 'i'
    JOIN pg_class AS c ON c.oid = d.objid AND c.relkind = 'S'
    JOIN pg_sequence AS s ON s.seqrelid = c.oid
    JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attnum = d.refobjsubid
),
grants (object, privilege, grantee, grantable) AS (
    SELECT 'SCHEMA ' || quote_ident(nspname), a.privilege_type, a.grantee, a.is_grantable
    FROM schemas, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) AS a WHERE a.grantee <> nspowner
    UNION ALL
    -- Schema accounts belongs to others: only what our two roles may do in it is ours.
    SELECT 'SCHEMA accounts', a.privilege_type, a.grantee, a.is_grantable
    FROM pg_namespace, aclexplode(nspacl) AS a JOIN pg_roles ON pg_roles.oid = a.grantee
    WHERE nspname = 'accounts' AND rolname IN ('warp_acl_reader', 'warp_acl_writer')
    UNION ALL
    SELECT 'TABLE ' || identity, a.privilege_type, a.grantee, a.is_grantable
    FROM relations, aclexplode(coalesce(relacl, acldefault('r', relowner))) AS a WHERE a.grantee <> relowner
    UNION ALL
    SELECT 'SEQUENCE ' || identity, a.privilege_type, a.grantee, a.is_grantable
    FROM sequences, aclexplode(relacl) AS a WHERE a.grantee <> relowner
    UNION ALL
    SELECT 'FUNCTION ' || identity, a.privilege_type, a.grantee, a.is_grantable
    FROM functions, aclexplode(coalesce(proacl, acldefault('f', proowner))) AS a WHERE a.grantee <> proowner
    UNION ALL
    SELECT 'TABLE ' || identity, format('%s (%I)', a.privilege_type, attname), a.grantee, a.is_grantable
    FROM relations JOIN pg_attribute ON attrelid = relations.oid, aclexplode(attacl) AS a
),
commented (class, object, sub, kind, identity) AS (
    SELECT 'pg_namespace'::regclass, oid, 0, 'SCHEMA', quote_ident(nspname) FROM schemas
    UNION ALL
    SELECT 'pg_class'::regclass, oid, 0, CASE relkind WHEN 'r' THEN 'TABLE' ELSE 'VIEW' END, identity FROM relations
    UNION ALL
    SELECT 'pg_class'::regclass, relations.oid, attnum, 'COLUMN', format('%s.%I', identity, attname)
    FROM relations JOIN pg_attribute ON attrelid = relations.oid AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT 'pg_proc'::regclass, oid, 0, 'FUNCTION', identity FROM functions
    UNION ALL
    SELECT 'pg_trigger'::regclass, t.oid, 0, 'TRIGGER', format('%I ON %s', tgname, identity)
    FROM relations JOIN pg_trigger AS t ON tgrelid = relations.oid AND NOT tgisinternal
    UNION ALL
    SELECT 'pg_constraint'::regclass, c.oid, 0, 'CONSTRAINT', format('%I ON %s', conname, identity)
    FROM relations JOIN pg_constraint AS c ON conrelid = relations.oid
    UNION ALL
    SELECT 'pg_class'::regclass, indexrelid, 0, 'INDEX', indexrelid::regclass::text
    FROM relations JOIN pg_index ON indrelid = relations.oid
)
SELECT 'schema' AS kind, quote_ident(nspname) AS identity, format('owner %I', pg_get_userbyid(nspowner)) AS definition,
    format('CREATE SCHEMA %I AUTHORIZATION %I', nspname, pg_get_userbyid(nspowner)) AS creation, '' AS removal,
    oid::bigint AS place
FROM schemas
UNION ALL
SELECT CASE relkind WHEN 'r' THEN 'table' ELSE 'view' END, identity,
    format('owner %I', pg_get_userbyid(relowner)) || CASE relkind WHEN 'v' THEN ' AS ' || pg_get_viewdef(oid) ELSE '' END,
    CASE relkind WHEN 'v' THEN format('CREATE OR REPLACE VIEW %s AS %s; ALTER VIEW %1$s OWNER TO %3$I',
        identity, pg_get_viewdef(oid), pg_get_userbyid(relowner)) ELSE '' END,
    '', oid::bigint
FROM relations
UNION ALL
SELECT 'column', format('%s.%I', identity, attname),
    format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END
        || coalesce(' DEFAULT ' || pg_get_expr(adbin, adrelid), '')
        || CASE WHEN attcollation <> typcollation THEN ' COLLATE ' || attcollation::regcollation ELSE '' END
        || CASE attgenerated WHEN '' THEN '' ELSE ' GENERATED' END
        || CASE attidentity WHEN 'a' THEN ' GENERATED ALWAYS AS IDENTITY' WHEN 'd' THEN ' GENERATED BY DEFAULT AS IDENTITY' ELSE '' END,
    '', '', attnum
FROM relations
JOIN pg_attribute ON attrelid = relations.oid AND attnum > 0 AND NOT attisdropped AND relkind = 'r'
JOIN pg_type ON pg_type.oid = atttypid
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
UNION ALL
SELECT 'function', identity, format('owner %I: %s', pg_get_userbyid(proowner), pg_get_functiondef(oid)),
    format('%s; ALTER FUNCTION %s OWNER TO %I', pg_get_functiondef(oid), identity, pg_get_userbyid(proowner)), '', oid::bigint
FROM functions
UNION ALL
SELECT 'constraint', format('%I ON %s', conname, identity),
    pg_get_constraintdef(c.oid) || CASE WHEN convalidated THEN '' ELSE ' NOT VALID' END
        -- A foreign key is enforced by triggers of both tables.
        || CASE WHEN EXISTS (SELECT FROM pg_trigger WHERE tgconstraint = c.oid AND tgenabled <> 'O') THEN ' DISABLED' ELSE '' END,
    format('ALTER TABLE %s ADD CONSTRAINT %I %s', identity, conname, pg_get_constraintdef(c.oid)),
    format('ALTER TABLE %s DROP CONSTRAINT %I', identity, conname), c.oid::bigint
-- Triggers have a kind of their own; NOT NULL stands with its column, and is a constraint too since version 18.
FROM relations JOIN pg_constraint AS c ON conrelid = relations.oid AND contype NOT IN ('t', 'n')
UNION ALL
SELECT 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid) || CASE WHEN indisvalid THEN '' ELSE ' INVALID' END,
    pg_get_indexdef(indexrelid), format('DROP INDEX %s', indexrelid::regclass), indexrelid::bigint
FROM relations JOIN pg_index ON indrelid = relations.oid
WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
UNION ALL
SELECT 'trigger', format('%I ON %s', tgname, identity), pg_get_triggerdef(t.oid) || ' enabled ' || tgenabled::text,
    pg_get_triggerdef(t.oid), format('DROP TRIGGER %I ON %s', tgname, identity), t.oid::bigint
FROM relations JOIN pg_trigger AS t ON tgrelid = relations.oid AND NOT tgisinternal
UNION ALL
SELECT 'grant', format('%s ON %s TO %s', privilege, object, role.name), CASE WHEN grantable THEN 'with grant option' ELSE '' END,
    format('GRANT %s ON %s TO %s', privilege, object, role.name), format('REVOKE %s ON %s FROM %s CASCADE', privilege, object, role.name), 0
FROM grants, LATERAL (SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END) AS role (name)
UNION ALL
SELECT 'comment', format('%s %s', kind, identity), description, format('COMMENT ON %s %s IS %L', kind, identity, description), '', 0
FROM commented JOIN pg_description ON classoid = class AND objoid = object AND objsubid = sub
-- From here on what no migration makes: such an object is a change by hand, whatever was recorded.
UNION ALL
SELECT 'option', format('%s OF VIEW %s', option, identity), '', '',
    format('ALTER VIEW %s RESET (%I)', identity, split_part(option, '=', 1)), 0
FROM relations, unnest(reloptions) AS option WHERE relkind = 'v'
UNION ALL
SELECT 'rule', format('%I ON %s', rulename, identity), pg_get_ruledef(r.oid), '', '', 0
FROM relations JOIN pg_rewrite AS r ON ev_class = relations.oid AND rulename <> '_RETURN'
UNION ALL
SELECT 'inheritance', format('%s FROM %s', inhrelid::regclass, inhparent::regclass), '', '',
    CASE relkind WHEN 'p' THEN format('ALTER TABLE %s DETACH PARTITION %s', inhparent::regclass, inhrelid::regclass)
        ELSE format('ALTER TABLE %s NO INHERIT %s', inhrelid::regclass, inhparent::regclass) END, 0
FROM pg_inherits JOIN pg_class ON pg_class.oid = inhparent
WHERE inhparent IN (SELECT oid FROM relations) OR inhrelid IN (SELECT oid FROM relations)
UNION ALL
SELECT 'policy', format('%I ON %s', polname, identity), format('%s USING (%s) WITH CHECK (%s)',
    CASE WHEN polpermissive THEN 'permissive' ELSE 'restrictive' END, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)), '', '', 0
FROM relations JOIN pg_policy ON polrelid = relations.oid
UNION ALL
SELECT 'row security', 'ON ' || identity, '', '', format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY', identity), 0
FROM relations WHERE relrowsecurity OR relforcerowsecurity
UNION ALL
SELECT 'unlogged table', identity, '', '', format('ALTER TABLE %s SET LOGGED', identity), 0
FROM relations WHERE relkind = 'r' AND relpersistence <> 'p'
UNION ALL
SELECT 'replica identity', 'OF ' || identity, relreplident::text, '', format('ALTER TABLE %s REPLICA IDENTITY DEFAULT', identity), 0
-- FULL and an index are what a team that follows the tables sets (Datastream, Debezium); NOTHING stops published updates.
FROM relations WHERE relkind = 'r' AND relreplident = 'n'
UNION ALL
SELECT 'sequence options', 'OF ' || identity, format('%s to %s by %s%s', seqmin, seqmax, seqincrement, CASE WHEN seqcycle THEN ' cycle' ELSE '' END), '',
    format('ALTER SEQUENCE %s AS %s INCREMENT BY 1 MINVALUE 1 MAXVALUE %s NO CYCLE', identity, atttypid::regtype, most), 0
FROM sequences, LATERAL (SELECT CASE atttypid WHEN 'integer'::regtype THEN 2147483647 ELSE 9223372036854775807 END) AS type (most)
WHERE seqtypid <> atttypid OR (seqmin, seqmax, seqincrement) <> (1, most, 1) OR seqcycle
UNION ALL
SELECT 'default privilege', what, '', '', format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s REVOKE %s ON %s FROM %s',
    pg_get_userbyid(defaclrole), place, privilege_type, things, role), 0
FROM pg_default_acl LEFT JOIN pg_namespace AS n ON n.oid = defaclnamespace,
    aclexplode(defaclacl) AS a,
    LATERAL (SELECT
        CASE defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' END,
        CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
        CASE WHEN nspname IS NULL THEN '' ELSE format(' IN SCHEMA %I', nspname) END
    ) AS names (things, role, place),
    LATERAL (SELECT format('%s ON %s%s TO %s', privilege_type, things, place, role)) AS line (what)
-- Only what the owner of all this makes gets them; PostgreSQL itself lets PUBLIC use new functions and types.
WHERE defaclrole IN (SELECT nspowner FROM schemas) AND grantee <> defaclrole AND things IS NOT NULL
    AND (nspname IS NULL OR nspname IN ('trunk_acl', 'kamailio', 'accounts'))
    AND NOT (grantee = 0 AND defaclnamespace = 0 AND defaclobjtype IN ('f', 'T'))
UNION ALL
SELECT 'operator', o.oid::regoperator::text, '', '', '', 0
FROM pg_operator AS o JOIN schemas ON schemas.oid = oprnamespace
WHERE NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_operator'::regclass AND objid = o.oid AND deptype = 'e')
