//! How a schema comes to be, and the laws that it keeps.

use cedargate_migrations::testing::{Engine, TestStore, each_engine, up_to};
use cedargate_migrations::{GATEWAY, MigrateError, Migration, MigrationSet, laws};
use cedargate_model::{Micros, TenantId};
use uuid::Uuid;

/// What makes a table of tenants on PostgreSQL, as every migration has it.
macro_rules! protected {
    ($table:literal) => {
        concat!(
            "ALTER TABLE ",
            $table,
            " ENABLE ROW LEVEL SECURITY; ALTER TABLE ",
            $table,
            " FORCE ROW LEVEL SECURITY; ",
            "CREATE POLICY tenant_rows ON ",
            $table,
            " TO cedargate_tenant USING ",
            "(tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid)); ",
        )
    };
}

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
/// The first one's number is taken, and it is not there yet.
const RESERVED: MigrationSet = MigrationSet { name: "test", migrations: &[SECOND] };
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

async fn tables(store: &TestStore) -> Vec<String> {
    let sql = match Engine::current() {
        Engine::Sqlite => "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name",
        Engine::Postgres => "SELECT CAST(tablename AS text) FROM pg_tables WHERE schemaname = 'public' ORDER BY 1",
    };
    store.operator().await.rows::<(String,)>(sql).await.into_iter().map(|(name,)| name).collect()
}

#[each_engine]
async fn missing_steps_are_applied_once() {
    let store = TestStore::new().await;
    let pool = store.open().await;
    assert_eq!(pool.migrated(&NEW).await.unwrap().pending, 2);
    assert_eq!(pool.migrate(&OLD, Micros(1)).await.unwrap().applied, 1);
    let state = pool.migrated(&NEW).await.unwrap();
    assert!(!state.is_current() && state.pending == 1);
    assert_eq!(pool.migrate(&NEW, Micros(2)).await.unwrap().applied, 1);
    assert_eq!(pool.migrate(&NEW, Micros(3)).await.unwrap().applied, 0);
    assert!(pool.migrated(&NEW).await.unwrap().is_current());
}

#[each_engine]
async fn an_older_binary_runs_beside_a_newer_schema() {
    let store = TestStore::new().await;
    let pool = store.open().await;
    let _ = pool.migrate(&NEW, Micros(1)).await.unwrap();
    let state = pool.migrate(&OLD, Micros(2)).await.unwrap();
    assert!(state.is_current());
    assert_eq!((state.applied, state.newer), (0, 1));
}

#[each_engine]
async fn an_edited_step_stops_the_start() {
    let store = TestStore::new().await;
    let pool = store.open().await;
    let _ = pool.migrate(&OLD, Micros(1)).await.unwrap();
    for refused in [pool.migrate(&EDITED, Micros(2)).await, pool.migrated(&EDITED).await] {
        assert!(matches!(refused, Err(MigrateError::Changed { set: "test", version: 1 })));
    }
}

#[each_engine]
async fn a_step_that_fails_leaves_nothing_behind() {
    let store = TestStore::new().await;
    let pool = store.open().await;
    let refused = pool.migrate(&BROKEN, Micros(1)).await.unwrap_err();
    assert!(matches!(refused, MigrateError::Step { version: 2, .. }), "{refused}");
    assert_eq!(tables(&store).await, Vec::<String>::new());
    assert_eq!(pool.migrate(&NEW, Micros(2)).await.unwrap().applied, 2);
}

#[each_engine]
async fn versions_without_order_are_refused() {
    let store = TestStore::new().await;
    let pool = store.open().await;
    let refused = pool.migrate(&OUT_OF_ORDER, Micros(1)).await.unwrap_err();
    assert!(matches!(refused, MigrateError::Order { version: 1, .. }), "{refused}");
}

#[each_engine]
async fn a_step_that_comes_late_is_applied_in_its_place() {
    let store = TestStore::new().await;
    let pool = store.open().await;
    assert_eq!(pool.migrate(&RESERVED, Micros(1)).await.unwrap().applied, 1);
    assert_eq!(pool.migrated(&NEW).await.unwrap().pending, 1);
    assert_eq!(pool.migrate(&NEW, Micros(2)).await.unwrap().applied, 1);
    assert!(pool.migrated(&NEW).await.unwrap().is_current());
    assert_eq!(pool.migrate(&OLD, Micros(3)).await.unwrap().newer, 1);
}

#[each_engine(flavor = "multi_thread", worker_threads = 4)]
async fn processes_that_start_at_once_migrate_once() {
    let store = TestStore::new().await;
    let mut starts = Vec::new();
    for _ in 0..4 {
        let pool = store.open().await;
        starts.push(tokio::spawn(async move { pool.migrate(&NEW, Micros(1)).await.unwrap().applied }));
    }
    let mut applied = 0;
    for start in starts {
        applied += start.await.unwrap();
    }
    assert_eq!(applied, 2);
}

