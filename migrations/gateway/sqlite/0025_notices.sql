-- What people are to be told by mail, until it was sent. Left in the transaction that does what it tells of. No secret stands here: a
-- link's token is drawn when its mail is written. A row that is being sent is not due until its time comes again.
CREATE TABLE notices (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id BLOB NOT NULL CHECK (length(id) = 16),
    recipient TEXT NOT NULL CHECK (length(recipient) BETWEEN 3 AND 254),
    notice TEXT NOT NULL CHECK (length(notice) BETWEEN 2 AND 4096),
    tries INTEGER NOT NULL CHECK (tries >= 0),
    created_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT;

CREATE INDEX notices_by_time ON notices (due_at);
CREATE INDEX notices_by_age ON notices (created_at);
