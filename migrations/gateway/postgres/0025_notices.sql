-- What people are to be told by mail, until it was sent. Left in the transaction that does what it tells of. No secret stands here: a
-- link's token is drawn when its mail is written. A row that is being sent is not due until its time comes again.
CREATE TABLE notices (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    recipient text COLLATE "C" NOT NULL CHECK (length(recipient) BETWEEN 3 AND 254),
    notice text COLLATE "C" NOT NULL CHECK (length(notice) BETWEEN 2 AND 4096),
    tries bigint NOT NULL CHECK (tries >= 0),
    created_at bigint NOT NULL,
    due_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE INDEX notices_by_time ON notices (due_at);
CREATE INDEX notices_by_age ON notices (created_at);

-- A tenant's unit of work leaves them here, the system takes them away.
ALTER TABLE notices ENABLE ROW LEVEL SECURITY;
ALTER TABLE notices FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON notices TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
CREATE POLICY system_reads ON notices FOR SELECT TO cedargate_system USING (true);
CREATE POLICY system_puts_off ON notices FOR UPDATE TO cedargate_system USING (true);
CREATE POLICY system_takes ON notices FOR DELETE TO cedargate_system USING (true);
GRANT SELECT, INSERT ON notices TO cedargate_tenant;
GRANT SELECT, UPDATE (tries, due_at), DELETE ON notices TO cedargate_system;
