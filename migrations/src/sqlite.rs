//! The embedded engine: one file.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool, Transaction};

use crate::pool::{Access, OpenError, WAIT_MAX};

/// Readers beside the one writer: enough that a slow page does not hold up a session's lookup.
const READERS_MAX: u32 = 8;

/// SQLite lets one connection write at a time. With one writer in the pool, writers of this process queue for it
/// instead of failing with SQLITE_BUSY; readers have connections that cannot write at all.
#[derive(Clone, Debug)]
pub(crate) struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteStore {
    pub(crate) async fn open(path: &Path) -> Result<Self, OpenError> {
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
            Ok(Self { writer, readers })
        };
        opened.await.map_err(|source| OpenError::Database { store: path.display().to_string(), source })
    }

    pub(crate) async fn begin(&self, access: Access) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        match access {
            // IMMEDIATE: a transaction that reads first and then wants to write would fail with SQLITE_BUSY, without
            // waiting, when another process wrote in between.
            Access::Write => self.writer.begin_with("BEGIN IMMEDIATE").await,
            Access::Read => self.readers.begin().await,
        }
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
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
