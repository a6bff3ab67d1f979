//! What the pool promises to every repository.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cedargate_migrations::testing::{TestStore, each_engine};
use cedargate_migrations::{Migration, MigrationSet, Pool, StoreError, StoreUrl};
use cedargate_model::{Micros, TenantId};
use tempfile::TempDir;
use uuid::Uuid;

const COUNTERS: MigrationSet = MigrationSet {
    name: "counters",
    migrations: &[Migration {
        version: 1,
        name: "counters",
        sqlite: "CREATE TABLE counters (
            tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
            name TEXT NOT NULL,
            value INTEGER NOT NULL CHECK (value >= 0),
            PRIMARY KEY (tenant_id, name)
        ) STRICT;",
        postgres: "CREATE TABLE counters (
            tenant_id uuid NOT NULL,
            name text COLLATE \"C\" NOT NULL,
            value bigint NOT NULL CHECK (value >= 0),
            PRIMARY KEY (tenant_id, name)
        );
        ALTER TABLE counters ENABLE ROW LEVEL SECURITY;
        ALTER TABLE counters FORCE ROW LEVEL SECURITY;
        CREATE POLICY tenant_rows ON counters TO cedargate_tenant
            USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
        GRANT SELECT, INSERT, UPDATE, DELETE ON counters TO cedargate_tenant;",
    }],
};

const INSERT: &str = "INSERT INTO counters (tenant_id, name, value) VALUES ($1, $2, $3)";
const VALUE: &str = "SELECT value FROM counters WHERE tenant_id = $1 AND name = $2";
const SET: &str = "UPDATE counters SET value = $3 WHERE tenant_id = $1 AND name = $2";

const ACME: TenantId = TenantId(Uuid::from_u128(1));
const GLOBEX: TenantId = TenantId(Uuid::from_u128(2));

async fn store(store: &TestStore) -> Pool {
    store.migrated(&[&COUNTERS]).await
}

async fn insert(pool: &Pool, tenant: TenantId, name: &str, value: i64) -> Result<(), StoreError> {
    let mut tx = pool.tenant(tenant).begin().await?;
    tx.query(INSERT).bind(name).bind(value).execute().await?;
    tx.commit().await
}

async fn value(pool: &Pool, tenant: TenantId, name: &str) -> Option<i64> {
    let mut tx = pool.tenant(tenant).read().await.unwrap();
    tx.query(VALUE).bind(name).fetch_optional::<(i64,)>().await.unwrap().map(|(value,)| value)
}

async fn increment(pool: &Pool) {
    let mut tx = pool.tenant(ACME).begin().await.unwrap();
    let (value,): (i64,) = tx.query(VALUE).bind("n").fetch_one().await.unwrap();
    let moved = tx.query(SET).bind("n").bind(value + 1).execute().await.unwrap();
    assert_eq!(moved, 1);
    tx.commit().await.unwrap();
}

#[each_engine]
async fn a_tenants_query_that_does_not_name_its_tenant_is_refused() {
    let place = TestStore::new().await;
    let pool = store(&place).await;
    let mut tx = pool.tenant(ACME).begin().await.unwrap();
    for sql in ["DELETE FROM counters", "DELETE FROM counters WHERE name = 'n'"] {
        let refused = tx.query(sql).execute().await.unwrap_err();
        assert!(matches!(refused, StoreError::Unscoped(_)), "{refused}");
    }
    let refused = tx.query("DELETE FROM counters WHERE name = $10").bind("n").execute().await.unwrap_err();
    assert!(matches!(refused, StoreError::Unscoped(_)), "{refused}");
}

#[each_engine]
async fn a_query_with_too_few_or_too_many_values_is_refused() {
    let place = TestStore::new().await;
    let pool = store(&place).await;
    let mut tx = pool.tenant(ACME).begin().await.unwrap();
    let few = tx.query(INSERT).bind("n").execute().await.unwrap_err();
    assert!(matches!(few, StoreError::Arity { placeholders: 3, bound: 2, .. }), "{few}");
    let many = tx.query(VALUE).bind("n").bind(1).fetch_optional::<(i64,)>().await.unwrap_err();
    assert!(matches!(many, StoreError::Arity { placeholders: 2, bound: 3, .. }), "{many}");
}

