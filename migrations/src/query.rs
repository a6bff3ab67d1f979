//! One SQL text, whatever the engine.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Encode, FromRow, PgConnection, Postgres, Sqlite, SqliteConnection, Type};

use crate::StoreError;

/// What can be bound to a placeholder: what every engine of ours can encode.
///
/// `Uuid`, `i64`, `i32`, `bool`, `&str`, `String`, `&[u8]`, `Vec<u8>` and `Option`s of them.
pub trait Value<'v>: Encode<'v, Sqlite> + Type<Sqlite> + Encode<'v, Postgres> + Type<Postgres> {}

impl<'v, T> Value<'v> for T where T: Encode<'v, Sqlite> + Type<Sqlite> + Encode<'v, Postgres> + Type<Postgres> {}

/// What a row can become: a struct that derives [`FromRow`], or a tuple.
pub trait Row: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> {}

impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> {}

/// A query on its way to the database: bind its values in order, then run it.
#[must_use = "a query does nothing until it is executed or fetched"]
pub struct Query<'t> {
    sql: &'static str,
    bound: usize,
    /// What made this query impossible before it was sent.
    refused: Option<StoreError>,
    /// The transaction's note that something failed.
    failed: &'t mut bool,
    engine: Engine<'t>,
}

enum Engine<'t> {
    Sqlite { connection: &'t mut SqliteConnection, query: sqlx::query::Query<'static, Sqlite, SqliteArguments> },
    Postgres { connection: &'t mut PgConnection, query: sqlx::query::Query<'static, Postgres, PgArguments> },
}

impl<'t> Query<'t> {
    pub(crate) fn sqlite(connection: &'t mut SqliteConnection, failed: &'t mut bool, sql: &'static str) -> Self {
        Self { sql, bound: 0, refused: None, failed, engine: Engine::Sqlite { connection, query: sqlx::query(sql) } }
    }

    pub(crate) fn postgres(connection: &'t mut PgConnection, failed: &'t mut bool, sql: &'static str) -> Self {
        Self { sql, bound: 0, refused: None, failed, engine: Engine::Postgres { connection, query: sqlx::query(sql) } }
    }

    /// The first reason stays.
    pub(crate) fn refuse(mut self, error: StoreError) -> Self {
        self.refused.get_or_insert(error);
        self
    }

    /// Binds the next placeholder.
    pub fn bind<'v, V: Value<'v>>(mut self, value: V) -> Self {
        self.bound += 1;
        self.engine = match self.engine {
            Engine::Sqlite { connection, query } => Engine::Sqlite { connection, query: query.bind(value) },
            Engine::Postgres { connection, query } => Engine::Postgres { connection, query: query.bind(value) },
        };
        self
    }

    /// Runs the query and says how many rows it moved.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was written unless the transaction commits, and after an error it cannot.
    pub async fn execute(self) -> Result<u64, StoreError> {
        let (engine, failed) = self.checked()?;
        let done = match engine {
            Engine::Sqlite { connection, query } => query.execute(connection).await.map(|done| done.rows_affected()),
            Engine::Postgres { connection, query } => query.execute(connection).await.map(|done| done.rows_affected()),
        };
        noted(done, failed)
    }

    /// Runs the query and reads its first row, if there is one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn fetch_optional<R: Row>(self) -> Result<Option<R>, StoreError> {
        let (engine, failed) = self.checked()?;
        let row = match engine {
            Engine::Sqlite { connection, query } => {
                let row = noted(query.fetch_optional(connection).await, failed)?;
                row.map(|row| R::from_row(&row)).transpose()
            }
            Engine::Postgres { connection, query } => {
                let row = noted(query.fetch_optional(connection).await, failed)?;
                row.map(|row| R::from_row(&row)).transpose()
            }
        };
        row.map_err(StoreError::Statement)
    }

    /// Runs the query and reads its one row: for `RETURNING` and aggregates, which always have one.
    ///
    /// # Errors
    /// [`StoreError`], and [`StoreError::Statement`] where there is no row.
    pub async fn fetch_one<R: Row>(self) -> Result<R, StoreError> {
        self.fetch_optional().await?.ok_or(StoreError::Statement(sqlx::Error::RowNotFound))
    }

    /// Runs the query and reads all its rows. The text bounds how many: `LIMIT`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn fetch_all<R: Row>(self) -> Result<Vec<R>, StoreError> {
        let (engine, failed) = self.checked()?;
        let rows: Result<Vec<R>, sqlx::Error> = match engine {
            Engine::Sqlite { connection, query } => {
                noted(query.fetch_all(connection).await, failed)?.iter().map(R::from_row).collect()
            }
            Engine::Postgres { connection, query } => {
                noted(query.fetch_all(connection).await, failed)?.iter().map(R::from_row).collect()
            }
        };
        rows.map_err(StoreError::Statement)
    }

    /// SQLite reads a placeholder without a value as NULL and ignores a value without a placeholder; PostgreSQL
    /// refuses both. So we refuse both everywhere.
    fn checked(self) -> Result<(Engine<'t>, &'t mut bool), StoreError> {
        let Self { sql, bound, refused, failed, engine } = self;
        let placeholders = highest_placeholder(sql);
        let arity = || StoreError::Arity { sql, placeholders, bound };
        match refused.or_else(|| (placeholders != bound).then(arity)) {
            None => Ok((engine, failed)),
            Some(refused) => {
                *failed = true;
                Err(refused)
            }
        }
    }
}

