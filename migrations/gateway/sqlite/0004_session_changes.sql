-- How often anything changed in a tenant of what a session's lookup answers with. Gateways that keep sessions in memory
-- ask for it every moment.
CREATE TABLE session_generations (
    tenant_id BLOB NOT NULL PRIMARY KEY CHECK (length(tenant_id) = 16),
    generation INTEGER NOT NULL CHECK (generation > 0)
) STRICT;

-- Whose sessions changed, each with the generation of its last change. No foreign keys: what was deleted has changed too.
CREATE TABLE session_changes (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    account_id BLOB NOT NULL CHECK (length(account_id) = 16),
    generation INTEGER NOT NULL CHECK (generation > 0),
    PRIMARY KEY (tenant_id, account_id)
) STRICT;

CREATE INDEX session_changes_by_generation ON session_changes (tenant_id, generation);

-- What the triggers below write to: one note is both.
CREATE VIEW session_change_notes AS
SELECT
    tenant_id,
    account_id
FROM session_changes;

CREATE TRIGGER session_change_notes_taken INSTEAD OF INSERT ON session_change_notes
BEGIN
    INSERT INTO session_generations (tenant_id, generation) VALUES (new.tenant_id, 1)
    ON CONFLICT (tenant_id) DO UPDATE SET generation = generation + 1;
    INSERT INTO session_changes (tenant_id, account_id, generation)
    VALUES (
        new.tenant_id,
        new.account_id,
        (
            SELECT session_generations.generation
            FROM session_generations
            WHERE session_generations.tenant_id = new.tenant_id
        )
    )
    ON CONFLICT (tenant_id, account_id) DO UPDATE SET generation = excluded.generation;
END;

-- Triggers, so that no statement can forget it, one by hand neither. Beginning a session and using it change nothing that
-- anybody has in memory.
CREATE TRIGGER sessions_ended AFTER DELETE ON sessions
BEGIN
    INSERT INTO session_change_notes (tenant_id, account_id) VALUES (old.tenant_id, old.account_id);
END;

CREATE TRIGGER sessions_changed
AFTER UPDATE OF tenant_id, account_id, token_hash, level, methods, authenticated_at, expires_at ON sessions
BEGIN
    INSERT INTO session_change_notes (tenant_id, account_id) VALUES (old.tenant_id, old.account_id);
END;

CREATE TRIGGER accounts_changed AFTER UPDATE OF email, version, disabled_at ON accounts
BEGIN
    INSERT INTO session_change_notes (tenant_id, account_id) VALUES (old.tenant_id, old.id);
END;

-- Sessions go with their account where foreign keys are enforced, which by hand they may not be.
CREATE TRIGGER accounts_deleted AFTER DELETE ON accounts
BEGIN
    INSERT INTO session_change_notes (tenant_id, account_id) VALUES (old.tenant_id, old.id);
END;

-- Too far for its changes to be listed: all of the tenant's sessions are read again.
CREATE TRIGGER tenants_renamed AFTER UPDATE OF name ON tenants
BEGIN
    INSERT INTO session_generations (tenant_id, generation) VALUES (old.id, 1000000)
    ON CONFLICT (tenant_id) DO UPDATE SET generation = generation + 1000000;
END;

CREATE TRIGGER tenants_deleted AFTER DELETE ON tenants
BEGIN
    INSERT INTO session_generations (tenant_id, generation) VALUES (old.id, 1000000)
    ON CONFLICT (tenant_id) DO UPDATE SET generation = generation + 1000000;
END;

CREATE TRIGGER account_roles_given AFTER INSERT ON account_roles
BEGIN
    INSERT INTO session_change_notes (tenant_id, account_id) VALUES (new.tenant_id, new.account_id);
END;

CREATE TRIGGER account_roles_changed AFTER UPDATE ON account_roles
BEGIN
    INSERT INTO session_change_notes (tenant_id, account_id) VALUES (old.tenant_id, old.account_id);
END;

CREATE TRIGGER account_roles_taken AFTER DELETE ON account_roles
BEGIN
    INSERT INTO session_change_notes (tenant_id, account_id) VALUES (old.tenant_id, old.account_id);
END;
