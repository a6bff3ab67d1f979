//! How sure an inspection must be.

use cedargate_waf::Threshold;

use super::key::{Fallback, Key, Shape, Table};
use super::mistake::Noted;
use super::section::Section;

pub(crate) const TABLE: Table =
    Table { header: "[inspection]", about: "How sure an inspection must be before it refuses.", keys: &[THRESHOLD] };

const THRESHOLD: Key = Key {
    name: "threshold",
    shape: Shape::Integer { min: 1, max: 10_000 },
    fallback: Fallback::Value("5"),
    environment: None,
    about: "The summed score from which a route in mode `block` refuses. One critical finding scores 5, an error 4, a \
            warning 3, a notice 2.",
};

/// `[inspection]`, checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inspection {
    pub(crate) threshold: Threshold,
}

impl Inspection {
    pub(crate) fn read(mut section: Section<'_, '_>) -> Result<Self, Noted> {
        let threshold = section.integer_as(&THRESHOLD);
        section.finish();
        // The key's bounds leave no zero; the default is as strict.
        Ok(Self { threshold: Threshold::new(threshold?).unwrap_or_default() })
    }
}
