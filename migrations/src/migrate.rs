//! Bringing a database up to its schema.

use cedargate_model::Micros;
use sha2::{Digest, Sha256};

use crate::postgres::confinement::{self, Unconfined};
use crate::tx::{Dialect, MigrationTx};
use crate::{FromRow, Pool, Query, StoreError};

/// The schema of one database, in steps.
#[derive(Clone, Copy, Debug)]
pub struct MigrationSet {
    /// Whose schema it is, as its bookkeeping names it: `gateway`, `inventory`.
    pub name: &'static str,
    /// The steps, by rising version. A version that is missing is reserved for a step that comes later: it is then applied to
    /// databases that have the ones behind it, and must not need anything of theirs undone.
    pub migrations: &'static [Migration],
}

/// One step. Never edited once merged; it first expands, a later one contracts, so that old and new binaries overlap.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its number, the same for every engine.
    pub version: i64,
    /// What it is about, in a word or two.
    pub name: &'static str,
    /// Its statements for SQLite.
    pub sqlite: &'static str,
    /// Its statements for PostgreSQL: the same tables, and for each its row security, its policies and its grants.
    pub postgres: &'static str,
}

/// How far a database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Migrated {
    /// How many steps were applied by this call.
    pub applied: usize,
    /// How many steps of the set are still missing.
    pub pending: usize,
    /// How many steps the database has that this binary does not know: a newer one runs beside it.
    pub newer: usize,
}

impl Migrated {
    /// Whether everything that this binary needs is there.
    pub fn is_current(self) -> bool {
        self.pending == 0
    }
}

/// Why a database was left as it was.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// Versions of a set must be 1, 2, 3 and so on.
    #[error("migration set `{set}`: version {version} stands where another is due")]
    Order {
        /// The set.
        set: &'static str,
        /// The version out of order.
        version: i64,
    },
    /// A step was edited after this database had it.
    #[error("migration set `{set}`: version {version} is not what was applied to this database")]
    Changed {
        /// The set.
        set: &'static str,
        /// The version.
        version: i64,
    },
    /// A step failed. All of this call's steps are undone.
    #[error("migration set `{set}`: version {version} failed")]
    Step {
        /// The set.
        set: &'static str,
        /// The version.
        version: i64,
        /// Why.
        source: StoreError,
    },
    /// The steps leave a table that does not keep tenants apart. All of this call's steps are undone.
    #[error("migration set `{set}` would not keep tenants apart")]
    Unconfined {
        /// The set.
        set: &'static str,
        /// Why.
        source: Unconfined,
    },
    /// The bookkeeping could not be read or written.
    #[error("the migrations of `{set}` cannot be read")]
    Store {
        /// The set.
        set: &'static str,
        /// Why.
        source: StoreError,
    },
}

impl Pool {
    /// Applies what is missing of a set, in one transaction: of two processes that start at once, one does it.
    ///
    /// # Errors
    /// [`MigrateError`]; the database is then as it was.
    pub async fn migrate(&self, set: &MigrationSet, now: Micros) -> Result<Migrated, MigrateError> {
        check_order(set)?;
        let store = |source| MigrateError::Store { set: set.name, source };
        // A process that may not change the schema can still serve what another one made.
        let found = self.migrated(set).await?;
        if found.is_current() {
            return Ok(found);
        }
        let mut tx = self.begin_migration().await.map_err(store)?;
        let dialect = tx.dialect();
        tx.script(match dialect {
            Dialect::Sqlite => SQLITE_BOOKKEEPING,
            Dialect::Postgres => POSTGRES_BOOKKEEPING,
        })
        .await
        .map_err(store)?;
        let found = compare(set, dialect, &applied(tx.query(APPLIED), set).await.map_err(store)?)?;
        for migration in &found.missing {
            let step = |source| MigrateError::Step { set: set.name, version: migration.version, source };
            tx.script(migration.text(dialect)).await.map_err(step)?;
            record(&mut tx, set, migration, now).await.map_err(step)?;
        }
        tx.check_tables().await.map_err(|error| match confinement::reason(&error) {
            Some(reason) => MigrateError::Unconfined { set: set.name, source: reason.clone() },
            None => store(StoreError::from_sqlx(error)),
        })?;
        tx.commit().await.map_err(store)?;
        let migrated = Migrated { applied: found.missing.len(), pending: 0, newer: found.newer };
        tracing::info!(
            cedargate.migrations.set = set.name,
            cedargate.migrations.applied = migrated.applied,
            cedargate.migrations.newer = migrated.newer,
            "schema is current"
        );
        Ok(migrated)
    }

