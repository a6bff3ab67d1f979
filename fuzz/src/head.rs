//! A request's head: what our screen lets pass, Pingora and httparse read as it stands there, and the canonical form of it
//! is a fixed point.

use cedargate_dataplane::fuzzing;
use cedargate_model::{Host, NormalizedPath};

use crate::pingora_reads;

/// Octets as a client sends them first.
pub fn head(data: &[u8]) {
    let Some(end) = fuzzing::head_end(data) else { return };
    assert!(end <= data.len(), "a head ends behind its octets");
    let head = &data[..end];
    let Ok(framing) = fuzzing::screen(head) else { return };
    let plain = Plain::read(head);

    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut parsed = httparse::Request::new(&mut fields);
    let length = parsed.parse(head).expect("httparse refuses what the screen let pass");
    assert_eq!(length, httparse::Status::Complete(head.len()), "httparse sees another end");
    assert_eq!(parsed.method.map(str::as_bytes), Some(plain.method), "httparse reads another method");
    assert_eq!(parsed.path.map(str::as_bytes), Some(plain.target), "httparse reads another target");
    let fields: Vec<_> = parsed.headers.iter().map(|field| (field.name.to_ascii_lowercase(), field.value)).collect();
    assert_eq!(fields.len(), plain.fields.len(), "httparse reads another number of fields");
    for ((name, value), (plain_name, plain_value)) in fields.iter().zip(&plain.fields) {
        assert_eq!((name, *value), (plain_name, *plain_value), "httparse reads another field");
    }

    // Pingora answers an upgrade and `Expect` by itself only later; a head is a head.
    let read = pingora_reads::read(head, b"").unwrap_or_else(|error| panic!("Pingora refuses it: {error}"));
    assert_eq!(read.method.as_str().as_bytes(), plain.method, "Pingora reads another method");
    assert_eq!(read.target, plain.target, "Pingora reads another target");
    assert_eq!(read.headers.len(), plain.fields.len(), "Pingora reads another number of fields");
    for (name, _) in &plain.fields {
        let theirs: Vec<&[u8]> = read.headers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect();
        let ours: Vec<&[u8]> =
            plain.fields.iter().filter(|(other, _)| other == name).map(|(_, value)| *value).collect();
        assert_eq!(theirs, ours, "Pingora reads another `{name}`");
    }
    match framing.as_str() {
        "chunked" => {
            assert!(read.headers.contains_key("transfer-encoding") && !read.headers.contains_key("content-length"))
        }
        "none" | "upgrade" => assert!(!read.headers.contains_key("transfer-encoding")),
        length => {
            assert!(plain.fields.iter().any(|(name, value)| name == "content-length" && *value == length.as_bytes()))
        }
    }

    let Ok(canonical) = fuzzing::canonicalise(&read.method, &read.target, &read.headers) else { return };
    let again = NormalizedPath::parse(canonical.path.as_str()).expect("a canonical path is a path");
    assert_eq!(again, canonical.path, "a canonical path has another canonical form");
    assert_eq!(Host::parse(&canonical.host.to_string()).as_ref(), Ok(&canonical.host), "a host is another host");
    assert!(!canonical.path.as_str().split('/').any(|segment| matches!(segment, "." | "..")), "a path that climbs");
}

/// A head by the plainest reading of what is certainly well-formed.
struct Plain<'h> {
    method: &'h [u8],
    target: &'h [u8],
    fields: Vec<(String, &'h [u8])>,
}

impl<'h> Plain<'h> {
    fn read(head: &'h [u8]) -> Self {
        let head = head.strip_suffix(b"\r\n\r\n").expect("a screened head ends in a blank line");
        let mut lines = head.split(|octet| *octet == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let mut words = lines.next().unwrap_or_default().split(|octet| *octet == b' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let fields = lines.map(|line| {
            let colon = line.iter().position(|octet| *octet == b':').expect("a field has a colon");
            let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
            (name, line[colon + 1..].trim_ascii())
        });
        Self { method, target, fields: fields.collect() }
    }
}
