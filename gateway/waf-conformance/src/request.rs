//! The request that go-ftw would send for a case.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

use crate::corpus::{Input, text};

/// A request as a server reads it.
#[derive(Debug, Default)]
pub struct Request {
    /// The method.
    pub method: Vec<u8>,
    /// The target, as it stands in the request line.
    pub target: Vec<u8>,
    /// The version, such as `HTTP/1.1`.
    pub protocol: Vec<u8>,
    /// The header fields, in their order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, empty if there is none.
    pub body: Vec<u8>,
}

const FORM: &[u8] = b"application/x-www-form-urlencoded";
/// What `url.QueryEscape` of Go leaves as it is.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b' ');

/// Makes the request; none where the case's octets are no request.
pub(crate) fn make(input: &Input) -> Option<Request> {
    if let Some(encoded) = &input.encoded_request {
        return parse(&base64(encoded)?);
    }
    let or = |value: &Option<_>, default: &str| value.as_ref().map_or_else(|| default.as_bytes().to_vec(), text);
    let mut request = Request {
        method: or(&input.method, "GET"),
        target: or(&input.uri, "/"),
        protocol: or(&input.version, "HTTP/1.1"),
        headers: input.fields(),
        body: match &input.encoded_data {
            Some(encoded) => base64(encoded)?,
            None => or(&input.data, ""),
        },
    };
    // A server takes white space before the method for none.
    request.method = request.method.trim_ascii().to_vec();
    // A request line without a version is one of the first HTTP.
    if request.protocol.is_empty() {
        request.protocol = b"HTTP/0.9".to_vec();
    }
    let completes = input.autocomplete_headers.unwrap_or(true);
    if completes && !request.body.is_empty() {
        if request.header("content-type").is_none() {
            request.headers.push(("Content-Type".to_owned(), FORM.to_vec()));
        }
        if request.header("content-type").is_some_and(|value| value.eq_ignore_ascii_case(FORM)) {
            request.body = encode_form(&request.body);
        }
    }
    let is_multipart = request
        .header("content-type")
        .is_some_and(|value| String::from_utf8_lossy(value).to_ascii_lowercase().contains("multipart/form-data;"));
    if is_multipart {
        request.body = with_crlf(&request.body);
    }
    if completes {
        if request.header("connection").is_none() {
            request.headers.push(("Connection".to_owned(), b"close".to_vec()));
        }
        let may_have_body = [b"POST".as_slice(), b"PUT", b"PATCH", b"DELETE"].contains(&request.method.as_slice());
        if request.header("content-length").is_none() && (may_have_body || !request.body.is_empty()) {
            request.headers.push(("Content-Length".to_owned(), request.body.len().to_string().into_bytes()));
        }
    }
    // A server reads no body whose length is not said.
    if request.header("content-length").is_none() && request.header("transfer-encoding").is_none() {
        request.body.clear();
    }
    Some(request)
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice())
    }
}

pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    let text: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    STANDARD.decode(text).ok()
}

/// A form is written without encoding, or with; it is encoded unless it is already.
fn encode_form(body: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = body.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    let decoded: Vec<u8> = percent_decode(&spaced).collect();
    // As Go does: what does not decode is no form that is encoded, and is sent as it is.
    let bad_escape = body
        .split(|byte| *byte == b'%')
        .skip(1)
        .any(|rest| !rest.get(..2).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit)));
    if bad_escape || decoded != body {
        return body.to_vec();
    }
    let escape = |text: &[u8]| percent_encode(text, QUERY).to_string().replace(' ', "+");
    let pairs: Vec<String> = body
        .split(|byte| *byte == b'&')
        .map(|pair| match pair.iter().position(|byte| *byte == b'=') {
            Some(at) => {
                let (name, value) = pair.split_at_checked(at).unwrap_or_default();
                format!("{}={}", escape(name), escape(value.get(1..).unwrap_or_default()))
            }
            None => escape(pair),
        })
        .collect();
    pairs.join("&").into_bytes()
}

fn with_crlf(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    for byte in body {
        if *byte == b'\n' {
            out.push(b'\r');
        }
        out.push(*byte);
    }
    out
}

/// Reads a request from octets, as leniently as a server might.
pub(crate) fn parse(octets: &[u8]) -> Option<Request> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut headers);
    let len = match httparse::ParserConfig::default()
        .allow_multiple_spaces_in_request_line_delimiters(true)
        .parse_request(&mut head, octets)
    {
        Ok(httparse::Status::Complete(len)) => len,
        _ => return None,
    };
    Some(Request {
        method: head.method?.as_bytes().to_vec(),
        target: head.path?.as_bytes().to_vec(),
        protocol: format!("HTTP/1.{}", head.version?).into_bytes(),
        headers: head.headers.iter().map(|field| (field.name.to_owned(), field.value.to_vec())).collect(),
        body: octets.get(len..)?.to_vec(),
    })
}
