-- Authenticator apps (RFC 6238). The secret is sealed under the gateway's master key, for this row alone.
-- Without `confirmed_at` it is an enrolment that nobody finished. `last_step` is the last time step of which a code was taken:
-- it only grows, so that a code counts once, whichever gateway it is shown to.
CREATE TABLE totp_factors (
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    account_id BLOB NOT NULL,
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    sealed_secret TEXT NOT NULL CHECK (length(sealed_secret) BETWEEN 1 AND 2000),
    last_step INTEGER NOT NULL CHECK (last_step >= 0),
    created_at INTEGER NOT NULL,
    confirmed_at INTEGER,
    last_used_at INTEGER,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX totp_factors_by_account ON totp_factors (tenant_id, account_id);
