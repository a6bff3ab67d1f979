-- What was answered to a request with an `Idempotency-Key`, written in the transaction of its act.
CREATE TABLE idempotency_keys (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    principal_id BLOB NOT NULL CHECK (length(principal_id) = 16),
    operation TEXT NOT NULL CHECK (length(operation) BETWEEN 1 AND 200),
    idempotency_key TEXT NOT NULL CHECK (length(idempotency_key) BETWEEN 1 AND 128),
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
    status INTEGER CHECK (status BETWEEN 200 AND 299),
    location TEXT CHECK (length(location) <= 400),
    version INTEGER CHECK (version > 0),
    body BLOB CHECK (length(body) <= 1048576),
    created_at INTEGER NOT NULL CHECK (created_at > 0),
    expires_at INTEGER NOT NULL CHECK (expires_at > created_at),
    PRIMARY KEY (tenant_id, principal_id, operation, idempotency_key)
) STRICT;

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (tenant_id, expires_at);
