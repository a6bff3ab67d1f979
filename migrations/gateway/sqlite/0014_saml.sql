-- Assertions and requests of SAML providers that were taken: each counts once.
CREATE TABLE saml_messages (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    connection TEXT NOT NULL CHECK (length(connection) BETWEEN 1 AND 32),
    message_hash BLOB NOT NULL CHECK (length(message_hash) = 32),
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, connection, message_hash)
) STRICT;

CREATE INDEX saml_messages_by_expiry ON saml_messages (tenant_id, expires_at);

-- What a SAML provider calls the person, with all that qualifies it: it wants to hear it again when the person signs out there.
ALTER TABLE federated_sessions ADD COLUMN name_id TEXT CHECK (length(name_id) BETWEEN 1 AND 4096);

-- A form that comes from another site brings no session cookie: which session a new one takes the place of was known when it began.
ALTER TABLE signin_attempts ADD COLUMN session_id BLOB CHECK (length(session_id) = 16);
