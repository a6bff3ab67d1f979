//! Why the store did not do what it was asked.

use sqlx::error::{DatabaseError, ErrorKind};
use sqlx::postgres::PgDatabaseError;

/// Why a query or a transaction failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store does not answer: no connection in time, a full disk, a broken file. A retry may help later.
    #[error("the store is not available")]
    Unavailable(#[source] sqlx::Error),
    /// Another writer held the store for too long. A retry may help at once.
    #[error("the store is busy with another write")]
    Busy(#[source] sqlx::Error),
    /// A row with this key exists already.
    #[error("a row with this key exists already")]
    Conflict(#[source] sqlx::Error),
    /// The schema refused the row: a missing parent, or a value that a `CHECK` does not allow.
    #[error("the schema does not allow this row")]
    Constraint(#[source] sqlx::Error),
    /// The text of a tenant's query does not use `$1`, the tenant.
    #[error("a tenant's query does not use `$1`: `{0}`")]
    Unscoped(&'static str),
    /// The text has another number of placeholders than values were bound.
    #[error("{bound} values are bound to the {placeholders} placeholders of `{sql}`")]
    Arity {
        /// The query.
        sql: &'static str,
        /// The highest `$N` in it.
        placeholders: usize,
        /// How many values it was given, the tenant included.
        bound: usize,
    },
    /// The text is none that a unit of work may run: one SELECT, INSERT, UPDATE, DELETE or EXPLAIN, perhaps behind a WITH,
    /// without a word that is known to change the role.
    #[error("a unit of work does not run `{0}`")]
    Forbidden(&'static str),
    /// A statement of this transaction failed before, and with it everything else.
    #[error("a statement of this transaction failed, so nothing of it was written")]
    Spoilt,
    /// A row holds what it never should. Somebody else wrote to the database, or we are broken.
    #[error("table `{table}`, column `{column}`, row `{id}`: an impossible value")]
    Impossible {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's id.
        id: String,
    },
    /// The statement is wrong, or a row does not have the shape that was asked for: we are broken.
    #[error("a statement failed")]
    Statement(#[source] sqlx::Error),
}

impl StoreError {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Busy(_) => true,
            Self::Conflict(_)
            | Self::Constraint(_)
            | Self::Unscoped(_)
            | Self::Arity { .. }
            | Self::Forbidden(_)
            | Self::Spoilt
            | Self::Impossible { .. }
            | Self::Statement(_) => false,
        }
    }

    /// Where no transaction began, nothing was asked yet: whatever it was, the store is not there for us.
    pub(crate) fn at_begin(error: sqlx::Error) -> Self {
        match Self::from_sqlx(error) {
            Self::Statement(error) => Self::Unavailable(error),
            other => other,
        }
    }

    pub(crate) fn from_sqlx(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => match cause(&**database) {
                Cause::Conflict => Self::Conflict(error),
                Cause::Constraint => Self::Constraint(error),
                Cause::Busy => Self::Busy(error),
                Cause::Unavailable => Self::Unavailable(error),
                Cause::Statement => Self::Statement(error),
            },
            sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_)
            | sqlx::Error::Io(_)
            | sqlx::Error::Tls(_) => Self::Unavailable(error),
            _ => Self::Statement(error),
        }
    }
}

/// What the database meant by its code.
enum Cause {
    Conflict,
    Constraint,
    Busy,
    Unavailable,
    Statement,
}

fn cause(error: &(dyn DatabaseError + 'static)) -> Cause {
    match error.kind() {
        ErrorKind::UniqueViolation | ErrorKind::ExclusionViolation => Cause::Conflict,
        ErrorKind::ForeignKeyViolation | ErrorKind::NotNullViolation | ErrorKind::CheckViolation => Cause::Constraint,
        _ => match error.try_downcast_ref::<PgDatabaseError>() {
            Some(postgres) => postgres_cause(postgres.code()),
            None => sqlite_cause(error.code().as_deref()),
        },
    }
}

/// The low octet of an extended result code tells the class (sqlite.org/rescode.html).
fn sqlite_cause(code: Option<&str>) -> Cause {
    match code.and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff) {
        // BUSY, LOCKED.
        Some(5 | 6) => Cause::Busy,
        // READONLY, IOERR, CORRUPT, FULL, CANTOPEN, NOTADB.
        Some(8 | 10 | 11 | 13 | 14 | 26) => Cause::Unavailable,
        // CONSTRAINT in its rarer forms: 1811 is a trigger's, and a foreign key's `ON DELETE RESTRICT`.
        Some(19) => Cause::Constraint,
        _ => Cause::Statement,
    }
}

/// SQLSTATE: two characters of class, three of detail (PostgreSQL, appendix A).
fn postgres_cause(state: &str) -> Cause {
    match state {
        // Serialisation failure, deadlock, a lock or a statement that took too long.
        "40001" | "40P01" | "55P03" | "57014" => Cause::Busy,
        _ => match state.get(..2) {
            // A value that its type does not hold, such as text with a NUL; a constraint in its rarer forms.
            Some("22" | "23") => Cause::Constraint,
            // Connection, authorisation of the connection, no such database, no more resources, shut down, broken.
            Some("08" | "28" | "3D" | "53" | "57" | "58" | "XX") => Cause::Unavailable,
            // Cut off while idle in a transaction.
            _ if state == "25P03" => Cause::Unavailable,
            _ => Cause::Statement,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_one_engine_are_not_read_as_the_others() {
        assert!(matches!(sqlite_cause(Some("1811")), Cause::Constraint));
        assert!(matches!(sqlite_cause(Some("517")), Cause::Busy));
        assert!(matches!(postgres_cause("08006"), Cause::Unavailable));
        assert!(matches!(postgres_cause("40001"), Cause::Busy));
        assert!(matches!(postgres_cause("57P01"), Cause::Unavailable));
        assert!(matches!(postgres_cause("22P02"), Cause::Constraint));
        assert!(matches!(postgres_cause("42501"), Cause::Statement));
        assert!(matches!(postgres_cause(""), Cause::Statement));
    }
}
