-- An account's sessions in the order in which they began. With the account alone in the index, a planner may take the order from
-- the primary key and read every session of the tenant for each that begins.
DROP INDEX sessions_by_account;
CREATE INDEX sessions_by_account ON sessions (tenant_id, account_id, id);
