//! What texts in bodies may hold: checks that services share, to be given to [`Fields`](crate::Fields).

use uuid::Uuid;

use crate::ResourceId;

/// A code, such as a SKU: 1 to 64 of letters, digits, `.`, `_` and `-`.
///
/// # Errors
/// What would be right.
pub fn code(text: String) -> Result<String, &'static str> {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if (1..=64).contains(&text.len()) && text.bytes().all(inner) {
        Ok(text)
    } else {
        Err("use 1 to 64 of A-Z, a-z, 0-9, `.`, `_` and `-`")
    }
}

/// A name or a reason: a line of 1 to 200 characters.
///
/// # Errors
/// What would be right.
pub fn line(text: String) -> Result<String, &'static str> {
    if is_line(&text, 200) { Ok(text) } else { Err("use one line of 1 to 200 characters, without space around it") }
}

/// Whether this is one line of 1 to that many characters, without space around it.
pub fn is_line(text: &str, characters_max: usize) -> bool {
    (1..=characters_max).contains(&text.chars().count()) && text.trim() == text && !text.contains(char::is_control)
}

/// An id in a body, in the one spelling that we write ourselves.
///
/// # Errors
/// What would be right.
pub fn id(text: String) -> Result<Uuid, &'static str> {
    ResourceId::parse(&text).map(|id| id.0).ok_or("use an id as this service writes it")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_is_one_line_without_space_around_it() {
        let longest = "ä".repeat(200);
        assert!(line(longest.clone()).is_ok());
        for bad in ["", " ", " a", "a ", "a\nb", "a\u{0}b", "a\u{7f}", &(longest + "ä")] {
            assert!(line(bad.into()).is_err(), "{bad:?}");
        }
    }

    proptest! {
        /// What the check lets through, the schema's bounds hold too.
        #[test]
        fn a_code_is_short_and_plain(text in "[ -~]{0,70}") {
            if let Ok(code) = code(text) {
                prop_assert!((1..=64).contains(&code.len()) && !code.contains('/'));
            }
        }
    }
}
