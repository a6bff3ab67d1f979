-- What came in together and expires together. `quantity` is the sum of the lot's movements and never below zero.
CREATE TABLE lots (
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    item_id BLOB NOT NULL,
    code TEXT NOT NULL CHECK (length(code) BETWEEN 1 AND 64),
    expires_on TEXT NOT NULL CHECK (expires_on GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    quantity INTEGER NOT NULL CHECK (quantity BETWEEN 0 AND 1000000000000),
    created_at INTEGER NOT NULL CHECK (created_at > 0),
    recalled_at INTEGER CHECK (recalled_at > 0),
    recall_reason TEXT CHECK (length(recall_reason) BETWEEN 1 AND 200),
    PRIMARY KEY (tenant_id, id),
    -- For movements, which name both: a movement cannot be on one item and a lot of another.
    UNIQUE (tenant_id, item_id, id),
    UNIQUE (tenant_id, item_id, code),
    FOREIGN KEY (tenant_id, item_id) REFERENCES items (tenant_id, id) ON DELETE RESTRICT,
    CHECK ((recalled_at IS NULL) = (recall_reason IS NULL))
) STRICT;
