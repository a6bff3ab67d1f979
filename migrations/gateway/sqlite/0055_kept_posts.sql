-- Forms that were refused for a step-up, until whoever sent them has confirmed who they are. What was sent is sealed under the gateway's
-- master key, for this row, account and action alone. A row goes with its session: with a sign-out, and with whatever else ends one; a
-- session that takes another's place, of the same account, takes it along.
CREATE TABLE kept_posts (
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    account_id BLOB NOT NULL,
    session_id BLOB NOT NULL,
    action TEXT NOT NULL CHECK (length(action) BETWEEN 1 AND 300),
    sealed TEXT NOT NULL CHECK (length(sealed) BETWEEN 1 AND 64000),
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX kept_posts_by_expiry ON kept_posts (tenant_id, expires_at);
CREATE INDEX kept_posts_by_session ON kept_posts (tenant_id, session_id);
CREATE INDEX kept_posts_by_account ON kept_posts (tenant_id, account_id, expires_at);
