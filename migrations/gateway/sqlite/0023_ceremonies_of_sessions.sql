-- Ceremonies under way: what an authenticator was asked, sealed, to be held against its one answer. Each belongs to a session. Those of people
-- who sign in are kept by their browsers, sealed. All are over within minutes: whoever was at one begins anew.
DROP TABLE webauthn_ceremonies;

CREATE TABLE webauthn_ceremonies (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id BLOB NOT NULL CHECK (length(id) = 16),
    purpose TEXT NOT NULL CHECK (purpose IN ('enrolment', 'step_up')),
    session_id BLOB NOT NULL,
    sealed_state TEXT NOT NULL CHECK (length(sealed_state) BETWEEN 1 AND 32000),
    expires_at INTEGER NOT NULL,
    spent_at INTEGER,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX webauthn_ceremonies_by_expiry ON webauthn_ceremonies (tenant_id, expires_at);
CREATE INDEX webauthn_ceremonies_by_session ON webauthn_ceremonies (tenant_id, session_id, expires_at);
