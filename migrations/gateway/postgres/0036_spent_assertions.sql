-- Assertions of issuers elsewhere that count once and were used, by a hash of their names. Each is forgotten once its time is over.
CREATE TABLE spent_assertions (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    assertion_hash bytea NOT NULL CHECK (octet_length(assertion_hash) = 32),
    expires_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, assertion_hash)
);

CREATE INDEX spent_assertions_by_expiry ON spent_assertions (tenant_id, expires_at);

ALTER TABLE spent_assertions ENABLE ROW LEVEL SECURITY;
ALTER TABLE spent_assertions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON spent_assertions TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON spent_assertions TO cedargate_tenant;
