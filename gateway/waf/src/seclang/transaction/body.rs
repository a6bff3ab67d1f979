//! A request's body.

use super::head::find;
use super::{LimitReached, Transaction, json, multipart, urlencoded, xml};
use crate::seclang::ast::Processor;
use crate::seclang::store::{Span, Store};
use crate::seclang::transform::js_decode;
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
        let (depth_max, exempt) = (self.program.settings.json_depth_max, self.setup.exempt_fields);
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
                if self.setup.reads_texts {
                    // A form by its name alone, which is what some programs send everything as: its service may look at what it is.
                    let _ = read_documents(store, text, depth_max, exempt);
                }
                Ok(())
            }
            Some(Processor::Multipart) => {
                let content_type = find(store, List::RequestHeaders, b"content-type").unwrap_or_default();
                multipart::read(store, content_type, text)
            }
            Some(Processor::Json) => json::read(store, text, depth_max, exempt),
            Some(Processor::Xml) => xml::read(store, text, depth_max),
        };
        match result {
            Err(BodyError::Malformed(_)) if !is_whole => self.body_text(text),
            Err(error) => self.body_error(error),
            Ok(()) => {}
        }
        if !exempt.is_empty() {
            self.hide_exempt_fields(text);
        }
        self.fill_combined_size();
    }

    /// Reads a body that no content type says how to read. What is JSON is read as such. A text is read as one value, and as a
    /// form, for its service may do either; what is neither, an image for one, is left alone.
    fn read_text(&mut self, text: Span) {
        let store = &mut self.scratch.store;
        let is_json = read_documents(store, text, self.program.settings.json_depth_max, self.setup.exempt_fields);
        let content_type = find(store, List::RequestHeaders, b"content-type").unwrap_or_default();
        if is_json || !is_text(store.text(content_type)) {
            return;
        }
        if memchr::memchr(b'=', store.text(text)).is_some() {
            urlencoded::read(store, List::ArgsPost, text, self.program.settings.argument_separator);
        }
        self.body_text(text);
    }

    /// Makes a body one value; and another without its `\u0041` and the like, where it has any: YAML, GraphQL and JSON in parts are
    /// read so.
    fn body_text(&mut self, text: Span) {
        let name = self.scratch.store.push(b"body");
        self.scratch.store.add(List::ArgsPost, name, text);
        let octets = self.scratch.store.text(text);
        if self.setup.reads_texts && (memmem(octets, b"\\u") || memmem(octets, b"\\x")) {
            let mut plain = std::mem::take(&mut self.scratch.buffers.next);
            plain.clear();
            js_decode(self.scratch.store.text(text), &mut plain);
            let plain_text = self.scratch.store.push(&plain);
            self.scratch.store.add(List::ArgsPost, name, plain_text);
            self.scratch.buffers.next = plain;
        }
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

fn memmem(text: &[u8], wanted: &[u8]) -> bool {
    memchr::memmem::find(text, wanted).is_some()
}

/// Reads a text that begins as JSON does: as one document, or as one on each line. Says whether it is that.
fn read_documents(store: &mut Store, text: Span, depth_max: usize, exempt: &[String]) -> bool {
    let octets = store.text(text);
    let octets = octets.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(octets);
    if !matches!(octets.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return false;
    }
    if json::read(store, text, depth_max, exempt).is_ok() {
        return true;
    }
    let mut at = 0;
    while at < text.len() {
        let rest = store.text(text.part(at, text.len()));
        let len = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let is_blank = rest.get(..len).unwrap_or_default().trim_ascii().is_empty();
        if !is_blank && json::read(store, text.part(at, at + len), depth_max, exempt).is_err() {
            return false;
        }
        at += len + 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_read_whatever_they_are_called() {
        for (text, is_read) in [
            (r#"{"q": "\u0031"}"#, true),
            ("\u{feff}{\"q\": \"\\u0031\"}", true),
            ("{}\n\n{\"q\": \"\\u0031\"}\n", true),
            ("{}\n{\"q\": ", false),
            ("q=1", false),
        ] {
            let mut store = Store::new(1000);
            let span = store.push(text.as_bytes());
            assert_eq!(read_documents(&mut store, span, 32, &[]), is_read, "{text}");
            let is_unescaped = store.list(List::ArgsPost).iter().any(|arg| store.text(arg.value) == b"1");
            assert_eq!(is_unescaped, is_read, "{text}");
        }
    }
}
