//! Where what the gateway keeps is.

use std::path::PathBuf;

use cedargate_migrations::StoreUrl;

use super::environment;
use super::key::{Fallback, Key, Shape, Table};
use super::mistake::Noted;
use super::secrets::read_private;
use super::section::Section;

pub(crate) const TABLE: Table = Table {
    header: "[store]",
    about: "Where tenants, accounts, sessions and the gateway's other state are kept.",
    keys: &[STATE_DIR, URL, URL_FILE],
};

const STATE_DIR: Key = Key {
    name: "state_dir",
    shape: Shape::Path,
    fallback: Fallback::Value(r#""var""#),
    environment: Some(environment::STATE_DIR),
    about: "The gateway's own directory, made (mode 0700) where it is missing. It holds the control plane's socket and \
            `jwks.json`, the public keys for services that read them from a file.",
};
const URL: Key = Key {
    name: "url",
    shape: Shape::Text("`sqlite:PATH` or `postgres://USER@HOST/DATABASE`"),
    fallback: Fallback::Words("`gateway.db` in `store.state_dir`"),
    environment: Some(environment::STORE_URL),
    about: "The database: `sqlite:PATH` for the embedded one, `postgres://USER:PASSWORD@HOST:PORT/DATABASE` for PostgreSQL 15 \
            or newer, with `?host=/run/postgresql` behind it for a Unix socket. Another machine is reached by TLS and its \
            certificate verified (`sslmode=verify-full`, the system's roots and those of `sslrootcert=PATH`); \
            `sslmode=require` verifies nothing and `sslmode=disable` is plain text, and either is warned about. A URL with \
            a password belongs in `url_file` or the environment.",
};
const URL_FILE: Key = Key {
    name: "url_file",
    shape: Shape::Path,
    fallback: Fallback::Words("not used"),
    environment: None,
    about: "A file with the URL, instead of `url`, for one that holds a password. Nobody but its owner may read it (mode \
            0600 or 0400).",
};

/// `[store]`, checked.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) state_dir: PathBuf,
    pub(crate) url: StoreUrl,
}

impl Store {
    pub(crate) fn read(mut section: Section<'_, '_>) -> Result<Self, Noted> {
        let state_dir = section.path(&STATE_DIR);
        let url = url(&mut section);
        section.finish();
        let state_dir = state_dir?;
        let url = url?.unwrap_or_else(|| StoreUrl::sqlite(state_dir.join("gateway.db")));
        Ok(Self { state_dir, url })
    }

    /// The database's file, where it is one.
    pub(crate) fn file(&self) -> Option<&std::path::Path> {
        match &self.url {
            StoreUrl::Sqlite { path } => Some(path),
            StoreUrl::Postgres(_) => None,
        }
    }
}

/// From the environment, the file that holds it, or the configuration itself.
fn url(section: &mut Section<'_, '_>) -> Result<Option<StoreUrl>, Noted> {
    let document = section.document;
    let parse = |text: &str| {
        StoreUrl::parse(text).map(|url| match url {
            StoreUrl::Sqlite { path } => StoreUrl::Sqlite { path: document.resolve(path) },
            postgres @ StoreUrl::Postgres(_) => postgres,
        })
    };
    let is_in_environment = document.environment.get(environment::STORE_URL).is_some();
    let said = section.optional_text(&URL, parse);
    let in_file = section.optional_text(&URL_FILE, |path| {
        if is_in_environment {
            return Ok(None);
        }
        let path = document.resolve(path);
        let text = read_private(&path)?;
        parse(&text).map(Some).map_err(|error| format!("`{}`: {error}", path.display()))
    });
    match (said?, in_file?.flatten()) {
        (Some(_), Some(_)) => {
            Err(section.complain(&URL_FILE, "the URL stands in `store.url` too: write it in one place"))
        }
        (said, in_file) => Ok(said.or(in_file)),
    }
}
