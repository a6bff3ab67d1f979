-- By what an identity provider is known that tells the gateway about its people. Each token is of one connection. It is here only as
-- SHA-256: it has 256 random bits. A revoked one stays, to be listed.
CREATE TABLE scim_tokens (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id BLOB NOT NULL CHECK (length(id) = 16),
    connection TEXT NOT NULL CHECK (length(connection) BETWEEN 1 AND 32),
    token_hash BLOB NOT NULL CHECK (length(token_hash) = 32),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL CHECK (expires_at > created_at),
    last_used_at INTEGER,
    revoked_at INTEGER,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, token_hash)
) STRICT;

CREATE INDEX scim_tokens_by_connection ON scim_tokens (tenant_id, connection, id);

-- What changes what a token is, gateways that keep it in memory hear of as they hear of sessions. Using it changes nothing.
CREATE TRIGGER scim_tokens_changed
AFTER UPDATE OF tenant_id, connection, token_hash, created_at, expires_at, revoked_at ON scim_tokens
BEGIN
    INSERT INTO session_change_notes (tenant_id, account_id) VALUES (old.tenant_id, old.id);
END;

CREATE TRIGGER scim_tokens_deleted AFTER DELETE ON scim_tokens
BEGIN
    INSERT INTO session_change_notes (tenant_id, account_id) VALUES (old.tenant_id, old.id);
END;
