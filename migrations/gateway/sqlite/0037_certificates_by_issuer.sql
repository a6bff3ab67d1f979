-- The certificates of clients by which service accounts are known: by their own key, or by a name from whoever has the issuer's key. The
-- table of before named no issuer, and nothing was ever kept in it.
DROP TABLE service_account_certificates;

CREATE TABLE service_account_certificates (
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    account_id BLOB NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('key', 'uri', 'dns')),
    issuer_key TEXT NOT NULL CHECK (length(issuer_key) = CASE kind WHEN 'key' THEN 0 ELSE 64 END),
    value TEXT NOT NULL CHECK (length(value) BETWEEN 1 AND 1000),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, kind, issuer_key, value),
    FOREIGN KEY (tenant_id, account_id) REFERENCES service_accounts (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX service_account_certificates_by_account ON service_account_certificates (tenant_id, account_id, id);

CREATE TRIGGER service_account_certificates_given AFTER INSERT ON service_account_certificates
BEGIN
    INSERT INTO session_change_notes (tenant_id, account_id) VALUES (new.tenant_id, new.account_id);
END;

CREATE TRIGGER service_account_certificates_changed AFTER UPDATE ON service_account_certificates
BEGIN
    INSERT INTO session_change_notes (tenant_id, account_id) VALUES (old.tenant_id, old.account_id);
END;

CREATE TRIGGER service_account_certificates_taken AFTER DELETE ON service_account_certificates
BEGIN
    INSERT INTO session_change_notes (tenant_id, account_id) VALUES (old.tenant_id, old.account_id);
END;
