//! On PostgreSQL the database itself holds a unit of work to its tenant, whatever the text says.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use cedargate_migrations::testing::{Engine, Server, TestStore, on_postgres};
use cedargate_migrations::{
    GATEWAY, MigrateError, Migration, MigrationSet, OpenError, Pool, StoreError, StoreUrl, Unconfined,
};
use cedargate_model::{Micros, TenantId};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

const NOTES: MigrationSet = MigrationSet {
    name: "notes",
    migrations: &[Migration {
        version: 1,
        name: "notes",
        sqlite: "",
        postgres: r#"
CREATE TABLE notes (
    tenant_id uuid NOT NULL,
    id bigint NOT NULL,
    text text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
ALTER TABLE notes FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON notes TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO cedargate_tenant;
CREATE TABLE letters (tenant_id uuid NOT NULL, id bigint NOT NULL, PRIMARY KEY (tenant_id, id));
ALTER TABLE letters ENABLE ROW LEVEL SECURITY;
ALTER TABLE letters FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON letters TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
CREATE POLICY system_reads ON letters FOR SELECT TO cedargate_system USING (true);
GRANT SELECT, INSERT ON letters TO cedargate_tenant;
GRANT SELECT ON letters TO cedargate_system;"#,
    }],
};

const ACME: TenantId = TenantId(Uuid::from_u128(1));
const GLOBEX: TenantId = TenantId(Uuid::from_u128(2));

/// Names the tenant without filtering by it: what a mistake in a text looks like.
const READ_ALL: &str = "SELECT text FROM notes WHERE $1 IS NOT NULL ORDER BY text";
const READ_ONE: &str = "SELECT text FROM notes WHERE $1 IS NOT NULL AND tenant_id = $2";
const CHANGE_ALL: &str = "UPDATE notes SET text = 'changed' WHERE $1 IS NOT NULL";
const DELETE_ALL: &str = "DELETE FROM notes WHERE $1 IS NOT NULL";
const GIVE_AWAY: &str = "UPDATE notes SET tenant_id = $2 WHERE tenant_id = $1";
const FORGE: &str = "INSERT INTO notes (tenant_id, id, text) SELECT $2, 9, 'forged' WHERE $1 IS NOT NULL";
const WRITE: &str = "INSERT INTO notes (tenant_id, id, text) VALUES ($1, $2, $3)";

/// A note of each tenant.
async fn notes() -> (TestStore, Pool) {
    let store = TestStore::new().await;
    let pool = store.migrated(&[&NOTES]).await;
    for (tenant, text) in [(ACME, "acme's"), (GLOBEX, "globex's")] {
        let mut tx = pool.tenant(tenant).begin().await.unwrap();
        tx.query(WRITE).bind(1_i64).bind(text).execute().await.unwrap();
        tx.commit().await.unwrap();
    }
    (store, pool)
}

async fn all(pool: &Pool, tenant: TenantId) -> Vec<String> {
    let mut tx = pool.tenant(tenant).read().await.unwrap();
    let rows: Vec<(String,)> = tx.query(READ_ALL).fetch_all().await.unwrap();
    rows.into_iter().map(|(text,)| text).collect()
}

async fn refused_to_open(url: &StoreUrl) -> Unconfined {
    match Pool::open(url).await {
        Err(OpenError::Unconfined { source, .. }) => source,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_text_that_forgets_the_tenant_sees_one_tenant() {
    on_postgres(async {
        let (store, pool) = notes().await;
        assert_eq!(all(&pool, ACME).await, ["acme's"]);
        let mut tx = pool.tenant(ACME).begin().await.unwrap();
        assert_eq!(tx.query(READ_ONE).bind(GLOBEX.0).fetch_all::<(String,)>().await.unwrap(), []);
        assert_eq!(tx.query(CHANGE_ALL).execute().await.unwrap(), 1);
        assert_eq!(tx.query(DELETE_ALL).execute().await.unwrap(), 1);
        tx.commit().await.unwrap();
        for sql in [FORGE, GIVE_AWAY] {
            let mut tx = pool.tenant(GLOBEX).begin().await.unwrap();
            let refused = tx.query(sql).bind(ACME.0).execute().await.unwrap_err();
            assert!(matches!(refused, StoreError::Statement(_)), "{refused}");
            tx.commit().await.unwrap_err();
        }
        let texts = store.operator().await.rows::<(String,)>("SELECT text FROM notes").await;
        assert_eq!(texts, [("globex's".to_owned(),)]);
    })
    .await;
}

#[tokio::test]
async fn nothing_of_a_transaction_stays_on_its_connection() {
    on_postgres(async {
        let (_store, pool) = notes().await;
        for turn in 0..50 {
            let mut tx = pool.tenant(ACME).begin().await.unwrap();
            tx.query(CHANGE_ALL).execute().await.unwrap();
            if turn % 2 == 0 {
                tx.query("SELECT 1 / 0 WHERE $1 IS NOT NULL").execute().await.unwrap_err();
            }
            drop(tx);
            assert_eq!(all(&pool, GLOBEX).await, ["globex's"]);
            let mut tx = pool.read_system().await.unwrap();
            let (tenant,): (String,) =
                tx.query("SELECT current_setting('cedargate.tenant_id', true)").fetch_one().await.unwrap();
            assert_eq!(tenant, "");
        }
        assert_eq!(all(&pool, ACME).await, ["acme's"]);
    })
    .await;
}

#[tokio::test]
async fn the_system_reaches_only_what_a_migration_gave_it() {
    on_postgres(async {
        let (_store, pool) = notes().await;
        let mut tx = pool.read_system().await.unwrap();
        tx.query("SELECT id FROM letters").execute().await.unwrap();
        let refused = tx.query("SELECT id FROM notes").execute().await.unwrap_err();
        assert!(matches!(refused, StoreError::Statement(_)), "{refused}");
        let mut tx = pool.begin_system().await.unwrap();
        tx.query("INSERT INTO letters (tenant_id, id) VALUES ($1, 1)").bind(ACME.0).execute().await.unwrap_err();
    })
    .await;
}

#[tokio::test]
async fn a_unit_of_work_runs_as_nobody_in_particular() {
    on_postgres(async {
        let (_store, pool) = notes().await;
        const WHO: &str = "
SELECT CAST(current_user AS text), current_setting('statement_timeout'), current_setting('lock_timeout'),
    current_setting('idle_in_transaction_session_timeout'), current_setting('search_path')
WHERE $1 IS NOT NULL";
        let mut tx = pool.tenant(ACME).begin().await.unwrap();
        let who: (String, String, String, String, String) = tx.query(WHO).fetch_one().await.unwrap();
        let expected = ["cedargate_tenant", "10s", "5s", "30s", "public, pg_temp"].map(str::to_owned);
        assert_eq!([who.0, who.1, who.2, who.3, who.4], expected);
        drop(tx);
        for sql in [
            "SELECT rolpassword FROM pg_authid WHERE $1 IS NOT NULL",
            "SELECT pg_read_file('/etc/passwd') WHERE $1 IS NOT NULL",
            "SELECT lo_import('/etc/passwd') WHERE $1 IS NOT NULL",
            "SELECT set_name FROM schema_migrations WHERE $1 IS NOT NULL",
            "SELECT * INTO TEMPORARY stolen FROM notes WHERE $1 IS NOT NULL",
            "SELECT * INTO stolen FROM notes WHERE $1 IS NOT NULL",
        ] {
            let mut tx = pool.tenant(ACME).begin().await.unwrap();
            let refused = tx.query(sql).execute().await.unwrap_err();
            assert!(format!("{:?}", refused).contains("42501"), "{sql}: {refused:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_commit_waits_for_the_disk_whatever_the_roles_default() {
    on_postgres(async {
        const OFF: &str = "DO $$ BEGIN
            EXECUTE format('ALTER ROLE cedargate IN DATABASE %I SET synchronous_commit = off', current_database());
        END $$";
        const APPLIED: &str = "DO $$ BEGIN
            EXECUTE format('ALTER ROLE cedargate IN DATABASE %I SET synchronous_commit = remote_apply', current_database());
        END $$";
        let store = TestStore::new().await;
        for (default, expected) in [(OFF, "on"), (APPLIED, "remote_apply")] {
            store.operator().await.run(default).await;
            let pool = store.open().await;
            let mut tx = pool.begin_system().await.unwrap();
            let (found,): (String,) =
                tx.query("SELECT current_setting('synchronous_commit')").fetch_one().await.unwrap();
            assert_eq!(found, expected);
        }
    })
    .await;
}

/// Were a transaction to put its role off, it would be the login: the tables' owner, whom FORCE holds to policies too,
/// and there are none for it.
#[tokio::test]
async fn the_login_by_itself_sees_no_row() {
    on_postgres(async {
        let (store, _pool) = notes().await;
        let mut connection = PgConnection::connect(&store.url_text()).await.unwrap();
        let (count,): (i64,) = sqlx::query_as("SELECT count(*) FROM notes").fetch_one(&mut connection).await.unwrap();
        assert_eq!(count, 0);
        sqlx::query("INSERT INTO notes VALUES ($1, 3, 'x')").bind(ACME.0).execute(&mut connection).await.unwrap_err();
    })
    .await;
}

#[tokio::test]
async fn a_login_above_row_security_is_refused() {
    on_postgres(async {
        let store = TestStore::new().await;
        let mut operator = store.operator().await;
        operator
            .run(
                "DO $$ BEGIN
                    CREATE ROLE above_rows LOGIN BYPASSRLS;
                    CREATE ROLE maker LOGIN CREATEROLE;
                    CREATE ROLE climber LOGIN NOINHERIT;
                    CREATE ROLE stranger LOGIN;
                END $$;
                GRANT above_rows TO climber;
                GRANT cedargate_tenant, cedargate_system TO above_rows, maker, climber;
                GRANT CONNECT ON DATABASE cedargate TO above_rows, maker, climber, stranger;",
            )
            .await;
        grant_connect(&store, "above_rows, maker, climber, stranger").await;
        for role in ["postgres", "above_rows", "maker", "climber"] {
            let refused = refused_to_open(&store.url_as(role).unwrap()).await;
            assert_eq!(refused, Unconfined::Login(role.to_owned()));
        }
        assert_eq!(refused_to_open(&store.url_as("stranger").unwrap()).await, Unconfined::Role("cedargate_tenant"));
    })
    .await;
}

async fn grant_connect(store: &TestStore, roles: &str) {
    let mut connection = PgConnection::connect(&store.url_text()).await.unwrap();
    let (name,): (String,) =
        sqlx::query_as("SELECT CAST(current_database() AS text)").fetch_one(&mut connection).await.unwrap();
    let grant = format!("GRANT CONNECT ON DATABASE {name} TO {roles}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(grant)).execute(&mut connection).await.unwrap();
}

#[tokio::test]
async fn a_database_that_everybody_may_connect_to_is_refused() {
    on_postgres(async {
        let store = TestStore::new().await;
        store.open().await;
        grant_connect(&store, "PUBLIC").await;
        assert_eq!(refused_to_open(store.url()).await, Unconfined::Public);
    })
    .await;
}

#[tokio::test]
async fn a_table_that_does_not_keep_tenants_apart_is_refused() {
    on_postgres(async {
        for (table, harm) in [
            ("notes", "ALTER TABLE notes DISABLE ROW LEVEL SECURITY"),
            ("notes", "ALTER TABLE notes NO FORCE ROW LEVEL SECURITY"),
            ("notes", "CREATE POLICY loose ON notes TO cedargate_tenant USING (true)"),
            ("notes", "CREATE POLICY loose ON notes USING (id > 0)"),
            (
                "notes",
                "CREATE POLICY loose ON notes FOR UPDATE TO cedargate_tenant
                 USING (CAST(tenant_id AS text) = current_setting('cedargate.tenant_id')) WITH CHECK (true)",
            ),
            (
                "notes",
                "CREATE POLICY loose ON notes FOR SELECT TO cedargate_tenant
                 USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid) OR true)",
            ),
            (
                "notes",
                "CREATE POLICY loose ON notes
                 USING (text = 'public' OR tenant_id = CAST(current_setting('cedargate.tenant_id', true) AS uuid))",
            ),
            (
                "notes",
                "CREATE POLICY loose ON notes FOR INSERT TO cedargate_tenant
                 WITH CHECK (current_setting('cedargate.tenant_id', true) IS NOT NULL)",
            ),
            ("notes", "GRANT TRUNCATE ON notes TO cedargate_tenant"),
            ("notes", "GRANT TRIGGER ON notes TO cedargate_system"),
            (
                "everything",
                "CREATE VIEW everything AS SELECT * FROM notes; GRANT SELECT ON everything TO cedargate_tenant",
            ),
            ("lists", "CREATE TABLE lists (id bigint); GRANT SELECT (id) ON lists TO cedargate_tenant"),
            ("lists", "CREATE TABLE lists (tenant_id uuid)"),
        ] {
            let store = TestStore::new().await;
            store.migrated(&[&NOTES]).await.close().await;
            store.operator().await.run(harm).await;
            let refused = refused_to_open(store.url()).await;
            assert!(matches!(&refused, Unconfined::Table(name, _) if name == table), "{harm}: {refused:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_migration_that_forgets_row_security_is_undone() {
    const FORGETFUL: MigrationSet = MigrationSet {
        name: "forgetful",
        migrations: &[Migration {
            version: 1,
            name: "plain",
            sqlite: "",
            postgres: "CREATE TABLE plain (tenant_id uuid NOT NULL, id uuid NOT NULL, PRIMARY KEY (tenant_id, id));",
        }],
    };
    on_postgres(async {
        let store = TestStore::new().await;
        let pool = store.open().await;
        let refused = pool.migrate(&FORGETFUL, Micros(1)).await.unwrap_err();
        assert!(matches!(refused, MigrateError::Unconfined { .. }), "{refused}");
        assert_eq!(pool.migrated(&FORGETFUL).await.unwrap().pending, 1);
        assert_eq!(store.operator().await.catalogue().await, Vec::<String>::new());
    })
    .await;
}

/// One login for the schema, another to serve with: what was migrated by the first, the second may use and not change.
#[tokio::test]
async fn a_login_that_owns_nothing_can_serve() {
    on_postgres(async {
        let store = TestStore::new().await;
        store
            .operator()
            .await
            .run("CREATE ROLE server LOGIN NOINHERIT IN ROLE cedargate_tenant, cedargate_system")
            .await;
        grant_connect(&store, "server").await;
        let url = store.url_as("server").unwrap();
        let early = Pool::open(&url).await.unwrap();
        let refused = early.migrate(&NOTES, Micros(1)).await.unwrap_err();
        assert!(matches!(refused, MigrateError::Store { .. }), "{refused}");
        store.migrated(&[&NOTES]).await.close().await;
        assert_eq!(early.migrate(&NOTES, Micros(2)).await.unwrap().applied, 0);
        let mut tx = early.tenant(ACME).begin().await.unwrap();
        tx.query(WRITE).bind(1_i64).bind("x").execute().await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(all(&early, ACME).await, ["x"]);
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_breaks_in_a_transaction_is_replaced() {
    on_postgres(async {
        let (store, pool) = notes().await;
        let mut tx = pool.tenant(ACME).begin().await.unwrap();
        tx.query(CHANGE_ALL).execute().await.unwrap();
        let mut operator = store.operator().await;
        let ended: Vec<(bool,)> = operator
            .rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'cedargate' AND datname = current_database()")
            .await;
        assert!(!ended.is_empty());
        let broken = tx.query(READ_ALL).execute().await.unwrap_err();
        assert!(matches!(broken, StoreError::Unavailable(_)), "{broken:?}");
        tx.commit().await.unwrap_err();
        assert_eq!(all(&pool, ACME).await, ["acme's"]);
    })
    .await;
}

#[tokio::test]
async fn a_cluster_that_is_not_set_up_is_refused_and_a_stopped_one_is_found_again() {
    on_postgres(async {
        let server = Server::start().unwrap();
        server.psql(&[], "CREATE ROLE cedargate LOGIN; CREATE DATABASE bare OWNER cedargate;").unwrap();
        let url = StoreUrl::parse(&server.url("bare")).unwrap();
        assert_eq!(refused_to_open(&url).await, Unconfined::Role("cedargate_tenant"));
        // Several databases in one cluster, and once more over what is there.
        for database in ["bare", "inventory", "bare"] {
            server.set_up(database).unwrap();
        }
        let pool = Pool::open(&url).await.unwrap();
        assert_eq!(pool.migrate(&GATEWAY, Micros(1)).await.unwrap().applied, GATEWAY.migrations.len());
        server.psql(&[], "ALTER ROLE cedargate_tenant LOGIN").unwrap();
        assert_eq!(refused_to_open(&url).await, Unconfined::Privileged("cedargate_tenant"));

        server.stop().unwrap();
        let away = pool.ping().await.unwrap_err();
        assert!(matches!(away, StoreError::Unavailable(_)), "{away:?}");
        server.resume().unwrap();
        pool.ping().await.unwrap();
        // A role that was raised meanwhile is seen by the next connection.
        server.stop().unwrap();
        server.resume().unwrap();
        server.psql(&[], "ALTER ROLE cedargate SUPERUSER").unwrap();
        let raised = pool.ping().await.unwrap_err();
        assert!(matches!(raised, StoreError::Unavailable(_)), "{raised:?}");
    })
    .await;
}

#[tokio::test]
async fn the_cluster_ends_with_the_process_that_made_it() {
    on_postgres(async {
        let server = Server::start().unwrap();
        let url = server.url_as("postgres", "postgres");
        let mut connection = PgConnection::connect(&url).await.unwrap();
        let (directory,): (String,) = sqlx::query_as("SHOW data_directory").fetch_one(&mut connection).await.unwrap();
        assert!(std::path::Path::new(&directory).exists());
        drop(server);
        assert!(!std::path::Path::new(&directory).exists());
        PgConnection::connect(&url).await.unwrap_err();
        assert_eq!(Engine::current(), Engine::Postgres);
    })
    .await;
}
