-- What people agreed to: which version of which document, when, and from where. Kept for as long as the account is.
CREATE TABLE consents (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    document text COLLATE "C" NOT NULL CHECK (document IN ('terms', 'privacy')),
    version text COLLATE "C" NOT NULL CHECK (length(version) BETWEEN 1 AND 64),
    address text COLLATE "C" NOT NULL CHECK (length(address) BETWEEN 2 AND 45),
    given_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, account_id, document, version),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
);

ALTER TABLE consents ENABLE ROW LEVEL SECURITY;
ALTER TABLE consents FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON consents TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT ON consents TO cedargate_tenant;
