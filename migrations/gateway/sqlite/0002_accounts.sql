-- The people of a tenant. Without a password hash they sign in some other way.
-- `version` grows with every change of the account or its roles: caches name a principal by it.
CREATE TABLE accounts (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id BLOB NOT NULL CHECK (length(id) = 16),
    email TEXT NOT NULL CHECK (length(email) BETWEEN 3 AND 254 AND email NOT GLOB '*[A-Z]*'),
    password_hash TEXT CHECK (password_hash LIKE '$argon2id$%'),
    version INTEGER NOT NULL CHECK (version > 0),
    created_at INTEGER NOT NULL,
    disabled_at INTEGER,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, email)
) STRICT;

CREATE TABLE account_roles (
    tenant_id BLOB NOT NULL,
    account_id BLOB NOT NULL,
    role TEXT NOT NULL CHECK (length(role) BETWEEN 1 AND 64 AND role NOT GLOB '*[^a-z0-9_-]*'),
    PRIMARY KEY (tenant_id, account_id, role),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
) STRICT;
