//! A request's head.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::{Transaction, urlencoded};
use crate::Headers;
use crate::seclang::ast::Processor;
use crate::seclang::store::{Span, Store};
use crate::seclang::variable::{List, scalar};

/// The head of a request, as it came.
#[derive(Clone, Copy)]
pub struct RequestHead<'a> {
    /// The client's address and port.
    pub client: (IpAddr, u16),
    /// The address and port that the request came to.
    pub server: (IpAddr, u16),
    /// The method.
    pub method: &'a [u8],
    /// The request target as it stood in the request line.
    pub target: &'a [u8],
    /// The version, such as `HTTP/1.1`.
    pub protocol: &'a [u8],
    /// The header fields, in their order.
    pub headers: &'a dyn Headers,
    /// What tells this exchange from all others: sampling goes by it.
    pub id: &'a str,
}

impl Transaction<'_> {
    /// Takes a request's head, and runs phase 1.
    pub fn request_head(&mut self, head: &RequestHead<'_>) {
        self.fill_head(head);
        self.run_phase(1);
    }

    fn fill_head(&mut self, head: &RequestHead<'_>) {
        let store = &mut self.scratch.store;
        let headers = fill_headers(store, List::RequestHeaders, head.headers);
        store.allow(8 * (headers + head.target.len()));
        self.allow_work(headers + head.target.len());
        let store = &mut self.scratch.store;
        fill_line(store, head);
        fill_addresses(store, head);
        fill_cookies(store);
        if !self.setup.own_cookies.is_empty() {
            self.hide_own_cookies();
        }
        let store = &mut self.scratch.store;
        let host = find(store, List::RequestHeaders, b"host").unwrap_or_default();
        let host_len = store.text(host).iter().position(|byte| *byte == b':').unwrap_or(host.len());
        store.set_scalar(scalar::SERVER_NAME, host.part(0, host_len));
        if let Some(authorization) = find(store, List::RequestHeaders, b"authorization") {
            let end = store.text(authorization).iter().position(|byte| *byte == b' ').unwrap_or(authorization.len());
            store.set_scalar(scalar::AUTH_TYPE, authorization.part(0, end));
        }
        let content_type = find(store, List::RequestHeaders, b"content-type");
        self.processor = content_type.and_then(|span| processor_of(store.text(span)));
        let store = &mut self.scratch.store;
        let processor = store.push(self.processor.map_or("", Processor::name).as_bytes());
        store.set_scalar(scalar::REQBODY_PROCESSOR, processor);
        let id = store.push(head.id.as_bytes());
        store.set_scalar(scalar::UNIQUE_ID, id);
        let zero = store.push(b"0");
        for slot in [
            scalar::DURATION,
            scalar::REQBODY_ERROR,
            scalar::REQBODY_PROCESSOR_ERROR,
            scalar::MULTIPART_STRICT_ERROR,
            scalar::MULTIPART_UNMATCHED_BOUNDARY,
            scalar::INBOUND_DATA_ERROR,
            scalar::OUTBOUND_DATA_ERROR,
            scalar::REQUEST_BODY_LENGTH,
            scalar::FILES_COMBINED_SIZE,
        ] {
            store.set_scalar(slot, zero);
        }
        self.fill_query();
    }

    fn fill_query(&mut self) {
        let store = &mut self.scratch.store;
        if let Some(query) = store.at(List::Scalars, scalar::QUERY_STRING) {
            urlencoded::read(store, List::ArgsGet, query, self.program.settings.argument_separator);
        }
        self.fill_combined_size();
    }

    pub(super) fn fill_combined_size(&mut self) {
        let store = &mut self.scratch.store;
        let lists = [List::ArgsGet, List::ArgsPost];
        let size: usize =
            lists.iter().flat_map(|list| store.list(*list)).map(|item| item.name.len() + item.value.len()).sum();
        let size = store.number(i64::try_from(size).unwrap_or(i64::MAX));
        store.set_scalar(scalar::ARGS_COMBINED_SIZE, size);
    }
}

/// What reads a body of this content type; as ModSecurity and its recommended configuration choose.
fn processor_of(content_type: &[u8]) -> Option<Processor> {
    let is_json_suffix = |subtype: &[u8]| {
        let end = subtype.iter().position(|byte| matches!(byte, b';' | b' ' | b'\t')).unwrap_or(subtype.len());
        end.checked_sub(5)
            .and_then(|from| subtype.get(from..end))
            .is_some_and(|suffix| suffix.eq_ignore_ascii_case(b"+json"))
    };
    let after = |prefix: &[u8]| {
        let (begin, rest) = content_type.split_at_checked(prefix.len())?;
        begin.eq_ignore_ascii_case(prefix).then_some(rest)
    };
    let starts = |prefix: &[u8]| after(prefix).is_some();
    if starts(b"application/x-www-form-urlencoded") {
        Some(Processor::UrlEncoded)
    } else if starts(b"multipart/form-data") {
        Some(Processor::Multipart)
    } else if starts(b"application/json") || after(b"application/").is_some_and(is_json_suffix) {
        Some(Processor::Json)
    } else if starts(b"application/xml") || starts(b"application/soap+xml") || starts(b"text/xml") {
        Some(Processor::Xml)
    } else {
        None
    }
}

