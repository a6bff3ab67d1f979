-- One row holds a family, whatever becomes of it: its refresh tokens share the half of a secret that `family_hash` is of, and the one
-- that counts has `refresh_hash`. Whoever shows another one that shares it shows a spent one. `ending` stands until the record has it.
-- There is no way from the former rows to these: who has a refresh token of before exchanges their session anew.
DROP TABLE refresh_tokens;
DROP TABLE token_grants;

CREATE TABLE token_grants (
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    session_id BLOB NOT NULL,
    account_id BLOB NOT NULL,
    roles TEXT NOT NULL CHECK (length(roles) BETWEEN 1 AND 2000),
    created_at INTEGER NOT NULL,
    family_hash BLOB NOT NULL CHECK (length(family_hash) = 32),
    refresh_hash BLOB NOT NULL CHECK (length(refresh_hash) = 32),
    ending TEXT CHECK (ending IN ('reused', 'revoked')),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX token_grants_by_session ON token_grants (tenant_id, session_id, id);

CREATE TRIGGER token_grants_ended AFTER DELETE ON token_grants
BEGIN
    INSERT INTO session_change_notes (tenant_id, account_id) VALUES (old.tenant_id, old.account_id);
END;

-- Another refresh token changes nothing of what the family's access tokens are.
CREATE TRIGGER token_grants_changed
AFTER UPDATE OF tenant_id, id, session_id, account_id, roles, ending ON token_grants
BEGIN
    INSERT INTO session_change_notes (tenant_id, account_id) VALUES (old.tenant_id, old.account_id);
END;
