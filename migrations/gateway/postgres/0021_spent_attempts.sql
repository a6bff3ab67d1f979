-- A sign-in that is under way is kept by the browser that began it, sealed: whoever begins one writes nothing. Here is what has counted, as
-- SHA-256 of its random name, until it would be over anyway: each counts once, at whichever gateway.
CREATE TABLE spent_attempts (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    attempt_hash bytea NOT NULL CHECK (octet_length(attempt_hash) = 32),
    expires_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, attempt_hash)
);

CREATE INDEX spent_attempts_by_expiry ON spent_attempts (tenant_id, expires_at);

ALTER TABLE spent_attempts ENABLE ROW LEVEL SECURITY;
ALTER TABLE spent_attempts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON spent_attempts TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON spent_attempts TO cedargate_tenant;

-- Whoever was on the way when this ran begins anew.
DROP TABLE signin_attempts;
