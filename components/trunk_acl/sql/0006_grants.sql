-- Who may do what. The two roles are made by the migrator, which knows how they sign in.

-- Kamailio: what it loads, and the two functions. No table.
GRANT USAGE ON SCHEMA kamailio TO warp_acl_reader;
GRANT SELECT ON kamailio.address, kamailio.version, kamailio.acl_hosts, kamailio.acl_prefixes, kamailio.dedicated, kamailio.acl_counts
    TO warp_acl_reader;
-- A view's tables are read with its owner's rights, but functions in it run with the reader's.
GRANT EXECUTE ON FUNCTION kamailio.key(inet) TO warp_acl_reader;
GRANT USAGE ON SCHEMA accounts TO warp_acl_reader, warp_acl_writer;
GRANT EXECUTE ON FUNCTION accounts.get_customer_by_source_ip(inet), accounts.get_customer_by_dest_ip(inet) TO warp_acl_reader, warp_acl_writer;

-- Portal and API: rows, no DDL. They see their own audit trail and cannot change it.
GRANT SELECT, INSERT, UPDATE, DELETE ON accounts.trunk_groups, accounts.trunk_ips, accounts.customer_dedicated_ips TO warp_acl_writer;
GRANT SELECT ON accounts.trunk_acl_audit TO warp_acl_writer;
