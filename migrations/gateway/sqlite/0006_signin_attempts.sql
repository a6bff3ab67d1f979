-- Sign-ins that have been sent to an identity provider. What the browser and the provider bring back is here only as SHA-256.
CREATE TABLE signin_attempts (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    state_hash BLOB NOT NULL CHECK (length(state_hash) = 32),
    browser_hash BLOB NOT NULL CHECK (length(browser_hash) = 32),
    connection TEXT NOT NULL CHECK (length(connection) BETWEEN 1 AND 32),
    return_to TEXT NOT NULL CHECK (length(return_to) BETWEEN 1 AND 2048),
    level INTEGER CHECK (level BETWEEN 1 AND 3),
    max_age_seconds INTEGER CHECK (max_age_seconds >= 0),
    account_id BLOB CHECK (length(account_id) = 16),
    expires_at INTEGER NOT NULL,
    spent_at INTEGER,
    PRIMARY KEY (tenant_id, state_hash)
) STRICT;

CREATE INDEX signin_attempts_by_expiry ON signin_attempts (tenant_id, expires_at);

-- Logout tokens that were taken: each counts once.
CREATE TABLE logout_tokens (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    connection TEXT NOT NULL CHECK (length(connection) BETWEEN 1 AND 32),
    token_hash BLOB NOT NULL CHECK (length(token_hash) = 32),
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, connection, token_hash)
) STRICT;

CREATE INDEX logout_tokens_by_expiry ON logout_tokens (tenant_id, expires_at);
