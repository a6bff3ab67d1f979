-- From where an account was signed in to before: a program without its versions, and a family of addresses, as SHA-256. A bounded number for
-- each account; whoever comes from another is told of by mail and in the record.
CREATE TABLE signin_places (
    tenant_id BLOB NOT NULL,
    account_id BLOB NOT NULL,
    place_hash BLOB NOT NULL CHECK (length(place_hash) = 32),
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, account_id, place_hash),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
) STRICT;
