-- Forms that were refused for a step-up, until whoever sent them has confirmed who they are. What was sent is sealed under the gateway's
-- master key, for this row, account and action alone. A row goes with its session: with a sign-out, and with whatever else ends one; a
-- session that takes another's place, of the same account, takes it along.
CREATE TABLE kept_posts (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    session_id uuid NOT NULL,
    action text COLLATE "C" NOT NULL CHECK (length(action) BETWEEN 1 AND 300),
    sealed text COLLATE "C" NOT NULL CHECK (length(sealed) BETWEEN 1 AND 64000),
    expires_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX kept_posts_by_expiry ON kept_posts (tenant_id, expires_at);
CREATE INDEX kept_posts_by_session ON kept_posts (tenant_id, session_id);
CREATE INDEX kept_posts_by_account ON kept_posts (tenant_id, account_id, expires_at);

ALTER TABLE kept_posts ENABLE ROW LEVEL SECURITY;
ALTER TABLE kept_posts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON kept_posts TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
CREATE POLICY system_reads ON kept_posts FOR SELECT TO cedargate_system USING (true);
CREATE POLICY system_prunes ON kept_posts FOR DELETE TO cedargate_system USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON kept_posts TO cedargate_tenant;
GRANT SELECT (tenant_id, id, expires_at), DELETE ON kept_posts TO cedargate_system;
