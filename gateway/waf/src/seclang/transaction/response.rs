//! A response.

use super::head::{fill_headers, find};
use super::{LimitReached, Transaction};
use crate::Headers;
use crate::seclang::variable::{List, scalar};

impl Transaction<'_> {
    /// Takes a response's head, and runs phase 3.
    pub fn response_head(&mut self, status: u16, protocol: &[u8], headers: &dyn Headers) {
        let store = &mut self.scratch.store;
        let bytes = fill_headers(store, List::ResponseHeaders, headers);
        store.allow(8 * bytes);
        let begin = store.begin();
        store.write(protocol);
        store.write(b" ");
        store.write(itoa::Buffer::new().format(status).as_bytes());
        let line = store.end(begin);
        store.set_scalar(scalar::STATUS_LINE, line);
        store.set_scalar(scalar::RESPONSE_PROTOCOL, line.part(0, protocol.len()));
        store.set_scalar(scalar::RESPONSE_STATUS, line.part(protocol.len() + 1, line.len()));
        let content_type = find(store, List::ResponseHeaders, b"content-type").unwrap_or_default();
        store.set_scalar(scalar::RESPONSE_CONTENT_TYPE, content_type);
        self.allow_work(bytes);
        self.run_phase(3);
    }

    /// Whether rules want to see the response's body, by its content type.
    pub fn wants_response_body(&self) -> bool {
        let content_type = self.scratch.store.scalar(scalar::RESPONSE_CONTENT_TYPE);
        let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        self.response_body
            && self.program.settings.response_types.iter().any(|known| essence.eq_ignore_ascii_case(known.as_bytes()))
    }

    /// Takes the whole body, empty if it is not wanted or there is none, and runs phase 4.
    pub fn response_body(&mut self, body: &[u8]) {
        if self.wants_response_body() && !body.is_empty() {
            let settings = &self.program.settings;
            let inspected = body.get(..settings.response_body_bytes_max).unwrap_or(body);
            if inspected.len() < body.len() && !settings.response_body_partial {
                self.reach(LimitReached::Body);
            }
            self.allow_work(inspected.len());
            let store = &mut self.scratch.store;
            if inspected.len() < body.len() {
                let one = store.push(b"1");
                store.set_scalar(scalar::OUTBOUND_DATA_ERROR, one);
            }
            store.allow(4 * inspected.len());
            let text = store.push(inspected);
            store.set_scalar(scalar::RESPONSE_BODY, text);
            let length = store.number(i64::try_from(body.len()).unwrap_or(i64::MAX));
            store.set_scalar(scalar::RESPONSE_CONTENT_LENGTH, length);
        }
        self.run_phase(4);
    }
}
