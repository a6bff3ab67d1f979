-- What a person is shown as, where that is not the address: people of an identity provider have no address of ours.
ALTER TABLE accounts ADD COLUMN display TEXT CHECK (length(display) BETWEEN 1 AND 254);

-- Whom an identity provider means. One subject of one issuer by one connection is one account's; an e-mail address says nothing
-- about it.
CREATE TABLE identities (
    tenant_id BLOB NOT NULL,
    connection TEXT NOT NULL CHECK (length(connection) BETWEEN 1 AND 32),
    issuer TEXT NOT NULL CHECK (length(issuer) BETWEEN 1 AND 512),
    subject TEXT NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
    account_id BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, connection, issuer, subject),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX identities_by_account ON identities (tenant_id, account_id);

-- Which sessions came from which provider: it may end them. The ID token is what the provider asks for when the person signs out there.
CREATE TABLE federated_sessions (
    tenant_id BLOB NOT NULL,
    session_id BLOB NOT NULL,
    connection TEXT NOT NULL CHECK (length(connection) BETWEEN 1 AND 32),
    issuer TEXT NOT NULL CHECK (length(issuer) BETWEEN 1 AND 512),
    subject TEXT NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
    provider_session TEXT CHECK (length(provider_session) BETWEEN 1 AND 255),
    id_token TEXT CHECK (length(id_token) BETWEEN 1 AND 16384),
    PRIMARY KEY (tenant_id, session_id),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX federated_sessions_by_subject ON federated_sessions (tenant_id, connection, issuer, subject);
CREATE INDEX federated_sessions_by_provider_session
ON federated_sessions (tenant_id, connection, issuer, provider_session);
