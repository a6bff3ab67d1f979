//! Where policies are.

use std::path::PathBuf;
use std::time::Duration;

use super::key::{Fallback, Key, Shape, Table};
use super::mistake::Noted;
use super::section::Section;

pub(crate) const TABLE: Table = Table {
    header: "[policies]",
    about: "The Cedar schema, roles, guard-rails, permission matrices and routes.",
    keys: &[DIR, RELOAD_INTERVAL_MS, SHADOW_PERCENT],
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

const SHADOW_PERCENT: Key = Key {
    name: "shadow_percent",
    shape: Shape::Integer { min: 1, max: 100 },
    fallback: Fallback::Value("5"),
    environment: None,
    about: "Of a hundred requests, so many are decided by a policy set in the shadow, too (`cedargate policy change shadow`). It has \
            no effect on answers; each costs about what deciding costs.",
};

/// `[policies]`, checked.
#[derive(Clone, Debug)]
pub(crate) struct Policies {
    pub(crate) dir: PathBuf,
    pub(crate) reload_interval: Duration,
    pub(crate) shadow_percent: u8,
}

impl Policies {
    pub(crate) fn read(mut section: Section<'_, '_>) -> Result<Self, Noted> {
        let dir = section.path(&DIR);
        let reload_interval = section.integer(&RELOAD_INTERVAL_MS);
        let shadow_percent = section.integer_as(&SHADOW_PERCENT);
        section.finish();
        let reload_interval = Duration::from_millis(reload_interval?);
        Ok(Self { dir: dir?, reload_interval, shadow_percent: shadow_percent? })
    }
}
