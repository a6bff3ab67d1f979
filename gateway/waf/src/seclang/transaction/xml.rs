//! XML bodies: the document's text, and its attributes' values. Nothing is fetched, and no entity is expanded but the
//! five that XML has and those given by number.

use super::body::BodyError;
use crate::seclang::store::{Span, Store};
use crate::seclang::variable::List;

const MALFORMED: BodyError = BodyError::Malformed("it is no well-formed XML");

/// Reads a document. What stands before a mistake stays read.
pub(super) fn read(store: &mut Store, text: Span, depth_max: usize) -> Result<(), BodyError> {
    let mut content = Vec::new();
    let result = walk(store, text, depth_max, &mut content);
    let value = store.push(&content);
    store.add(List::XmlContent, Span::default(), value);
    result
}

fn walk(store: &mut Store, text: Span, depth_max: usize, content: &mut Vec<u8>) -> Result<(), BodyError> {
    let mut open: Vec<Span> = Vec::new();
    let mut elements = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let rest = store.text(text.part(at, text.len()));
        if !rest.starts_with(b"<") {
            let len = memchr::memchr(b'<', rest).unwrap_or(rest.len());
            let run = rest.get(..len).unwrap_or_default();
            if !open.is_empty() {
                unescape(run, content);
            } else if !run.trim_ascii().is_empty() && run != b"\xEF\xBB\xBF" {
                return Err(MALFORMED);
            }
            at += len;
            continue;
        }
        if let Some(cdata) = rest.strip_prefix(b"<![CDATA[") {
            let len = memchr::memmem::find(cdata, b"]]>");
            content.extend_from_slice(cdata.get(..len.unwrap_or(cdata.len())).unwrap_or_default());
            at += 9 + len.ok_or(MALFORMED)? + 3;
        } else if let Some(comment) = rest.strip_prefix(b"<!--") {
            at += 4 + memchr::memmem::find(comment, b"-->").ok_or(MALFORMED)? + 3;
        } else if let Some(instruction) = rest.strip_prefix(b"<?") {
            let len = memchr::memmem::find(instruction, b"?>").ok_or(MALFORMED)?;
            if !is_read_as_it_stands(instruction.get(..len).unwrap_or_default()) {
                return Err(MALFORMED);
            }
            at += 2 + len + 2;
        } else if rest.starts_with(b"<!") {
            let len = declaration(rest).ok_or(MALFORMED)?;
            // What a document type declares within the document other readers put in where it is referred to.
            if memchr::memchr(b'[', rest.get(..len).unwrap_or_default()).is_some() {
                return Err(MALFORMED);
            }
            at += len;
        } else if let Some(closing) = rest.strip_prefix(b"</") {
            let len = memchr::memchr(b'>', closing).ok_or(MALFORMED)?;
            let name = closing.get(..len).unwrap_or_default().trim_ascii_end();
            let opened = open.pop().ok_or(MALFORMED)?;
            if store.text(opened) != name {
                return Err(MALFORMED);
            }
            at += 2 + len + 1;
        } else {
            elements += usize::from(open.is_empty());
            let (name, len, is_empty) = element(store, text.part(at, text.len()))?;
            at += len;
            if !is_empty {
                if open.len() == depth_max {
                    return Err(BodyError::TooDeep);
                }
                open.push(name);
            }
        }
    }
    if open.is_empty() && elements == 1 { Ok(()) } else { Err(MALFORMED) }
}

/// How long a declaration is, with the declarations within it.
fn declaration(text: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quote = None;
    for (at, &byte) in text.iter().enumerate() {
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'<') => depth += 1,
            (None, b'>') => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// Reads a start tag and keeps its attributes' values: its name, its length, and whether it ends itself.
fn element(store: &mut Store, tag: Span) -> Result<(Span, usize, bool), BodyError> {
    let is_end = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>' | b'=' | b'<');
    let name_end = 1 + store.text(tag).iter().skip(1).take_while(|byte| !is_end(**byte)).count();
    if name_end == 1 {
        return Err(MALFORMED);
    }
    let name = tag.part(1, name_end);
    let mut at = name_end;
    loop {
        let rest = store.text(tag.part(at, tag.len()));
        let space = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        at += space;
        let rest = rest.get(space..).unwrap_or_default();
        match rest {
            [b'>', ..] => return Ok((name, at + 1, false)),
            [b'/', b'>', ..] => return Ok((name, at + 2, true)),
            _ => {}
        }
        let key_len = rest.iter().take_while(|byte| !is_end(**byte)).count();
        let behind = rest.get(key_len..).unwrap_or_default();
        let value = behind.trim_ascii_start().strip_prefix(b"=").ok_or(MALFORMED)?.trim_ascii_start();
        let (quote, value) = value.split_first().filter(|(quote, _)| matches!(quote, b'"' | b'\'')).ok_or(MALFORMED)?;
        let len = memchr::memchr(*quote, value).ok_or(MALFORMED)?;
        let from = at + rest.len() - value.len();
        let key = tag.part(at, at + key_len);
        at = from + len + 1;
        let value = attribute(store, tag.part(from, from + len));
        store.add(List::XmlAttributes, key, value);
    }
}

fn attribute(store: &mut Store, value: Span) -> Span {
    if memchr::memchr(b'&', store.text(value)).is_none() {
        return value;
    }
    let mut text = Vec::new();
    unescape(store.text(value), &mut text);
    store.push(&text)
}

/// Undoes the references that XML itself has; others stay as they are.
fn unescape(text: &[u8], into: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'&', rest) {
        let (before, from) = rest.split_at_checked(at).unwrap_or_default();
        into.extend_from_slice(before);
        let end =
            from.iter().skip(1).position(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'#')).map(|at| at + 1);
        let end = end.filter(|end| from.get(*end) == Some(&b';'));
        let letter = end.and_then(|end| from.get(1..end)).and_then(reference);
        match (letter, end) {
            (Some(letter), Some(end)) => {
                into.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                rest = from.get(end + 1..).unwrap_or_default();
            }
            _ => {
                into.push(b'&');
                rest = from.get(1..).unwrap_or_default();
            }
        }
    }
    into.extend_from_slice(rest);
}

