-- What ended sessions of identity providers, as SHA-256 of whose they were, for half an hour: no session begins by a sign-in that was on its
-- way meanwhile.
CREATE TABLE provider_endings (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    ending_hash BLOB NOT NULL CHECK (length(ending_hash) = 32),
    ended_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, ending_hash)
) STRICT;

CREATE INDEX provider_endings_by_time ON provider_endings (tenant_id, ended_at);
