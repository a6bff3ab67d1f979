//! libinjection, and what can be told without it.

use libinjectionrs::{SqliFlags, SqliState, detect_xss};

use crate::injection::with_short_words;
use crate::seclang::bytes::ByteSet;

/// The fingerprint of the SQL that libinjection finds, if any.
pub(super) fn sqli(value: &[u8]) -> Option<String> {
    if value.is_empty() {
        return None;
    }
    let value = with_short_words(value);
    let mut state = SqliState::new(&value, SqliFlags::FLAG_NONE);
    state.detect().then(|| state.fingerprint_string())
}

pub(super) fn is_xss(value: &[u8]) -> bool {
    detect_xss(value).is_injection()
}

/// libinjection folds a value to a fingerprint of tokens. A value of word characters alone is one token, a bare word or
/// a number, and no fingerprint of one token is SQL's.
pub(crate) fn may_be_sqli(seen: &ByteSet) -> bool {
    const ONE_TOKEN: ByteSet = ByteSet::range(b'a', b'z').union(ByteSet::range(b'A', b'Z')).union(ByteSet::of(b"_"));
    const DIGITS: ByteSet = ByteSet::range(b'0', b'9');
    !seen.within(&ONE_TOKEN) && !seen.within(&DIGITS)
}

/// In every context that libinjection tries, markup needs a tag's beginning, an attribute's end, or an equals sign.
pub(crate) fn may_be_xss(seen: &ByteSet) -> bool {
    const MARKUP: ByteSet = ByteSet::of(b"<>=");
    seen.meets(&MARKUP)
}
