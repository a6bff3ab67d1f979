//! Forms and queries.

use crate::seclang::bytes::hex_pair;
use crate::seclang::store::{Span, Store};
use crate::seclang::variable::List;

/// Reads `name=value` pairs, undoing percent-encoding.
pub(super) fn read(store: &mut Store, list: List, form: Span, separator: u8) {
    let mut at = 0;
    while at < form.len() {
        let text = store.text(form);
        let rest = text.get(at..).unwrap_or_default();
        let len = memchr::memchr(separator, rest).unwrap_or(rest.len());
        let pair = rest.get(..len).unwrap_or_default();
        let equals = memchr::memchr(b'=', pair).unwrap_or(len);
        if len > 0 {
            let name = decoded(store, form.part(at, at + equals));
            let value = decoded(store, form.part((at + equals + 1).min(at + len), at + len));
            store.add(list, name, value);
        }
        at += len + 1;
    }
}

/// A path, decoded; in it, `+` is itself.
pub(super) fn decoded_path(store: &mut Store, path: Span) -> Span {
    if memchr::memchr(b'%', store.text(path)).is_none() { path } else { decode(store, path, b'+') }
}

/// A name or value, decoded; the span itself where there is nothing to undo.
fn decoded(store: &mut Store, span: Span) -> Span {
    if memchr::memchr2(b'%', b'+', store.text(span)).is_none() { span } else { decode(store, span, b' ') }
}

fn decode(store: &mut Store, span: Span, plus: u8) -> Span {
    let begin = store.begin();
    let mut at = 0;
    while let Some(&byte) = store.text(span).get(at) {
        let pair = store.text(span).get(at + 1..at + 3);
        let decoded = match (byte, pair) {
            (b'%', Some([high, low])) => hex_pair(*high, *low),
            _ => None,
        };
        at += if decoded.is_some() { 3 } else { 1 };
        store.write(&[decoded.unwrap_or(if byte == b'+' { plus } else { byte })]);
    }
    store.end(begin)
}
