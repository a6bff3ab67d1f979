-- Authenticator apps (RFC 6238). The secret is sealed under the gateway's master key, for this row alone.
-- Without `confirmed_at` it is an enrolment that nobody finished. `last_step` is the last time step of which a code was taken:
-- it only grows, so that a code counts once, whichever gateway it is shown to.
CREATE TABLE totp_factors (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    name text COLLATE "C" NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    sealed_secret text COLLATE "C" NOT NULL CHECK (length(sealed_secret) BETWEEN 1 AND 2000),
    last_step bigint NOT NULL CHECK (last_step >= 0),
    created_at bigint NOT NULL,
    confirmed_at bigint,
    last_used_at bigint,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX totp_factors_by_account ON totp_factors (tenant_id, account_id);

ALTER TABLE totp_factors ENABLE ROW LEVEL SECURITY;
ALTER TABLE totp_factors FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON totp_factors TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON totp_factors TO cedargate_tenant;
