//! What Pingora itself reads, so that tests can compare.

use std::io::Cursor;

use http::Version;
use pingora::protocols::http::v1::server::HttpSession;

/// One request as Pingora's parser understood it.
pub(crate) struct Read {
    /// Method, target and version, as they were sent.
    pub(crate) request_line: String,
    /// The fields, names in lower case.
    pub(crate) fields: Vec<(String, http::HeaderValue)>,
    /// The payload of the body.
    pub(crate) body: Vec<u8>,
}

/// Has Pingora read one request; of its body only if one is given.
pub(crate) fn read(head: &[u8], body: &[u8]) -> Result<Read, Box<pingora::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut session = HttpSession::new(Box::new(Cursor::new([head, body].concat())));
        session.read_request().await?.expect("a request");
        let parsed = session.req_header();
        let version = match parsed.version {
            Version::HTTP_11 => "HTTP/1.1",
            Version::HTTP_10 => "HTTP/1.0",
            other => panic!("{other:?}"),
        };
        let request_line = format!("{} {} {version}", parsed.method, String::from_utf8_lossy(parsed.raw_path()));
        let fields = parsed.headers.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        let mut read = Read { request_line, fields, body: Vec::new() };
        while !body.is_empty()
            && let Some(octets) = session.read_body_bytes().await?
        {
            read.body.extend_from_slice(&octets);
        }
        Ok(read)
    })
}
