-- A sign-in that is under way is kept by the browser that began it, sealed: whoever begins one writes nothing. Here is what has counted, as
-- SHA-256 of its random name, until it would be over anyway: each counts once, at whichever gateway.
CREATE TABLE spent_attempts (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    attempt_hash BLOB NOT NULL CHECK (length(attempt_hash) = 32),
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, attempt_hash)
) STRICT;

CREATE INDEX spent_attempts_by_expiry ON spent_attempts (tenant_id, expires_at);

-- Whoever was on the way when this ran begins anew.
DROP TABLE signin_attempts;
