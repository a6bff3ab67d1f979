//! A store, open.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use cedargate_model::TenantId;

use crate::postgres::PostgresStore;
use crate::postgres::confinement::Unconfined;
use crate::sqlite::SqliteStore;
use crate::tx::{MigrationTx, SystemTx, TenantTx, Tx};
use crate::{StoreError, StoreUrl};

/// How long a caller waits for a connection, and a connection for another process's write.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(5);

/// A store, open. Cheap to clone; all clones share the connections.
#[derive(Clone, Debug)]
pub struct Pool {
    engine: Engine,
}

/// The engines. Each further one is a variant here, and a few lines in each `match` of this crate.
#[derive(Clone, Debug)]
enum Engine {
    Sqlite(SqliteStore),
    Postgres(PostgresStore),
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file could not be created, or its mode not be set to 0600.
    #[error("the database file `{}` cannot be used", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The engine does not accept it: the file is no database, the server does not answer, the password is wrong.
    #[error("the database `{store}` cannot be opened")]
    Database {
        /// The file, or the URL without its password.
        store: String,
        /// Why.
        source: sqlx::Error,
    },
    /// The database would not keep tenants apart, so it is not used.
    #[error("the database `{store}` would not keep tenants apart")]
    Unconfined {
        /// The URL without its password.
        store: String,
        /// Why.
        source: Unconfined,
    },
}

impl Pool {
    /// Opens the store; a SQLite file is created if it is missing. The schema is [`Pool::migrate`]'s.
    ///
    /// # Errors
    /// [`OpenError`], with the place.
    pub async fn open(url: &StoreUrl) -> Result<Self, OpenError> {
        let engine = match url {
            StoreUrl::Sqlite { path } => Engine::Sqlite(SqliteStore::open(path).await?),
            StoreUrl::Postgres(url) => Engine::Postgres(PostgresStore::open(url).await?),
        };
        Ok(Self { engine })
    }

    /// The rows of one tenant.
    pub fn tenant(&self, tenant: TenantId) -> TenantScope<'_> {
        TenantScope { pool: self, tenant }
    }

    /// A transaction for what belongs to no tenant, or to all: the list of tenants, pruning, services' relays.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Busy`].
    pub async fn begin_system(&self) -> Result<SystemTx, StoreError> {
        self.begin(Unit::System, Access::Write).await.map(SystemTx)
    }

    /// The same, only for reading.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn read_system(&self) -> Result<SystemTx, StoreError> {
        self.begin(Unit::System, Access::Read).await.map(SystemTx)
    }

    /// Asks the store whether it answers.
    ///
    /// # Errors
    /// [`StoreError`] where it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let mut tx = self.read_system().await?;
        tx.query("SELECT 1").execute().await.map(drop)
    }

    /// Closes the connections, so that the last one on a SQLite file writes the log back into it.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite(store) => store.close().await,
            Engine::Postgres(store) => store.close().await,
        }
    }

    async fn begin(&self, unit: Unit, access: Access) -> Result<Tx, StoreError> {
        match &self.engine {
            Engine::Sqlite(store) => store.begin(access).await.map(Tx::sqlite).map_err(StoreError::at_begin),
            Engine::Postgres(store) => store.begin(unit, access).await,
        }
    }

    pub(crate) async fn begin_migration(&self) -> Result<MigrationTx, StoreError> {
        match &self.engine {
            Engine::Sqlite(store) => store.begin(Access::Write).await.map(Tx::sqlite),
            Engine::Postgres(store) => store.begin_migration().await.map(|tx| Tx::postgres(tx, None)),
        }
        .map(MigrationTx)
        .map_err(StoreError::at_begin)
    }
}

/// Whose rows a unit of work is about.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Tenant(TenantId),
    System,
}

#[derive(Clone, Copy)]
pub(crate) enum Access {
    Read,
    Write,
}

/// One tenant's part of a store.
#[derive(Clone, Copy, Debug)]
pub struct TenantScope<'p> {
    pool: &'p Pool,
    tenant: TenantId,
}

impl TenantScope<'_> {
    /// Begins a transaction that may write. Dropping it rolls it back.
    ///
    /// Writers of one tenant take turns, on every engine: what was read stays true until the end. Never begin one while
    /// holding another: the second waits for the first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Busy`].
    pub async fn begin(self) -> Result<TenantTx, StoreError> {
        let tx = self.pool.begin(Unit::Tenant(self.tenant), Access::Write).await?;
        Ok(TenantTx { tenant: self.tenant, tx })
    }

    /// Begins a transaction that sees one state of the store and cannot write.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn read(self) -> Result<TenantTx, StoreError> {
        let tx = self.pool.begin(Unit::Tenant(self.tenant), Access::Read).await?;
        Ok(TenantTx { tenant: self.tenant, tx })
    }
}
