//! Where what the gateway keeps is.

use std::path::PathBuf;

use cedargate_migrations::StoreUrl;

use super::environment;
use super::key::{Fallback, Key, Shape, Table};
use super::mistake::Noted;
use super::section::Section;

pub(crate) const TABLE: Table = Table {
    header: "[store]",
    about: "Where tenants, accounts, sessions and the gateway's other state are kept.",
    keys: &[STATE_DIR, URL],
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
    shape: Shape::Text("`sqlite:PATH`"),
    fallback: Fallback::Words("`gateway.db` in `store.state_dir`"),
    environment: None,
    about: "The database: `sqlite:PATH` for the embedded one.",
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
        let document = section.document;
        let url = section.optional_text(&URL, |text| {
            StoreUrl::parse(text).map(|url| match url {
                StoreUrl::Sqlite { path } => StoreUrl::Sqlite { path: document.resolve(path) },
                postgres @ StoreUrl::Postgres(_) => postgres,
            })
        });
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
