//! Where a store is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

/// Which store to open. Its text form is what configuration files say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// An embedded SQLite file: `sqlite:var/gateway.db`.
    Sqlite {
        /// The database file. It is created where it is missing, its directory is not.
        path: PathBuf,
    },
    /// A PostgreSQL database: `postgres://user:password@host/database`.
    Postgres(PostgresUrl),
}

/// Why a text names no store. The text is not repeated: it may carry a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreUrlError {
    /// Not an engine of ours.
    #[error("the store is none we know: write `sqlite:PATH` or `postgres://USER@HOST/DATABASE`")]
    Engine,
    /// `sqlite:` and nothing behind it.
    #[error("the store names no file: write `sqlite:PATH`")]
    Path,
    /// A database that ends with its process would lose what was accepted.
    #[error("the store must be a file: `:memory:` would lose everything at the end")]
    Memory,
    /// Not a URL of PostgreSQL's form.
    #[error("the store's URL is not well formed: write `postgres://USER:PASSWORD@HOST:PORT/DATABASE`")]
    Malformed,
    /// A part that would otherwise be guessed from the process's user or environment.
    #[error("the store's URL names no {0}: write `postgres://USER:PASSWORD@HOST:PORT/DATABASE`")]
    Incomplete(&'static str),
    /// An option that is none of ours.
    #[error(
        "the store's URL has an option we do not know: use `host`, `sslmode`, `sslrootcert`, `sslcert` and `sslkey`"
    )]
    Option,
    /// A mode that falls back to plain text without a word.
    #[error(
        "the store's URL has an `sslmode` we do not accept: use `verify-full`, `verify-ca`, `require` or `disable`"
    )]
    SslMode,
}

impl StoreUrl {
    /// Parses `sqlite:PATH` or `postgres://…`. A path is taken as it stands: there are no options behind a `?`.
    ///
    /// # Errors
    /// One [`StoreUrlError`] by what is wrong.
    pub fn parse(text: &str) -> Result<Self, StoreUrlError> {
        let text = text.trim();
        if let Some(path) = text.strip_prefix("sqlite:") {
            return match path {
                "" => Err(StoreUrlError::Path),
                ":memory:" => Err(StoreUrlError::Memory),
                path => Ok(Self::Sqlite { path: PathBuf::from(path) }),
            };
        }
        if text.starts_with("postgres:") || text.starts_with("postgresql:") {
            return PostgresUrl::parse(text).map(Self::Postgres);
        }
        Err(StoreUrlError::Engine)
    }

    /// The store in a SQLite file.
    pub fn sqlite(path: impl AsRef<Path>) -> Self {
        Self::Sqlite { path: path.as_ref().to_owned() }
    }
}

/// Shows where the store is, and never a password.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

/// A PostgreSQL database and how to reach it. Neither `Debug` nor `Display` shows the password.
#[derive(Clone)]
pub struct PostgresUrl {
    options: Box<PgConnectOptions>,
    /// Whether the URL says whom to believe about the server, instead of every authority that this machine trusts.
    names_authority: bool,
    /// `postgres://user@host:port/database`.
    shown: String,
    /// The whole text in one spelling, password included: what equality means.
    text: String,
}

/// What may stand behind the `?`. Everything else could change what a connection may do.
const OPTIONS: [&str; 5] = ["host", "sslmode", "sslrootcert", "sslcert", "sslkey"];

impl PostgresUrl {
    /// User, host and database must be there: what a program connects to is not guessed from its environment.
    fn parse(text: &str) -> Result<Self, StoreUrlError> {
        let url = Url::parse(text).map_err(|_| StoreUrlError::Malformed)?;
        let option = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        if url.fragment().is_some() {
            return Err(StoreUrlError::Malformed);
        }
        let known =
            |name: &str| OPTIONS.contains(&name) && url.query_pairs().filter(|(key, _)| key == name).count() == 1;
        if !url.query_pairs().all(|(name, _)| known(&name)) {
            return Err(StoreUrlError::Option);
        }
        if url.username().is_empty() {
            return Err(StoreUrlError::Incomplete("user"));
        }
        let host = option("host").or_else(|| url.host_str().map(ToOwned::to_owned)).filter(|host| !host.is_empty());
        let host = host.ok_or(StoreUrlError::Incomplete("host"))?;
        match url.path().strip_prefix('/') {
            None | Some("") => return Err(StoreUrlError::Incomplete("database")),
            Some(database) if database.contains('/') => return Err(StoreUrlError::Malformed),
            Some(_) => {}
        }
        let options = PgConnectOptions::from_str(text).map_err(|_| StoreUrlError::Malformed)?;
        let options = options.ssl_mode(ssl_mode(option("sslmode").as_deref(), &host)?);
        let shown = format!("postgres://{}@{}:{}{}", url.username(), host, url.port().unwrap_or(5432), url.path());
        let names_authority = option("sslrootcert").is_some();
        Ok(Self { options: Box::new(options), names_authority, shown, text: text.to_owned() })
    }

