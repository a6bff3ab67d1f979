//! How long somebody stays signed in.

use std::time::Duration;

use cedargate_identity::SessionSettings;

use super::key::{Fallback, Key, Shape, Table};
use super::mistake::Noted;
use super::section::Section;

pub(crate) const TABLE: Table = Table {
    header: "[sessions]",
    about: "How long somebody stays signed in.",
    keys: &[IDLE_TIMEOUT_SECONDS, ABSOLUTE_TIMEOUT_SECONDS, STALENESS_MAX_MS, CACHED_MAX],
};

const IDLE_TIMEOUT_SECONDS: Key = Key {
    name: "idle_timeout_seconds",
    shape: Shape::Integer { min: 60, max: 2_592_000 },
    fallback: Fallback::Value("3600"),
    environment: None,
    about: "A session that nobody used for so long is over. NIST SP 800-63B-4 §2.2.3 asks for an hour at most.",
};
const ABSOLUTE_TIMEOUT_SECONDS: Key = Key {
    name: "absolute_timeout_seconds",
    shape: Shape::Integer { min: 60, max: 2_592_000 },
    fallback: Fallback::Value("43200"),
    environment: None,
    about: "A session is over so long after its sign-in, used or not: within one working day.",
};
const STALENESS_MAX_MS: Key = Key {
    name: "staleness_max_ms",
    shape: Shape::Integer { min: 0, max: 60_000 },
    fallback: Fallback::Value("3000"),
    environment: None,
    about: "How old what an answer from memory rests on may be: the reading of the session, or the store's last word that \
            nothing changed since, for which the gateway asks twice a second. So long at most until a disabled account or \
            changed roles take effect, and until nobody is known without the store. `0` asks the store at every request.",
};
const CACHED_MAX: Key = Key {
    name: "cached_max",
    shape: Shape::Integer { min: 1, max: 100_000_000 },
    fallback: Fallback::Value("100000"),
    environment: None,
    about: "How many sessions are kept in memory, of about 700 octets each.",
};

/// `[sessions]`, checked.
pub(crate) fn read(mut section: Section<'_, '_>) -> Result<SessionSettings, Noted> {
    let idle = section.integer(&IDLE_TIMEOUT_SECONDS);
    let absolute = section.integer(&ABSOLUTE_TIMEOUT_SECONDS);
    let staleness = section.integer(&STALENESS_MAX_MS);
    let cached_max = section.integer(&CACHED_MAX);
    let ordered = match (idle, absolute) {
        (Ok(idle), Ok(absolute)) if idle > absolute => Err(section.complain(
            &IDLE_TIMEOUT_SECONDS,
            format!("{idle} is more than `absolute_timeout_seconds`, which is {absolute}"),
        )),
        _ => Ok(()),
    };
    section.finish();
    ordered?;
    Ok(SessionSettings {
        idle_timeout: Duration::from_secs(idle?),
        absolute_timeout: Duration::from_secs(absolute?),
        staleness_max: Duration::from_millis(staleness?),
        cached_max: cached_max?,
    })
}
