-- What was changed, by whom and under which decision: written in the transaction of the change, delivered later.
CREATE TABLE audit_outbox (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    decision_id uuid NOT NULL,
    principal_id uuid,
    session_id uuid,
    action text COLLATE "C" NOT NULL CHECK (length(action) BETWEEN 1 AND 64),
    resource text COLLATE "C" NOT NULL CHECK (length(resource) BETWEEN 1 AND 200),
    -- The cast refuses what is no JSON.
    detail text COLLATE "C" NOT NULL CHECK (CAST(detail AS json) IS NOT NULL AND length(detail) <= 2048),
    recorded_at bigint NOT NULL CHECK (recorded_at > 0),
    PRIMARY KEY (tenant_id, id),
    -- Anonymous callers have neither; everybody else has both.
    CHECK ((principal_id IS NULL) = (session_id IS NULL))
);

-- Delivery goes through all tenants in the order of ids, which is the order of time.
CREATE INDEX audit_outbox_id ON audit_outbox (id);

-- A tenant's unit of work adds entries and can neither change nor delete one. The system delivers them, and deletes what
-- was delivered.
ALTER TABLE audit_outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_outbox FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON audit_outbox TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
CREATE POLICY system_reads ON audit_outbox FOR SELECT TO cedargate_system USING (true);
CREATE POLICY system_prunes ON audit_outbox FOR DELETE TO cedargate_system USING (true);
GRANT SELECT, INSERT ON audit_outbox TO cedargate_tenant;
GRANT SELECT, DELETE ON audit_outbox TO cedargate_system;
