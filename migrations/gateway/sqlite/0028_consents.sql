-- What people agreed to: which version of which document, when, and from where. Kept for as long as the account is.
CREATE TABLE consents (
    tenant_id BLOB NOT NULL,
    account_id BLOB NOT NULL,
    document TEXT NOT NULL CHECK (document IN ('terms', 'privacy')),
    version TEXT NOT NULL CHECK (length(version) BETWEEN 1 AND 64),
    address TEXT NOT NULL CHECK (length(address) BETWEEN 2 AND 45),
    given_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, account_id, document, version),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
) STRICT;
