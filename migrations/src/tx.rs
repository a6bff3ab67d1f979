//! Units of work: a transaction, and who it acts for.

use cedargate_model::TenantId;
use sqlx::{Postgres, Sqlite, Transaction};

use crate::StoreError;
use crate::postgres::{Turn, confinement};
use crate::query::{self, Query};

/// A transaction of one tenant: `$1` of every query is the tenant, bound here.
pub struct TenantTx {
    pub(crate) tenant: TenantId,
    pub(crate) tx: Tx,
}

impl TenantTx {
    /// The tenant.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// A query whose `$1` is the tenant; the caller binds from `$2` on. A text that does not use `$1` is refused with
    /// [`StoreError::Unscoped`] when it runs.
    pub fn query(&mut self, sql: &'static str) -> Query<'_> {
        let query = self.tx.unit_query(sql).bind(self.tenant.0);
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
pub struct SystemTx(pub(crate) Tx);

impl SystemTx {
    /// A query. It may see every tenant's rows: the text must say whose it means.
    pub fn query(&mut self, sql: &'static str) -> Query<'_> {
        self.0.unit_query(sql)
    }

    /// Makes what was written durable and visible.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was written.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.0.commit().await
    }

    /// Which server answers, and since when it has run. Another one, or the same one started again, may hold an earlier state
    /// of what this one held. SQLite's file has no server and is always itself.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn server(&mut self) -> Result<String, StoreError> {
        match self.dialect() {
            Dialect::Sqlite => Ok(String::new()),
            Dialect::Postgres => Ok(self.query(POSTGRES_SERVER).fetch_one::<(String,)>().await?.0),
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.0.dialect()
    }

    pub(crate) async fn has_table(&mut self, name: &str) -> Result<bool, StoreError> {
        let sql = match self.dialect() {
            Dialect::Sqlite => SQLITE_TABLE,
            Dialect::Postgres => POSTGRES_TABLE,
        };
        Ok(self.query(sql).bind(name).fetch_optional::<(String,)>().await?.is_some())
    }
}

const POSTGRES_SERVER: &str = "
SELECT concat_ws(' ', pg_catalog.pg_postmaster_start_time(), pg_catalog.inet_server_addr(), d.oid)
FROM pg_catalog.pg_database AS d
WHERE d.datname = pg_catalog.current_database()";

/// A table's name, asked of the engine's own catalogue.
const SQLITE_TABLE: &str = "
SELECT name
FROM sqlite_schema
WHERE type = 'table'
  AND name = $1";
const POSTGRES_TABLE: &str = "
SELECT CAST(c.relname AS text)
FROM pg_catalog.pg_class AS c
WHERE c.relkind = 'r'
  AND c.relnamespace = CAST('public' AS regnamespace)
  AND c.relname = $1";

/// A transaction that changes the schema.
pub(crate) struct MigrationTx(pub(crate) Tx);

impl MigrationTx {
    pub(crate) fn dialect(&self) -> Dialect {
        self.0.dialect()
    }

    pub(crate) fn query(&mut self, sql: &'static str) -> Query<'_> {
        self.0.query(sql)
    }

    /// Runs several statements that take no values.
    pub(crate) async fn script(&mut self, text: &'static str) -> Result<(), StoreError> {
        match &mut self.0.engine {
            EngineTx::Sqlite(tx) => sqlx::raw_sql(text).execute(&mut **tx).await.map(drop),
            EngineTx::Postgres(tx) => sqlx::raw_sql(text).execute(&mut **tx).await.map(drop),
        }
        .map_err(StoreError::from_sqlx)
    }

    /// Whether the schema as it now is keeps tenants apart. On SQLite there is nothing to ask: see [`crate::laws`].
    pub(crate) async fn check_tables(&mut self) -> Result<(), sqlx::Error> {
        match &mut self.0.engine {
            EngineTx::Sqlite(_) => Ok(()),
            EngineTx::Postgres(tx) => confinement::check_tables(tx).await,
        }
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        self.0.commit().await
    }
}

/// In which engine's words a schema is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

pub(crate) struct Tx {
    engine: EngineTx,
    /// A writer's place in this process. Behind the transaction, so that it is given up after it.
    _turn: Option<Turn>,
    /// Whether a statement failed. PostgreSQL then answers a COMMIT by rolling back and calls that a success, SQLite
    /// keeps the other statements' work. Neither is what a caller means, so we refuse on both.
    failed: bool,
}

enum EngineTx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    pub(crate) fn sqlite(tx: Transaction<'static, Sqlite>) -> Self {
        Self { engine: EngineTx::Sqlite(tx), _turn: None, failed: false }
    }

    pub(crate) fn postgres(tx: Transaction<'static, Postgres>, turn: Option<Turn>) -> Self {
        Self { engine: EngineTx::Postgres(tx), _turn: turn, failed: false }
    }

    fn query(&mut self, sql: &'static str) -> Query<'_> {
        match &mut self.engine {
            EngineTx::Sqlite(tx) => Query::sqlite(tx, &mut self.failed, sql),
            EngineTx::Postgres(tx) => Query::postgres(tx, &mut self.failed, sql),
        }
    }

    /// A query of a unit of work, which must stay what it is.
    fn unit_query(&mut self, sql: &'static str) -> Query<'_> {
        let query = self.query(sql);
        if query::is_plain(sql) { query } else { query.refuse(StoreError::Forbidden(sql)) }
    }

    async fn commit(self) -> Result<(), StoreError> {
        if self.failed {
            return Err(StoreError::Spoilt);
        }
        match self.engine {
            EngineTx::Sqlite(tx) => tx.commit().await,
            EngineTx::Postgres(tx) => tx.commit().await,
        }
        .map_err(StoreError::from_sqlx)
    }

    fn dialect(&self) -> Dialect {
        match self.engine {
            EngineTx::Sqlite(_) => Dialect::Sqlite,
            EngineTx::Postgres(_) => Dialect::Postgres,
        }
    }
}
