-- The last number that a tenant's orders have. Its row is what takes turns when two orders are made at once.
CREATE TABLE order_numbers (
    tenant_id uuid NOT NULL,
    last_number bigint NOT NULL CHECK (last_number > 0),
    PRIMARY KEY (tenant_id)
);

-- What a customer wants. Rows are never deleted, so that numbers have no gaps. Amounts are in minor units of the currency.
CREATE TABLE orders (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    number bigint NOT NULL CHECK (number > 0),
    customer_id uuid NOT NULL,
    currency text COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    state text COLLATE "C" NOT NULL CHECK (
        state IN ('draft', 'placed', 'confirmed', 'shipped', 'delivered', 'cancelled', 'returned')
    ),
    reason text COLLATE "C" CHECK (length(reason) BETWEEN 1 AND 200),
    net_minor bigint NOT NULL CHECK (net_minor >= 0),
    tax_minor bigint NOT NULL CHECK (tax_minor >= 0),
    total_minor bigint NOT NULL CHECK (
        total_minor = net_minor + tax_minor AND total_minor <= 9007199254740991
    ),
    version bigint NOT NULL CHECK (version > 0),
    created_at bigint NOT NULL CHECK (created_at > 0),
    updated_at bigint NOT NULL CHECK (updated_at > 0),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, number),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id) ON DELETE RESTRICT,
    CHECK ((reason IS NOT NULL) = (state IN ('cancelled', 'returned')))
);

CREATE INDEX orders_by_creation ON orders (tenant_id, created_at, id);
CREATE INDEX orders_by_total ON orders (tenant_id, total_minor, id);
CREATE INDEX orders_by_currency ON orders (tenant_id, currency, total_minor DESC, id DESC);
CREATE INDEX orders_of_customer ON orders (tenant_id, customer_id);

-- What an order is made of, in its order.
CREATE TABLE order_lines (
    tenant_id uuid NOT NULL,
    order_id uuid NOT NULL,
    position bigint NOT NULL CHECK (position BETWEEN 1 AND 200),
    sku text COLLATE "C" NOT NULL CHECK (length(sku) BETWEEN 1 AND 64),
    description text COLLATE "C" NOT NULL CHECK (length(description) BETWEEN 1 AND 200),
    quantity bigint NOT NULL CHECK (quantity BETWEEN 1 AND 1000000),
    unit_price_minor bigint NOT NULL CHECK (unit_price_minor BETWEEN 0 AND 1000000000000),
    tax_rate_bp bigint NOT NULL CHECK (tax_rate_bp BETWEEN 0 AND 10000),
    net_minor bigint NOT NULL CHECK (net_minor >= 0),
    tax_minor bigint NOT NULL CHECK (tax_minor >= 0),
    total_minor bigint NOT NULL CHECK (total_minor = net_minor + tax_minor),
    PRIMARY KEY (tenant_id, order_id, position),
    FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id) ON DELETE RESTRICT
);

ALTER TABLE order_numbers ENABLE ROW LEVEL SECURITY;
ALTER TABLE order_numbers FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON order_numbers TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE ON order_numbers TO cedargate_tenant;

ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE orders FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON orders TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE ON orders TO cedargate_tenant;

ALTER TABLE order_lines ENABLE ROW LEVEL SECURITY;
ALTER TABLE order_lines FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON order_lines TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, DELETE ON order_lines TO cedargate_tenant;
