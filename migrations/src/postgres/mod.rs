//! The server: one database, in which every unit of work is confined by the database itself.

pub(crate) mod confinement;
mod turns;

use std::io;
use std::time::Duration;

use cedargate_model::TenantId;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, PgPool, Postgres, Transaction};

use crate::StoreError;
use crate::pool::{Access, OpenError, Unit, WAIT_MAX};
use crate::tx::Tx;
use crate::url::PostgresUrl;

pub(crate) use turns::Turn;
use turns::Turns;

/// Connections of one process. A unit of work holds one for a few milliseconds.
const CONNECTIONS_MAX: u32 = 16;

/// How long a caller waits for a connection. Shorter than for a lock: while the server is away every caller waits this
/// long before it is told so.
const ACQUIRE_WAIT_MAX: Duration = Duration::from_secs(2);

/// A connection that nobody needed for this long is closed, and one this old is replaced: what was changed about the
/// role on the server takes hold.
const IDLE_MAX: Duration = Duration::from_secs(10 * 60);
const LIFETIME_MAX: Duration = Duration::from_secs(30 * 60);

#[derive(Clone, Debug)]
pub(crate) struct PostgresStore {
    pool: PgPool,
    turns: Turns,
}

/// What holds for a connection's whole life.
///
/// The search path keeps temporary tables from standing in for ours: without it they come first. A statement may take
/// as long as a caller waits for a connection, and a transaction that its process forgot is not kept. What was committed
/// is on the disk, whatever the default of the role or the database; an operator may ask for more, a standby's copy.
const SESSION: &str = "
SET search_path = public, pg_temp;
SET TimeZone = 'UTC';
SET client_min_messages = 'warning';
SET statement_timeout = '10s';
SET lock_timeout = '5s';
SET idle_in_transaction_session_timeout = '30s';
SELECT set_config('synchronous_commit', 'on', false)
WHERE current_setting('synchronous_commit') <> 'remote_apply'";

/// The unprivileged roles that units of work run as. They own nothing and cannot sign in.
const TENANT_ROLE: &str = "cedargate_tenant";
const SYSTEM_ROLE: &str = "cedargate_system";

const WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
/// One state of the store for all queries, as on SQLite.
const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Puts the role and the tenant on for this transaction alone. What a unit of work sees is decided here, by the database.
const CONFINE: &str = "
SELECT
    set_config('role', $1, true),
    set_config('cedargate.tenant_id', $2, true)";

/// One writer at a time: of a tenant, and of the system.
///
/// SQLite has one writer at a time; code that reads and then writes relies on it. Without this, of two such transactions
/// that begin at once the second would overwrite what the first wrote (READ COMMITTED), or fail (stricter levels).
const TAKE_TURN: &str = "SELECT pg_advisory_xact_lock($1)";

/// Locks that are no tenant's.
const SYSTEM_TURN: i64 = 0x6365_6461_7267_0001;
const MIGRATION_TURN: i64 = 0x6365_6461_7267_0002;

impl PostgresStore {
    pub(crate) async fn open(url: &PostgresUrl) -> Result<Self, OpenError> {
        if url.is_unverified() {
            tracing::warn!(cedargate.store = %url, "the way to the store is not protected: by its URL the server need not prove who it is");
        }
        let options = url.options().clone().application_name("cedargate");
        // Apart from the pool, which retries where a connection is refused and forgets why.
        tokio::time::timeout(WAIT_MAX, check(&options))
            .await
            .unwrap_or(Err(sqlx::Error::PoolTimedOut))
            .map_err(|source| refused(url, source))?;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(ACQUIRE_WAIT_MAX)
            .idle_timeout(IDLE_MAX)
            .max_lifetime(LIFETIME_MAX)
            .after_connect(|connection, _| Box::pin(prepare(connection)))
            .connect_lazy_with(options);
        Ok(Self { pool, turns: Turns::default() })
    }

    pub(crate) async fn begin(&self, unit: Unit, access: Access) -> Result<Tx, StoreError> {
        let Access::Write = access else {
            let tx = self.begin_confined(unit, READ).await.map_err(StoreError::at_begin)?;
            return Ok(Tx::postgres(tx, None));
        };
        let key = match unit {
            Unit::Tenant(tenant) => turn_of(tenant),
            Unit::System => SYSTEM_TURN,
        };
        // Before a connection is taken: whoever waits for a turn takes nothing from anybody else.
        let turn = self.turns.take(key, WAIT_MAX).await.ok_or_else(|| {
            let late = io::Error::new(io::ErrorKind::TimedOut, "the writers before this one took too long");
            StoreError::Busy(sqlx::Error::Io(late))
        })?;
        let written = async {
            let mut tx = self.begin_confined(unit, WRITE).await?;
            sqlx::query(TAKE_TURN).bind(key).execute(&mut *tx).await?;
            Ok(tx)
        };
        let tx = written.await.map_err(StoreError::at_begin)?;
        Ok(Tx::postgres(tx, Some(turn)))
    }

    async fn begin_confined(
        &self,
        unit: Unit,
        begin: &'static str,
    ) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let mut tx = self.pool.begin_with(begin).await?;
        let (role, tenant) = match unit {
            Unit::Tenant(tenant) => (TENANT_ROLE, tenant.0.to_string()),
            Unit::System => (SYSTEM_ROLE, String::new()),
        };
        sqlx::query(CONFINE).bind(role).bind(tenant).execute(&mut *tx).await?;
        Ok(tx)
    }

    /// A transaction of the connecting role itself, one at a time in the whole database.
    pub(crate) async fn begin_migration(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        const PATIENCE: &str = "SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = 0";
        let mut tx = self.pool.begin_with(WRITE).await?;
        sqlx::raw_sql(PATIENCE).execute(&mut *tx).await?;
        sqlx::query(TAKE_TURN).bind(MIGRATION_TURN).execute(&mut *tx).await?;
        Ok(tx)
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

async fn check(options: &PgConnectOptions) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect_with(options).await?;
    prepare(&mut connection).await?;
    confinement::check_database(&mut connection).await?;
    connection.close().await
}

async fn prepare(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(SESSION).execute(&mut *connection).await?;
    confinement::check_login(connection).await
}

fn refused(url: &PostgresUrl, source: sqlx::Error) -> OpenError {
    match confinement::reason(&source) {
        Some(reason) => OpenError::Unconfined { store: url.to_string(), source: reason.clone() },
        None => OpenError::Database { store: url.to_string(), source },
    }
}

/// Two tenants that share a turn only wait for each other.
fn turn_of(tenant: TenantId) -> i64 {
    let (high, low) = tenant.0.as_u64_pair();
    i64::from_ne_bytes((high ^ low).to_ne_bytes())
}
