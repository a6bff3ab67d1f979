-- Ceremonies under way: what an authenticator was asked, sealed, to be held against its one answer. Each belongs to a session. Those of people
-- who sign in are kept by their browsers, sealed. All are over within minutes: whoever was at one begins anew.
DROP TABLE webauthn_ceremonies;

CREATE TABLE webauthn_ceremonies (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    purpose text COLLATE "C" NOT NULL CHECK (purpose IN ('enrolment', 'step_up')),
    session_id uuid NOT NULL,
    sealed_state text COLLATE "C" NOT NULL CHECK (length(sealed_state) BETWEEN 1 AND 32000),
    expires_at bigint NOT NULL,
    spent_at bigint,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX webauthn_ceremonies_by_expiry ON webauthn_ceremonies (tenant_id, expires_at);
CREATE INDEX webauthn_ceremonies_by_session ON webauthn_ceremonies (tenant_id, session_id, expires_at);

ALTER TABLE webauthn_ceremonies ENABLE ROW LEVEL SECURITY;
ALTER TABLE webauthn_ceremonies FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON webauthn_ceremonies TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON webauthn_ceremonies TO cedargate_tenant;
