//! Multipart forms (RFC 7578), read as leniently as the most lenient service would; what is unusual is an error beside.

use super::body::BodyError;
use crate::seclang::store::{Span, Store};
use crate::seclang::variable::{List, scalar};

const MALFORMED: BodyError = BodyError::Malformed("it is no well-formed multipart form");
/// How many octets a boundary may have, by RFC 2046, and a little more.
const BOUNDARY_BYTES_MAX: usize = 128;

/// Reads a form.
pub(super) fn read(store: &mut Store, content_type: Span, body: Span) -> Result<(), BodyError> {
    let boundary = boundary(store.text(content_type)).ok_or(MALFORMED)?;
    let delimiter = [b"--", boundary.as_slice()].concat();
    let mut result = Ok(());
    let mut part: Option<usize> = None;
    let mut at = 0;
    let mut closed = false;
    let mut files = 0_usize;
    let mut unmatched = false;
    let mut strays = false;
    while at <= body.len() {
        let rest = store.text(body.part(at, body.len()));
        let len = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        let line = rest.get(..len).unwrap_or_default();
        let after = line.strip_prefix(delimiter.as_slice()).map(<[u8]>::trim_ascii_end);
        if after.is_some_and(|after| after.is_empty() || after == b"--") || len == 0 {
            let ends = after == Some(b"--");
            if let Some(from) = part.filter(|_| !closed || len > 0) {
                let one = read_part(store, trim_line_end(store, body.part(from, at)), &mut files);
                result = result.and(one);
            }
            if len == 0 {
                if !closed {
                    result = Err(MALFORMED); // The last boundary is missing.
                }
                break;
            }
            // Some readers go on behind the end; so does this one, and what it finds there is an error.
            strays |= closed;
            closed = ends;
            part = if closed { None } else { Some(at + len) };
        } else if part.is_none() {
            strays |= !line.trim_ascii().is_empty();
        } else if line.starts_with(b"--") && !line.trim_ascii_end().ends_with(b"---") {
            unmatched = true;
        }
        at += len.max(1);
    }
    let size = store.number(i64::try_from(files).unwrap_or(i64::MAX));
    store.set_scalar(scalar::FILES_COMBINED_SIZE, size);
    if strays {
        result = Err(MALFORMED);
    }
    if unmatched {
        let one = store.push(b"1");
        store.set_scalar(scalar::MULTIPART_UNMATCHED_BOUNDARY, one);
    }
    result
}

/// Without the line end that belongs to the boundary behind it.
fn trim_line_end(store: &Store, part: Span) -> Span {
    let text = store.text(part);
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    part.part(0, text.len())
}

fn read_part(store: &mut Store, part: Span, files: &mut usize) -> Result<(), BodyError> {
    let mut lines: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    let mut is_malformed = false;
    // The head: lines up to an empty one. A line that begins with a space goes on from the one before.
    loop {
        let rest = store.text(part.part(at, part.len()));
        let len = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        let line = rest.get(..len).unwrap_or_default();
        let text_len =
            line.strip_suffix(b"\n").map_or(line.len(), |line| line.strip_suffix(b"\r").unwrap_or(line).len());
        let is_folded = matches!(line.first(), Some(b' ' | b'\t'));
        at += len;
        if text_len == 0 {
            is_malformed |= len == 0;
            break;
        }
        match lines.last_mut() {
            Some(last) if is_folded => last.1 = at - len + text_len,
            _ => lines.push((at - len, at - len + text_len)),
        }
    }
    let content = part.part(at, part.len());
    let disposition = lines.iter().find_map(|&(from, to)| {
        let (name, value) = split_field(store.text(part.part(from, to)))?;
        name.eq_ignore_ascii_case(b"content-disposition").then(|| value.to_vec())
    });
    let disposition = disposition.unwrap_or_default();
    let dispositions = lines.iter().filter(|&&(from, to)| {
        let field = split_field(store.text(part.part(from, to)));
        field.is_some_and(|(name, _)| name.eq_ignore_ascii_case(b"content-disposition"))
    });
    is_malformed |= dispositions.count() > 1 || is_read_in_several_ways(&disposition);
    let name = parameter(&disposition, b"name");
    let file_name = parameter(&disposition, b"filename");
    // RFC 7578 §4.2 forbids `filename*`; readers that know only `filename` take such a part, or one whose file has no
    // name, for a field.
    let is_extended = parameter(&disposition, b"filename*").is_some();
    let is_field = file_name.as_ref().is_none_or(Vec::is_empty);
    is_malformed |= name.is_none() || is_extended;
    let name = store.push(&name.unwrap_or_default());
    for (from, to) in lines {
        let line = part.part(from, to);
        is_malformed |= split_field(store.text(line)).is_none();
        store.add(List::PartHeaders, name, line);
    }
    if let Some(file_name) = file_name {
        let file_name = store.push(&file_name);
        store.add(List::Files, name, file_name);
        let size = store.number(i64::try_from(content.len()).unwrap_or(i64::MAX));
        store.add(List::FileSizes, name, size);
        store.add(List::FileContents, name, content);
        *files += content.len();
    }
    if is_field {
        store.add(List::ArgsPost, name, content);
    }
    if is_malformed { Err(MALFORMED) } else { Ok(()) }
}

