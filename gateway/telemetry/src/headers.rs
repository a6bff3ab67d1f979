//! What a collector wants to see before it takes anything: usually a token.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

/// Headers on every message to the collector. Their values are shown to nobody.
#[derive(Clone, Default)]
pub struct Headers(HeaderMap);

/// Which entry is none. It never repeats the entry's value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadersError {
    /// There is no `=` or `:`.
    #[error("entry {0} has no name and value")]
    Malformed(usize),
    /// No header is called that.
    #[error("entry {0}: no header has this name")]
    Name(usize),
    /// No header may have such a value.
    #[error("entry {0}: a header's value cannot hold that")]
    Value(usize),
    /// It is one that says what the message is.
    #[error("entry {0}: this header is not to be set")]
    Own(usize),
}

/// What the exporter itself says of a message.
const OWN: [HeaderName; 5] = [
    http::header::CONTENT_TYPE,
    http::header::CONTENT_LENGTH,
    http::header::HOST,
    http::header::CONNECTION,
    http::header::TRANSFER_ENCODING,
];

impl Headers {
    /// Reads `name=value,name=value` with values percent-encoded, as `OTEL_EXPORTER_OTLP_HEADERS` has them.
    ///
    /// # Errors
    /// The first entry that is none.
    pub fn parse_list(text: &str) -> Result<Self, HeadersError> {
        let entries = text.split(',').filter(|entry| !entry.trim().is_empty());
        Self::of(entries, '=', |value| {
            percent_decode_str(value).decode_utf8().ok().map(|value| Zeroizing::new(value.into_owned()))
        })
    }

    /// Reads a line `Name: value` for each header. Empty lines and lines that begin with `#` count for nothing.
    ///
    /// # Errors
    /// The first line that is none.
    pub fn parse_lines(text: &str) -> Result<Self, HeadersError> {
        let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        Self::of(lines, ':', |value| Some(Zeroizing::new(value.to_owned())))
    }

    fn of<'t>(
        entries: impl Iterator<Item = &'t str>,
        between: char,
        decode: impl Fn(&str) -> Option<Zeroizing<String>>,
    ) -> Result<Self, HeadersError> {
        let mut headers = HeaderMap::new();
        for (number, entry) in (1..).zip(entries) {
            let (name, value) = entry.split_once(between).ok_or(HeadersError::Malformed(number))?;
            let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| HeadersError::Name(number))?;
            if OWN.contains(&name) {
                return Err(HeadersError::Own(number));
            }
            let value = decode(value.trim()).ok_or(HeadersError::Value(number))?;
            let mut value = HeaderValue::from_str(&value).map_err(|_| HeadersError::Value(number))?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        Ok(Self(headers))
    }

    pub(crate) fn map(&self) -> &HeaderMap {
        &self.0
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_writing_headers_are_read() {
        let list = Headers::parse_list("Authorization=Basic%20c2VjcmV0, x-tenant=a").unwrap();
        let lines =
            Headers::parse_lines("# for the collector\nAuthorization: Basic c2VjcmV0\n\nX-Tenant: a\n").unwrap();
        assert_eq!(list.map(), lines.map());
        assert_eq!(list.map()["authorization"], "Basic c2VjcmV0");
    }

    #[test]
    fn values_are_shown_to_nobody() {
        let headers = Headers::parse_list("authorization=very-secret").unwrap();
        assert!(!format!("{headers:?} {:?}", headers.map()).contains("very-secret"));
        for text in ["very-secret", "a=1,very secret=2", "a=very-secret%0a", "a=very-secret%ff", "host=very-secret"] {
            let error = Headers::parse_list(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("very"), "{error}");
        }
    }
}
