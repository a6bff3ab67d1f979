-- What a tenant keeps in stock.
CREATE TABLE items (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    id BLOB NOT NULL CHECK (length(id) = 16),
    sku TEXT NOT NULL CHECK (length(sku) BETWEEN 1 AND 64),
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    unit TEXT NOT NULL CHECK (length(unit) BETWEEN 1 AND 16),
    created_at INTEGER NOT NULL CHECK (created_at > 0),
    updated_at INTEGER NOT NULL CHECK (updated_at > 0),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, sku)
) STRICT;
