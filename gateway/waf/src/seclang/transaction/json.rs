//! JSON bodies: every value becomes an argument whose name is its path: `json.items.name`. What stands in an array has the
//! array's name.
//!
//! Strict (RFC 8259), without recursion, and without a tree: one pass over the text.

use super::body::BodyError;
use crate::seclang::bytes::hex_pair;
use crate::seclang::store::{Span, Store};
use crate::seclang::variable::{List, scalar};

const MALFORMED: BodyError = BodyError::Malformed("it is no JSON");

/// A container that the reader is in.
enum Frame {
    Object,
    Array,
}

struct Reader<'s> {
    store: &'s mut Store,
    exempt: Exempt<'s>,
    text: Span,
    at: usize,
    /// The path to the value that is read, and how long it was before each container.
    path: Vec<u8>,
    frames: Vec<(Frame, usize)>,
    depth_max: usize,
}

/// Strings that are not looked at, by where they stand: the first of each.
#[derive(Default)]
struct Exempt<'s> {
    fields: &'s [String],
    /// The names of the members that lead to the value which is read; none where no field is exempt.
    members: Vec<Box<[u8]>>,
    seen: Vec<usize>,
}

/// Reads a document. Values before a mistake stay read. Strings that `exempt` means are left empty: `password` is a member of the
/// top-level object, `/user/password` (RFC 6901) one deeper in it. What stands in an array never is.
pub(super) fn read(store: &mut Store, text: Span, depth_max: usize, exempt: &[String]) -> Result<(), BodyError> {
    let exempt = Exempt { fields: exempt, ..Exempt::default() };
    let mut reader = Reader { store, exempt, text, at: 0, path: b"json".to_vec(), frames: Vec::new(), depth_max };
    // A byte order mark, which many readers pass over.
    if reader.store.text(text).starts_with(b"\xEF\xBB\xBF") {
        reader.at = 3;
    }
    reader.document()
}

impl Reader<'_> {
    fn document(&mut self) -> Result<(), BodyError> {
        loop {
            // A value is due here.
            let is_container = self.value()?;
            if is_container && !self.enter()? {
                continue;
            }
            // A value has ended here, and with it perhaps the containers around it.
            loop {
                let Some((frame, len)) = self.frames.last() else {
                    self.skip_space();
                    return if self.peek().is_none() { Ok(()) } else { Err(MALFORMED) };
                };
                self.path.truncate(*len);
                let is_object = matches!(frame, Frame::Object);
                if is_object {
                    self.exempt.members.pop();
                }
                self.skip_space();
                match self.next() {
                    Some(b',') => {
                        self.member()?;
                        break;
                    }
                    Some(b'}') if is_object => {}
                    Some(b']') if !is_object => {}
                    _ => return Err(MALFORMED),
                }
                self.frames.pop();
            }
        }
    }

    /// After a container was opened: whether it is empty, and so ended. Otherwise its first value is due.
    fn enter(&mut self) -> Result<bool, BodyError> {
        self.skip_space();
        let closing = match self.frames.last() {
            Some((Frame::Object, _)) => b'}',
            _ => b']',
        };
        if self.peek() == Some(closing) {
            self.at += 1;
            self.frames.pop();
            // Its name is looked at like any other's.
            self.keep(self.text.part(self.at, self.at));
            return Ok(true);
        }
        self.member()?;
        Ok(false)
    }

    /// Where a member is due, reads its name and appends it to the path.
    fn member(&mut self) -> Result<(), BodyError> {
        if !matches!(self.frames.last(), Some((Frame::Object, _))) {
            return Ok(());
        }
        self.skip_space();
        if self.next() != Some(b'"') {
            return Err(MALFORMED);
        }
        let name = self.string()?;
        self.path.push(b'.');
        self.path.extend_from_slice(self.store.text(name));
        if !self.exempt.fields.is_empty() {
            self.exempt.members.push(self.store.text(name).into());
        }
        self.skip_space();
        if self.next() == Some(b':') { Ok(()) } else { Err(MALFORMED) }
    }

    /// Reads a scalar and keeps it, or a container's beginning; whether it was the latter.
    fn value(&mut self) -> Result<bool, BodyError> {
        self.skip_space();
        let from = self.at;
        let frame = match self.next() {
            Some(b'{') => Frame::Object,
            Some(b'[') => Frame::Array,
            Some(b'"') => {
                let value = self.string()?;
                let is_exempt = !self.exempt.fields.is_empty() && self.is_exempt();
                self.keep(if is_exempt { self.text.part(0, 0) } else { value });
                return Ok(false);
            }
            Some(_) => {
                self.at = from;
                let value = self.word()?;
                self.keep(value);
                return Ok(false);
            }
            None => return Err(MALFORMED),
        };
        if self.frames.len() == self.depth_max {
            return Err(BodyError::TooDeep);
        }
        self.frames.push((frame, self.path.len()));
        Ok(true)
    }

    /// Whether a string that stands here is not to be looked at. The body as one text, which has it, too, is then gone.
    fn is_exempt(&mut self) -> bool {
        let is_in_array = self.frames.iter().any(|(frame, _)| matches!(frame, Frame::Array));
        let Exempt { fields, members, seen } = &mut self.exempt;
        let is_new = |(index, field): &(usize, &String)| !seen.contains(index) && leads(field, members);
        let Some((index, _)) = fields.iter().enumerate().find(is_new).filter(|_| !is_in_array) else { return false };
        seen.push(index);
        self.store.set_at(List::Scalars, scalar::REQUEST_BODY, None);
        true
    }

    fn keep(&mut self, value: Span) {
        let name = self.store.push(&self.path);
        self.store.add(List::ArgsPost, name, value);
    }

    /// A number, or one of three words; `null` is an empty value.
    fn word(&mut self) -> Result<Span, BodyError> {
        let rest = self.store.text(self.text).get(self.at..).unwrap_or_default();
        let len =
            rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')).count();
        let word = rest.get(..len).unwrap_or_default();
        let span = self.text.part(self.at, self.at + len);
        let span = match word {
            b"null" => self.text.part(self.at, self.at),
            b"true" | b"false" => span,
            _ if is_number(word) => span,
            _ => return Err(MALFORMED),
        };
        self.at += len;
        Ok(span)
    }

    /// A string behind its opening quote: a span of the text where nothing is escaped.
    fn string(&mut self) -> Result<Span, BodyError> {
        let from = self.at;
        let rest = self.store.text(self.text).get(from..).unwrap_or_default();
        let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\') || *byte < b' ').ok_or(MALFORMED)?;
        self.at += plain;
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(self.text.part(from, from + plain));
        }
        let begin = self.store.begin();
        self.store.copy(self.text.part(from, from + plain));
        loop {
            let byte = self.next().ok_or(MALFORMED)?;
            match byte {
                b'"' => return Ok(self.store.end(begin)),
                b'\\' => self.escape()?,
                0..b' ' => return Err(MALFORMED),
                _ => self.store.write(&[byte]),
            }
        }
    }

    fn escape(&mut self) -> Result<(), BodyError> {
        let byte = match self.next().ok_or(MALFORMED)? {
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'b' => 0x08,
            b'f' => 0x0C,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => return self.unicode(),
            _ => return Err(MALFORMED),
        };
        self.store.write(&[byte]);
        Ok(())
    }

    fn unicode(&mut self) -> Result<(), BodyError> {
        let mut point = u32::from(self.unit()?);
        if (0xD800..0xDC00).contains(&point) && self.peek() == Some(b'\\') {
            let back = self.at;
            self.at += 1;
            let low = if self.next() == Some(b'u') { u32::from(self.unit()?) } else { 0 };
            if (0xDC00..0xE000).contains(&low) {
                point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
            } else {
                self.at = back;
            }
        }
        // A half of a pair alone is no character; readers differ in what they make of it.
        let letter = char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER);
        self.store.write(letter.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    fn unit(&mut self) -> Result<u16, BodyError> {
        let digits = self.store.text(self.text).get(self.at..self.at + 4).ok_or(MALFORMED)?;
        let [a, b, c, d] = digits else { return Err(MALFORMED) };
        let unit = hex_pair(*a, *b).zip(hex_pair(*c, *d)).map(|(high, low)| u16::from_be_bytes([high, low]));
        self.at += 4;
        unit.ok_or(MALFORMED)
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.store.text(self.text).get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }
}

