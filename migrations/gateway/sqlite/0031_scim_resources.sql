-- What identity providers said of their people, as JSON; what it comes to is their account's. `user_name` is in lower case. A user that
-- was deleted keeps its names and nothing else: whoever the provider took away is not let in again by its word at a sign-in alone.
-- `deactivated_at` is when the provider said so, as it then stands on the account: what an operator disabled, no provider enables.
CREATE TABLE scim_users (
    tenant_id BLOB NOT NULL,
    account_id BLOB NOT NULL CHECK (length(account_id) = 16),
    connection TEXT NOT NULL CHECK (length(connection) BETWEEN 1 AND 32),
    user_name TEXT NOT NULL CHECK (length(user_name) BETWEEN 1 AND 600),
    external_id TEXT CHECK (length(external_id) BETWEEN 1 AND 254),
    document TEXT NOT NULL CHECK (length(document) BETWEEN 2 AND 65536),
    version INTEGER NOT NULL CHECK (version > 0),
    created_at INTEGER NOT NULL,
    modified_at INTEGER NOT NULL,
    deactivated_at INTEGER,
    deleted_at INTEGER,
    PRIMARY KEY (tenant_id, account_id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
) STRICT;

-- A name is one user's of a connection, until that is deleted.
CREATE UNIQUE INDEX scim_users_by_name ON scim_users (tenant_id, connection, user_name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX scim_users_by_external_id ON scim_users (tenant_id, connection, external_id)
WHERE deleted_at IS NULL;
CREATE INDEX scim_users_by_connection ON scim_users (tenant_id, connection, account_id);
CREATE INDEX scim_users_gone_by_name ON scim_users (tenant_id, connection, user_name) WHERE deleted_at IS NOT NULL;
CREATE INDEX scim_users_gone_by_external_id ON scim_users (tenant_id, connection, external_id)
WHERE deleted_at IS NOT NULL;

CREATE TABLE scim_groups (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id BLOB NOT NULL CHECK (length(id) = 16),
    connection TEXT NOT NULL CHECK (length(connection) BETWEEN 1 AND 32),
    display_name TEXT NOT NULL CHECK (length(display_name) BETWEEN 1 AND 254),
    name_key TEXT NOT NULL CHECK (length(name_key) BETWEEN 1 AND 600),
    external_id TEXT CHECK (length(external_id) BETWEEN 1 AND 254),
    version INTEGER NOT NULL CHECK (version > 0),
    created_at INTEGER NOT NULL,
    modified_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, connection, name_key),
    UNIQUE (tenant_id, connection, external_id)
) STRICT;

CREATE INDEX scim_groups_by_connection ON scim_groups (tenant_id, connection, id);

CREATE TABLE scim_members (
    tenant_id BLOB NOT NULL,
    group_id BLOB NOT NULL,
    account_id BLOB NOT NULL,
    PRIMARY KEY (tenant_id, group_id, account_id),
    FOREIGN KEY (tenant_id, group_id) REFERENCES scim_groups (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, account_id) REFERENCES scim_users (tenant_id, account_id) ON DELETE CASCADE
) STRICT;

CREATE INDEX scim_members_by_account ON scim_members (tenant_id, account_id, group_id);
