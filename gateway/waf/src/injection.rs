//! What libinjection is given.

use std::borrow::Cow;

/// The value with every word cut to a few more octets than the tokenizer keeps of one.
///
/// libinjection's tokens hold 31 octets, so nothing changes for it; but this port tries every dot and back-tick of a
/// word for the end of a keyword, which takes quadratic time for `a.a.a.a...`: seconds for 100 KiB.
pub(crate) fn with_short_words(value: &[u8]) -> Cow<'_, [u8]> {
    const WORD_BYTES_MAX: usize = 48;
    if value.len() <= WORD_BYTES_MAX {
        return Cow::Borrowed(value);
    }
    let mut word_len = 0;
    let mut kept = |byte: &u8| {
        word_len = if ends_word(*byte) { 0 } else { word_len + 1 };
        word_len <= WORD_BYTES_MAX
    };
    match value.iter().position(|byte| !kept(byte)) {
        None => Cow::Borrowed(value),
        Some(at) => {
            let (short, rest) = value.split_at_checked(at).unwrap_or_default();
            Cow::Owned(short.iter().chain(rest.iter().filter(|byte| kept(byte))).copied().collect())
        }
    }
}

/// Whether libinjection takes this octet for the end of a word.
fn ends_word(byte: u8) -> bool {
    // ASCII punctuation but for those that names hold, white space, and two octets that it treats as such.
    let names_hold = matches!(byte, b'.' | b'_' | b'$' | b'`');
    (byte.is_ascii_punctuation() && !names_hold) || matches!(byte, b' ' | b'\t'..=b'\r' | 0 | 0xA0)
}

#[cfg(test)]
mod tests {
    use libinjectionrs::{SqliFlags, SqliState};

    use super::*;

    #[test]
    fn only_words_longer_than_a_token_are_cut() {
        let long = "a.".repeat(100);
        assert_eq!(
            &*with_short_words(format!("{long}' or {long}").as_bytes()),
            format!("{}' or {}", &long[..48], &long[..48]).as_bytes()
        );
        assert!(matches!(with_short_words("x' or 1=1 ".repeat(50).as_bytes()), Cow::Borrowed(_)));
        assert!(is_sqli(format!("{long}' or 1=1 -- {long}").as_bytes()));
    }

    fn is_sqli(value: &[u8]) -> bool {
        SqliState::new(&with_short_words(value), SqliFlags::FLAG_NONE).detect()
    }
}
