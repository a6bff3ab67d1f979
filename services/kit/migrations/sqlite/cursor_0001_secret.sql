-- The secret that cursors are sealed with: one row, of no tenant. Every process on this store shares it.
CREATE TABLE cursor_secret (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    secret BLOB NOT NULL CHECK (length(secret) = 32),
    created_at INTEGER NOT NULL CHECK (created_at > 0)
) STRICT;
