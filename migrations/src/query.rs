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
    engine: Engine<'t>,
}

enum Engine<'t> {
    Sqlite { connection: &'t mut SqliteConnection, query: sqlx::query::Query<'static, Sqlite, SqliteArguments> },
    Postgres { connection: &'t mut PgConnection, query: sqlx::query::Query<'static, Postgres, PgArguments> },
}

impl<'t> Query<'t> {
    pub(crate) fn sqlite(connection: &'t mut SqliteConnection, sql: &'static str) -> Self {
        Self { sql, bound: 0, refused: None, engine: Engine::Sqlite { connection, query: sqlx::query(sql) } }
    }

    pub(crate) fn postgres(connection: &'t mut PgConnection, sql: &'static str) -> Self {
        Self { sql, bound: 0, refused: None, engine: Engine::Postgres { connection, query: sqlx::query(sql) } }
    }

    pub(crate) fn refuse(mut self, error: StoreError) -> Self {
        self.refused = Some(error);
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
    /// [`StoreError`]; nothing was written unless the transaction commits.
    pub async fn execute(self) -> Result<u64, StoreError> {
        match self.checked()? {
            Engine::Sqlite { connection, query } => {
                query.execute(connection).await.map(|done| done.rows_affected()).map_err(StoreError::from_sqlx)
            }
            Engine::Postgres { connection, query } => {
                query.execute(connection).await.map(|done| done.rows_affected()).map_err(StoreError::from_sqlx)
            }
        }
    }

    /// Runs the query and reads its first row, if there is one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn fetch_optional<R: Row>(self) -> Result<Option<R>, StoreError> {
        match self.checked()? {
            Engine::Sqlite { connection, query } => {
                let row = query.fetch_optional(connection).await.map_err(StoreError::from_sqlx)?;
                row.map(|row| R::from_row(&row)).transpose().map_err(StoreError::Statement)
            }
            Engine::Postgres { connection, query } => {
                let row = query.fetch_optional(connection).await.map_err(StoreError::from_sqlx)?;
                row.map(|row| R::from_row(&row)).transpose().map_err(StoreError::Statement)
            }
        }
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
        match self.checked()? {
            Engine::Sqlite { connection, query } => {
                let rows = query.fetch_all(connection).await.map_err(StoreError::from_sqlx)?;
                rows.iter().map(R::from_row).collect::<Result<_, _>>().map_err(StoreError::Statement)
            }
            Engine::Postgres { connection, query } => {
                let rows = query.fetch_all(connection).await.map_err(StoreError::from_sqlx)?;
                rows.iter().map(R::from_row).collect::<Result<_, _>>().map_err(StoreError::Statement)
            }
        }
    }

    /// SQLite reads a placeholder without a value as NULL and ignores a value without a placeholder; PostgreSQL
    /// refuses both. So we refuse both everywhere.
    fn checked(self) -> Result<Engine<'t>, StoreError> {
        if let Some(refused) = self.refused {
            return Err(refused);
        }
        let placeholders = highest_placeholder(self.sql);
        if placeholders != self.bound {
            return Err(StoreError::Arity { sql: self.sql, placeholders, bound: self.bound });
        }
        Ok(self.engine)
    }
}

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
    fn placeholders_are_counted_by_number() {
        assert_eq!(highest_placeholder("SELECT 1"), 0);
        assert_eq!(highest_placeholder("VALUES ($1, $2, $10, $2)"), 10);
        assert!(uses_first_placeholder("WHERE a = $2 AND b = $1"));
        assert!(!uses_first_placeholder("WHERE a = $10 AND b = $2"));
    }
}
