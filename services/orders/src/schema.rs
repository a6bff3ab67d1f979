//! The service's tables.

use cedargate_migrations::{Migration, MigrationSet};

/// Customers, orders and their lines.
pub const SCHEMA: MigrationSet = MigrationSet {
    name: "orders",
    migrations: &[
        Migration {
            version: 1,
            name: "customers",
            sqlite: include_str!("../migrations/sqlite/0001_customers.sql"),
            postgres: include_str!("../migrations/postgres/0001_customers.sql"),
        },
        Migration {
            version: 2,
            name: "orders",
            sqlite: include_str!("../migrations/sqlite/0002_orders.sql"),
            postgres: include_str!("../migrations/postgres/0002_orders.sql"),
        },
    ],
};
