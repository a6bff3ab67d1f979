//! The service's tables.

use cedargate_migrations::{Migration, MigrationSet};

/// Items, lots and movements.
pub const SCHEMA: MigrationSet = MigrationSet {
    name: "inventory",
    migrations: &[
        Migration {
            version: 1,
            name: "items",
            sqlite: include_str!("../migrations/sqlite/0001_items.sql"),
            postgres: include_str!("../migrations/postgres/0001_items.sql"),
        },
        Migration {
            version: 2,
            name: "lots",
            sqlite: include_str!("../migrations/sqlite/0002_lots.sql"),
            postgres: include_str!("../migrations/postgres/0002_lots.sql"),
        },
        Migration {
            version: 3,
            name: "movements",
            sqlite: include_str!("../migrations/sqlite/0003_movements.sql"),
            postgres: include_str!("../migrations/postgres/0003_movements.sql"),
        },
        Migration {
            version: 4,
            name: "lists",
            sqlite: include_str!("../migrations/sqlite/0004_lists.sql"),
            postgres: include_str!("../migrations/postgres/0004_lists.sql"),
        },
    ],
};
