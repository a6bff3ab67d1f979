-- Policy sets that were proposed for a tenant, by their content: what is reviewed is what goes live. They never change.
CREATE TABLE policy_sets (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id TEXT NOT NULL CHECK (length(id) = 64 AND id NOT GLOB '*[^0-9a-f]*'),
    texts TEXT NOT NULL CHECK (length(texts) BETWEEN 2 AND 4194304),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT;

CREATE TABLE policy_changes (
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    set_id TEXT NOT NULL,
    title TEXT NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    author TEXT NOT NULL CHECK (length(author) BETWEEN 1 AND 64),
    state TEXT NOT NULL CHECK (state IN ('draft', 'submitted', 'shadow', 'live', 'superseded', 'withdrawn')),
    opened_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, set_id) REFERENCES policy_sets (tenant_id, id)
) STRICT;

-- What was done with a change, by whom, and beside which live set: its `serial`. What was found beside another counts no more.
CREATE TABLE policy_change_steps (
    tenant_id BLOB NOT NULL,
    change_id BLOB NOT NULL,
    number INTEGER NOT NULL CHECK (number > 0),
    step TEXT NOT NULL CHECK (length(step) BETWEEN 1 AND 32),
    passed INTEGER NOT NULL CHECK (passed IN (0, 1)),
    serial INTEGER NOT NULL,
    person TEXT NOT NULL CHECK (length(person) BETWEEN 1 AND 64),
    done_at INTEGER NOT NULL,
    detail TEXT NOT NULL CHECK (length(detail) <= 2000),
    PRIMARY KEY (tenant_id, change_id, number),
    FOREIGN KEY (tenant_id, change_id) REFERENCES policy_changes (tenant_id, id) ON DELETE CASCADE
) STRICT;

-- Which set is live for a tenant, which was before, and which is evaluated in its shadow; none means the policy directory. Every
-- gateway looks here several times a second.
CREATE TABLE policy_live (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    serial INTEGER NOT NULL,
    change_id BLOB,
    former_id BLOB,
    shadow_id BLOB,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id),
    FOREIGN KEY (tenant_id, change_id) REFERENCES policy_changes (tenant_id, id),
    FOREIGN KEY (tenant_id, former_id) REFERENCES policy_changes (tenant_id, id),
    FOREIGN KEY (tenant_id, shadow_id) REFERENCES policy_changes (tenant_id, id)
) STRICT;
