-- Enrolments of authenticator apps that were begun and not finished. Each belongs to the session in which it was begun and goes with
-- it, however that ends, so that nobody else is ever shown its key: one for each session. The secret is sealed as in `totp_factors`,
-- where the app stands once a code of it was shown.
CREATE TABLE totp_enrolments (
    tenant_id uuid NOT NULL,
    session_id uuid NOT NULL,
    id uuid NOT NULL,
    name text COLLATE "C" NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    sealed_secret text COLLATE "C" NOT NULL CHECK (length(sealed_secret) BETWEEN 1 AND 2000),
    created_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, session_id),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX totp_enrolments_by_age ON totp_enrolments (created_at);

-- The system deletes those that took too long, of all tenants.
ALTER TABLE totp_enrolments ENABLE ROW LEVEL SECURITY;
ALTER TABLE totp_enrolments FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON totp_enrolments TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
CREATE POLICY system_reads ON totp_enrolments FOR SELECT TO cedargate_system USING (true);
CREATE POLICY system_prunes ON totp_enrolments FOR DELETE TO cedargate_system USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON totp_enrolments TO cedargate_tenant;
GRANT SELECT (tenant_id, session_id, created_at), DELETE ON totp_enrolments TO cedargate_system;

-- Forced row security holds for the owner, too, who runs this.
ALTER TABLE totp_factors NO FORCE ROW LEVEL SECURITY;
DELETE FROM totp_factors
WHERE confirmed_at IS NULL;
ALTER TABLE totp_factors FORCE ROW LEVEL SECURITY;

-- How often somebody who is signed in tried in vain to prove who they are, for all gateways together. Counted before a guess is judged.
CREATE TABLE proof_guesses (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (length(kind) BETWEEN 1 AND 32),
    failures bigint NOT NULL CHECK (failures > 0),
    last_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, account_id, kind),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
);

ALTER TABLE proof_guesses ENABLE ROW LEVEL SECURITY;
ALTER TABLE proof_guesses FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON proof_guesses TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON proof_guesses TO cedargate_tenant;

-- What an operator's command did beside the gateways, as an event of the audit log, until a gateway has written it there. No foreign
-- key: what was recorded of somebody who is gone stays.
CREATE TABLE operator_events (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    event text COLLATE "C" NOT NULL CHECK (length(event) BETWEEN 2 AND 65536),
    PRIMARY KEY (tenant_id, id)
);

-- A tenant's unit of work leaves them here, the system takes them away.
ALTER TABLE operator_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE operator_events FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON operator_events TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
CREATE POLICY system_reads ON operator_events FOR SELECT TO cedargate_system USING (true);
CREATE POLICY system_takes ON operator_events FOR DELETE TO cedargate_system USING (true);
GRANT INSERT ON operator_events TO cedargate_tenant;
GRANT SELECT, DELETE ON operator_events TO cedargate_system;

-- When the person proved to the provider who they are because the gateway asked for it there and then; none where nobody asked.
ALTER TABLE federated_sessions ADD COLUMN proved_anew_at bigint;

-- The ID token, sealed under the gateway's master key. What was kept in clear is forgotten: the provider then asks the person.
ALTER TABLE federated_sessions ADD COLUMN sealed_id_token text COLLATE "C" -- noqa: PRS
    CHECK (length(sealed_id_token) BETWEEN 1 AND 32768);

ALTER TABLE federated_sessions NO FORCE ROW LEVEL SECURITY;
UPDATE federated_sessions
SET id_token = null;
ALTER TABLE federated_sessions FORCE ROW LEVEL SECURITY;

-- Who began it: an IPv4 address, or an IPv6 /64. Of too many from one network its own oldest give way.
ALTER TABLE signin_attempts ADD COLUMN network text COLLATE "C" CHECK (length(network) BETWEEN 2 AND 45); -- noqa: PRS

CREATE INDEX signin_attempts_under_way ON signin_attempts (tenant_id, expires_at) WHERE spent_at IS NULL;
CREATE INDEX signin_attempts_by_network ON signin_attempts (tenant_id, network, expires_at) WHERE spent_at IS NULL;
