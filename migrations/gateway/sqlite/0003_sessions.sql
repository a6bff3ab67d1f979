-- One sign-in. The cookie's token is here only as its SHA-256; the id is what logs may say.
CREATE TABLE sessions (
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    account_id BLOB NOT NULL,
    token_hash BLOB NOT NULL CHECK (length(token_hash) = 32),
    level INTEGER NOT NULL CHECK (level BETWEEN 1 AND 3),
    methods TEXT NOT NULL CHECK (length(methods) > 0),
    authenticated_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL CHECK (last_seen_at >= authenticated_at),
    expires_at INTEGER NOT NULL CHECK (expires_at > authenticated_at),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, token_hash),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX sessions_by_account ON sessions (tenant_id, account_id);
CREATE INDEX sessions_by_last_seen ON sessions (last_seen_at);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
