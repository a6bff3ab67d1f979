-- What a person is shown of a session, so that a strange one is noticed: when it began, from which address, by which program.
-- `sessions.authenticated_at` moves when the person proves again who they are, `began_at` does not.
CREATE TABLE session_devices (
    tenant_id BLOB NOT NULL,
    session_id BLOB NOT NULL,
    began_at INTEGER NOT NULL,
    address TEXT CHECK (length(address) BETWEEN 2 AND 45),
    agent TEXT CHECK (length(agent) BETWEEN 1 AND 200),
    PRIMARY KEY (tenant_id, session_id),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
) STRICT;
