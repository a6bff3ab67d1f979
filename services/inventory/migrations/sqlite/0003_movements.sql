-- Stock that came in (above zero) or went out (below zero). Rows are only ever added.
CREATE TABLE movements (
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    item_id BLOB NOT NULL,
    lot_id BLOB NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity <> 0 AND quantity BETWEEN -1000000000 AND 1000000000),
    reason TEXT NOT NULL CHECK (length(reason) BETWEEN 1 AND 200),
    recorded_at INTEGER NOT NULL CHECK (recorded_at > 0),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, item_id, lot_id) REFERENCES lots (tenant_id, item_id, id) ON DELETE RESTRICT
) STRICT;

CREATE INDEX movements_of_item ON movements (tenant_id, item_id, id);
