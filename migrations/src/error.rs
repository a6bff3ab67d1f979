//! Why the store did not do what it was asked.

use sqlx::error::ErrorKind;

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
            | Self::Impossible { .. }
            | Self::Statement(_) => false,
        }
    }

    pub(crate) fn from_sqlx(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => match database.kind() {
                ErrorKind::UniqueViolation => Self::Conflict(error),
                ErrorKind::ForeignKeyViolation | ErrorKind::NotNullViolation | ErrorKind::CheckViolation => {
                    Self::Constraint(error)
                }
                _ => match sqlite_primary_code(database.code().as_deref()) {
                    // SQLITE_BUSY, SQLITE_LOCKED.
                    Some(5 | 6) => Self::Busy(error),
                    // READONLY, IOERR, CORRUPT, FULL, CANTOPEN, NOTADB.
                    Some(8 | 10 | 11 | 13 | 14 | 26) => Self::Unavailable(error),
                    _ => Self::Statement(error),
                },
            },
            sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Io(_)
            | sqlx::Error::Tls(_) => Self::Unavailable(error),
            _ => Self::Statement(error),
        }
    }
}

/// The low octet of an extended result code tells the class (sqlite.org/rescode.html).
fn sqlite_primary_code(code: Option<&str>) -> Option<u32> {
    code?.parse::<u32>().ok().map(|code| code & 0xff)
}
