-- Assertions of issuers elsewhere that count once and were used, by a hash of their names. Each is forgotten once its time is over.
CREATE TABLE spent_assertions (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    assertion_hash BLOB NOT NULL CHECK (length(assertion_hash) = 32),
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, assertion_hash)
) STRICT;

CREATE INDEX spent_assertions_by_expiry ON spent_assertions (tenant_id, expires_at);