fn reference(name: &[u8]) -> Option<char> {
    let text = std::str::from_utf8(name).ok()?;
    Some(match text {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = text.strip_prefix('#')?;
            let point = match number.strip_prefix('x') {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            char::from_u32(point.ok()?)?
        }
    })
}

/// Whether what a declaration says of the encoding lets the octets be read as they stand: in all of these ASCII is ASCII. In others, such
/// as UTF-7, markup and values are hidden from whoever does not decode them.
fn is_read_as_it_stands(instruction: &[u8]) -> bool {
    const READ: [&[u8]; 6] = [b"utf-8", b"utf8", b"us-ascii", b"ascii", b"iso-8859-", b"windows-125"];
    let Some(declared) = instruction.strip_prefix(b"xml") else { return true };
    if !declared.first().is_some_and(u8::is_ascii_whitespace) {
        return true;
    }
    let declared = declared.to_ascii_lowercase();
    let Some(at) = memchr::memmem::find(&declared, b"encoding") else { return true };
    let said = declared.get(at + b"encoding".len()..).unwrap_or_default().trim_ascii_start();
    let said = said.strip_prefix(b"=").unwrap_or(said).trim_ascii_start();
    let said = said.get(1..).unwrap_or_default();
    READ.iter().any(|name| said.starts_with(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(text: &[u8]) -> (String, Vec<String>, Result<(), BodyError>) {
        let mut store = Store::new(10_000);
        let span = store.push(text);
        let result = read(&mut store, span, 64);
        let show = |span| String::from_utf8_lossy(store.text(span)).into_owned();
        let content = store.list(List::XmlContent).iter().map(|item| show(item.value)).collect();
        (content, store.list(List::XmlAttributes).iter().map(|item| show(item.value)).collect(), result)
    }

    #[test]
    fn what_says_that_it_is_written_otherwise_than_it_stands_is_malformed() {
        for encoding in ["UTF-7", "utf-16", "IBM037", ""] {
            let (.., result) = values(format!("<?xml version='1.0' encoding='{encoding}'?><a>b</a>").as_bytes());
            assert_eq!(result, Err(MALFORMED), "{encoding}");
        }
        for encoding in ["UTF-8", "ISO-8859-1", "windows-1252"] {
            let (.., result) = values(format!("<?xml version=\"1.0\" encoding = \"{encoding}\"?><a>b</a>").as_bytes());
            assert_eq!(result, Ok(()), "{encoding}");
        }
    }

    #[test]
    fn text_and_attributes_are_values() {
        let (content, attributes, result) = values(
            b"<?xml version='1.0'?><!DOCTYPE a SYSTEM \"y>\"><!-- no --><a b=\"&lt;1\" c='2'>t&#00000000000065;<d e='>'/><![CDATA[<x>]]></a>\n",
        );
        assert_eq!((content.as_str(), result), ("tA<x>", Ok(())));
        assert_eq!(attributes, ["<1", "2", ">"]);
    }

    #[test]
    fn what_is_not_well_formed_is_known_and_read_so_far() {
        for text in [
            "<a>",
            "<a></b>",
            "</a>",
            "text",
            "<a/><b/>",
            "<a b=c/>",
            "<a b='c>",
            "<!-- x",
            "",
            "< a/>",
            "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
        ] {
            assert_eq!(values(text.as_bytes()).2, Err(MALFORMED), "{text}");
        }
        assert_eq!(values(b"<a>evil<").0, "evil");
        assert_eq!(values("<a>".repeat(70).as_bytes()).2, Err(BodyError::TooDeep));
    }

    proptest! {
        #[test]
        fn no_octets_panic(text in "([<>/!?'\"=&;a-c -]|<a |<!--|]]>|<!\\[CDATA\\[)*") {
            let _ = values(text.as_bytes());
        }
    }
}