#[each_engine]
async fn the_gateways_schema_keeps_the_laws() {
    let store = TestStore::new().await;
    let pool = store.open().await;
    let _ = pool.migrate(&GATEWAY, Micros(1)).await.unwrap();
    assert_eq!(laws::broken_laws(&pool, &["tenants"]).await.unwrap(), Vec::<String>::new());
    assert_eq!(
        tables(&store).await,
        [
            "account_links",
            "account_roles",
            "accounts",
            "api_keys",
            "consents",
            "federated_sessions",
            "identities",
            "invitations",
            "kept_posts",
            "logout_tokens",
            "notices",
            "operator_events",
            "policy_change_steps",
            "policy_changes",
            "policy_live",
            "policy_sets",
            "promised_roles",
            "proof_guesses",
            "provider_endings",
            "recovery_codes",
            "registrations",
            "revoked_tokens",
            "saml_logouts",
            "saml_messages",
            "schema_migrations",
            "scim_groups",
            "scim_issuers",
            "scim_members",
            "scim_tokens",
            "scim_users",
            "service_account_certificates",
            "service_account_roles",
            "service_accounts",
            "session_changes",
            "session_devices",
            "session_generations",
            "sessions",
            "signin_places",
            "spent_assertions",
            "spent_attempts",
            "tenant_hosts",
            "tenants",
            "token_grants",
            "totp_enrolments",
            "totp_factors",
            "webauthn_ceremonies",
            "webauthn_credentials",
            "webauthn_users"
        ]
    );
}

#[each_engine]
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
            postgres: concat!(
                "
CREATE TABLE loose (tenant_id uuid NOT NULL, id uuid NOT NULL, PRIMARY KEY (tenant_id, id));
ALTER TABLE loose ENABLE ROW LEVEL SECURITY;
ALTER TABLE loose FORCE ROW LEVEL SECURITY;
CREATE TABLE orphan (id uuid NOT NULL PRIMARY KEY, name text);
CREATE TABLE optional (tenant_id uuid, id uuid NOT NULL PRIMARY KEY);
CREATE TABLE reversed (tenant_id uuid NOT NULL, id uuid NOT NULL UNIQUE, made_at timestamptz, PRIMARY KEY (id, tenant_id));
CREATE TABLE reaching (
    tenant_id uuid NOT NULL,
    other uuid NOT NULL REFERENCES reversed (id),
    PRIMARY KEY (tenant_id, other)
);",
                protected!("optional"),
                protected!("reversed"),
                protected!("reaching"),
            ),
        }],
    };
    let store = TestStore::new().await;
    let pool = store.open().await;
    let _ = pool.migrate(&LAWLESS, Micros(1)).await.unwrap();
    let broken = laws::broken_laws(&pool, &[]).await.unwrap();
    let expected: &[&str] = match Engine::current() {
        Engine::Sqlite => &[
            "`loose` is not STRICT",
            "`optional.tenant_id` may be NULL",
            "`orphan` has no `tenant_id`",
            "`reaching.other` refers to `reversed` without `tenant_id`",
            "`reversed.made_at` is a time and no INTEGER",
            "the primary key of `reversed` does not begin with `tenant_id`",
        ],
        Engine::Postgres => &[
            "`loose` does not force row security by tenant",
            "`optional.tenant_id` may be NULL",
            "`orphan` does not force row security by tenant",
            "`orphan.name` does not sort by octets",
            "`orphan` has no `tenant_id`",
            "`reaching.other` refers to `reversed` without `tenant_id`",
            "`reversed.made_at` is a time and no bigint",
            "the primary key of `reversed` does not begin with `tenant_id`",
        ],
    };
    assert_eq!(broken, expected);
}

/// Rows in every table of the first three versions: a database that was in use.
const ROWS: [&str; 3] = [
    "INSERT INTO tenants (id, name, created_at) VALUES ($1, 'acme', 1)",
    "INSERT INTO accounts (tenant_id, id, email, version, created_at) VALUES ($1, $1, 'a@b', 1, 1)",
    "INSERT INTO sessions
        (tenant_id, id, account_id, token_hash, level, methods, authenticated_at, last_seen_at, expires_at)
    VALUES ($1, $1, $1, $2, 1, 'pwd', 1, 1, 2)",
];

#[each_engine]
async fn a_database_of_any_age_becomes_what_a_fresh_one_is() {
    let fresh = TestStore::new().await;
    fresh.migrated(&[&GATEWAY]).await.close().await;
    let fresh = fresh.operator().await.catalogue().await;
    assert!(fresh.len() > 8, "{fresh:?}");
    let acme = TenantId(Uuid::from_u128(1));
    for version in 1..GATEWAY.migrations.len() {
        let store = TestStore::new().await;
        let pool = store.migrated(&[&up_to(&GATEWAY, version)]).await;
        let mut tx = pool.begin_system().await.unwrap();
        tx.query(ROWS[0]).bind(acme.0).execute().await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = pool.tenant(acme).begin().await.unwrap();
        for (sql, at) in ROWS.into_iter().zip(1..).skip(1).take_while(|(_, at)| *at <= version) {
            let query = tx.query(sql);
            let query = if at == 3 { query.bind([7_u8; 32].as_slice()) } else { query };
            query.execute().await.unwrap();
        }
        tx.commit().await.unwrap();
        assert_eq!(pool.migrate(&GATEWAY, Micros(2)).await.unwrap().applied, GATEWAY.migrations.len() - version);
        let mut operator = store.operator().await;
        assert_eq!(operator.catalogue().await, fresh, "from version {version}");
        assert_eq!(operator.number("SELECT count(*) FROM tenants").await, 1);
    }
}

/// Even code of ours that mixed tenants up could not give a session to another tenant's account.
#[each_engine]
async fn no_session_crosses_tenants() {
    let store = TestStore::new().await;
    let pool = store.open().await;
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
