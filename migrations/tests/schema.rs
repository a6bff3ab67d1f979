//! How a schema comes to be, and the laws that it keeps.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cedargate_migrations::{GATEWAY, MigrateError, Migration, MigrationSet, Pool, StoreUrl, laws};
use cedargate_model::{Micros, TenantId};
use tempfile::TempDir;
use uuid::Uuid;

const FIRST: Migration = Migration {
    version: 1,
    name: "one",
    sqlite: "CREATE TABLE one (a INTEGER NOT NULL) STRICT;",
    postgres: "CREATE TABLE one (a bigint NOT NULL);",
};
const SECOND: Migration = Migration {
    version: 2,
    name: "two",
    sqlite: "CREATE TABLE two (a INTEGER NOT NULL) STRICT;",
    postgres: "CREATE TABLE two (a bigint NOT NULL);",
};

const OLD: MigrationSet = MigrationSet { name: "test", migrations: &[FIRST] };
const NEW: MigrationSet = MigrationSet { name: "test", migrations: &[FIRST, SECOND] };
const EDITED: MigrationSet = MigrationSet {
    name: "test",
    migrations: &[Migration {
        version: 1,
        name: "one",
        sqlite: "CREATE TABLE one (b INTEGER NOT NULL) STRICT;",
        postgres: "CREATE TABLE one (b bigint NOT NULL);",
    }],
};
const BROKEN: MigrationSet = MigrationSet {
    name: "test",
    migrations: &[
        FIRST,
        Migration {
            version: 2,
            name: "two",
            sqlite: "CREATE TABLE two (a INTEGER); CREATE NONSENSE;",
            postgres: "CREATE TABLE two (a bigint); CREATE NONSENSE;",
        },
    ],
};
const OUT_OF_ORDER: MigrationSet = MigrationSet { name: "test", migrations: &[SECOND, FIRST] };

async fn open(directory: &TempDir) -> Pool {
    Pool::open(&StoreUrl::sqlite(directory.path().join("store.db"))).await.unwrap()
}