/// Puts header fields into a list; returns how many octets they have.
pub(super) fn fill_headers(store: &mut Store, list: List, headers: &dyn Headers) -> usize {
    let mut bytes = 0;
    headers.each(&mut |name, value| {
        bytes += name.len() + value.len();
        let name = store.push(name.as_bytes());
        let value = store.push(value.trim_ascii());
        store.add(list, name, value);
    });
    bytes
}

/// The first value of this name, in any case.
pub(super) fn find(store: &Store, list: List, name: &[u8]) -> Option<Span> {
    let item = store.list(list).iter().find(|item| store.text(item.name).eq_ignore_ascii_case(name))?;
    Some(item.value)
}

fn fill_line(store: &mut Store, head: &RequestHead<'_>) {
    let begin = store.begin();
    store.write(head.method);
    store.write(b" ");
    store.write(head.target);
    store.write(b" ");
    store.write(head.protocol);
    let line = store.end(begin);
    store.set_scalar(scalar::REQUEST_LINE, line);
    let target_from = head.method.len() + 1;
    let target_to = target_from + head.target.len();
    store.set_scalar(scalar::REQUEST_METHOD, line.part(0, head.method.len()));
    store.set_scalar(scalar::REQUEST_PROTOCOL, line.part(target_to + 1, line.len()));
    let raw = line.part(target_from, target_to);
    store.set_scalar(scalar::REQUEST_URI_RAW, raw);
    // Without scheme and host, where it is in absolute form.
    let uri = raw.part(origin_form(store.text(raw)), raw.len());
    store.set_scalar(scalar::REQUEST_URI, uri);
    let text = store.text(uri);
    // A `#` ends nothing here: servers differ in what they make of one that was sent.
    let question = text.iter().position(|byte| *byte == b'?');
    let path_len = question.unwrap_or(text.len());
    let path = urlencoded::decoded_path(store, uri.part(0, path_len));
    let last_slash = store.text(path).iter().rposition(|byte| matches!(byte, b'/' | b'\\'));
    store.set_scalar(scalar::REQUEST_FILENAME, path);
    store.set_scalar(scalar::PATH_INFO, path);
    store.set_scalar(scalar::REQUEST_BASENAME, path.part(last_slash.map_or(0, |at| at + 1), path.len()));
    let query = question.map_or(Span::default(), |at| uri.part(at + 1, uri.len()));
    store.set_scalar(scalar::QUERY_STRING, query);
}

/// Where a target's path begins: behind `scheme://host`.
fn origin_form(target: &[u8]) -> usize {
    let scheme = target.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    if scheme == 0 || !target.get(scheme..).is_some_and(|rest| rest.starts_with(b"://")) {
        return 0;
    }
    let host = scheme + 3;
    target
        .get(host..)
        .and_then(|rest| rest.iter().position(|byte| b"/?#".contains(byte)))
        .map_or(target.len(), |at| host + at)
}

fn fill_addresses(store: &mut Store, head: &RequestHead<'_>) {
    let mut set = |slots: &[usize], text: &str| {
        let span = store.push(text.as_bytes());
        slots.iter().for_each(|slot| store.set_scalar(*slot, span));
    };
    let mut text = AddressText { bytes: [0; 48], len: 0 };
    set(&[scalar::REMOTE_ADDR, scalar::REMOTE_HOST], text.format(head.client.0));
    set(&[scalar::SERVER_ADDR], text.format(head.server.0));
    set(&[scalar::REMOTE_PORT], itoa::Buffer::new().format(head.client.1));
    set(&[scalar::SERVER_PORT], itoa::Buffer::new().format(head.server.1));
}

/// An address as text, on the stack.
struct AddressText {
    bytes: [u8; 48],
    len: usize,
}

impl AddressText {
    fn format(&mut self, address: IpAddr) -> &str {
        self.len = 0;
        // The longest has 45 octets, so it always fits.
        let _ = write!(self, "{address}");
        self.bytes.get(..self.len).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }
}

impl std::fmt::Write for AddressText {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(std::fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// Cookies: `name=value` between semicolons, as they were sent.
fn fill_cookies(store: &mut Store) {
    let fields = store.list(List::RequestHeaders).len();
    for index in 0..fields {
        let Some(field) = store.list(List::RequestHeaders).get(index).copied() else { continue };
        if !store.text(field.name).eq_ignore_ascii_case(b"cookie") {
            continue;
        }
        let mut at = 0;
        while at <= field.value.len() {
            let text = store.text(field.value);
            let rest = text.get(at..).unwrap_or_default();
            let end = at + rest.iter().position(|byte| *byte == b';').unwrap_or(rest.len());
            let begin = at + rest.iter().take(end - at).take_while(|byte| byte.is_ascii_whitespace()).count();
            let cookie = text.get(begin..end).unwrap_or_default();
            let name_len = cookie.iter().position(|byte| *byte == b'=').unwrap_or(cookie.len());
            let value_from = (begin + name_len + 1).min(end);
            if !cookie.is_empty() {
                let (name, value) = (field.value.part(begin, begin + name_len), field.value.part(value_from, end));
                store.add(List::Cookies, name, value);
            }
            at = end + 1;
        }
    }
}
