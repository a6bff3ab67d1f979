//! What makes the gateway unsafe, for benches.

use std::time::Duration;

use super::key::{Fallback, Key, Shape, Table};
use super::mistake::Noted;
use super::section::Section;

pub(crate) const TABLE: Table = Table {
    header: "[danger]",
    about: "Options that break what the gateway promises. For measuring what a stage costs, and for nothing else; each one \
            that is on is logged as a warning at start.",
    keys: &[RECORDING_OFF, INSPECTION_OFF, SYNC_DELAY_MS],
};

const RECORDING_OFF: Key = Key {
    name: "recording_off",
    shape: Shape::Switch,
    fallback: Fallback::Value("false"),
    environment: None,
    about: "Records nothing and calls every record durable. Nothing can be proved afterwards.",
};
const INSPECTION_OFF: Key = Key {
    name: "inspection_off",
    shape: Shape::Switch,
    fallback: Fallback::Value("false"),
    environment: None,
    about: "Skips inspection: attacks reach the services.",
};
const SYNC_DELAY_MS: Key = Key {
    name: "sync_delay_ms",
    shape: Shape::Integer { min: 0, max: 1_000 },
    fallback: Fallback::Value("0"),
    environment: None,
    about: "Makes every sync of the audit log take so much longer, as a slow disk would. Everybody waits for it.",
};

/// `[danger]`, checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Danger {
    pub(crate) recording_off: bool,
    pub(crate) inspection_off: bool,
    pub(crate) sync_delay: Duration,
}

impl Danger {
    pub(crate) fn read(mut section: Section<'_, '_>) -> Result<Self, Noted> {
        let recording_off = section.switch(&RECORDING_OFF);
        let inspection_off = section.switch(&INSPECTION_OFF);
        let sync_delay_ms = section.integer(&SYNC_DELAY_MS);
        section.finish();
        Ok(Self {
            recording_off: recording_off?,
            inspection_off: inspection_off?,
            sync_delay: Duration::from_millis(sync_delay_ms?),
        })
    }

    /// The options that are on, as the file names them.
    pub(crate) fn active(self) -> impl Iterator<Item = &'static str> {
        let options = [
            (self.recording_off, "danger.recording_off"),
            (self.inspection_off, "danger.inspection_off"),
            (!self.sync_delay.is_zero(), "danger.sync_delay_ms"),
        ];
        options.into_iter().filter_map(|(on, name)| on.then_some(name))
    }
}
