-- What a person's session was exchanged for, so that a program may act for them. It ends with its session.
CREATE TABLE token_grants (
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    session_id BLOB NOT NULL,
    account_id BLOB NOT NULL,
    roles TEXT CHECK (length(roles) BETWEEN 1 AND 2000),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX token_grants_by_session ON token_grants (tenant_id, session_id, id);

-- Each counts once. A spent one stays as long as its family, so that whoever shows it again is noticed.
CREATE TABLE refresh_tokens (
    tenant_id BLOB NOT NULL,
    token_hash BLOB NOT NULL CHECK (length(token_hash) = 32),
    grant_id BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    spent_at INTEGER,
    PRIMARY KEY (tenant_id, token_hash),
    FOREIGN KEY (tenant_id, grant_id) REFERENCES token_grants (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX refresh_tokens_by_grant ON refresh_tokens (tenant_id, grant_id);

-- Access tokens that were revoked before their time. Whose they are, is for the note of the change.
CREATE TABLE revoked_tokens (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id BLOB NOT NULL CHECK (length(id) = 16),
    account_id BLOB NOT NULL CHECK (length(account_id) = 16),
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT;

CREATE INDEX revoked_tokens_by_expiry ON revoked_tokens (tenant_id, expires_at);

CREATE TRIGGER token_grants_ended AFTER DELETE ON token_grants
BEGIN
    INSERT INTO session_change_notes (tenant_id, account_id) VALUES (old.tenant_id, old.account_id);
END;

CREATE TRIGGER token_grants_changed AFTER UPDATE ON token_grants
BEGIN
    INSERT INTO session_change_notes (tenant_id, account_id) VALUES (old.tenant_id, old.account_id);
END;

CREATE TRIGGER tokens_revoked AFTER INSERT ON revoked_tokens
BEGIN
    INSERT INTO session_change_notes (tenant_id, account_id) VALUES (new.tenant_id, new.account_id);
END;
