-- Stock that came in (above zero) or went out (below zero). Rows are only ever added, which the grants see to.
CREATE TABLE movements (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    item_id uuid NOT NULL,
    lot_id uuid NOT NULL,
    quantity bigint NOT NULL CHECK (quantity <> 0 AND quantity BETWEEN -1000000000 AND 1000000000),
    reason text COLLATE "C" NOT NULL CHECK (length(reason) BETWEEN 1 AND 200),
    recorded_at bigint NOT NULL CHECK (recorded_at > 0),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, item_id, lot_id) REFERENCES lots (tenant_id, item_id, id) ON DELETE RESTRICT
);

CREATE INDEX movements_of_item ON movements (tenant_id, item_id, id);

ALTER TABLE movements ENABLE ROW LEVEL SECURITY;
ALTER TABLE movements FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON movements TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT ON movements TO cedargate_tenant;
