//! Patterns with macros, which are known only when a rule runs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::seclang::pcre::Pattern;

/// How many compiled patterns are kept, and how long one may be. They are made of what rules set, so they are few.
const PATTERNS_MAX: usize = 64;
const PATTERN_BYTES_MAX: usize = 4_096;

/// Patterns by their text; none for a text that is no pattern.
#[derive(Debug, Default)]
pub(crate) struct LatePatterns(Mutex<BTreeMap<Vec<u8>, Option<Arc<Pattern>>>>);

impl LatePatterns {
    /// The pattern of this text. A text that is none matches nothing, as with ModSecurity.
    pub(super) fn get(&self, text: &[u8]) -> Option<Arc<Pattern>> {
        let mut patterns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = patterns.get(text) {
            return known.clone();
        }
        let pattern = if text.len() > PATTERN_BYTES_MAX { None } else { Pattern::new(text).ok().map(Arc::new) };
        if patterns.len() == PATTERNS_MAX {
            patterns.clear();
        }
        patterns.insert(text.to_vec(), pattern.clone());
        pattern
    }
}
