-- Assertions and requests of SAML providers that were taken: each counts once.
CREATE TABLE saml_messages (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    connection text COLLATE "C" NOT NULL CHECK (length(connection) BETWEEN 1 AND 32),
    message_hash bytea NOT NULL CHECK (octet_length(message_hash) = 32),
    expires_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, connection, message_hash)
);

CREATE INDEX saml_messages_by_expiry ON saml_messages (tenant_id, expires_at);

ALTER TABLE saml_messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE saml_messages FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON saml_messages TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON saml_messages TO cedargate_tenant;

-- What a SAML provider calls the person, with all that qualifies it: it wants to hear it again when the person signs out there.
-- The lint cannot read COLLATE here.
ALTER TABLE federated_sessions ADD COLUMN name_id text COLLATE "C"; -- noqa: PRS
ALTER TABLE federated_sessions ADD CONSTRAINT federated_sessions_name_id_check CHECK (length(name_id) BETWEEN 1 AND 4096);

-- A form that comes from another site brings no session cookie: which session a new one takes the place of was known when it began.
ALTER TABLE signin_attempts ADD COLUMN session_id uuid;
