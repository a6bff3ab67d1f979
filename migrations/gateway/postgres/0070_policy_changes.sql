-- Policy sets that were proposed for a tenant, by their content: what is reviewed is what goes live. They never change.
CREATE TABLE policy_sets (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id text COLLATE "C" NOT NULL CHECK (length(id) = 64 AND id !~ '[^0-9a-f]'),
    texts text COLLATE "C" NOT NULL CHECK (length(texts) BETWEEN 2 AND 4194304),
    created_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

ALTER TABLE policy_sets ENABLE ROW LEVEL SECURITY;
ALTER TABLE policy_sets FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON policy_sets TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, DELETE ON policy_sets TO cedargate_tenant;

CREATE TABLE policy_changes (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    set_id text COLLATE "C" NOT NULL,
    title text COLLATE "C" NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    author text COLLATE "C" NOT NULL CHECK (length(author) BETWEEN 1 AND 64),
    state text COLLATE "C" NOT NULL CHECK (state IN ('draft', 'submitted', 'shadow', 'live', 'superseded', 'withdrawn')),
    opened_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, set_id) REFERENCES policy_sets (tenant_id, id)
);

ALTER TABLE policy_changes ENABLE ROW LEVEL SECURITY;
ALTER TABLE policy_changes FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON policy_changes TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON policy_changes TO cedargate_tenant;

-- What was done with a change, by whom, and beside which live set: its `serial`. What was found beside another counts no more.
CREATE TABLE policy_change_steps (
    tenant_id uuid NOT NULL,
    change_id uuid NOT NULL,
    number bigint NOT NULL CHECK (number > 0),
    step text COLLATE "C" NOT NULL CHECK (length(step) BETWEEN 1 AND 32),
    passed bigint NOT NULL CHECK (passed IN (0, 1)),
    serial bigint NOT NULL,
    person text COLLATE "C" NOT NULL CHECK (length(person) BETWEEN 1 AND 64),
    done_at bigint NOT NULL,
    detail text COLLATE "C" NOT NULL CHECK (length(detail) <= 2000),
    PRIMARY KEY (tenant_id, change_id, number),
    FOREIGN KEY (tenant_id, change_id) REFERENCES policy_changes (tenant_id, id) ON DELETE CASCADE
);

ALTER TABLE policy_change_steps ENABLE ROW LEVEL SECURITY;
ALTER TABLE policy_change_steps FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON policy_change_steps TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, DELETE ON policy_change_steps TO cedargate_tenant;

-- Which set is live for a tenant, which was before, and which is evaluated in its shadow; none means the policy directory. Every
-- gateway looks here several times a second.
CREATE TABLE policy_live (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    serial bigint NOT NULL,
    change_id uuid,
    former_id uuid,
    shadow_id uuid,
    changed_at bigint NOT NULL,
    PRIMARY KEY (tenant_id),
    FOREIGN KEY (tenant_id, change_id) REFERENCES policy_changes (tenant_id, id),
    FOREIGN KEY (tenant_id, former_id) REFERENCES policy_changes (tenant_id, id),
    FOREIGN KEY (tenant_id, shadow_id) REFERENCES policy_changes (tenant_id, id)
);

ALTER TABLE policy_live ENABLE ROW LEVEL SECURITY;
ALTER TABLE policy_live FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON policy_live TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
CREATE POLICY system_reads ON policy_live FOR SELECT TO cedargate_system USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON policy_live TO cedargate_tenant;
GRANT SELECT ON policy_live TO cedargate_system;
