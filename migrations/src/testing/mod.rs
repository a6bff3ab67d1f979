//! What tests of stores share: each engine in turn, and a fresh store on it.
//!
//! PostgreSQL is Debian's, in a throwaway cluster of the test process's own that ends with it; see [`Server`]. Where its
//! programs are missing, the tests on it say `skipped: WHY` and return; where `CEDARGATE_REQUIRE_POSTGRES` is set, as
//! `make test` does, they fail.
//!
//! ```no_run
//! use cedargate_migrations::testing::{TestStore, each_engine};
//!
//! #[each_engine]
//! async fn a_fresh_store_answers() {
//!     let store = TestStore::new().await;
//!     store.open().await.ping().await.unwrap();
//! }
//! # fn main() {}
//! ```
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and so does its set-up")]

mod databases;
mod operator;
mod server;
mod store;

pub use cedargate_each_engine::each_engine;
pub use operator::Operator;
pub use server::{Server, ServerError};
pub use store::TestStore;

use crate::{Migration, MigrationSet};

/// Which engine a test is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file in a temporary directory.
    Sqlite,
    /// A database of its own in this process's throwaway cluster.
    Postgres,
}

tokio::task_local! {
    static ENGINE: Engine;
}

impl Engine {
    /// The engine of the test that is running. Where it did not ask for each: SQLite, or what `CEDARGATE_TEST_ENGINE` says,
    /// which runs a whole suite on `postgres`.
    pub fn current() -> Self {
        let of_process = || match std::env::var("CEDARGATE_TEST_ENGINE").as_deref() {
            Ok("postgres") => Self::Postgres,
            _ => Self::Sqlite,
        };
        ENGINE.try_with(|engine| *engine).unwrap_or_else(|_| of_process())
    }
}

/// Runs a test on SQLite.
pub async fn on_sqlite(test: impl Future<Output = ()>) {
    ENGINE.scope(Engine::Sqlite, test).await;
}

/// Runs a test on PostgreSQL, or says why not. Where it must run, it fails instead.
pub async fn on_postgres(test: impl Future<Output = ()>) {
    match server::programs() {
        Ok(_) => ENGINE.scope(Engine::Postgres, test).await,
        Err(missing) => skip(&missing, std::env::var_os("CEDARGATE_REQUIRE_POSTGRES").is_some()),
    }
}

/// Nothing else proves that tenants are kept apart: where the server was promised, its absence is no pass.
fn skip(missing: &ServerError, is_required: bool) {
    assert!(!is_required, "`CEDARGATE_REQUIRE_POSTGRES` is set: {missing}");
    println!("skipped: {missing}");
}

/// A set without its last migrations: what a database was before them.
pub fn up_to(set: &MigrationSet, version: usize) -> MigrationSet {
    let migrations: &'static [Migration] = set.migrations.get(..version).unwrap();
    MigrationSet { name: set.name, migrations }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_server_is_skipped_where_nobody_requires_it() {
        skip(&ServerError::Missing, false);
    }

    #[test]
    #[should_panic(expected = "CEDARGATE_REQUIRE_POSTGRES")]
    fn a_missing_server_fails_where_it_is_required() {
        skip(&ServerError::Nobody, true);
    }
}
