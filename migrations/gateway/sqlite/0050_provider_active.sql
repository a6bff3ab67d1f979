-- Since when a provider says that somebody may not sign in, apart from what an operator disabled: neither undoes the other, and an account may
-- be used where neither says no. `scim_users.deactivated_at` is read no more.
ALTER TABLE accounts ADD COLUMN deactivated_at INTEGER;

DROP TRIGGER accounts_changed;

-- Where both times are one, it was the provider alone that said so.
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

CREATE TRIGGER accounts_changed AFTER UPDATE OF email, version, disabled_at, deactivated_at ON accounts
BEGIN
    INSERT INTO session_change_notes (tenant_id, account_id) VALUES (old.tenant_id, old.id);
END;
