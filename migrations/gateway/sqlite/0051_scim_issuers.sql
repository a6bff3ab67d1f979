-- Whose word a connection's users, groups and tokens are: names of a connection say nothing where it leads to another provider.
CREATE TABLE scim_issuers (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    connection TEXT NOT NULL CHECK (length(connection) BETWEEN 1 AND 32),
    issuer TEXT NOT NULL CHECK (length(issuer) BETWEEN 1 AND 512),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, connection)
) STRICT;

-- An operator's link stands, whoever made the account.
ALTER TABLE identities ADD COLUMN linked_by_operator INTEGER NOT NULL DEFAULT 0 CHECK (linked_by_operator IN (0, 1));
