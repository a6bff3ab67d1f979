-- The people of a tenant. Without a password hash they sign in some other way.
-- `version` grows with every change of the account or its roles: caches name a principal by it.
CREATE TABLE accounts (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    email text COLLATE "C" NOT NULL CHECK (length(email) BETWEEN 3 AND 254 AND email !~ '[A-Z]'),
    password_hash text COLLATE "C" CHECK (password_hash LIKE '$argon2id$%'),
    version bigint NOT NULL CHECK (version > 0),
    created_at bigint NOT NULL,
    disabled_at bigint,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, email)
);

ALTER TABLE accounts ENABLE ROW LEVEL SECURITY;
ALTER TABLE accounts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON accounts TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON accounts TO cedargate_tenant;

CREATE TABLE account_roles (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    role text COLLATE "C" NOT NULL CHECK (length(role) BETWEEN 1 AND 64 AND role !~ '[^a-z0-9_-]'),
    PRIMARY KEY (tenant_id, account_id, role),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
);

ALTER TABLE account_roles ENABLE ROW LEVEL SECURITY;
ALTER TABLE account_roles FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON account_roles TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON account_roles TO cedargate_tenant;
