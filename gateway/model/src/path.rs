//! The path of a request in the one form that routing, policy, inspection and the service all see.

use std::borrow::Cow;
use std::fmt::Write as _;

use percent_encoding::percent_decode_str;

/// A path in canonical form.
///
/// INVARIANT (path normalised once): starts with `/`; has no dot segment, no empty segment but a last one, no
/// backslash, control or encoded slash in any spelling; is valid UTF-8 once decoded; escapes are upper-case and stand
/// only where they must (RFC 3986 §6.2.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NormalizedPath(String);

/// Why a path is refused. Nothing is repaired that two parsers could read differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Not starting with `/`.
    #[error("the path does not start with a slash")]
    Relative,
    /// A `%` that is not followed by two hexadecimal digits.
    #[error("the path has an invalid percent-escape")]
    Escape,
    /// `.` or `..` as a segment, plain, encoded or with parameters behind (`..;x`).
    #[error("the path has a dot segment")]
    DotSegment,
    /// `//`.
    #[error("the path has an empty segment")]
    EmptySegment,
    /// A slash or backslash in disguise: `\`, `%5C`, `%2F`.
    #[error("the path has a backslash or an encoded slash")]
    Separator,
    /// A control character, encoded or not, NUL included.
    #[error("the path has a control character")]
    Control,
    /// Octets that are not UTF-8 once decoded, or characters that a target cannot have unescaped.
    #[error("the path has a character that is not allowed there")]
    Character,
}

impl NormalizedPath {
    /// Normalises the path of a request target (without its query).
    ///
    /// # Errors
    /// One [`PathError`] by what is wrong first.
    pub fn parse(raw: &str) -> Result<Self, PathError> {
        let segments = raw.strip_prefix('/').ok_or(PathError::Relative)?;
        let mut normal = String::with_capacity(raw.len());
        let mut parts = segments.split('/').peekable();
        while let Some(segment) = parts.next() {
            if segment.is_empty() && parts.peek().is_some() {
                return Err(PathError::EmptySegment);
            }
            normal.push('/');
            push_segment(&mut normal, segment)?;
        }
        Ok(Self(normal))
    }

    /// The canonical path, still percent-encoded where it must be.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Decodes one segment of a canonical path, or any part of one.
    pub fn decode_segment(segment: &str) -> Cow<'_, str> {
        // Valid UTF-8 by the invariant; lossy only for text that never was a canonical path.
        percent_decode_str(segment).decode_utf8_lossy()
    }
}