/// Whether a field's name or pointer (RFC 6901) leads by these members.
fn leads(field: &str, members: &[Box<[u8]>]) -> bool {
    let Some(pointer) = field.strip_prefix('/') else {
        return matches!(members, [only] if **only == *field.as_bytes());
    };
    let token = |token: &str| token.replace("~1", "/").replace("~0", "~");
    members.len() == pointer.split('/').count()
        && pointer.split('/').zip(members).all(|(wanted, member)| *token(wanted).as_bytes() == **member)
}

/// RFC 8259 §6.
fn is_number(word: &[u8]) -> bool {
    let word = word.strip_prefix(b"-").unwrap_or(word);
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(word);
    if whole == 0 || (whole > 1 && word.starts_with(b"0")) {
        return false;
    }
    let mut rest = word.get(whole..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix(b".") {
        let len = digits(fraction);
        if len == 0 {
            return false;
        }
        rest = fraction.get(len..).unwrap_or_default();
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
        return !exponent.is_empty() && digits(exponent) == exponent.len();
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(text: &[u8]) -> (Vec<(String, String)>, Result<(), BodyError>) {
        let mut store = Store::new(10_000);
        store.allow(1 << 20);
        let span = store.push(text);
        let result = read(&mut store, span, 64, &[]);
        let show = |span| String::from_utf8_lossy(store.text(span)).into_owned();
        (store.list(List::ArgsPost).iter().map(|item| (show(item.name), show(item.value))).collect(), result)
    }

    #[test]
    fn every_value_has_its_path() {
        let (values, result) =
            values(br#" {"a":"x\u00e9\n","b":[1,-2.5e3,[true],{"c":null}],"":{},"d":"\ud83d\ude00"} "#);
        assert_eq!(result, Ok(()));
        let expected = [
            ("json.a", "xé\n"),
            ("json.b", "1"),
            ("json.b", "-2.5e3"),
            ("json.b", "true"),
            ("json.b.c", ""),
            ("json.", ""),
            ("json.d", "\u{1F600}"),
        ];
        assert_eq!(values, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn too_deep_is_told_from_malformed() {
        assert_eq!(values(&[b'['; 65]).1, Err(BodyError::TooDeep));
        assert_eq!(values(&[b'['; 64]).1, Err(MALFORMED));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn malformed_is_what_serde_json_calls_so(text in r#"([\[\]{}:,]|"[a-z\\]{0,3}"|-?[0-9.eE]{1,4}|true|null| ){0,12}"#) {
            let known = serde_json::from_str::<serde_json::Value>(&text);
            // It refuses numbers that are too large for it; JSON has no such bound.
            let too_large = known.as_ref().is_err_and(|error| error.to_string().contains("out of range"));
            prop_assert!(too_large || known.is_ok() == values(text.as_bytes()).1.is_ok(), "{}", text);
        }

        #[test]
        fn no_octets_panic(text: Vec<u8>) {
            let _ = values(&text);
        }
    }
}
