-- Wishes for an account. An administrator sees one once its address was shown to be its person's.
CREATE TABLE registrations (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    email text COLLATE "C" NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
    created_at bigint NOT NULL,
    verified_at bigint,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, email)
);

CREATE INDEX registrations_by_age ON registrations (tenant_id, created_at);

ALTER TABLE registrations ENABLE ROW LEVEL SECURITY;
ALTER TABLE registrations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON registrations TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON registrations TO cedargate_tenant;

-- Roles that an account has from its first second factor on.
CREATE TABLE promised_roles (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    role text COLLATE "C" NOT NULL CHECK (length(role) BETWEEN 1 AND 64),
    PRIMARY KEY (tenant_id, account_id, role),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
);

ALTER TABLE promised_roles ENABLE ROW LEVEL SECURITY;
ALTER TABLE promised_roles FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON promised_roles TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON promised_roles TO cedargate_tenant;
