-- Enrolments of authenticator apps that were begun and not finished. Each belongs to the session in which it was begun and goes with
-- it, however that ends, so that nobody else is ever shown its key: one for each session. The secret is sealed as in `totp_factors`,
-- where the app stands once a code of it was shown.
CREATE TABLE totp_enrolments (
    tenant_id BLOB NOT NULL,
    session_id BLOB NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    sealed_secret TEXT NOT NULL CHECK (length(sealed_secret) BETWEEN 1 AND 2000),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, session_id),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX totp_enrolments_by_age ON totp_enrolments (created_at);

DELETE FROM totp_factors
WHERE confirmed_at IS NULL;

-- How often somebody who is signed in tried in vain to prove who they are, for all gateways together. Counted before a guess is judged.
CREATE TABLE proof_guesses (
    tenant_id BLOB NOT NULL,
    account_id BLOB NOT NULL,
    kind TEXT NOT NULL CHECK (length(kind) BETWEEN 1 AND 32),
    failures INTEGER NOT NULL CHECK (failures > 0),
    last_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, account_id, kind),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
) STRICT;

-- What an operator's command did beside the gateways, as an event of the audit log, until a gateway has written it there. No foreign
-- key: what was recorded of somebody who is gone stays.
CREATE TABLE operator_events (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    id BLOB NOT NULL CHECK (length(id) = 16),
    event TEXT NOT NULL CHECK (length(event) BETWEEN 2 AND 65536),
    PRIMARY KEY (tenant_id, id)
) STRICT;

-- When the person proved to the provider who they are because the gateway asked for it there and then; none where nobody asked.
ALTER TABLE federated_sessions ADD COLUMN proved_anew_at INTEGER;

-- The ID token, sealed under the gateway's master key. What was kept in clear is forgotten: the provider then asks the person.
ALTER TABLE federated_sessions ADD COLUMN sealed_id_token TEXT CHECK (length(sealed_id_token) BETWEEN 1 AND 32768);

UPDATE federated_sessions
SET id_token = NULL;

-- Who began it: an IPv4 address, or an IPv6 /64. Of too many from one network its own oldest give way.
ALTER TABLE signin_attempts ADD COLUMN network TEXT CHECK (length(network) BETWEEN 2 AND 45);

CREATE INDEX signin_attempts_under_way ON signin_attempts (tenant_id, expires_at) WHERE spent_at IS NULL;
CREATE INDEX signin_attempts_by_network ON signin_attempts (tenant_id, network, expires_at) WHERE spent_at IS NULL;
