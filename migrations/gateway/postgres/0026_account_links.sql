-- Links that were mailed: whoever holds one may do one thing once. Only SHA-256 of its token is here. `subject_id` is an account whose
-- password is to be set anew, an invitation, or somebody's wish for an account.
CREATE TABLE account_links (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    token_hash bytea NOT NULL CHECK (octet_length(token_hash) = 32),
    purpose text COLLATE "C" NOT NULL CHECK (purpose IN ('reset', 'invitation', 'registration')),
    subject_id uuid NOT NULL,
    host text COLLATE "C" NOT NULL CHECK (length(host) BETWEEN 1 AND 260),
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, token_hash)
);

CREATE INDEX account_links_by_subject ON account_links (tenant_id, subject_id);
CREATE INDEX account_links_by_expiry ON account_links (tenant_id, expires_at);

ALTER TABLE account_links ENABLE ROW LEVEL SECURITY;
ALTER TABLE account_links FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON account_links TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON account_links TO cedargate_tenant;

-- Accounts that were promised to an address. `roles` are names with one space between.
CREATE TABLE invitations (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    email text COLLATE "C" NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
    roles text COLLATE "C" NOT NULL CHECK (length(roles) <= 4096),
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, email)
);

CREATE INDEX invitations_by_expiry ON invitations (tenant_id, expires_at);

ALTER TABLE invitations ENABLE ROW LEVEL SECURITY;
ALTER TABLE invitations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON invitations TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON invitations TO cedargate_tenant;
