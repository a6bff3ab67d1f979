-- What a person is shown as, where that is not the address: people of an identity provider have no address of ours.
-- The lint cannot read COLLATE here.
ALTER TABLE accounts ADD COLUMN display text COLLATE "C"; -- noqa: PRS
ALTER TABLE accounts ADD CONSTRAINT accounts_display_check CHECK (length(display) BETWEEN 1 AND 254);

-- Whom an identity provider means. One subject of one issuer by one connection is one account's; an e-mail address says nothing
-- about it.
CREATE TABLE identities (
    tenant_id uuid NOT NULL,
    connection text COLLATE "C" NOT NULL CHECK (length(connection) BETWEEN 1 AND 32),
    issuer text COLLATE "C" NOT NULL CHECK (length(issuer) BETWEEN 1 AND 512),
    subject text COLLATE "C" NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
    account_id uuid NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, connection, issuer, subject),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX identities_by_account ON identities (tenant_id, account_id);

ALTER TABLE identities ENABLE ROW LEVEL SECURITY;
ALTER TABLE identities FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON identities TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON identities TO cedargate_tenant;

-- Which sessions came from which provider: it may end them. The ID token is what the provider asks for when the person signs out there.
CREATE TABLE federated_sessions (
    tenant_id uuid NOT NULL,
    session_id uuid NOT NULL,
    connection text COLLATE "C" NOT NULL CHECK (length(connection) BETWEEN 1 AND 32),
    issuer text COLLATE "C" NOT NULL CHECK (length(issuer) BETWEEN 1 AND 512),
    subject text COLLATE "C" NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
    provider_session text COLLATE "C" CHECK (length(provider_session) BETWEEN 1 AND 255),
    id_token text COLLATE "C" CHECK (length(id_token) BETWEEN 1 AND 16384),
    PRIMARY KEY (tenant_id, session_id),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX federated_sessions_by_subject ON federated_sessions (tenant_id, connection, issuer, subject);
CREATE INDEX federated_sessions_by_provider_session
ON federated_sessions (tenant_id, connection, issuer, provider_session);

ALTER TABLE federated_sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE federated_sessions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON federated_sessions TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON federated_sessions TO cedargate_tenant;
