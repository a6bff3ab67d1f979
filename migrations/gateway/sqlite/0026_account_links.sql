-- Links that were mailed: whoever holds one may do one thing once. Only SHA-256 of its token is here. `subject_id` is an account whose
-- password is to be set anew, an invitation, or somebody's wish for an account.
CREATE TABLE account_links (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    token_hash BLOB NOT NULL CHECK (length(token_hash) = 32),
    purpose TEXT NOT NULL CHECK (purpose IN ('reset', 'invitation', 'registration')),
    subject_id BLOB NOT NULL CHECK (length(subject_id) = 16),
    host TEXT NOT NULL CHECK (length(host) BETWEEN 1 AND 260),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, token_hash)
) STRICT;

CREATE INDEX account_links_by_subject ON account_links (tenant_id, subject_id);
CREATE INDEX account_links_by_expiry ON account_links (tenant_id, expires_at);

-- Accounts that were promised to an address. `roles` are names with one space between.
CREATE TABLE invitations (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id BLOB NOT NULL CHECK (length(id) = 16),
    email TEXT NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
    roles TEXT NOT NULL CHECK (length(roles) <= 4096),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, email)
) STRICT;

CREATE INDEX invitations_by_expiry ON invitations (tenant_id, expires_at);
