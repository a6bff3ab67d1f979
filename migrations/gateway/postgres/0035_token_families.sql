-- One row holds a family, whatever becomes of it: its refresh tokens share the half of a secret that `family_hash` is of, and the one
-- that counts has `refresh_hash`. Whoever shows another one that shares it shows a spent one. `ending` stands until the record has it.
-- There is no way from the former rows to these: who has a refresh token of before exchanges their session anew.
DROP TABLE refresh_tokens;
DROP TABLE token_grants;

CREATE TABLE token_grants (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    session_id uuid NOT NULL,
    account_id uuid NOT NULL,
    roles text COLLATE "C" NOT NULL CHECK (length(roles) BETWEEN 1 AND 2000),
    created_at bigint NOT NULL,
    family_hash bytea NOT NULL CHECK (octet_length(family_hash) = 32),
    refresh_hash bytea NOT NULL CHECK (octet_length(refresh_hash) = 32),
    ending text COLLATE "C" CHECK (ending IN ('reused', 'revoked')),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX token_grants_by_session ON token_grants (tenant_id, session_id, id);

ALTER TABLE token_grants ENABLE ROW LEVEL SECURITY;
ALTER TABLE token_grants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON token_grants TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON token_grants TO cedargate_tenant;

-- Another refresh token changes nothing of what the family's access tokens are.
CREATE CONSTRAINT TRIGGER token_grants_changed
AFTER UPDATE OF tenant_id, id, session_id, account_id, roles, ending OR DELETE ON token_grants
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_session_change();

CREATE TRIGGER token_grants_truncated AFTER TRUNCATE ON token_grants
FOR EACH STATEMENT EXECUTE FUNCTION note_all_sessions_changed();
