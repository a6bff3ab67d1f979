-- What was answered to a request with an `Idempotency-Key`, written in the transaction of its act.
CREATE TABLE idempotency_keys (
    tenant_id uuid NOT NULL,
    principal_id uuid NOT NULL,
    operation text COLLATE "C" NOT NULL CHECK (length(operation) BETWEEN 1 AND 200),
    idempotency_key text COLLATE "C" NOT NULL CHECK (length(idempotency_key) BETWEEN 1 AND 128),
    fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),
    status bigint CHECK (status BETWEEN 200 AND 299),
    location text COLLATE "C" CHECK (length(location) <= 400),
    version bigint CHECK (version > 0),
    body bytea CHECK (length(body) <= 1048576),
    created_at bigint NOT NULL CHECK (created_at > 0),
    expires_at bigint NOT NULL CHECK (expires_at > created_at),
    PRIMARY KEY (tenant_id, principal_id, operation, idempotency_key)
);

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (tenant_id, expires_at);

ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON idempotency_keys TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO cedargate_tenant;
