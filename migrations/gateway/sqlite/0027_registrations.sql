-- Wishes for an account. An administrator sees one once its address was shown to be its person's.
CREATE TABLE registrations (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id BLOB NOT NULL CHECK (length(id) = 16),
    email TEXT NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
    created_at INTEGER NOT NULL,
    verified_at INTEGER,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, email)
) STRICT;

CREATE INDEX registrations_by_age ON registrations (tenant_id, created_at);

-- Roles that an account has from its first second factor on.
CREATE TABLE promised_roles (
    tenant_id BLOB NOT NULL,
    account_id BLOB NOT NULL,
    role TEXT NOT NULL CHECK (length(role) BETWEEN 1 AND 64),
    PRIMARY KEY (tenant_id, account_id, role),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
) STRICT;
