//! The database's operator: who is above row security, for what a test must see or break.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use super::databases::postgres_url;
use crate::query::{Query, Row};

/// A connection that no unit of work has: a superuser's on PostgreSQL, the file's owner's on SQLite.
pub struct Operator(Connection);

enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Operator {
    pub(crate) async fn sqlite(path: &std::path::Path) -> Self {
        let options = SqliteConnectOptions::new().filename(path);
        Self(Connection::Sqlite(SqliteConnection::connect_with(&options).await.unwrap()))
    }

    pub(crate) async fn postgres(url: &str) -> Self {
        Self(Connection::Postgres(PgConnection::connect_with(postgres_url(url).options()).await.unwrap()))
    }

    /// Runs any statements, without values.
    pub async fn run(&mut self, sql: &'static str) {
        match &mut self.0 {
            Connection::Sqlite(connection) => sqlx::raw_sql(sql).execute(connection).await.map(drop).unwrap(),
            Connection::Postgres(connection) => sqlx::raw_sql(sql).execute(connection).await.map(drop).unwrap(),
        }
    }

    /// The rows of a query.
    pub async fn rows<R: Row>(&mut self, sql: &'static str) -> Vec<R> {
        let mut failed = false;
        match &mut self.0 {
            Connection::Sqlite(connection) => Query::sqlite(connection, &mut failed, sql),
            Connection::Postgres(connection) => Query::postgres(connection, &mut failed, sql),
        }
        .fetch_all()
        .await
        .unwrap()
    }

    /// One number: a count.
    pub async fn number(&mut self, sql: &'static str) -> i64 {
        self.rows::<(i64,)>(sql).await.first().unwrap().0
    }

    /// The schema as the engine has it, a line for each thing: two databases with the same lines are the same.
    pub async fn catalogue(&mut self) -> Vec<String> {
        let sql = match self.0 {
            Connection::Sqlite(_) => SQLITE_CATALOGUE,
            Connection::Postgres(_) => POSTGRES_CATALOGUE,
        };
        self.rows::<(String,)>(sql).await.into_iter().map(|(line,)| line).collect()
    }
}

const SQLITE_CATALOGUE: &str = "
SELECT concat_ws(' ', type, name, sql)
FROM sqlite_schema
ORDER BY 1";

/// Columns, constraints, indexes, row security, policies, grants and triggers. Column numbers are left out: a column that a later
/// step added stands last in one database and elsewhere in none.
const POSTGRES_CATALOGUE: &str = "
SELECT concat_ws(' ', 'column', t.relname, c.attname, format_type(c.atttypid, c.atttypmod), c.attnotnull,
    c.attcollation, pg_get_expr(d.adbin, d.adrelid), c.attacl) AS line
FROM pg_catalog.pg_class AS t
JOIN pg_catalog.pg_attribute AS c ON c.attrelid = t.oid
LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = t.oid AND d.adnum = c.attnum
WHERE t.relnamespace = to_regnamespace('public')
  AND c.attnum > 0
  AND NOT c.attisdropped
UNION ALL
SELECT concat_ws(' ', 'table', t.relname, t.relkind, t.relrowsecurity, t.relforcerowsecurity,
    pg_get_userbyid(t.relowner), t.relacl, pg_get_indexdef(i.indexrelid))
FROM pg_catalog.pg_class AS t
LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = t.oid
WHERE t.relnamespace = to_regnamespace('public')
UNION ALL
SELECT concat_ws(' ', 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid))
FROM pg_catalog.pg_constraint
WHERE connamespace = to_regnamespace('public')
UNION ALL
SELECT concat_ws(' ', 'policy', polrelid::regclass, polname, polcmd, polpermissive, polroles::regrole[],
    pg_get_expr(polqual, polrelid), '|', pg_get_expr(polwithcheck, polrelid))
FROM pg_catalog.pg_policy
UNION ALL
SELECT concat_ws(' ', 'function', oid::regprocedure, prosecdef, prosrc)
FROM pg_catalog.pg_proc
WHERE pronamespace = to_regnamespace('public')
UNION ALL
SELECT concat_ws(' ', 'trigger', pg_get_triggerdef(oid))
FROM pg_catalog.pg_trigger
WHERE NOT tgisinternal
ORDER BY line";
