-- Recovery codes that were not used yet, as SHA-256: they have 120 random bits. Using one deletes it.
CREATE TABLE recovery_codes (
    tenant_id BLOB NOT NULL,
    account_id BLOB NOT NULL,
    code_hash BLOB NOT NULL CHECK (length(code_hash) = 32),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, account_id, code_hash),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
) STRICT;
