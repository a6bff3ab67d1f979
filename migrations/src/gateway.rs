//! The gateway's own schema.

use crate::{Migration, MigrationSet};

/// Tenants, accounts and sessions: everything that the gateway itself keeps.
pub const GATEWAY: MigrationSet = MigrationSet {
    name: "gateway",
    migrations: &[
        Migration {
            version: 1,
            name: "tenants",
            sqlite: include_str!("../gateway/sqlite/0001_tenants.sql"),
            postgres: include_str!("../gateway/postgres/0001_tenants.sql"),
        },
        Migration {
            version: 2,
            name: "accounts",
            sqlite: include_str!("../gateway/sqlite/0002_accounts.sql"),
            postgres: include_str!("../gateway/postgres/0002_accounts.sql"),
        },
        Migration {
            version: 3,
            name: "sessions",
            sqlite: include_str!("../gateway/sqlite/0003_sessions.sql"),
            postgres: include_str!("../gateway/postgres/0003_sessions.sql"),
        },
        Migration {
            version: 4,
            name: "session_changes",
            sqlite: include_str!("../gateway/sqlite/0004_session_changes.sql"),
            postgres: include_str!("../gateway/postgres/0004_session_changes.sql"),
        },
    ],
};
