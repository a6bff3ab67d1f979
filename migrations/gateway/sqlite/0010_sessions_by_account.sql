-- An account's sessions in the order in which they began. With the account alone in the index, SQLite took the order from the
-- primary key and read every session of the tenant for each that began.
DROP INDEX sessions_by_account;
CREATE INDEX sessions_by_account ON sessions (tenant_id, account_id, id);
