-- One sign-in. The cookie's token is here only as its SHA-256; the id is what logs may say.
CREATE TABLE sessions (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    token_hash bytea NOT NULL CHECK (octet_length(token_hash) = 32),
    level bigint NOT NULL CHECK (level BETWEEN 1 AND 3),
    methods text COLLATE "C" NOT NULL CHECK (length(methods) > 0),
    authenticated_at bigint NOT NULL,
    last_seen_at bigint NOT NULL CHECK (last_seen_at >= authenticated_at),
    expires_at bigint NOT NULL CHECK (expires_at > authenticated_at),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, token_hash),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX sessions_by_account ON sessions (tenant_id, account_id);
CREATE INDEX sessions_by_last_seen ON sessions (last_seen_at);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- The system writes down which sessions were used and deletes those whose time is over; it makes none and moves none.
ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE sessions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON sessions TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
CREATE POLICY system_reads ON sessions FOR SELECT TO cedargate_system USING (true);
CREATE POLICY system_touches ON sessions FOR UPDATE TO cedargate_system USING (true);
CREATE POLICY system_prunes ON sessions FOR DELETE TO cedargate_system USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON sessions TO cedargate_tenant;
GRANT SELECT, UPDATE (last_seen_at), DELETE ON sessions TO cedargate_system;