    /// Compares the database with a set and changes nothing: for readiness.
    ///
    /// # Errors
    /// [`MigrateError::Changed`], or [`MigrateError::Store`] where the database does not answer.
    pub async fn migrated(&self, set: &MigrationSet) -> Result<Migrated, MigrateError> {
        let store = |source| MigrateError::Store { set: set.name, source };
        let mut tx = self.read_system().await.map_err(store)?;
        let found = if tx.has_table("schema_migrations").await.map_err(store)? {
            compare(set, tx.dialect(), &applied(tx.query(APPLIED), set).await.map_err(store)?)?
        } else {
            Found { missing: set.migrations.iter().collect(), newer: 0 }
        };
        Ok(Migrated { applied: 0, pending: found.missing.len(), newer: found.newer })
    }
}

const SQLITE_BOOKKEEPING: &str = "
CREATE TABLE IF NOT EXISTS schema_migrations (
    set_name TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version > 0),
    name TEXT NOT NULL,
    checksum BLOB NOT NULL CHECK (length(checksum) = 32),
    applied_at INTEGER NOT NULL,
    PRIMARY KEY (set_name, version)
) STRICT";

const POSTGRES_BOOKKEEPING: &str = r#"
CREATE TABLE IF NOT EXISTS schema_migrations (
    set_name text COLLATE "C" NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    name text COLLATE "C" NOT NULL,
    checksum bytea NOT NULL CHECK (octet_length(checksum) = 32),
    applied_at bigint NOT NULL,
    PRIMARY KEY (set_name, version)
);
GRANT SELECT ON schema_migrations TO cedargate_system;"#;

const APPLIED: &str = "
SELECT version, checksum
FROM schema_migrations
WHERE set_name = $1
ORDER BY version";

const RECORD: &str = "
INSERT INTO schema_migrations (set_name, version, name, checksum, applied_at)
VALUES ($1, $2, $3, $4, $5)";

#[derive(FromRow)]
struct AppliedRow {
    version: i64,
    checksum: Vec<u8>,
}

async fn applied(query: Query<'_>, set: &MigrationSet) -> Result<Vec<AppliedRow>, StoreError> {
    query.bind(set.name).fetch_all().await
}

async fn record(
    tx: &mut MigrationTx,
    set: &MigrationSet,
    migration: &Migration,
    now: Micros,
) -> Result<(), StoreError> {
    let checksum = checksum(migration, tx.dialect());
    tx.query(RECORD)
        .bind(set.name)
        .bind(migration.version)
        .bind(migration.name)
        .bind(checksum)
        .bind(now.0)
        .execute()
        .await
        .map(drop)
}

impl Migration {
    fn text(&self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Sqlite => self.sqlite,
            Dialect::Postgres => self.postgres,
        }
    }
}

fn checksum(migration: &Migration, dialect: Dialect) -> Vec<u8> {
    Sha256::digest(migration.text(dialect)).to_vec()
}

fn check_order(set: &MigrationSet) -> Result<(), MigrateError> {
    let mut before = 0;
    for migration in set.migrations {
        if migration.version <= before {
            return Err(MigrateError::Order { set: set.name, version: migration.version });
        }
        before = migration.version;
    }
    Ok(())
}

/// What a database still lacks, and what it has beyond this binary's set.
struct Found {
    missing: Vec<&'static Migration>,
    newer: usize,
}

fn compare(set: &MigrationSet, dialect: Dialect, applied: &[AppliedRow]) -> Result<Found, MigrateError> {
    // By version and not by position: work on two steps may end in another order than it was begun.
    let mut missing = Vec::new();
    for migration in set.migrations {
        match applied.iter().find(|row| row.version == migration.version) {
            None => missing.push(migration),
            Some(row) if row.checksum == checksum(migration, dialect) => {}
            Some(_) => return Err(MigrateError::Changed { set: set.name, version: migration.version }),
        }
    }
    let is_newer = |row: &&AppliedRow| set.migrations.iter().all(|migration| migration.version != row.version);
    Ok(Found { missing, newer: applied.iter().filter(is_newer).count() })
}
