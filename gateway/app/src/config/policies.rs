//! Where policies are.

use std::path::PathBuf;
use std::time::Duration;

use super::key::{Fallback, Key, Shape, Table};
use super::mistake::Noted;
use super::section::Section;

pub(crate) const TABLE: Table = Table {
    header: "[policies]",
    about: "The Cedar schema, roles, guard-rails, permission matrices and routes.",
    keys: &[DIR, RELOAD_INTERVAL_MS],
};

const DIR: Key = Key {
    name: "dir",
    shape: Shape::Path,
    fallback: Fallback::Value(r#""policies""#),
    environment: None,
    about: "The policy directory. A change of it takes effect by itself once every check passed; until then, what was \
            live before stays.",
};
const RELOAD_INTERVAL_MS: Key = Key {
    name: "reload_interval_ms",
    shape: Shape::Integer { min: 100, max: 3_600_000 },
    fallback: Fallback::Value("2000"),
    environment: None,
    about: "How often the directory and the list of tenants are looked at. SIGHUP looks at once.",
};

/// `[policies]`, checked.
#[derive(Clone, Debug)]
pub(crate) struct Policies {
    pub(crate) dir: PathBuf,
    pub(crate) reload_interval: Duration,
}

impl Policies {
    pub(crate) fn read(mut section: Section<'_, '_>) -> Result<Self, Noted> {
        let dir = section.path(&DIR);
        let reload_interval = section.integer(&RELOAD_INTERVAL_MS);
        section.finish();
        Ok(Self { dir: dir?, reload_interval: Duration::from_millis(reload_interval?) })
    }
}
