-- Whoever has people and policies of its own. The name is one DNS label (RFC 1123).
CREATE TABLE tenants (
    id uuid NOT NULL PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 63 AND name !~ '[^a-z0-9-]'),
    created_at bigint NOT NULL
);

-- A tenant may know itself. The list is the system's.
ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON tenants FOR SELECT TO cedargate_tenant
    USING (id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
CREATE POLICY system_reads ON tenants FOR SELECT TO cedargate_system USING (true);
CREATE POLICY system_creates ON tenants FOR INSERT TO cedargate_system WITH CHECK (true);
GRANT SELECT ON tenants TO cedargate_tenant;
GRANT SELECT, INSERT ON tenants TO cedargate_system;

-- Host names beyond `<name>.<base domain>`, without port, lower-case. One host is one tenant's.
CREATE TABLE tenant_hosts (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    host text COLLATE "C" NOT NULL UNIQUE CHECK (length(host) BETWEEN 1 AND 253 AND host !~ '[^a-z0-9._-]'),
    created_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, host)
);

ALTER TABLE tenant_hosts ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant_hosts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON tenant_hosts TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
CREATE POLICY system_reads ON tenant_hosts FOR SELECT TO cedargate_system USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON tenant_hosts TO cedargate_tenant;
GRANT SELECT ON tenant_hosts TO cedargate_system;
