-- What the gateway did not take stays here with the code it gave, until somebody has looked; what was delivered is deleted.
ALTER TABLE audit_outbox ADD COLUMN refused_at bigint CHECK (refused_at > 0);
ALTER TABLE audit_outbox ADD COLUMN refused_code text COLLATE "C" CHECK (length(refused_code) BETWEEN 1 AND 64); -- noqa: PRS

-- Delivery goes through what waits of all tenants in the order of ids, which is the order of time.
DROP INDEX audit_outbox_id;
CREATE INDEX audit_outbox_waiting ON audit_outbox (id) WHERE refused_at IS NULL;

-- The system puts aside what was refused; what an entry says it cannot change.
CREATE POLICY system_puts_aside ON audit_outbox FOR UPDATE TO cedargate_system USING (true) WITH CHECK (true);
GRANT UPDATE (refused_at, refused_code) ON audit_outbox TO cedargate_system;