    pub(crate) fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// Whether the server could be somebody else, who then reads everything: an operator's explicit choice.
    ///
    /// `verify-ca` does not compare the host's name, so that by itself it accepts whoever has a certificate from any
    /// public authority.
    pub(crate) fn is_unverified(&self) -> bool {
        let away = self.options.get_socket().is_none() && !is_loopback(self.options.get_host());
        away && match self.options.get_ssl_mode() {
            PgSslMode::VerifyFull => false,
            PgSslMode::VerifyCa => !self.names_authority,
            PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer | PgSslMode::Require => true,
        }
    }
}

/// To another machine: TLS, and the certificate must be the host's own. Weaker only where the URL says so itself.
fn ssl_mode(asked: Option<&str>, host: &str) -> Result<PgSslMode, StoreUrlError> {
    match asked {
        None if host.starts_with('/') || host.starts_with("%2F") || is_loopback(host) => Ok(PgSslMode::Disable),
        None | Some("verify-full") => Ok(PgSslMode::VerifyFull),
        Some("verify-ca") => Ok(PgSslMode::VerifyCa),
        Some("require") => Ok(PgSslMode::Require),
        Some("disable") => Ok(PgSslMode::Disable),
        Some(_) => Err(StoreUrlError::SslMode),
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresUrl").field(&self.shown).finish()
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl PartialEq for PostgresUrl {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for PostgresUrl {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_or_a_server_is_a_store() {
        assert_eq!(StoreUrl::parse("sqlite:var/a.db"), Ok(StoreUrl::sqlite("var/a.db")));
        assert_eq!(StoreUrl::parse("sqlite:/a?b"), Ok(StoreUrl::sqlite("/a?b")));
        for (text, why) in [
            ("", StoreUrlError::Engine),
            ("var/a.db", StoreUrlError::Engine),
            ("mysql://u:secret@h/d", StoreUrlError::Engine),
            ("sqlite:", StoreUrlError::Path),
            ("sqlite::memory:", StoreUrlError::Memory),
            ("postgres:", StoreUrlError::Incomplete("user")),
            ("postgres://h/d", StoreUrlError::Incomplete("user")),
            ("postgres://u:secret@/d", StoreUrlError::Malformed),
            ("postgres://u:secret@h", StoreUrlError::Incomplete("database")),
            ("postgres://u:secret@h/", StoreUrlError::Incomplete("database")),
            ("postgres://u:secret@h/d/e", StoreUrlError::Malformed),
            ("postgres://u:secret@h/d#x", StoreUrlError::Malformed),
            ("postgres://u:secret@h:port/d", StoreUrlError::Malformed),
            ("postgres://u:secret@h/d?options=-crole%3Dpostgres", StoreUrlError::Option),
            ("postgres://u:secret@h/d?user=postgres", StoreUrlError::Option),
            ("postgres://u:secret@h/d?sslmode=require&sslmode=disable", StoreUrlError::Option),
            ("postgres://u:secret@h/d?sslmode=prefer", StoreUrlError::SslMode),
        ] {
            let refused = StoreUrl::parse(text).unwrap_err();
            assert_eq!(refused, why, "{text}");
            assert!(!refused.to_string().contains("secret"), "{refused}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let url = StoreUrl::parse("postgres://u:secret@h.example:5433/d?sslrootcert=/ca.pem").unwrap();
        assert_eq!(url.to_string(), "postgres://u@h.example:5433/d");
        assert!(!format!("{url:?} {url}").contains("secret"));
        assert_ne!(url, StoreUrl::parse("postgres://u:other@h.example:5433/d?sslrootcert=/ca.pem").unwrap());
    }

    #[test]
    fn another_machine_must_prove_who_it_is_unless_the_url_says_otherwise() {
        for (text, mode, is_unverified) in [
            ("postgres://u@db.example/d", "VerifyFull", false),
            ("postgres://u@10.0.0.1/d?sslmode=verify-ca&sslrootcert=/ca.pem", "VerifyCa", false),
            ("postgres://u@10.0.0.1/d?sslmode=verify-ca", "VerifyCa", true),
            ("postgres://u@db.example/d?sslmode=require", "Require", true),
            ("postgres://u@db.example/d?sslmode=disable", "Disable", true),
            ("postgres://u@127.0.0.1/d", "Disable", false),
            ("postgres://u@[::1]/d", "Disable", false),
            ("postgres://u@localhost/d?sslmode=verify-full", "VerifyFull", false),
            ("postgres://u@localhost/d?host=/run/postgresql", "Disable", false),
            ("postgres://u@localhost/d?host=db.example", "VerifyFull", false),
            ("postgres://u@%2Frun%2Fpostgresql/d", "Disable", false),
        ] {
            let StoreUrl::Postgres(url) = StoreUrl::parse(text).unwrap() else { panic!("{text}") };
            assert_eq!(format!("{:?}", url.options().get_ssl_mode()), mode, "{text}");
            assert_eq!(url.is_unverified(), is_unverified, "{text}");
        }
    }
}