#[each_engine]
async fn a_tenant_sees_its_own_rows_only() {
    let place = TestStore::new().await;
    let pool = store(&place).await;
    insert(&pool, ACME, "n", 1).await.unwrap();
    insert(&pool, GLOBEX, "n", 2).await.unwrap();
    assert_eq!(value(&pool, ACME, "n").await, Some(1));
    assert_eq!(value(&pool, GLOBEX, "n").await, Some(2));
}

#[each_engine]
async fn errors_tell_what_the_schema_refused() {
    let place = TestStore::new().await;
    let pool = store(&place).await;
    insert(&pool, ACME, "n", 1).await.unwrap();
    let twice = insert(&pool, ACME, "n", 1).await.unwrap_err();
    assert!(matches!(twice, StoreError::Conflict(_)), "{twice}");
    let negative = insert(&pool, ACME, "m", -1).await.unwrap_err();
    assert!(matches!(negative, StoreError::Constraint(_)), "{negative}");
    assert!(!twice.is_retryable() && !negative.is_retryable());
    let mut tx = pool.read_system().await.unwrap();
    let wrong = tx.query("SELECT nothing FROM nowhere").execute().await.unwrap_err();
    assert!(matches!(wrong, StoreError::Statement(_)), "{wrong}");
}

#[each_engine]
async fn what_is_not_committed_is_not_there() {
    let place = TestStore::new().await;
    let pool = store(&place).await;
    let mut tx = pool.tenant(ACME).begin().await.unwrap();
    tx.query(INSERT).bind("n").bind(1).execute().await.unwrap();
    drop(tx);
    assert_eq!(value(&pool, ACME, "n").await, None);
}

/// PostgreSQL answers the COMMIT of a failed transaction by rolling back, and calls that a success.
#[each_engine]
async fn a_transaction_in_which_something_failed_writes_nothing() {
    let place = TestStore::new().await;
    let pool = store(&place).await;
    let mut tx = pool.tenant(ACME).begin().await.unwrap();
    tx.query(INSERT).bind("n").bind(1).execute().await.unwrap();
    tx.query(INSERT).bind("n").bind(2).execute().await.unwrap_err();
    assert!(matches!(tx.commit().await, Err(StoreError::Spoilt)));
    let mut tx = pool.tenant(ACME).begin().await.unwrap();
    tx.query(INSERT).bind("n").bind(1).execute().await.unwrap();
    tx.query("DELETE FROM counters").execute().await.unwrap_err();
    assert!(matches!(tx.commit().await, Err(StoreError::Spoilt)));
    assert_eq!(value(&pool, ACME, "n").await, None);
}

#[each_engine]
async fn a_unit_of_work_reads_and_writes_rows_and_nothing_else() {
    let place = TestStore::new().await;
    let pool = store(&place).await;
    let mut tx = pool.begin_system().await.unwrap();
    for sql in ["RESET ROLE", "DROP TABLE counters", "SELECT set_config('role', 'none', true)", "SELECT 1; SELECT 2"] {
        let refused = tx.query(sql).execute().await.unwrap_err();
        assert!(matches!(refused, StoreError::Forbidden(_)), "{refused}");
    }
}

#[each_engine]
async fn text_sorts_by_octets() {
    let place = TestStore::new().await;
    let pool = store(&place).await;
    let mut tx = pool.tenant(ACME).begin().await.unwrap();
    for name in ["b", "ä", "B", "a-b", "ab", "_"] {
        tx.query(INSERT).bind(name).bind(1).execute().await.unwrap();
    }
    let names: Vec<(String,)> =
        tx.query("SELECT name FROM counters WHERE tenant_id = $1 ORDER BY name").fetch_all().await.unwrap();
    assert_eq!(names.iter().map(|(name,)| name.as_str()).collect::<Vec<_>>(), ["B", "_", "a-b", "ab", "b", "ä"]);
}

