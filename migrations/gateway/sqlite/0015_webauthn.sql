-- By what authenticators call a person: random, so that a device tells nobody which account or address it is for.
CREATE TABLE webauthn_users (
    tenant_id BLOB NOT NULL,
    account_id BLOB NOT NULL,
    user_handle BLOB NOT NULL CHECK (length(user_handle) = 32),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, account_id),
    UNIQUE (tenant_id, user_handle),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
) STRICT;

-- Passkeys and security keys (WebAuthn). `sealed_key`, the public key and what the authenticator said of itself, is sealed under the
-- gateway's master key for this row alone: whoever can write here can still put no key of theirs in the place of somebody's.
-- `sign_count` only grows, so that a copy of an authenticator that counts is noticed, whichever gateway it is shown to.
CREATE TABLE webauthn_credentials (
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    account_id BLOB NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('passkey', 'security_key')),
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    rp_id TEXT NOT NULL CHECK (length(rp_id) BETWEEN 1 AND 253),
    credential_id BLOB NOT NULL CHECK (length(credential_id) BETWEEN 1 AND 1023),
    sealed_key TEXT NOT NULL CHECK (length(sealed_key) BETWEEN 1 AND 16000),
    sign_count INTEGER NOT NULL CHECK (sign_count BETWEEN 0 AND 4294967295),
    added_at INTEGER NOT NULL,
    last_used_at INTEGER,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, credential_id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX webauthn_credentials_by_account ON webauthn_credentials (tenant_id, account_id);

-- Ceremonies under way: what an authenticator was asked, sealed, to be held against its one answer. It belongs to a session, or to a
-- browser by a cookie that is here only as SHA-256.
CREATE TABLE webauthn_ceremonies (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id BLOB NOT NULL CHECK (length(id) = 16),
    purpose TEXT NOT NULL CHECK (purpose IN ('enrolment', 'step_up', 'sign_in')),
    session_id BLOB,
    browser_hash BLOB CHECK (length(browser_hash) = 32),
    sealed_state TEXT NOT NULL CHECK (length(sealed_state) BETWEEN 1 AND 32000),
    expires_at INTEGER NOT NULL,
    spent_at INTEGER,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE,
    CHECK ((session_id IS NULL) <> (browser_hash IS NULL)),
    CHECK ((purpose = 'sign_in') = (session_id IS NULL))
) STRICT;

CREATE INDEX webauthn_ceremonies_by_expiry ON webauthn_ceremonies (tenant_id, expires_at);
CREATE INDEX webauthn_ceremonies_by_session ON webauthn_ceremonies (tenant_id, session_id, expires_at);
