-- Programs that act for themselves. They are no people: nobody signs in as one, and none has a session.
-- `version` grows with every change of the account or its roles: caches name a principal by it.
CREATE TABLE service_accounts (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    name text COLLATE "C" NOT NULL CHECK (name ~ '^[a-z0-9-]{1,63}$'),
    version bigint NOT NULL CHECK (version > 0),
    created_at bigint NOT NULL,
    disabled_at bigint,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);

ALTER TABLE service_accounts ENABLE ROW LEVEL SECURITY;
ALTER TABLE service_accounts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON service_accounts TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON service_accounts TO cedargate_tenant;

CREATE TABLE service_account_roles (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    role text COLLATE "C" NOT NULL CHECK (role ~ '^[a-z0-9_-]{1,64}$'),
    PRIMARY KEY (tenant_id, account_id, role),
    FOREIGN KEY (tenant_id, account_id) REFERENCES service_accounts (tenant_id, id) ON DELETE CASCADE
);

ALTER TABLE service_account_roles ENABLE ROW LEVEL SECURITY;
ALTER TABLE service_account_roles FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON service_account_roles TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON service_account_roles TO cedargate_tenant;

-- What they show. The secret is here only as SHA-256: it has 256 random bits. `roles` narrows what the account has, names with one
-- space between; without it the key has all of them. A revoked key stays, to be listed.
CREATE TABLE api_keys (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    name text COLLATE "C" NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    token_hash bytea NOT NULL CHECK (octet_length(token_hash) = 32),
    roles text COLLATE "C" CHECK (length(roles) BETWEEN 1 AND 2000),
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL CHECK (expires_at > created_at),
    last_used_at bigint,
    revoked_at bigint,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, token_hash),
    FOREIGN KEY (tenant_id, account_id) REFERENCES service_accounts (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX api_keys_by_account ON api_keys (tenant_id, account_id, id);

-- The system writes down which keys were used; it makes none and moves none.
ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON api_keys TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
CREATE POLICY system_reads ON api_keys FOR SELECT TO cedargate_system USING (true);
CREATE POLICY system_touches ON api_keys FOR UPDATE TO cedargate_system USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON api_keys TO cedargate_tenant;
GRANT SELECT (tenant_id, token_hash, last_used_at), UPDATE (last_used_at) ON api_keys TO cedargate_system;

-- The certificates of clients by which a service account is known: one of them by its SHA-256, or all that have a subject or an
-- alternative name. Whether a chain is trusted is the handshake's to say.
CREATE TABLE service_account_certificates (
    tenant_id uuid NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('fingerprint', 'subject', 'name')),
    value text COLLATE "C" NOT NULL CHECK (length(value) BETWEEN 1 AND 1000),
    account_id uuid NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, kind, value),
    FOREIGN KEY (tenant_id, account_id) REFERENCES service_accounts (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX service_account_certificates_by_account ON service_account_certificates (tenant_id, account_id);

ALTER TABLE service_account_certificates ENABLE ROW LEVEL SECURITY;
ALTER TABLE service_account_certificates FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON service_account_certificates TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON service_account_certificates TO cedargate_tenant;

-- What changes who a program is, gateways that keep it in memory hear of as they hear of sessions. Using a key changes nothing.
CREATE FUNCTION note_service_account_change() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    noted bigint;
BEGIN
    INSERT INTO session_generations AS g (tenant_id, generation) VALUES (OLD.tenant_id, 1)
    ON CONFLICT (tenant_id) DO UPDATE SET generation = g.generation + 1
    RETURNING g.generation INTO noted;
    INSERT INTO session_changes (tenant_id, account_id, generation) VALUES (OLD.tenant_id, OLD.id, noted)
    ON CONFLICT (tenant_id, account_id) DO UPDATE SET generation = excluded.generation;
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION note_service_account_change() FROM public;

CREATE CONSTRAINT TRIGGER service_accounts_changed
AFTER UPDATE OF name, version, disabled_at OR DELETE ON service_accounts
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_service_account_change();
CREATE CONSTRAINT TRIGGER service_account_roles_given AFTER INSERT ON service_account_roles
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_session_change();
CREATE CONSTRAINT TRIGGER service_account_roles_taken AFTER UPDATE OR DELETE ON service_account_roles
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_session_change();
CREATE CONSTRAINT TRIGGER api_keys_changed
AFTER UPDATE OF tenant_id, account_id, token_hash, roles, created_at, expires_at, revoked_at OR DELETE ON api_keys
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_session_change();

CREATE CONSTRAINT TRIGGER service_account_certificates_given AFTER INSERT ON service_account_certificates
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_session_change();
CREATE CONSTRAINT TRIGGER service_account_certificates_taken AFTER UPDATE OR DELETE ON service_account_certificates
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_session_change();

CREATE TRIGGER service_account_certificates_truncated AFTER TRUNCATE ON service_account_certificates
FOR EACH STATEMENT EXECUTE FUNCTION note_all_sessions_changed();
CREATE TRIGGER service_accounts_truncated AFTER TRUNCATE ON service_accounts
FOR EACH STATEMENT EXECUTE FUNCTION note_all_sessions_changed();
CREATE TRIGGER service_account_roles_truncated AFTER TRUNCATE ON service_account_roles
FOR EACH STATEMENT EXECUTE FUNCTION note_all_sessions_changed();
CREATE TRIGGER api_keys_truncated AFTER TRUNCATE ON api_keys
FOR EACH STATEMENT EXECUTE FUNCTION note_all_sessions_changed();
