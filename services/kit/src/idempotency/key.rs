//! The key as clients write it.

/// The longest key, in characters.
const CHARACTERS_MAX: usize = 128;

/// A key: 1 to 128 characters of visible ASCII and space.
///
/// The draft wants a structured field's string, `"8e03978e"`. Many clients send the characters bare, so that is read
/// too, as the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key(String);

impl Key {
    pub(crate) fn parse(value: &str) -> Option<Self> {
        let value = value.trim();
        let key = match value.strip_prefix('"') {
            Some(rest) => unquoted(rest)?,
            None => bare(value)?.to_owned(),
        };
        (1..=CHARACTERS_MAX).contains(&key.len()).then_some(Self(key))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What stands between the quotes (RFC 9651 §3.3.3), with nothing behind them.
fn unquoted(rest: &str) -> Option<String> {
    let mut key = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return characters.next().is_none().then_some(key),
            '\\' => key.push(characters.next().filter(|escaped| matches!(escaped, '"' | '\\'))?),
            plain @ ' '..='~' => key.push(plain),
            _ => return None,
        }
    }
}

fn bare(value: &str) -> Option<&str> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'+' | b'/' | b'=');
    value.bytes().all(is_plain).then_some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_key_is_refused() {
        let long = "a".repeat(129);
        for bad in ["", "\"\"", "\"a", "a\"", "\"a\"b", "\"a\";p=1", "a b", "a,b", "\"\\a\"", "\"ä\"", "ä", &long] {
            assert_eq!(Key::parse(bad), None, "{bad}");
        }
        assert_eq!(Key::parse(&format!("\"{long}\"")), None);
    }

    #[test]
    fn quoted_and_bare_are_one_key() {
        assert_eq!(Key::parse("\"8e03-978e\""), Key::parse(" 8e03-978e "));
        assert_eq!(Key::parse(r#""a\"b\\""#).unwrap().as_str(), "a\"b\\");
    }

    proptest! {
        #[test]
        fn any_text_is_a_key_within_bounds_or_is_refused(text in "\\PC{0,140}") {
            if let Some(key) = Key::parse(&text) {
                prop_assert!((1..=CHARACTERS_MAX).contains(&key.as_str().len()));
                prop_assert!(key.as_str().bytes().all(|b| (b' '..=b'~').contains(&b)));
            }
        }
    }
}
