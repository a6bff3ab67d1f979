//! The next parser behind ours: what we let pass, it must read as we did.

use std::cell::RefCell;
use std::io::Cursor;

use pingora::protocols::http::v1::server::HttpSession;
use tokio::runtime::{Builder, Runtime};

thread_local! {
    static RUNTIME: RefCell<Runtime> = RefCell::new(Builder::new_current_thread().enable_all().build().expect("a runtime"));
}

/// One request as Pingora's parser understood it.
pub(crate) struct Read {
    pub(crate) method: http::Method,
    pub(crate) target: Vec<u8>,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Has Pingora read one request; of its body only if one is given.
pub(crate) fn read(head: &[u8], body: &[u8]) -> Result<Read, String> {
    let octets = [head, body].concat();
    let reading = async {
        let mut session = HttpSession::new(Box::new(Cursor::new(octets)));
        session.read_request().await.map_err(|error| error.to_string())?.ok_or("no request")?;
        let parsed = session.req_header();
        let (method, target, headers) = (parsed.method.clone(), parsed.raw_path().to_vec(), parsed.headers.clone());
        let mut read = Read { method, target, headers, body: Vec::new() };
        while !body.is_empty()
            && let Some(octets) = session.read_body_bytes().await.map_err(|error| error.to_string())?
        {
            read.body.extend_from_slice(&octets);
        }
        Ok(read)
    };
    RUNTIME.with_borrow(|runtime| runtime.block_on(reading))
}