fn split_field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(b':', line)?;
    Some((line.get(..at)?.trim_ascii(), line.get(at + 1..)?.trim_ascii()))
}

/// The boundary parameter of a content type.
fn boundary(content_type: &[u8]) -> Option<Vec<u8>> {
    // RFC 2046 §5.1.1. Given twice, readers differ in which one they take.
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(byte);
    let named = content_type.to_ascii_lowercase();
    let is_parameter = |at: &usize| {
        let after = named.get(at + b"boundary".len()..).unwrap_or_default();
        after.trim_ascii_start().starts_with(b"=")
    };
    let count = memchr::memmem::find_iter(&named, b"boundary").filter(is_parameter).count();
    let boundary = parameter(content_type, b"boundary")?;
    let fits = !boundary.is_empty() && boundary.len() <= BOUNDARY_BYTES_MAX && boundary.iter().all(is_plain);
    (count == 1 && fits).then_some(boundary)
}

/// Whether readers differ in what the parameters are: a name given twice; a value that begins with an apostrophe, which some take for
/// a quote; backslashes in a row, of which some take the second for an escaped one and some for what escapes the next octet.
fn is_read_in_several_ways(disposition: &[u8]) -> bool {
    // A form's part has two: RFC 7578 §4.2.
    const PARAMETERS_MAX: usize = 16;
    let mut keys: Vec<Vec<u8>> = Vec::new();
    let mut is_twice = false;
    let mut parts = disposition.split(|byte| *byte == b';').skip(1);
    let has_apostrophe = parts.any(|part| {
        let Some(at) = memchr::memchr(b'=', part) else { return false };
        let (key, value) = (part.get(..at).unwrap_or_default(), part.get(at + 1..).unwrap_or_default());
        let key = key.trim_ascii().to_ascii_lowercase();
        is_twice |= keys.len() == PARAMETERS_MAX || keys.contains(&key);
        keys.push(key);
        is_twice || value.trim_ascii_start().first() == Some(&b'\'')
    });
    has_apostrophe || is_twice || memchr::memmem::find(disposition, b"\\\\").is_some()
}

/// A parameter's value: in quotes, in which a backslash stands before a quote, or up to a semicolon.
fn parameter(value: &[u8], wanted: &[u8]) -> Option<Vec<u8>> {
    let mut rest = value.get(memchr::memchr(b';', value)?..)?;
    while let Some(after) = rest.strip_prefix(b";") {
        let after = after.trim_ascii_start();
        let key_len = after.iter().position(|byte| matches!(byte, b'=' | b';')).unwrap_or(after.len());
        let key = after.get(..key_len)?.trim_ascii_end();
        let Some(value) = after.get(key_len..)?.strip_prefix(b"=") else {
            rest = after.get(key_len..)?;
            continue;
        };
        let value = value.trim_ascii_start();
        let (text, behind) = match value.split_first() {
            Some((quote @ b'"', quoted)) => unquote(quoted, *quote),
            _ => {
                let len = memchr::memchr(b';', value).unwrap_or(value.len());
                (value.get(..len)?.trim_ascii_end().to_vec(), value.get(len..)?)
            }
        };
        if key.eq_ignore_ascii_case(wanted) {
            return Some(text);
        }
        rest = behind.get(memchr::memchr(b';', behind)?..)?;
    }
    None
}

