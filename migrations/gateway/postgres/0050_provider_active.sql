-- Since when a provider says that somebody may not sign in, apart from what an operator disabled: neither undoes the other, and an account may
-- be used where neither says no. `scim_users.deactivated_at` is read no more.
ALTER TABLE accounts ADD COLUMN deactivated_at bigint;

DROP TRIGGER accounts_changed ON accounts;

-- Where both times are one, it was the provider alone that said so.
ALTER TABLE accounts NO FORCE ROW LEVEL SECURITY;
ALTER TABLE scim_users NO FORCE ROW LEVEL SECURITY;
UPDATE accounts
SET
    deactivated_at = (
        SELECT scim_users.deactivated_at
        FROM scim_users
        WHERE scim_users.tenant_id = accounts.tenant_id
          AND scim_users.account_id = accounts.id
    ),
    disabled_at = nullif(disabled_at, (
        SELECT scim_users.deactivated_at
        FROM scim_users
        WHERE scim_users.tenant_id = accounts.tenant_id
          AND scim_users.account_id = accounts.id
    ));
ALTER TABLE accounts FORCE ROW LEVEL SECURITY;
ALTER TABLE scim_users FORCE ROW LEVEL SECURITY;

CREATE CONSTRAINT TRIGGER accounts_changed
AFTER UPDATE OF email, version, disabled_at, deactivated_at OR DELETE ON accounts
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_session_change();
