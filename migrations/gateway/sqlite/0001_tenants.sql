-- Whoever has people and policies of its own. The name is one DNS label (RFC 1123).
CREATE TABLE tenants (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 63 AND name NOT GLOB '*[^a-z0-9-]*'),
    created_at INTEGER NOT NULL
) STRICT;

-- Host names beyond `<name>.<base domain>`, without port, lower-case. One host is one tenant's.
CREATE TABLE tenant_hosts (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    host TEXT NOT NULL UNIQUE CHECK (length(host) BETWEEN 1 AND 253 AND host NOT GLOB '*[^a-z0-9._-]*'),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, host)
) STRICT;