fn unquote(text: &[u8], quote: u8) -> (Vec<u8>, &[u8]) {
    let mut value = Vec::new();
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return (value, rest),
            [b'\\', byte, after @ ..] if *byte == quote => {
                value.push(*byte);
                after
            }
            [byte, after @ ..] if *byte == quote => return (value, after),
            [byte, after @ ..] => {
                value.push(*byte);
                after
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn form(body: &[u8]) -> (Store, Result<(), BodyError>) {
        let mut store = Store::new(1000);
        let content_type = store.push(b"multipart/form-data; charset=utf-8; boundary=\"b1\"");
        let body = store.push(body);
        let result = read(&mut store, content_type, body);
        (store, result)
    }

    fn shown(store: &Store, list: List) -> Vec<String> {
        let show = |span| String::from_utf8_lossy(store.text(span)).into_owned();
        store.list(list).iter().map(|item| format!("{}={}", show(item.name), show(item.value))).collect()
    }

    #[test]
    fn fields_files_and_heads_are_read() {
        let (store, result) = form(
            b"--b1\r\nContent-Disposition: form-data; name=\"t\"\r\n\r\nO'Brien\r\nx\r\n--b1\r\n\
              Content-Disposition: form-data; name=f; filename=\"a\\\".txt\"\r\nContent-Type: text/plain\r\n\r\ncontent\r\n--b1--\r\n",
        );
        assert_eq!(result, Ok(()));
        assert_eq!(shown(&store, List::ArgsPost), ["t=O'Brien\r\nx"]);
        assert_eq!(shown(&store, List::Files), ["f=a\".txt"]);
        assert_eq!(shown(&store, List::FileContents), ["f=content"]);
        assert_eq!(shown(&store, List::PartHeaders)[2], "f=Content-Type: text/plain");
        assert_eq!(store.scalar(scalar::FILES_COMBINED_SIZE), b"7");
    }

    #[test]
    fn an_unusual_form_is_an_error_and_read_all_the_same() {
        for body in [
            "--b1\r\nContent-Disposition: form-data; name=\"t\"\r\n\r\nevil\r\n",
            "--b1\nContent-Disposition: form-data; name=\"t\"\nbroken\n\nevil\n--b1--\n",
            "--b1\nX: y\n\nevil\n--b1--\n",
        ] {
            let (store, result) = form(body.as_bytes());
            assert_eq!(result, Err(MALFORMED), "{body}");
            assert!(shown(&store, List::ArgsPost)[0].ends_with("=evil"), "{body}");
        }
    }

    #[test]
    fn a_disposition_that_readers_read_in_several_ways_is_an_error() {
        for head in [
            "form-data; name=q; foo='; filename=x; bar='",
            r#"form-data; name=q; foo="a\\"; bar="; filename=x; baz=""#,
            "form-data; name=q; filename=x; filename=y",
            "form-data; name=q\r\nContent-Disposition: form-data; name=q; filename=x",
        ] {
            let (_, result) = form(format!("--b1\r\nContent-Disposition: {head}\r\n\r\nevil\r\n--b1--\r\n").as_bytes());
            assert_eq!(result, Err(MALFORMED), "{head}");
        }
    }

    #[test]
    fn what_readers_differ_in_is_read_and_an_error() {
        let part =
            |head: &str, value: &str| format!("--b1\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n");
        for (body, expected) in [
            (part("name=a", "ok") + "--b1--\r\n" + &part("name=q", "evil") + "--b1--\r\n", "q=evil"),
            (part("name=q; filename*=x", "evil") + "--b1--\r\n", "q=evil"),
            ("evil\r\n".to_owned() + &part("name=a", "ok") + "--b1--\r\n", "a=ok"),
        ] {
            let (store, result) = form(body.as_bytes());
            assert_eq!(result, Err(MALFORMED), "{body}");
            assert!(shown(&store, List::ArgsPost).iter().any(|arg| arg == expected), "{body}");
        }
        let (store, _) = form((part("name=q; filename=\"\"", "evil") + "--b1--\r\n").as_bytes());
        assert_eq!(shown(&store, List::ArgsPost), ["q=evil"]);
    }

    #[test]
    fn a_boundary_has_one_reading() {
        assert_eq!(boundary(b"multipart/form-data; boundary='b1'"), Some(b"'b1'".to_vec()));
        assert_eq!(boundary(b"multipart/form-data; boundary=a; boundary=b"), None);
        assert_eq!(boundary(b"multipart/form-data; boundary=a\xFFb"), None);
        assert_eq!(boundary(b"multipart/form-data"), None);
        let browsers = b"multipart/form-data; boundary=----WebKitFormBoundaryA1";
        assert_eq!(boundary(browsers), Some(b"----WebKitFormBoundaryA1".to_vec()));
    }

    proptest! {
        #[test]
        fn no_octets_panic(body in "(--b1(--)?\r?\n|[a-z:;=\"\\\\ -]|\r?\n|Content-Disposition: form-data; |name=|filename=)*") {
            let _ = form(body.as_bytes());
        }
    }
}
