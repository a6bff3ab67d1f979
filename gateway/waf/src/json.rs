//! Strings of a JSON text with their places, as far as the text goes.
//!
//! Whether a text is well-formed is `serde_json`'s to say. This reader finds the strings of every well-formed text
//! exactly, and those of a malformed or cut one as a lenient parser might, so that what the service may read is judged
//! before it is known that the text is broken. It builds no tree and recurses into nothing.

use std::borrow::Cow;

/// A string in a JSON text.
pub(crate) struct Text<'w> {
    /// Its octets between the quotes, still escaped.
    pub(crate) raw: &'w [u8],
    /// Where `raw` begins in the text.
    pub(crate) at: usize,
    /// Whether it names a member.
    pub(crate) is_name: bool,
    /// Whether it is the first value of its member, which in well-formed text every member's value is.
    pub(crate) is_first: bool,
    path: &'w [Frame<'w>],
}

#[derive(Clone, Copy)]
enum Frame<'t> {
    /// An object, in the member of this name, if that has been read; and how many strings it had.
    Object { key: Option<&'t [u8]>, strings: usize },
    /// An array, at this element.
    Array { index: usize },
}

/// Why a walk ended before the text did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It nests deeper than it may.
    TooDeep,
    /// The visitor had enough.
    ByVisitor,
}

/// Calls `visit` for every string of the text, in order, until it answers false.
pub(crate) fn walk<'t>(
    text: &'t [u8],
    depth_max: usize,
    mut visit: impl FnMut(&Text<'_>) -> bool,
) -> Result<(), Ended> {
    let mut path: Vec<Frame<'t>> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => {
                if path.len() == depth_max {
                    return Err(Ended::TooDeep);
                }
                path.push(if byte == b'{' {
                    Frame::Object { key: None, strings: 0 }
                } else {
                    Frame::Array { index: 0 }
                });
            }
            b'}' | b']' => {
                path.pop();
            }
            b',' => match path.last_mut() {
                Some(Frame::Object { key, strings }) => (*key, *strings) = (None, 0),
                Some(Frame::Array { index }) => *index += 1,
                None => {}
            },
            b'"' => {
                let rest = text.get(at..).unwrap_or_default();
                let len = string_len(rest);
                let raw = rest.get(..len).unwrap_or_default();
                let is_name = matches!(path.last(), Some(Frame::Object { key: None, .. }));
                let is_first =
                    matches!(path.last(), Some(Frame::Object { strings: 0, .. }) | Some(Frame::Array { .. }) | None);
                if !visit(&Text { raw, at, is_name, is_first, path: &path }) {
                    return Err(Ended::ByVisitor);
                }
                if let Some(Frame::Object { key, strings }) = path.last_mut() {
                    if is_name { *key = Some(raw) } else { *strings += 1 }
                }
                at += len + 1;
            }
            _ => {}
        }
    }
    Ok(())
}

impl Text<'_> {
    /// What the string says.
    pub(crate) fn unescaped(&self) -> Cow<'_, [u8]> {
        unescape(self.raw)
    }

    /// The member whose value it is, and whether that member is one of the top-level object's.
    pub(crate) fn member(&self) -> Option<(Cow<'_, [u8]>, bool)> {
        match self.path.last() {
            Some(Frame::Object { key: Some(key), .. }) => Some((unescape(key), self.path.len() == 1)),
            _ => None,
        }
    }

    /// The JSON pointer (RFC 6901) of the value, or of what the named member belongs to.
    pub(crate) fn pointer(&self) -> Vec<u8> {
        let mut pointer = Vec::new();
        for frame in self.path {
            match frame {
                Frame::Object { key: Some(key), .. } => {
                    pointer.push(b'/');
                    for &byte in unescape(key).iter() {
                        match byte {
                            b'~' => pointer.extend_from_slice(b"~0"),
                            b'/' => pointer.extend_from_slice(b"~1"),
                            _ => pointer.push(byte),
                        }
                    }
                }
                Frame::Object { key: None, .. } => {}
                Frame::Array { index } => pointer.extend_from_slice(format!("/{index}").as_bytes()),
            }
        }
        pointer
    }
}

