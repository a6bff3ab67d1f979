-- Whose word a connection's users, groups and tokens are: names of a connection say nothing where it leads to another provider.
CREATE TABLE scim_issuers (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    connection text COLLATE "C" NOT NULL CHECK (length(connection) BETWEEN 1 AND 32),
    issuer text COLLATE "C" NOT NULL CHECK (length(issuer) BETWEEN 1 AND 512),
    created_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, connection)
);

ALTER TABLE scim_issuers ENABLE ROW LEVEL SECURITY;
ALTER TABLE scim_issuers FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON scim_issuers TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON scim_issuers TO cedargate_tenant;

-- An operator's link stands, whoever made the account.
ALTER TABLE identities ADD COLUMN linked_by_operator boolean NOT NULL DEFAULT false;
