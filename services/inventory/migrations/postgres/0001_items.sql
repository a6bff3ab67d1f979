-- What a tenant keeps in stock.
CREATE TABLE items (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    sku text COLLATE "C" NOT NULL CHECK (length(sku) BETWEEN 1 AND 64),
    name text COLLATE "C" NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    unit text COLLATE "C" NOT NULL CHECK (length(unit) BETWEEN 1 AND 16),
    created_at bigint NOT NULL CHECK (created_at > 0),
    updated_at bigint NOT NULL CHECK (updated_at > 0),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, sku)
);

ALTER TABLE items ENABLE ROW LEVEL SECURITY;
ALTER TABLE items FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON items TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON items TO cedargate_tenant;
