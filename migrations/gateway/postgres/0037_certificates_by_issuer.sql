-- The certificates of clients by which service accounts are known: by their own key, or by a name from whoever has the issuer's key. The
-- table of before named no issuer, and nothing was ever kept in it.
DROP TABLE service_account_certificates;

CREATE TABLE service_account_certificates (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('key', 'uri', 'dns')),
    issuer_key text COLLATE "C" NOT NULL CHECK (length(issuer_key) = CASE kind WHEN 'key' THEN 0 ELSE 64 END),
    value text COLLATE "C" NOT NULL CHECK (length(value) BETWEEN 1 AND 1000),
    created_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, kind, issuer_key, value),
    FOREIGN KEY (tenant_id, account_id) REFERENCES service_accounts (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX service_account_certificates_by_account ON service_account_certificates (tenant_id, account_id, id);

ALTER TABLE service_account_certificates ENABLE ROW LEVEL SECURITY;
ALTER TABLE service_account_certificates FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON service_account_certificates TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON service_account_certificates TO cedargate_tenant;

CREATE CONSTRAINT TRIGGER service_account_certificates_given AFTER INSERT ON service_account_certificates
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_session_change();
CREATE CONSTRAINT TRIGGER service_account_certificates_taken AFTER UPDATE OR DELETE ON service_account_certificates
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_session_change();

CREATE TRIGGER service_account_certificates_truncated AFTER TRUNCATE ON service_account_certificates
FOR EACH STATEMENT EXECUTE FUNCTION note_all_sessions_changed();
