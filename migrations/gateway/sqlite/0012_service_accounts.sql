-- Programs that act for themselves. They are no people: nobody signs in as one, and none has a session.
-- `version` grows with every change of the account or its roles: caches name a principal by it.
CREATE TABLE service_accounts (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id BLOB NOT NULL CHECK (length(id) = 16),
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 63 AND name NOT GLOB '*[^a-z0-9-]*'),
    version INTEGER NOT NULL CHECK (version > 0),
    created_at INTEGER NOT NULL,
    disabled_at INTEGER,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
) STRICT;

CREATE TABLE service_account_roles (
    tenant_id BLOB NOT NULL,
    account_id BLOB NOT NULL,
    role TEXT NOT NULL CHECK (length(role) BETWEEN 1 AND 64 AND role NOT GLOB '*[^a-z0-9_-]*'),
    PRIMARY KEY (tenant_id, account_id, role),
    FOREIGN KEY (tenant_id, account_id) REFERENCES service_accounts (tenant_id, id) ON DELETE CASCADE
) STRICT;

-- What they show. The secret is here only as SHA-256: it has 256 random bits. `roles` narrows what the account has, names with one
-- space between; without it the key has all of them. A revoked key stays, to be listed.
CREATE TABLE api_keys (
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    account_id BLOB NOT NULL,
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    token_hash BLOB NOT NULL CHECK (length(token_hash) = 32),
    roles TEXT CHECK (length(roles) BETWEEN 1 AND 2000),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL CHECK (expires_at > created_at),
    last_used_at INTEGER,
    revoked_at INTEGER,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, token_hash),
    FOREIGN KEY (tenant_id, account_id) REFERENCES service_accounts (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX api_keys_by_account ON api_keys (tenant_id, account_id, id);

-- The certificates of clients by which a service account is known: one of them by its SHA-256, or all that have a subject or an
-- alternative name. Whether a chain is trusted is the handshake's to say.
CREATE TABLE service_account_certificates (
    tenant_id BLOB NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('fingerprint', 'subject', 'name')),
    value TEXT NOT NULL CHECK (length(value) BETWEEN 1 AND 1000),
    account_id BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, kind, value),
    FOREIGN KEY (tenant_id, account_id) REFERENCES service_accounts (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX service_account_certificates_by_account ON service_account_certificates (tenant_id, account_id);

-- What changes who a program is, gateways that keep it in memory hear of as they hear of sessions. Using a key changes nothing.
CREATE TRIGGER service_accounts_changed AFTER UPDATE OF name, version, disabled_at ON service_accounts
BEGIN
    INSERT INTO session_change_notes (tenant_id, account_id) VALUES (old.tenant_id, old.id);
END;

CREATE TRIGGER service_accounts_deleted AFTER DELETE ON service_accounts
BEGIN
    INSERT INTO session_change_notes (tenant_id, account_id) VALUES (old.tenant_id, old.id);
END;

CREATE TRIGGER service_account_roles_given AFTER INSERT ON service_account_roles
BEGIN
    INSERT INTO session_change_notes (tenant_id, account_id) VALUES (new.tenant_id, new.account_id);
END;

CREATE TRIGGER service_account_roles_changed AFTER UPDATE ON service_account_roles
BEGIN
    INSERT INTO session_change_notes (tenant_id, account_id) VALUES (old.tenant_id, old.account_id);
END;

CREATE TRIGGER service_account_roles_taken AFTER DELETE ON service_account_roles
BEGIN
    INSERT INTO session_change_notes (tenant_id, account_id) VALUES (old.tenant_id, old.account_id);
END;

CREATE TRIGGER api_keys_changed
AFTER UPDATE OF tenant_id, account_id, token_hash, roles, created_at, expires_at, revoked_at ON api_keys
BEGIN
    INSERT INTO session_change_notes (tenant_id, account_id) VALUES (old.tenant_id, old.account_id);
END;

CREATE TRIGGER service_account_certificates_given AFTER INSERT ON service_account_certificates
BEGIN
    INSERT INTO session_change_notes (tenant_id, account_id) VALUES (new.tenant_id, new.account_id);
END;

CREATE TRIGGER service_account_certificates_changed AFTER UPDATE ON service_account_certificates
BEGIN
    INSERT INTO session_change_notes (tenant_id, account_id) VALUES (old.tenant_id, old.account_id);
END;

CREATE TRIGGER service_account_certificates_taken AFTER DELETE ON service_account_certificates
BEGIN
    INSERT INTO session_change_notes (tenant_id, account_id) VALUES (old.tenant_id, old.account_id);
END;

CREATE TRIGGER api_keys_deleted AFTER DELETE ON api_keys
BEGIN
    INSERT INTO session_change_notes (tenant_id, account_id) VALUES (old.tenant_id, old.account_id);
END;