/// Translates an error, and notes that there was one.
fn noted<T>(result: Result<T, sqlx::Error>, failed: &mut bool) -> Result<T, StoreError> {
    result.map_err(|error| {
        *failed = true;
        StoreError::from_sqlx(error)
    })
}

/// Whether the text is one statement that reads or writes rows, and names none of the known ways out of its role.
///
/// On PostgreSQL a transaction could put its role off again (`RESET ROLE`, `set_config`), and with it row security. The
/// server parses one statement a message, so the first word tells what it is. [`ESCAPES`] is a list of words: it stops
/// mistakes and is no proof. A text that got past it could become the login, and from there any tenant.
pub(crate) fn is_plain(sql: &str) -> bool {
    let first = sql.trim_start().split(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap_or_default();
    let reads_or_writes =
        ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "EXPLAIN"].iter().any(|word| word.eq_ignore_ascii_case(first));
    let lower = sql.to_ascii_lowercase();
    reads_or_writes && !sql.contains(';') && !ESCAPES.iter().any(|escape| lower.contains(escape))
}

/// What sets a transaction's role or tenant; what runs a text that could; and what could spell any of their names.
const ESCAPES: [&str; 5] = ["set_config", "pg_settings", "query_to_xml", "cursor_to_xml", "u&\""];

/// The highest `N` of all `$N` in the text.
fn highest_placeholder(sql: &str) -> usize {
    sql.split('$').skip(1).filter_map(placeholder_number).max().unwrap_or(0)
}

/// Whether the text uses `$1`.
pub(crate) fn uses_first_placeholder(sql: &str) -> bool {
    sql.split('$').skip(1).filter_map(placeholder_number).any(|number| number == 1)
}

fn placeholder_number(after_dollar: &str) -> Option<usize> {
    let digits = after_dollar.bytes().take_while(u8::is_ascii_digit).count();
    after_dollar.get(..digits)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_of_work_reads_and_writes_rows_and_nothing_else() {
        for plain in ["SELECT 1", "\nwith a AS (SELECT 1) SELECT * FROM a", "INSERT INTO t (a) VALUES ($1)"] {
            assert!(is_plain(plain), "{plain}");
        }
        for other in [
            "",
            "RESET ROLE",
            "SET ROLE postgres",
            "SET LOCAL ROLE NONE",
            "BEGIN",
            "COMMIT",
            "DO $$ BEGIN END $$",
            "DROP TABLE t",
            "PRAGMA query_only = OFF",
            "-- a comment\nRESET ROLE",
            "SELECT 1; RESET ROLE",
            "SELECT set_config('role', 'none', true)",
            "SELECT pg_catalog.SET_CONFIG('cedargate.tenant_id', $1, true)",
            "UPDATE pg_settings SET setting = 'none' WHERE name = 'role'",
            "SELECT query_to_xml('SELECT set_' || 'config(1)', true, true, '')",
            "SELECT query_to_xml_and_xmlschema($1, true, true, '')",
            "SELECT CURSOR_TO_XML($1, 1, true, true, '')",
            r#"SELECT U&"s\0065t_config"('role', 'none', true)"#,
            r#"SELECT u&"s!0065t_config" UESCAPE '!' ('role', 'none', true)"#,
            "SELECTED",
        ] {
            assert!(!is_plain(other), "{other}");
        }
    }

    #[test]
    fn placeholders_are_counted_by_number() {
        assert_eq!(highest_placeholder("SELECT 1"), 0);
        assert_eq!(highest_placeholder("VALUES ($1, $2, $10, $2)"), 10);
        assert!(uses_first_placeholder("WHERE a = $2 AND b = $1"));
        assert!(!uses_first_placeholder("WHERE a = $10 AND b = $2"));
    }
}
