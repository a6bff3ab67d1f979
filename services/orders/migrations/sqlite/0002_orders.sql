-- The last number that a tenant's orders have. Its row is what takes turns when two orders are made at once.
CREATE TABLE order_numbers (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    last_number INTEGER NOT NULL CHECK (last_number > 0),
    PRIMARY KEY (tenant_id)
) STRICT;

-- What a customer wants. Rows are never deleted, so that numbers have no gaps. Amounts are in minor units of the currency.
CREATE TABLE orders (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    id BLOB NOT NULL CHECK (length(id) = 16),
    number INTEGER NOT NULL CHECK (number > 0),
    customer_id BLOB NOT NULL,
    currency TEXT NOT NULL CHECK (currency GLOB '[A-Z][A-Z][A-Z]'),
    state TEXT NOT NULL CHECK (
        state IN ('draft', 'placed', 'confirmed', 'shipped', 'delivered', 'cancelled', 'returned')
    ),
    reason TEXT CHECK (length(reason) BETWEEN 1 AND 200),
    net_minor INTEGER NOT NULL CHECK (net_minor >= 0),
    tax_minor INTEGER NOT NULL CHECK (tax_minor >= 0),
    total_minor INTEGER NOT NULL CHECK (
        total_minor = net_minor + tax_minor AND total_minor <= 9007199254740991
    ),
    version INTEGER NOT NULL CHECK (version > 0),
    created_at INTEGER NOT NULL CHECK (created_at > 0),
    updated_at INTEGER NOT NULL CHECK (updated_at > 0),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, number),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id) ON DELETE RESTRICT,
    CHECK ((reason IS NOT NULL) = (state IN ('cancelled', 'returned')))
) STRICT;

CREATE INDEX orders_by_creation ON orders (tenant_id, created_at, id);
CREATE INDEX orders_by_total ON orders (tenant_id, total_minor, id);
CREATE INDEX orders_by_currency ON orders (tenant_id, currency, total_minor DESC, id DESC);
CREATE INDEX orders_of_customer ON orders (tenant_id, customer_id);

-- What an order is made of, in its order.
CREATE TABLE order_lines (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    order_id BLOB NOT NULL,
    position INTEGER NOT NULL CHECK (position BETWEEN 1 AND 200),
    sku TEXT NOT NULL CHECK (length(sku) BETWEEN 1 AND 64),
    description TEXT NOT NULL CHECK (length(description) BETWEEN 1 AND 200),
    quantity INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 1000000),
    unit_price_minor INTEGER NOT NULL CHECK (unit_price_minor BETWEEN 0 AND 1000000000000),
    tax_rate_bp INTEGER NOT NULL CHECK (tax_rate_bp BETWEEN 0 AND 10000),
    net_minor INTEGER NOT NULL CHECK (net_minor >= 0),
    tax_minor INTEGER NOT NULL CHECK (tax_minor >= 0),
    total_minor INTEGER NOT NULL CHECK (total_minor = net_minor + tax_minor),
    PRIMARY KEY (tenant_id, order_id, position),
    FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id) ON DELETE RESTRICT
) STRICT;