#[each_engine]
async fn a_reading_transaction_cannot_write() {
    let place = TestStore::new().await;
    let pool = store(&place).await;
    let mut tx = pool.tenant(ACME).read().await.unwrap();
    tx.query(INSERT).bind("n").bind(1).execute().await.unwrap_err();
    drop(tx);
    assert_eq!(value(&pool, ACME, "n").await, None);
}

#[each_engine]
async fn a_reader_does_not_wait_for_a_writer() {
    let place = TestStore::new().await;
    let pool = store(&place).await;
    insert(&pool, ACME, "n", 1).await.unwrap();
    let mut writing = pool.tenant(ACME).begin().await.unwrap();
    writing.query(SET).bind("n").bind(2).execute().await.unwrap();
    assert_eq!(value(&pool, ACME, "n").await, Some(1));
    writing.commit().await.unwrap();
    assert_eq!(value(&pool, ACME, "n").await, Some(2));
}

/// More writers wait than there are connections. Each is asked once before anybody reads.
#[each_engine]
async fn writers_that_wait_for_their_turn_keep_nobody_else_waiting() {
    let place = TestStore::new().await;
    let pool = store(&place).await;
    insert(&pool, ACME, "n", 0).await.unwrap();
    insert(&pool, GLOBEX, "n", 7).await.unwrap();
    let held = pool.tenant(ACME).begin().await.unwrap();
    let waiting = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..40)
        .map(|_| {
            let (pool, waiting) = (pool.clone(), Arc::clone(&waiting));
            tokio::spawn(async move {
                waiting.fetch_add(1, Ordering::Relaxed);
                increment(&pool).await;
            })
        })
        .collect();
    while waiting.load(Ordering::Relaxed) < 40 {
        tokio::task::yield_now().await;
    }
    for (tenant, expected) in [(GLOBEX, 7), (ACME, 0)] {
        let read = tokio::time::timeout(Duration::from_secs(1), value(&pool, tenant, "n")).await;
        assert_eq!(read, Ok(Some(expected)));
    }
    held.commit().await.unwrap();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(value(&pool, ACME, "n").await, Some(40));
}

/// Two pools are two processes: only the file connects them.
#[each_engine(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_writers_lose_nothing_and_never_fail() {
    let place = TestStore::new().await;
    let pools = [store(&place).await, store(&place).await];
    insert(&pools[0], ACME, "n", 0).await.unwrap();
    let writers: Vec<_> = (0..60)
        .map(|turn| {
            let pool = pools[turn % 2].clone();
            tokio::spawn(async move { increment(&pool).await })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(value(&pools[0], ACME, "n").await, Some(60));
}

#[each_engine]
async fn what_was_committed_is_there_after_a_reopen() {
    let place = TestStore::new().await;
    let pool = store(&place).await;
    pool.ping().await.unwrap();
    insert(&pool, ACME, "n", 1).await.unwrap();
    pool.close().await;
    assert!(pool.ping().await.unwrap_err().is_retryable());
    assert_eq!(value(&store(&place).await, ACME, "n").await, Some(1));
}

#[tokio::test]
async fn the_files_are_their_owners_alone() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("store.db"), "").unwrap();
    std::fs::set_permissions(directory.path().join("store.db"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let url = StoreUrl::sqlite(directory.path().join("store.db"));
    let pool = Pool::open(&url).await.unwrap();
    let _ = pool.migrate(&COUNTERS, Micros(1)).await.unwrap();
    insert(&pool, ACME, "n", 1).await.unwrap();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["store.db", "store.db-shm", "store.db-wal"]);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_not_opened() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    std::fs::write(&path, "this is a letter to a friend, and no database at all").unwrap();
    let refused = Pool::open(&StoreUrl::sqlite(&path)).await.unwrap_err();
    assert!(refused.to_string().contains("store.db"), "{refused}");
    Pool::open(&StoreUrl::sqlite(directory.path().join("missing/store.db"))).await.unwrap_err();
}
