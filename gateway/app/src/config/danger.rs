//! What makes the gateway unsafe, for benches.

use super::key::{Fallback, Key, Shape, Table};
use super::mistake::Noted;
use super::section::Section;

pub(crate) const TABLE: Table = Table {
    header: "[danger]",
    about: "Options that break what the gateway promises. For measuring what a stage costs, and for nothing else; each one \
            that is on is logged as a warning at start.",
    keys: &[RECORDING_OFF, INSPECTION_OFF],
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

/// `[danger]`, checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Danger {
    pub(crate) recording_off: bool,
    pub(crate) inspection_off: bool,
}

impl Danger {
    pub(crate) fn read(mut section: Section<'_, '_>) -> Result<Self, Noted> {
        let recording_off = section.switch(&RECORDING_OFF);
        let inspection_off = section.switch(&INSPECTION_OFF);
        section.finish();
        Ok(Self { recording_off: recording_off?, inspection_off: inspection_off? })
    }

    /// The options that are on, as the file names them.
    pub(crate) fn active(self) -> impl Iterator<Item = &'static str> {
        let options = [(self.recording_off, "danger.recording_off"), (self.inspection_off, "danger.inspection_off")];
        options.into_iter().filter_map(|(on, name)| on.then_some(name))
    }
}
