-- How often anything changed in a tenant of what a session's lookup answers with. Gateways that keep sessions in memory
-- ask for it every moment. Whoever raises it holds its row until the end of the transaction, so that a generation which
-- can be seen says that all before it can be seen too.
CREATE TABLE session_generations (
    tenant_id uuid NOT NULL PRIMARY KEY,
    generation bigint NOT NULL CHECK (generation > 0)
);

ALTER TABLE session_generations ENABLE ROW LEVEL SECURITY;
ALTER TABLE session_generations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON session_generations FOR SELECT TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
CREATE POLICY system_reads ON session_generations FOR SELECT TO cedargate_system USING (true);
CREATE POLICY owner_counts ON session_generations TO current_user USING (true);
GRANT SELECT ON session_generations TO cedargate_system;

-- Whose sessions changed, each with the generation of its last change. No foreign keys: what was deleted has changed too.
CREATE TABLE session_changes (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    generation bigint NOT NULL CHECK (generation > 0),
    PRIMARY KEY (tenant_id, account_id)
);

CREATE INDEX session_changes_by_generation ON session_changes (tenant_id, generation);

ALTER TABLE session_changes ENABLE ROW LEVEL SECURITY;
ALTER TABLE session_changes FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON session_changes FOR SELECT TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
CREATE POLICY system_reads ON session_changes FOR SELECT TO cedargate_system USING (true);
CREATE POLICY owner_counts ON session_changes TO current_user USING (true);
GRANT SELECT ON session_changes TO cedargate_system;

-- As the owner: no unit of work may write these two tables, and rows that a foreign key deletes are deleted as the owner.
CREATE FUNCTION note_session_change() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    changed record;
    account uuid;
    noted bigint;
BEGIN
    IF TG_OP = 'INSERT' THEN
        changed := NEW;
    ELSE
        changed := OLD;
    END IF;
    IF TG_TABLE_NAME = 'accounts' THEN
        account := changed.id;
    ELSE
        account := changed.account_id;
    END IF;
    INSERT INTO session_generations AS g (tenant_id, generation) VALUES (changed.tenant_id, 1)
    ON CONFLICT (tenant_id) DO UPDATE SET generation = g.generation + 1
    RETURNING g.generation INTO noted;
    INSERT INTO session_changes (tenant_id, account_id, generation) VALUES (changed.tenant_id, account, noted)
    ON CONFLICT (tenant_id, account_id) DO UPDATE SET generation = excluded.generation;
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION note_session_change() FROM public;

-- Triggers, so that no statement can forget it, one by hand neither. Beginning a session and using it change nothing that
-- anybody has in memory. Deferred, so that the generation's row is the last thing a transaction waits for.
CREATE CONSTRAINT TRIGGER sessions_ended AFTER DELETE ON sessions
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_session_change();
CREATE CONSTRAINT TRIGGER sessions_changed
AFTER UPDATE OF tenant_id, account_id, token_hash, level, methods, authenticated_at, expires_at ON sessions
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_session_change();
CREATE CONSTRAINT TRIGGER accounts_changed
AFTER UPDATE OF email, version, disabled_at OR DELETE ON accounts
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_session_change();
CREATE CONSTRAINT TRIGGER account_roles_given AFTER INSERT ON account_roles
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_session_change();
CREATE CONSTRAINT TRIGGER account_roles_taken AFTER UPDATE OR DELETE ON account_roles
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_session_change();

-- Goes so far on that no changes are listed: all sessions are read again. Without a tenant it is the nil id's, for no tenant's
-- rows are shown to the owner.
CREATE FUNCTION note_all_sessions_changed() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    changed uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
    IF TG_LEVEL = 'ROW' THEN
        changed := OLD.id;
    END IF;
    INSERT INTO session_generations AS g (tenant_id, generation) VALUES (changed, 1000000)
    ON CONFLICT (tenant_id) DO UPDATE SET generation = g.generation + 1000000;
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION note_all_sessions_changed() FROM public;

CREATE CONSTRAINT TRIGGER tenants_changed AFTER UPDATE OF name OR DELETE ON tenants
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_all_sessions_changed();
CREATE TRIGGER sessions_truncated AFTER TRUNCATE ON sessions
FOR EACH STATEMENT EXECUTE FUNCTION note_all_sessions_changed();
CREATE TRIGGER accounts_truncated AFTER TRUNCATE ON accounts
FOR EACH STATEMENT EXECUTE FUNCTION note_all_sessions_changed();
CREATE TRIGGER account_roles_truncated AFTER TRUNCATE ON account_roles
FOR EACH STATEMENT EXECUTE FUNCTION note_all_sessions_changed();