async fn tables(pool: &Pool) -> Vec<String> {
    let mut tx = pool.read_system().await.unwrap();
    let rows: Vec<(String,)> =
        tx.query("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetch_all().await.unwrap();
    rows.into_iter().map(|(name,)| name).collect()
}

#[tokio::test]
async fn missing_steps_are_applied_once() {
    let directory = TempDir::new().unwrap();
    let pool = open(&directory).await;
    assert_eq!(pool.migrated(&NEW).await.unwrap().pending, 2);
    assert_eq!(pool.migrate(&OLD, Micros(1)).await.unwrap().applied, 1);
    let state = pool.migrated(&NEW).await.unwrap();
    assert!(!state.is_current() && state.pending == 1);
    assert_eq!(pool.migrate(&NEW, Micros(2)).await.unwrap().applied, 1);
    assert_eq!(pool.migrate(&NEW, Micros(3)).await.unwrap().applied, 0);
    assert!(pool.migrated(&NEW).await.unwrap().is_current());
}

#[tokio::test]
async fn an_older_binary_runs_beside_a_newer_schema() {
    let directory = TempDir::new().unwrap();
    let pool = open(&directory).await;
    let _ = pool.migrate(&NEW, Micros(1)).await.unwrap();
    let state = pool.migrate(&OLD, Micros(2)).await.unwrap();
    assert!(state.is_current());
    assert_eq!((state.applied, state.newer), (0, 1));
}

#[tokio::test]
async fn an_edited_step_stops_the_start() {
    let directory = TempDir::new().unwrap();
    let pool = open(&directory).await;
    let _ = pool.migrate(&OLD, Micros(1)).await.unwrap();
    for refused in [pool.migrate(&EDITED, Micros(2)).await, pool.migrated(&EDITED).await] {
        assert!(matches!(refused, Err(MigrateError::Changed { set: "test", version: 1 })));
    }
}

#[tokio::test]
async fn a_step_that_fails_leaves_nothing_behind() {
    let directory = TempDir::new().unwrap();
    let pool = open(&directory).await;
    let refused = pool.migrate(&BROKEN, Micros(1)).await.unwrap_err();
    assert!(matches!(refused, MigrateError::Step { version: 2, .. }), "{refused}");
    assert_eq!(tables(&pool).await, Vec::<String>::new());
    assert_eq!(pool.migrate(&NEW, Micros(2)).await.unwrap().applied, 2);
}

#[tokio::test]
async fn versions_without_order_are_refused() {
    let directory = TempDir::new().unwrap();
    let pool = open(&directory).await;
    let refused = pool.migrate(&OUT_OF_ORDER, Micros(1)).await.unwrap_err();
    assert!(matches!(refused, MigrateError::Order { version: 2, .. }), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_that_start_at_once_migrate_once() {
    let directory = TempDir::new().unwrap();
    let mut starts = Vec::new();
    for _ in 0..4 {
        let pool = open(&directory).await;
        starts.push(tokio::spawn(async move { pool.migrate(&NEW, Micros(1)).await.unwrap().applied }));
    }
    let mut applied = 0;
    for start in starts {
        applied += start.await.unwrap();
    }
    assert_eq!(applied, 2);
}

#[tokio::test]
async fn the_gateways_schema_keeps_the_laws() {
    let directory = TempDir::new().unwrap();
    let pool = open(&directory).await;
    let _ = pool.migrate(&GATEWAY, Micros(1)).await.unwrap();
    assert_eq!(laws::broken_laws(&pool, &["tenants"]).await.unwrap(), Vec::<String>::new());
    assert_eq!(
        tables(&pool).await,
        ["account_roles", "accounts", "schema_migrations", "sessions", "tenant_hosts", "tenants"]
    );
}

#[tokio::test]
async fn each_broken_law_is_named() {
    const LAWLESS: MigrationSet = MigrationSet {
        name: "lawless",
        migrations: &[Migration {
            version: 1,
            name: "lawless",
            sqlite: "
CREATE TABLE loose (tenant_id BLOB NOT NULL, id BLOB NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE TABLE orphan (id BLOB NOT NULL PRIMARY KEY) STRICT;
CREATE TABLE optional (tenant_id BLOB, id BLOB NOT NULL PRIMARY KEY) STRICT;
CREATE TABLE reversed (tenant_id BLOB NOT NULL, id BLOB NOT NULL UNIQUE, made_at TEXT, PRIMARY KEY (id, tenant_id)) STRICT;
CREATE TABLE reaching (
    tenant_id BLOB NOT NULL,
    other BLOB NOT NULL REFERENCES reversed (id),
    PRIMARY KEY (tenant_id, other)
) STRICT;",
            postgres: "",
        }],
    };
    let directory = TempDir::new().unwrap();
    let pool = open(&directory).await;
    let _ = pool.migrate(&LAWLESS, Micros(1)).await.unwrap();
    assert_eq!(
        laws::broken_laws(&pool, &[]).await.unwrap(),
        [
            "`loose` is not STRICT",
            "`optional.tenant_id` may be NULL",
            "`orphan` has no `tenant_id`",
            "`reaching.other` refers to `reversed` without `tenant_id`",
            "`reversed.made_at` is a time and no INTEGER",
            "the primary key of `reversed` does not begin with `tenant_id`",
        ]
    );
}

/// Even code of ours that mixed tenants up could not give a session to another tenant's account.
#[tokio::test]
async fn no_session_crosses_tenants() {
    let directory = TempDir::new().unwrap();
    let pool = open(&directory).await;
    let _ = pool.migrate(&GATEWAY, Micros(1)).await.unwrap();
    let [acme, globex] = [1, 2].map(|n| TenantId(Uuid::from_u128(n)));
    let ada = Uuid::from_u128(10);
    let mut tx = pool.begin_system().await.unwrap();
    for (tenant, name) in [(acme, "acme"), (globex, "globex")] {
        let insert = tx.query("INSERT INTO tenants (id, name, created_at) VALUES ($1, $2, $3)");
        insert.bind(tenant.0).bind(name).bind(1).execute().await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut tx = pool.tenant(acme).begin().await.unwrap();
    tx.query("INSERT INTO accounts (tenant_id, id, email, version, created_at) VALUES ($1, $2, 'a@b', 1, 1)")
        .bind(ada)
        .execute()
        .await
        .unwrap();
    tx.commit().await.unwrap();

    const SESSION: &str = "
INSERT INTO sessions
    (tenant_id, id, account_id, token_hash, level, methods, authenticated_at, last_seen_at, expires_at)
VALUES ($1, $2, $2, $3, 1, 'pwd', 1, 1, 2)";
    for (tenant, accepted) in [(globex, false), (acme, true)] {
        let mut tx = pool.tenant(tenant).begin().await.unwrap();
        let inserted = tx.query(SESSION).bind(ada).bind([7_u8; 32].as_slice()).execute().await;
        assert_eq!(inserted.is_ok(), accepted, "{inserted:?}");
    }
}
