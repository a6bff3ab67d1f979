-- What ended sessions of identity providers, as SHA-256 of whose they were, for half an hour: no session begins by a sign-in that was on its
-- way meanwhile.
CREATE TABLE provider_endings (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    ending_hash bytea NOT NULL CHECK (octet_length(ending_hash) = 32),
    ended_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, ending_hash)
);

CREATE INDEX provider_endings_by_time ON provider_endings (tenant_id, ended_at);

ALTER TABLE provider_endings ENABLE ROW LEVEL SECURITY;
ALTER TABLE provider_endings FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON provider_endings TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON provider_endings TO cedargate_tenant;
