-- From where an account was signed in to before: a program without its versions, and a family of addresses, as SHA-256. A bounded number for
-- each account; whoever comes from another is told of by mail and in the record.
CREATE TABLE signin_places (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    place_hash bytea NOT NULL CHECK (octet_length(place_hash) = 32),
    seen_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, account_id, place_hash),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
);

ALTER TABLE signin_places ENABLE ROW LEVEL SECURITY;
ALTER TABLE signin_places FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON signin_places TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON signin_places TO cedargate_tenant;
