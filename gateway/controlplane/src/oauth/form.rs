//! The parameters of a request, each at most once (RFC 6749 §3.2).

use axum::body::Bytes;
use cedargate_model::TokenReason;
use http::{HeaderMap, header};
use zeroize::Zeroizing;

/// How many parameters are read.
const PARAMETERS_MAX: usize = 32;

/// Parameters by name. One without a value counts as left out.
pub(super) struct Form(Vec<(String, Zeroizing<String>)>);

impl Form {
    /// Reads a form.
    ///
    /// # Errors
    /// `RequestMalformed` for another type of content, for a name that stands twice, and for too many.
    pub(super) fn read(headers: &HeaderMap, body: &Bytes) -> Result<Self, TokenReason> {
        let kind = headers.get(header::CONTENT_TYPE).map(|kind| kind.as_bytes().to_ascii_lowercase());
        let is_form = kind.is_some_and(|kind| {
            let (name, rest) = kind.split_at_checked(FORM.len()).unwrap_or_default();
            name == FORM && matches!(rest.first(), None | Some(b';' | b' '))
        });
        if !is_form {
            return Err(TokenReason::RequestMalformed);
        }
        let mut read: Vec<(String, Zeroizing<String>)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(body) {
            let value = Zeroizing::new(value.into_owned());
            if read.len() == PARAMETERS_MAX || read.iter().any(|(known, _)| *known == *name) {
                return Err(TokenReason::RequestMalformed);
            }
            read.push((name.into_owned(), value));
        }
        Ok(Self(read))
    }

    /// A parameter's value.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

const FORM: &[u8] = b"application/x-www-form-urlencoded";

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(kind: &'static str, body: &'static str) -> Result<Form, TokenReason> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        Form::read(&headers, &Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn what_stands_twice_or_is_no_form_is_refused() {
        let kind = "application/x-www-form-urlencoded";
        for (kind, body) in [
            ("application/json", "{}"),
            ("application/x-www-form-urlencodedx", "a=1"),
            (kind, "a=1&a=1"),
            (kind, "a=&a=1"),
            (kind, "a=1&%61=2"),
        ] {
            assert_eq!(read(kind, body).err(), Some(TokenReason::RequestMalformed), "{kind} {body}");
        }
        let form = read("Application/X-WWW-Form-URLEncoded; charset=utf-8", "a=%2B1&b=&c=x+y").unwrap();
        assert_eq!((form.get("a"), form.get("b"), form.get("c"), form.get("d")), (Some("+1"), None, Some("x y"), None));
    }
}
