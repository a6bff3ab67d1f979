-- A version for each row that changes, and an index for each order in which lists can be read.
ALTER TABLE items ADD COLUMN version bigint NOT NULL DEFAULT 1 CHECK (version > 0);
ALTER TABLE lots ADD COLUMN version bigint NOT NULL DEFAULT 1 CHECK (version > 0);

CREATE INDEX items_by_creation ON items (tenant_id, created_at, id);
CREATE INDEX items_by_name ON items (tenant_id, name, id);
CREATE INDEX lots_by_creation ON lots (tenant_id, item_id, created_at, id);
CREATE INDEX lots_by_expiry ON lots (tenant_id, item_id, expires_on, id);
CREATE INDEX movements_by_time ON movements (tenant_id, item_id, recorded_at, id);
DROP INDEX movements_of_item;
