//! Where a store is.

use std::path::{Path, PathBuf};

/// Which store to open. Its text form is what configuration files say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// An embedded SQLite file: `sqlite:var/gateway.db`.
    Sqlite {
        /// The database file. It is created where it is missing, its directory is not.
        path: PathBuf,
    },
}

/// Why a text names no store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreUrlError {
    /// Not an engine of ours. The text is not repeated: a PostgreSQL URL may carry a password.
    #[error("the store is none we know: write `sqlite:PATH`")]
    Engine,
    /// `sqlite:` and nothing behind it.
    #[error("the store names no file: write `sqlite:PATH`")]
    Path,
    /// A database that ends with its process would lose what was accepted.
    #[error("the store must be a file: `:memory:` would lose everything at the end")]
    Memory,
}

impl StoreUrl {
    /// Parses `sqlite:PATH`. The path is taken as it stands: there are no options behind a `?`.
    ///
    /// # Errors
    /// One [`StoreUrlError`] by what is wrong.
    pub fn parse(text: &str) -> Result<Self, StoreUrlError> {
        let path = text.trim().strip_prefix("sqlite:").ok_or(StoreUrlError::Engine)?;
        match path {
            "" => Err(StoreUrlError::Path),
            ":memory:" => Err(StoreUrlError::Memory),
            path => Ok(Self::Sqlite { path: PathBuf::from(path) }),
        }
    }

    /// The store in a SQLite file.
    pub fn sqlite(path: impl AsRef<Path>) -> Self {
        Self::Sqlite { path: path.as_ref().to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_is_a_store() {
        assert_eq!(StoreUrl::parse("sqlite:var/a.db"), Ok(StoreUrl::sqlite("var/a.db")));
        assert_eq!(StoreUrl::parse("sqlite:/a?b"), Ok(StoreUrl::sqlite("/a?b")));
        for (text, why) in [
            ("", StoreUrlError::Engine),
            ("var/a.db", StoreUrlError::Engine),
            ("postgres://u:secret@h/d", StoreUrlError::Engine),
            ("sqlite:", StoreUrlError::Path),
            ("sqlite::memory:", StoreUrlError::Memory),
        ] {
            assert_eq!(StoreUrl::parse(text), Err(why), "{text}");
        }
        assert!(!StoreUrl::parse("postgres://u:secret@h/d").unwrap_err().to_string().contains("secret"));
    }
}
