-- The secret that cursors are sealed with: one row, of no tenant. Every process on this store shares it.
CREATE TABLE cursor_secret (
    id bigint NOT NULL PRIMARY KEY CHECK (id = 1),
    secret bytea NOT NULL CHECK (length(secret) = 32),
    created_at bigint NOT NULL CHECK (created_at > 0)
);

-- No tenant's unit of work sees it.
GRANT SELECT, INSERT ON cursor_secret TO cedargate_system;
