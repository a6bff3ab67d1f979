-- By what an identity provider is known that tells the gateway about its people. Each token is of one connection. It is here only as
-- SHA-256: it has 256 random bits. A revoked one stays, to be listed.
CREATE TABLE scim_tokens (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    connection text COLLATE "C" NOT NULL CHECK (length(connection) BETWEEN 1 AND 32),
    token_hash bytea NOT NULL CHECK (octet_length(token_hash) = 32),
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL CHECK (expires_at > created_at),
    last_used_at bigint,
    revoked_at bigint,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, token_hash)
);

CREATE INDEX scim_tokens_by_connection ON scim_tokens (tenant_id, connection, id);

-- The system writes down which tokens were used; it makes none and moves none.
ALTER TABLE scim_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE scim_tokens FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON scim_tokens TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
CREATE POLICY system_reads ON scim_tokens FOR SELECT TO cedargate_system USING (true);
CREATE POLICY system_touches ON scim_tokens FOR UPDATE TO cedargate_system USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON scim_tokens TO cedargate_tenant;
GRANT SELECT (tenant_id, token_hash, last_used_at), UPDATE (last_used_at) ON scim_tokens TO cedargate_system;

-- What changes what a token is, gateways that keep it in memory hear of as they hear of sessions. Using it changes nothing.
CREATE CONSTRAINT TRIGGER scim_tokens_changed
AFTER UPDATE OF tenant_id, connection, token_hash, created_at, expires_at, revoked_at OR DELETE ON scim_tokens
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_service_account_change();
CREATE TRIGGER scim_tokens_truncated AFTER TRUNCATE ON scim_tokens
FOR EACH STATEMENT EXECUTE FUNCTION note_all_sessions_changed();
