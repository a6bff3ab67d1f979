//! The database schema, and the pool that alone knows which engine it is.
//!
//! Four things are always true of what stands here:
//! - one SQL text per query serves every engine: placeholders are `$1`, `$2`, times are integer microseconds, ids are
//!   `Uuid`. Nothing outside this crate names an engine;
//! - in a tenant's transaction `$1` **is** the tenant: the transaction binds it, the caller cannot, and a text without
//!   `$1` is refused before it reaches the database;
//! - on PostgreSQL a unit of work runs as an unprivileged role under forced row security, so that a text that does not
//!   filter by its tenant still sees one; a database that would not hold it to that is not opened;
//! - a set of migrations is applied in one transaction or not at all, and a migration that was edited after it was
//!   applied stops the start.
//!
//! ```
//! use cedargate_migrations::{FromRow, Migration, MigrationSet, Pool, StoreUrl};
//! use cedargate_model::{Micros, TenantId};
//!
//! /// Numbers start at 1 and have no gaps; `include_str!` keeps each text in a file of its own.
//! const NOTES: MigrationSet = MigrationSet {
//!     name: "notes",
//!     migrations: &[Migration {
//!         version: 1,
//!         name: "notes",
//!         sqlite: "CREATE TABLE notes (
//!             tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
//!             id BLOB NOT NULL CHECK (length(id) = 16),
//!             text TEXT NOT NULL,
//!             PRIMARY KEY (tenant_id, id)
//!         ) STRICT;",
//!         postgres: "CREATE TABLE notes (
//!             tenant_id uuid NOT NULL,
//!             id uuid NOT NULL,
//!             text text COLLATE \"C\" NOT NULL,
//!             PRIMARY KEY (tenant_id, id)
//!         );
//!         ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
//!         ALTER TABLE notes FORCE ROW LEVEL SECURITY;
//!         CREATE POLICY tenant_rows ON notes TO cedargate_tenant
//!             USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
//!         GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO cedargate_tenant;",
//!     }],
//! };
//!
//! #[derive(FromRow)]
//! struct NoteRow {
//!     text: String,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let url = format!("sqlite:{}", directory.path().join("notes.db").display());
//! let pool = Pool::open(&StoreUrl::parse(&url)?).await?;
//! pool.migrate(&NOTES, Micros(1)).await?;
//!
//! let acme = TenantId(uuid::Uuid::from_u128(1));
//! let mut tx = pool.tenant(acme).begin().await?;
//! tx.query("INSERT INTO notes (tenant_id, id, text) VALUES ($1, $2, $3)")
//!     .bind(uuid::Uuid::from_u128(7))
//!     .bind("milk")
//!     .execute()
//!     .await?;
//! tx.commit().await?;
//!
//! let mut tx = pool.tenant(acme).read().await?;
//! let notes: Vec<NoteRow> = tx.query("SELECT text FROM notes WHERE tenant_id = $1").fetch_all().await?;
//! assert_eq!(notes.len(), 1);
//! assert_eq!(notes[0].text, "milk");
//! # Ok(())
//! # }
//! ```
//!
//! To change the gateway's schema: add the next file under `gateway/<engine>/` and its row in `gateway.rs`. A merged file is
//! never edited. Its text for PostgreSQL enables and forces row security, has the policy of tenants and grants what is
//! used. A service brings its own [`MigrationSet`], in its own database, and asks [`laws`] in its tests
//! whether its tables keep the house's rules. Crates that derive [`FromRow`] need `sqlx` among their dependencies.

mod error;
mod gateway;
pub mod laws;
mod migrate;
mod pool;
mod postgres;
mod query;
mod sqlite;
#[cfg(feature = "testing")]
pub mod testing;
mod tx;
mod url;

pub use error::StoreError;
pub use gateway::GATEWAY;
pub use migrate::{MigrateError, Migrated, Migration, MigrationSet};
pub use pool::{OpenError, Pool, TenantScope};
pub use postgres::confinement::Unconfined;
pub use query::{Query, Row, Value};
pub use sqlx::FromRow;
pub use tx::{SystemTx, TenantTx};
pub use url::{PostgresUrl, StoreUrl, StoreUrlError};
