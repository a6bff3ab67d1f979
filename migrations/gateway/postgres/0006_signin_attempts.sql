-- Sign-ins that have been sent to an identity provider. What the browser and the provider bring back is here only as SHA-256.
CREATE TABLE signin_attempts (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    state_hash bytea NOT NULL CHECK (octet_length(state_hash) = 32),
    browser_hash bytea NOT NULL CHECK (octet_length(browser_hash) = 32),
    connection text COLLATE "C" NOT NULL CHECK (length(connection) BETWEEN 1 AND 32),
    return_to text COLLATE "C" NOT NULL CHECK (length(return_to) BETWEEN 1 AND 2048),
    level bigint CHECK (level BETWEEN 1 AND 3),
    max_age_seconds bigint CHECK (max_age_seconds >= 0),
    account_id uuid,
    expires_at bigint NOT NULL,
    spent_at bigint,
    PRIMARY KEY (tenant_id, state_hash)
);

CREATE INDEX signin_attempts_by_expiry ON signin_attempts (tenant_id, expires_at);

ALTER TABLE signin_attempts ENABLE ROW LEVEL SECURITY;
ALTER TABLE signin_attempts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON signin_attempts TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON signin_attempts TO cedargate_tenant;

-- Logout tokens that were taken: each counts once.
CREATE TABLE logout_tokens (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    connection text COLLATE "C" NOT NULL CHECK (length(connection) BETWEEN 1 AND 32),
    token_hash bytea NOT NULL CHECK (octet_length(token_hash) = 32),
    expires_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, connection, token_hash)
);

CREATE INDEX logout_tokens_by_expiry ON logout_tokens (tenant_id, expires_at);

ALTER TABLE logout_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE logout_tokens FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON logout_tokens TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON logout_tokens TO cedargate_tenant;
