-- What SAML providers have ended: an answer from before that, which somebody held back, begins no session. No provider session means all.
CREATE TABLE saml_logouts (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    connection text COLLATE "C" NOT NULL CHECK (length(connection) BETWEEN 1 AND 32),
    subject text COLLATE "C" NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
    provider_session text COLLATE "C" NOT NULL CHECK (length(provider_session) <= 255),
    issued_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, connection, subject, provider_session)
);

CREATE INDEX saml_logouts_by_expiry ON saml_logouts (tenant_id, expires_at);

ALTER TABLE saml_logouts ENABLE ROW LEVEL SECURITY;
ALTER TABLE saml_logouts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON saml_logouts TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON saml_logouts TO cedargate_tenant;
