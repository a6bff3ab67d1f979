-- What SAML providers have ended: an answer from before that, which somebody held back, begins no session. No provider session means all.
CREATE TABLE saml_logouts (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    connection TEXT NOT NULL CHECK (length(connection) BETWEEN 1 AND 32),
    subject TEXT NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
    provider_session TEXT NOT NULL CHECK (length(provider_session) <= 255),
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, connection, subject, provider_session)
) STRICT;

CREATE INDEX saml_logouts_by_expiry ON saml_logouts (tenant_id, expires_at);
