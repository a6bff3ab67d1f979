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
        if self.request_body && !body.is_empty() {
            self.scratch.store.keep_for_rules(true);
            self.fill_body(body);
            self.scratch.store.keep_for_rules(false);
        }
        self.run_phase(2);
    }

    fn fill_body(&mut self, body: &[u8]) {
        let max = self.program.settings.request_body_bytes_max;
        let store = &mut self.scratch.store;
        let inspected = body.get(..max).unwrap_or(body);
        if inspected.len() < body.len() {
            self.report.limit.get_or_insert(LimitReached::Body);
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
        if let Err(error) = result {
            self.body_error(error);
        }
        self.fill_combined_size();
    }

    fn body_error(&mut self, error: BodyError) {
        let what = match error {
            BodyError::Malformed(what) => {
                self.report.limit.get_or_insert(LimitReached::Malformed);
                what
            }
            BodyError::TooDeep => {
                self.report.limit.get_or_insert(LimitReached::Depth);
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
