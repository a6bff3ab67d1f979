//! A request's body.

use super::head::find;
use super::{LimitReached, Transaction, json, multipart, urlencoded, xml};
use crate::seclang::ast::Processor;
use crate::seclang::store::Span;
use crate::seclang::variable::{List, scalar};

/// How many octets of names, values and what rules keep of them an octet of body may cause.
const TEXT_PER_BYTE: usize = 24;

/// What is wrong with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    Malformed(&'static str),
    TooDeep,
}

impl Transaction<'_> {
    /// Takes the whole body, empty if there is none, and runs phase 2.
    pub fn request_body(&mut self, body: &[u8]) {
        self.body(body, true);
    }

    /// The same for the beginning of a body, of which the rest is not inspected: it is not malformed for ending early.
    pub fn request_body_beginning(&mut self, body: &[u8]) {
        self.body(body, false);
    }

    fn body(&mut self, body: &[u8], is_whole: bool) {
        if self.request_body && !body.is_empty() {
            self.scratch.store.keep_for_rules(true);
            self.fill_body(body, is_whole);
            self.scratch.store.keep_for_rules(false);
            if !self.setup.exempt_fields.is_empty() {
                self.hide_exempt_fields();
            }
        }
        self.run_phase(2);
    }

    fn fill_body(&mut self, body: &[u8], is_whole: bool) {
        let max = self.program.settings.request_body_bytes_max;
        let inspected = body.get(..max).unwrap_or(body);
        if inspected.len() < body.len() {
            self.reach(LimitReached::Body);
        }
        self.allow_work(inspected.len());
        let store = &mut self.scratch.store;
        if inspected.len() < body.len() {
            let one = store.push(b"1");
            store.set_scalar(scalar::INBOUND_DATA_ERROR, one);
        }
        store.allow(inspected.len().saturating_mul(TEXT_PER_BYTE));
        let text = store.push(inspected);
        let length = store.number(i64::try_from(body.len()).unwrap_or(i64::MAX));
        store.set_scalar(scalar::REQUEST_BODY_LENGTH, length);
        store.set_scalar(scalar::FULL_REQUEST_LENGTH, length);
        if self.processor == Some(Processor::UrlEncoded) || self.force_body_variable {
            store.set_scalar(scalar::REQUEST_BODY, text);
        }
        let result = match self.processor {
            None if self.setup.reads_texts => {
                self.read_text(text);
                Ok(())
            }
            None => Ok(()),
            Some(Processor::UrlEncoded) => {
                urlencoded::read(store, List::ArgsPost, text, self.program.settings.argument_separator);
                Ok(())
            }
            Some(Processor::Multipart) => {
                let content_type = find(store, List::RequestHeaders, b"content-type").unwrap_or_default();
                multipart::read(store, content_type, text)
            }
            Some(Processor::Json) => json::read(store, text, self.program.settings.json_depth_max),
            Some(Processor::Xml) => xml::read(store, text, self.program.settings.json_depth_max),
        };
        match result {
            Err(BodyError::Malformed(_)) if !is_whole => self.body_text(text),
            Err(error) => self.body_error(error),
            Ok(()) => {}
        }
        self.fill_combined_size();
    }

    /// Reads a body that no content type says how to read. What is JSON is read as such. A text is read as one value, and as a
    /// form, for its service may do either; what is neither, an image for one, is left alone.
    fn read_text(&mut self, text: Span) {
        let store = &mut self.scratch.store;
        let is_json = matches!(store.text(text).trim_ascii_start().first(), Some(b'{' | b'['))
            && json::read(store, text, self.program.settings.json_depth_max).is_ok();
        let content_type = find(store, List::RequestHeaders, b"content-type").unwrap_or_default();
        if is_json || !is_text(store.text(content_type)) {
            return;
        }
        if memchr::memchr(b'=', store.text(text)).is_some() {
            urlencoded::read(store, List::ArgsPost, text, self.program.settings.argument_separator);
        }
        self.body_text(text);
    }

    /// Makes a body one value.
    fn body_text(&mut self, text: Span) {
        let name = self.scratch.store.push(b"body");
        self.scratch.store.add(List::ArgsPost, name, text);
    }

    fn body_error(&mut self, error: BodyError) {
        let what = match error {
            BodyError::Malformed(what) => {
                self.reach(LimitReached::Malformed);
                what
            }
            BodyError::TooDeep => {
                self.reach(LimitReached::Depth);
                "it nests too deep"
            }
        };
        let store = &mut self.scratch.store;
        let one = store.push(b"1");
        let what: Span = store.push(what.as_bytes());
        store.set_scalar(scalar::REQBODY_ERROR, one);
        store.set_scalar(scalar::REQBODY_PROCESSOR_ERROR, one);
        store.set_scalar(scalar::REQBODY_ERROR_MSG, what);
        if self.processor == Some(Processor::Multipart) {
            store.set_scalar(scalar::MULTIPART_STRICT_ERROR, one);
        }
    }
}

/// Whether a body of this content type is for people or programs to read as text. One without a type may be anything.
fn is_text(content_type: &[u8]) -> bool {
    const TEXTS: [&[u8]; 9] = [
        b"application/graphql",
        b"application/javascript",
        b"application/jsonl",
        b"application/jsonlines",
        b"application/sql",
        b"application/x-ndjson",
        b"application/x-yaml",
        b"application/yaml",
        b"application/toml",
    ];
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let is_of_text = essence.get(..5).is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/"));
    essence.is_empty() || is_of_text || TEXTS.iter().any(|text| essence.eq_ignore_ascii_case(text))
}
