-- What a person's session was exchanged for, so that a program may act for them. It ends with its session.
CREATE TABLE token_grants (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    session_id uuid NOT NULL,
    account_id uuid NOT NULL,
    roles text COLLATE "C" CHECK (length(roles) BETWEEN 1 AND 2000),
    created_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX token_grants_by_session ON token_grants (tenant_id, session_id, id);

ALTER TABLE token_grants ENABLE ROW LEVEL SECURITY;
ALTER TABLE token_grants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON token_grants TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON token_grants TO cedargate_tenant;

-- Each counts once. A spent one stays as long as its family, so that whoever shows it again is noticed.
CREATE TABLE refresh_tokens (
    tenant_id uuid NOT NULL,
    token_hash bytea NOT NULL CHECK (octet_length(token_hash) = 32),
    grant_id uuid NOT NULL,
    created_at bigint NOT NULL,
    spent_at bigint,
    PRIMARY KEY (tenant_id, token_hash),
    FOREIGN KEY (tenant_id, grant_id) REFERENCES token_grants (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX refresh_tokens_by_grant ON refresh_tokens (tenant_id, grant_id);

ALTER TABLE refresh_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE refresh_tokens FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON refresh_tokens TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON refresh_tokens TO cedargate_tenant;

-- Access tokens that were revoked before their time. Whose they are, is for the note of the change.
CREATE TABLE revoked_tokens (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE INDEX revoked_tokens_by_expiry ON revoked_tokens (tenant_id, expires_at);

ALTER TABLE revoked_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE revoked_tokens FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON revoked_tokens TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON revoked_tokens TO cedargate_tenant;

CREATE CONSTRAINT TRIGGER token_grants_changed AFTER UPDATE OR DELETE ON token_grants
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_session_change();
CREATE CONSTRAINT TRIGGER tokens_revoked AFTER INSERT ON revoked_tokens
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_session_change();

CREATE TRIGGER token_grants_truncated AFTER TRUNCATE ON token_grants
FOR EACH STATEMENT EXECUTE FUNCTION note_all_sessions_changed();
