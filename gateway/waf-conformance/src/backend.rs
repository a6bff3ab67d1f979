//! The backend that the corpora expect behind the engine: it answers what it is told to.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::request::{Request, base64};

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    encoded_body: Option<String>,
}

/// Answers a request: `/reflect` with what its body asks for, everything else with nothing.
pub(crate) fn answer(request: &Request) -> Response {
    let path = request.target.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
    let wanted: Wanted =
        if path == b"/reflect" { serde_json::from_slice(&request.body).unwrap_or_default() } else { Wanted::default() };
    let body = match (wanted.body, wanted.encoded_body) {
        (Some(body), _) => body.into_bytes(),
        (None, Some(encoded)) => base64(&encoded).unwrap_or_default(),
        (None, None) => Vec::new(),
    };
    let mut headers: Vec<_> = wanted.headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
    // What names no type is given one by its octets, and all of it is text to the rules.
    if !body.is_empty() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        headers.push(("Content-Type".to_owned(), b"text/plain; charset=utf-8".to_vec()));
    }
    Response { status: wanted.status.unwrap_or(200), headers, body }
}
