//! The gateway's own directory and its store.

use cedargate_migrations::{GATEWAY, Pool};
use cedargate_model::{Clock as _, SystemClock};

use super::StartError;
use crate::config::Store;
use crate::files;

/// Opens the store, made and brought up to its schema where that is missing.
pub(crate) async fn open(store: &Store) -> Result<Pool, StartError> {
    make_state_dir(store)?;
    let pool = Pool::open(&store.url).await?;
    let _applied = pool.migrate(&GATEWAY, SystemClock.now()).await?;
    Ok(pool)
}

fn make_state_dir(store: &Store) -> Result<(), StartError> {
    let directory = |source| StartError::Directory { path: store.state_dir.clone(), source };
    files::make_private_directory(&store.state_dir).map_err(directory)
}

/// Opens a store that is there, and changes nothing. None where there is none yet.
pub(crate) async fn look(store: &Store) -> Result<Option<Pool>, StartError> {
    if store.file().is_some_and(|file| !file.exists()) {
        return Ok(None);
    }
    let pool = Pool::open(&store.url).await?;
    // A server's database is made before its schema is.
    let state = pool.migrated(&GATEWAY).await?;
    if state.pending == GATEWAY.migrations.len() {
        pool.close().await;
        return Ok(None);
    }
    Ok(Some(pool))
}

/// Whether the schema is the one that this program needs.
pub(crate) async fn require_schema(pool: &Pool) -> Result<(), StartError> {
    let migrated = pool.migrated(&GATEWAY).await?;
    if migrated.is_current() { Ok(()) } else { Err(StartError::NotMigrated(migrated.pending)) }
}
