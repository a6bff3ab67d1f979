-- What was changed, by whom and under which decision: written in the transaction of the change, delivered later.
CREATE TABLE audit_outbox (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    id BLOB NOT NULL CHECK (length(id) = 16),
    decision_id BLOB NOT NULL CHECK (length(decision_id) = 16),
    principal_id BLOB CHECK (length(principal_id) = 16),
    session_id BLOB CHECK (length(session_id) = 16),
    action TEXT NOT NULL CHECK (length(action) BETWEEN 1 AND 64),
    resource TEXT NOT NULL CHECK (length(resource) BETWEEN 1 AND 200),
    detail TEXT NOT NULL CHECK (json_valid(detail) AND length(detail) <= 2048),
    recorded_at INTEGER NOT NULL CHECK (recorded_at > 0),
    PRIMARY KEY (tenant_id, id),
    -- Anonymous callers have neither; everybody else has both.
    CHECK ((principal_id IS NULL) = (session_id IS NULL))
) STRICT;

-- Delivery goes through all tenants in the order of ids, which is the order of time.
CREATE INDEX audit_outbox_id ON audit_outbox (id);