/// Characters that stand for themselves in a segment: `pchar` without escapes (RFC 3986 §3.3).
fn is_plain(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@')
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn push_segment(normal: &mut String, segment: &str) -> Result<(), PathError> {
    let start = normal.len();
    let mut escaped = false;
    // Nearly every segment is plain and stands as it came.
    let plain = if segment.bytes().all(is_plain) { segment } else { "" };
    normal.push_str(plain);
    let mut bytes = segment.bytes().skip(plain.len());
    while let Some(byte) = bytes.next() {
        let (octet, was_escaped) = match byte {
            b'%' => {
                let octet = match (bytes.next().and_then(hex_value), bytes.next().and_then(hex_value)) {
                    (Some(high), Some(low)) => high << 4 | low,
                    _ => return Err(PathError::Escape),
                };
                (octet, true)
            }
            _ => (byte, false),
        };
        match octet {
            0..=0x1F | 0x7F => return Err(PathError::Control),
            b'\\' => return Err(PathError::Separator),
            b'/' if was_escaped => return Err(PathError::Separator),
            _ if is_unreserved(octet) || (!was_escaped && is_plain(octet)) => normal.push(char::from(octet)),
            // Browsers send these unescaped (WHATWG URL, path percent-encode set); services get them escaped.
            _ if was_escaped || matches!(octet, b'|' | b'[' | b']' | b'^') => {
                escaped = true;
                // Writing to a `String` cannot fail.
                let _ = write!(normal, "%{octet:02X}");
            }
            _ => return Err(PathError::Character),
        }
    }
    let written = normal.get(start..).unwrap_or_default();
    // `..;x` is a dot segment to servers that strip path parameters.
    if matches!(written.split(';').next(), Some("." | "..")) {
        return Err(PathError::DotSegment);
    }
    if escaped {
        let decoded = percent_decode_str(written).decode_utf8().map_err(|_| PathError::Character)?;
        if decoded.chars().any(char::is_control) {
            return Err(PathError::Control);
        }
    }
    Ok(())
}

fn hex_value(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normal(raw: &str) -> String {
        NormalizedPath::parse(raw).unwrap_or_else(|e| panic!("{raw}: {e}")).0
    }

    #[test]
    fn spelling_is_folded_and_meaning_kept() {
        assert_eq!(normal("/"), "/");
        assert_eq!(normal("/a/b/"), "/a/b/");
        assert_eq!(normal("/%61%2D%7e"), "/a-~");
        assert_eq!(normal("/caf%c3%a9"), "/caf%C3%A9");
        assert_eq!(normal("/a%3bb;c=d%20e"), "/a%3Bb;c=d%20e");
        assert_eq!(normal("/a|b[0]^"), "/a%7Cb%5B0%5D%5E");
        assert_eq!(normal("/%252e%252E"), "/%252e%252E");
        assert_eq!(normal("/..."), "/...");
        assert_eq!(normal("/.well-known/x"), "/.well-known/x");
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_refused() {
        for (raw, why) in [
            ("", PathError::Relative),
            ("*", PathError::Relative),
            ("a/b", PathError::Relative),
            ("/%", PathError::Escape),
            ("/%2", PathError::Escape),
            ("/%zz", PathError::Escape),
            ("/%+1", PathError::Escape),
            ("/a/../b", PathError::DotSegment),
            ("/a/.", PathError::DotSegment),
            ("/a/%2e%2E/b", PathError::DotSegment),
            ("/a/.%2e", PathError::DotSegment),
            ("/a/..;x=1/b", PathError::DotSegment),
            ("//a", PathError::EmptySegment),
            ("/a//b", PathError::EmptySegment),
            ("/a\\b", PathError::Separator),
            ("/a%5cb", PathError::Separator),
            ("/a%2fb", PathError::Separator),
            ("/a%00b", PathError::Control),
            ("/a%0d%0ab", PathError::Control),
            ("/a%7f", PathError::Control),
            ("/a%c2%85b", PathError::Control),
            ("/a b", PathError::Character),
            ("/a\"b", PathError::Character),
            ("/é", PathError::Character),
            ("/%c0%ae%c0%ae", PathError::Character),
            ("/%ff", PathError::Character),
            ("/a#b", PathError::Character),
            ("/a?b", PathError::Character),
        ] {
            assert_eq!(NormalizedPath::parse(raw), Err(why), "{raw}");
        }
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(raw in "(/([a-zA-Z0-9.~;=|\\[]|%[0-9a-fA-F]{2}){0,6}){1,5}") {
            if let Ok(path) = NormalizedPath::parse(&raw) {
                prop_assert_eq!(NormalizedPath::parse(path.as_str()), Ok(path));
            }
        }

        #[test]
        fn an_accepted_path_has_the_invariant(raw in "/\\PC{0,30}|(/|%2e|%2E|\\.|%2f|a|%41|\\\\|%5c|;|//){1,12}") {
            if let Ok(path) = NormalizedPath::parse(&raw) {
                let decoded = NormalizedPath::decode_segment(path.as_str()).into_owned();
                prop_assert!(!decoded.contains('\\') && !decoded.chars().any(char::is_control));
                prop_assert!(!decoded.contains("//"));
                prop_assert!(decoded.split('/').all(|s| s != "." && s != ".."));
                prop_assert_eq!(decoded.matches('/').count(), path.as_str().matches('/').count());
            }
        }
    }
}
