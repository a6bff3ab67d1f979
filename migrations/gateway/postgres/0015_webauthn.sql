-- By what authenticators call a person: random, so that a device tells nobody which account or address it is for.
CREATE TABLE webauthn_users (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    user_handle bytea NOT NULL CHECK (octet_length(user_handle) = 32),
    created_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, account_id),
    UNIQUE (tenant_id, user_handle),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
);

ALTER TABLE webauthn_users ENABLE ROW LEVEL SECURITY;
ALTER TABLE webauthn_users FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON webauthn_users TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON webauthn_users TO cedargate_tenant;

-- Passkeys and security keys (WebAuthn). `sealed_key`, the public key and what the authenticator said of itself, is sealed under the
-- gateway's master key for this row alone: whoever can write here can still put no key of theirs in the place of somebody's.
-- `sign_count` only grows, so that a copy of an authenticator that counts is noticed, whichever gateway it is shown to.
CREATE TABLE webauthn_credentials (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('passkey', 'security_key')),
    name text COLLATE "C" NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    rp_id text COLLATE "C" NOT NULL CHECK (length(rp_id) BETWEEN 1 AND 253),
    credential_id bytea NOT NULL CHECK (octet_length(credential_id) BETWEEN 1 AND 1023),
    sealed_key text COLLATE "C" NOT NULL CHECK (length(sealed_key) BETWEEN 1 AND 16000),
    sign_count bigint NOT NULL CHECK (sign_count BETWEEN 0 AND 4294967295),
    added_at bigint NOT NULL,
    last_used_at bigint,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, credential_id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX webauthn_credentials_by_account ON webauthn_credentials (tenant_id, account_id);

ALTER TABLE webauthn_credentials ENABLE ROW LEVEL SECURITY;
ALTER TABLE webauthn_credentials FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON webauthn_credentials TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON webauthn_credentials TO cedargate_tenant;

-- Ceremonies under way: what an authenticator was asked, sealed, to be held against its one answer. It belongs to a session, or to a
-- browser by a cookie that is here only as SHA-256.
CREATE TABLE webauthn_ceremonies (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    purpose text COLLATE "C" NOT NULL CHECK (purpose IN ('enrolment', 'step_up', 'sign_in')),
    session_id uuid,
    browser_hash bytea CHECK (octet_length(browser_hash) = 32),
    sealed_state text COLLATE "C" NOT NULL CHECK (length(sealed_state) BETWEEN 1 AND 32000),
    expires_at bigint NOT NULL,
    spent_at bigint,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE,
    CHECK ((session_id IS NULL) <> (browser_hash IS NULL)),
    CHECK ((purpose = 'sign_in') = (session_id IS NULL))
);

CREATE INDEX webauthn_ceremonies_by_expiry ON webauthn_ceremonies (tenant_id, expires_at);
CREATE INDEX webauthn_ceremonies_by_session ON webauthn_ceremonies (tenant_id, session_id, expires_at);

ALTER TABLE webauthn_ceremonies ENABLE ROW LEVEL SECURITY;
ALTER TABLE webauthn_ceremonies FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON webauthn_ceremonies TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON webauthn_ceremonies TO cedargate_tenant;