/// How far it is to the quote that ends the string, or to the end of the text.
fn string_len(rest: &[u8]) -> usize {
    let mut escaped = false;
    rest.iter()
        .position(|&byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        })
        .unwrap_or(rest.len())
}

fn unescape(raw: &[u8]) -> Cow<'_, [u8]> {
    if !raw.contains(&b'\\') {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some((&escape, after)) = rest.split_first() else {
            out.push(byte);
            break;
        };
        rest = after;
        match escape {
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'u' => match code_point(rest) {
                Some((char, len)) => {
                    out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                    rest = rest.get(len..).unwrap_or_default();
                }
                None => out.extend_from_slice(b"\\u"),
            },
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

/// The character of `XXXX` or `XXXX\uXXXX`, and how many octets that took. Half a pair is the replacement character.
fn code_point(rest: &[u8]) -> Option<(char, usize)> {
    let high = four_digits(rest)?;
    if let Some(low) = rest.get(4..).and_then(|rest| four_digits(rest.strip_prefix(b"\\u")?))
        && let Some(Ok(char)) = char::decode_utf16([high, low]).next()
        && u32::from(char) > 0xFFFF
    {
        return Some((char, 10));
    }
    Some((char::from_u32(u32::from(high)).unwrap_or(char::REPLACEMENT_CHARACTER), 4))
}

fn four_digits(rest: &[u8]) -> Option<u16> {
    let digits = rest.get(..4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn strings(text: &str) -> Vec<(String, String, bool)> {
        let mut found = Vec::new();
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        walk(text.as_bytes(), 64, |text| {
            found.push((lossy(&text.pointer()), lossy(&text.unescaped()), text.is_name));
            true
        })
        .unwrap();
        found
    }

    #[test]
    fn places_are_json_pointers() {
        assert_eq!(
            strings(r#"{"a":[1,"x",{"b/c":"y"}],"d":"z\u0041\ud83d\ude00"}"#),
            [
                (String::new(), "a".into(), true),
                ("/a/1".into(), "x".into(), false),
                ("/a/2".into(), "b/c".into(), true),
                ("/a/2/b~1c".into(), "y".into(), false),
                (String::new(), "d".into(), true),
                ("/d".into(), "zA\u{1f600}".into(), false),
            ]
        );
    }

    #[test]
    fn broken_texts_are_read_as_far_as_they_go() {
        assert_eq!(strings(r#"{"a":"cut of"#).last().unwrap().1, "cut of");
        assert_eq!(strings(r#"{"a" "b" "c"]]]}"d"#).len(), 4);
        assert_eq!(strings(r#""\ud800x\uZZ\"#)[0].1, "\u{fffd}x\\uZZ\\");
    }

    #[test]
    fn depth_is_bounded() {
        let deep = "[".repeat(65);
        assert_eq!(walk(deep.as_bytes(), 64, |_| true), Err(Ended::TooDeep));
        assert_eq!(walk(&deep.as_bytes()[1..], 64, |_| true), Ok(()));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[\\PC\\n\"\\\\/]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6).prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    fn expected(value: &Value, strings: &mut Vec<String>) {
        match value {
            Value::String(text) => strings.push(text.clone()),
            Value::Array(values) => values.iter().for_each(|value| expected(value, strings)),
            Value::Object(members) => {
                for (name, value) in members {
                    strings.push(name.clone());
                    expected(value, strings);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    proptest! {
        #[test]
        fn every_string_of_a_well_formed_text_is_found(value in any_json(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            let mut wanted = Vec::new();
            expected(&value, &mut wanted);
            let found = strings(&text);
            prop_assert_eq!(found.iter().map(|found| found.1.clone()).collect::<Vec<_>>(), wanted);
            for (pointer, text, is_name) in found {
                let at = value.pointer(&pointer);
                let right = if is_name { at.is_some_and(Value::is_object) } else { at == Some(&Value::String(text)) };
                prop_assert!(right, "{}", pointer);
            }
        }

        #[test]
        fn unescaping_is_serde_jsons(text: String) {
            let ascii: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            prop_assert_eq!(&*unescape(ascii.as_bytes()), text.as_bytes());
        }

        #[test]
        fn no_octets_panic(text: Vec<u8>) {
            let _ = walk(&text, 8, |text| { let _ = (text.unescaped(), text.pointer(), text.member()); true });
        }
    }
}
