-- What came in together and expires together. `quantity` is the sum of the lot's movements and never below zero.
CREATE TABLE lots (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    item_id uuid NOT NULL,
    code text COLLATE "C" NOT NULL CHECK (length(code) BETWEEN 1 AND 64),
    expires_on text COLLATE "C" NOT NULL CHECK (expires_on ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'),
    quantity bigint NOT NULL CHECK (quantity BETWEEN 0 AND 1000000000000),
    created_at bigint NOT NULL CHECK (created_at > 0),
    recalled_at bigint CHECK (recalled_at > 0),
    recall_reason text COLLATE "C" CHECK (length(recall_reason) BETWEEN 1 AND 200),
    PRIMARY KEY (tenant_id, id),
    -- For movements, which name both: a movement cannot be on one item and a lot of another.
    UNIQUE (tenant_id, item_id, id),
    UNIQUE (tenant_id, item_id, code),
    FOREIGN KEY (tenant_id, item_id) REFERENCES items (tenant_id, id) ON DELETE RESTRICT,
    CHECK ((recalled_at IS NULL) = (recall_reason IS NULL))
);

ALTER TABLE lots ENABLE ROW LEVEL SECURITY;
ALTER TABLE lots FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON lots TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON lots TO cedargate_tenant;
