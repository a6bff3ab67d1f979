-- What a person is shown of a session, so that a strange one is noticed: when it began, from which address, by which program.
-- `sessions.authenticated_at` moves when the person proves again who they are, `began_at` does not.
CREATE TABLE session_devices (
    tenant_id uuid NOT NULL,
    session_id uuid NOT NULL,
    began_at bigint NOT NULL,
    address text COLLATE "C" CHECK (length(address) BETWEEN 2 AND 45),
    agent text COLLATE "C" CHECK (length(agent) BETWEEN 1 AND 200),
    PRIMARY KEY (tenant_id, session_id),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
);

ALTER TABLE session_devices ENABLE ROW LEVEL SECURITY;
ALTER TABLE session_devices FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON session_devices TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON session_devices TO cedargate_tenant;
