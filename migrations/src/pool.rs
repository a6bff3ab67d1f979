//! Connections and transactions.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cedargate_model::TenantId;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool, Transaction};

use crate::query::{self, Query};
use crate::{StoreError, StoreUrl};

/// Readers beside the one writer: enough that a slow page does not hold up a session's lookup.
const READERS_MAX: u32 = 8;

/// How long a caller waits for a connection, and a connection for another process's write.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// A store, open. Cheap to clone; all clones share the connections.
#[derive(Clone, Debug)]
pub struct Pool {
    engine: Engine,
}

/// The engines. Each further one is a variant here, and a few lines in each `match` of this crate.
#[derive(Clone, Debug)]
enum Engine {
    /// SQLite lets one connection write at a time. With one writer in the pool, writers of this process queue for it
    /// instead of failing with SQLITE_BUSY; readers have connections that cannot write at all.
    Sqlite { writer: SqlitePool, readers: SqlitePool },
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
    /// The file is there and the engine does not accept it.
    #[error("the database `{}` cannot be opened", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
}

impl Pool {
    /// Opens the store, creating the file if it is missing. The schema is [`Pool::migrate`]'s.
    ///
    /// # Errors
    /// [`OpenError`], with the path.
    pub async fn open(url: &StoreUrl) -> Result<Self, OpenError> {
        match url {
            StoreUrl::Sqlite { path } => Self::open_sqlite(path).await,
        }
    }

    async fn open_sqlite(path: &Path) -> Result<Self, OpenError> {
        own_file(path).map_err(|source| OpenError::File { path: path.to_owned(), source })?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // FULL, not NORMAL: what a client was told must survive the loss of power, in WAL mode too.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(WAIT_MAX)
            // A schema that somebody else wrote must not run functions in our process.
            .pragma("trusted_schema", "OFF");
        let pool = |connections, options| {
            SqlitePoolOptions::new().max_connections(connections).acquire_timeout(WAIT_MAX).connect_with(options)
        };
        let opened = async {
            // The writer first: it turns on WAL, which readers cannot.
            let writer = pool(1, options.clone()).await?;
            let readers = pool(READERS_MAX, options.pragma("query_only", "ON")).await?;
            Ok(Self { engine: Engine::Sqlite { writer, readers } })
        };
        opened.await.map_err(|source| OpenError::Database { path: path.to_owned(), source })
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
        self.begin(Access::Write).await.map(SystemTx)
    }

    /// The same, only for reading.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn read_system(&self) -> Result<SystemTx, StoreError> {
        self.begin(Access::Read).await.map(SystemTx)
    }

    /// Asks the store whether it answers.
    ///
    /// # Errors
    /// [`StoreError`] where it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let mut tx = self.read_system().await?;
        tx.query("SELECT 1").execute().await.map(drop)
    }

    /// Closes the connections, so that the last one writes the log back into the file.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
        }
    }

    async fn begin(&self, access: Access) -> Result<Tx, StoreError> {
        match (&self.engine, access) {
            // IMMEDIATE: a transaction that reads first and then wants to write would fail with SQLITE_BUSY, without
            // waiting, when another process wrote in between.
            (Engine::Sqlite { writer, .. }, Access::Write) => writer.begin_with("BEGIN IMMEDIATE").await,
            (Engine::Sqlite { readers, .. }, Access::Read) => readers.begin().await,
        }
        .map(Tx::Sqlite)
        .map_err(StoreError::from_sqlx)
    }
}

#[derive(Clone, Copy)]
enum Access {
    Read,
    Write,
}

enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
}

impl Tx {
    fn query(&mut self, sql: &'static str) -> Query<'_> {
        match self {
            Self::Sqlite(tx) => Query::sqlite(tx, sql),
        }
    }

    async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await.map_err(StoreError::from_sqlx),
        }
    }
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
    /// Never begin one while holding another: on SQLite the second waits for the first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Busy`].
    pub async fn begin(self) -> Result<TenantTx, StoreError> {
        let tx = self.pool.begin(Access::Write).await?;
        Ok(TenantTx { tenant: self.tenant, tx })
    }

    /// Begins a transaction that sees one state of the store and cannot write.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn read(self) -> Result<TenantTx, StoreError> {
        let tx = self.pool.begin(Access::Read).await?;
        Ok(TenantTx { tenant: self.tenant, tx })
    }
}

/// A transaction of one tenant: `$1` of every query is the tenant, bound here.
pub struct TenantTx {
    tenant: TenantId,
    tx: Tx,
}

impl TenantTx {
    /// The tenant.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// A query whose `$1` is the tenant; the caller binds from `$2` on. A text that does not use `$1` is refused with
    /// [`StoreError::Unscoped`] when it runs.
    pub fn query(&mut self, sql: &'static str) -> Query<'_> {
        let query = self.tx.query(sql).bind(self.tenant.0);
        if query::uses_first_placeholder(sql) { query } else { query.refuse(StoreError::Unscoped(sql)) }
    }

    /// Makes what was written durable and visible.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was written.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.tx.commit().await
    }
}

/// A transaction of no tenant. Placeholders are the caller's from `$1` on.
pub struct SystemTx(Tx);

impl SystemTx {
    /// A query. It may see every tenant's rows: the text must say whose it means.
    pub fn query(&mut self, sql: &'static str) -> Query<'_> {
        self.0.query(sql)
    }

    /// Makes what was written durable and visible.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was written.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.0.commit().await
    }
}

/// Several statements that take no values: what makes a schema, in each engine's dialect.
pub(crate) struct Script {
    pub(crate) sqlite: &'static str,
}

/// A table's name, asked of the engine's own catalogue.
const SQLITE_TABLE: &str = "
SELECT name
FROM sqlite_schema
WHERE type = 'table'
  AND name = $1";

impl SystemTx {
    pub(crate) async fn script(&mut self, script: &Script) -> Result<(), StoreError> {
        match &mut self.0 {
            Tx::Sqlite(tx) => {
                sqlx::raw_sql(script.sqlite).execute(&mut **tx).await.map(drop).map_err(StoreError::from_sqlx)
            }
        }
    }

    pub(crate) async fn has_table(&mut self, name: &str) -> Result<bool, StoreError> {
        let sql = match &self.0 {
            Tx::Sqlite(_) => SQLITE_TABLE,
        };
        Ok(self.query(sql).bind(name).fetch_optional::<(String,)>().await?.is_some())
    }
}

/// Creates the file for its owner alone, or takes the others' rights away. SQLite gives its `-wal` and `-shm` files
/// the same mode as the database.
fn own_file(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}
