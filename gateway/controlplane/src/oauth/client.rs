//! Which client asks (RFC 6749 §2.3.1)? Its id is a key's id, its secret the key: one secret, shown either with every request or now
//! and then for tokens.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cedargate_model::TokenReason;
use http::{HeaderMap, header};
use zeroize::Zeroizing;

use super::form::Form;

/// A client's id and secret as they were shown.
pub(super) struct Shown {
    pub(super) id: String,
    pub(super) secret: Zeroizing<String>,
}

/// Whether anything of client authentication is there at all.
pub(super) fn is_shown(headers: &HeaderMap, form: &Form) -> bool {
    headers.contains_key(header::AUTHORIZATION) || form.get("client_secret").is_some()
}

/// What a client showed, in the `Authorization` header or as parameters.
///
/// # Errors
/// `CredentialsAmbiguous` for both at once (§2.3: "MUST NOT use more than one"), `ClientMissing` for neither.
pub(super) fn shown(headers: &HeaderMap, form: &Form) -> Result<Shown, TokenReason> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let in_header = match (values.next(), values.next()) {
        (None, _) => None,
        (Some(value), None) => Some(basic(value.as_bytes()).ok_or(TokenReason::ClientMissing)?),
        (Some(_), Some(_)) => return Err(TokenReason::CredentialsAmbiguous),
    };
    match (in_header, form.get("client_id"), form.get("client_secret")) {
        (Some(_), _, Some(_)) => Err(TokenReason::CredentialsAmbiguous),
        // Naming oneself twice is allowed, alike.
        (Some(shown), Some(id), None) if shown.id != id => Err(TokenReason::ClientMismatch),
        (Some(shown), _, None) => Ok(shown),
        (None, Some(id), Some(secret)) => Ok(Shown { id: id.to_owned(), secret: Zeroizing::new(secret.to_owned()) }),
        (None, _, _) => Err(TokenReason::ClientMissing),
    }
}

/// Id and secret of `Basic`, each encoded as in a form before they are joined (§2.3.1).
fn basic(value: &[u8]) -> Option<Shown> {
    let (scheme, encoded) = value.split_at_checked(b"basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(encoded.trim_ascii()).ok()?);
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(Shown { id: unescaped(id)?.to_string(), secret: unescaped(secret)? })
}

fn unescaped(text: &str) -> Option<Zeroizing<String>> {
    let spaced = Zeroizing::new(text.replace('+', " "));
    let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(Zeroizing::new(decoded.into_owned()))
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn form(body: &str) -> Form {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        Form::read(&headers, &Bytes::copy_from_slice(body.as_bytes())).ok().unwrap()
    }

    fn ask(authorization: Option<&str>, body: &str) -> Result<(String, String), TokenReason> {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        shown(&headers, &form(body)).map(|shown| (shown.id, shown.secret.to_string()))
    }

    #[test]
    fn a_client_shows_itself_in_one_way() {
        let basic = format!("bAsIc {}", STANDARD.encode("a%20b:c%3Ad"));
        let both = ("a b".to_owned(), "c:d".to_owned());
        assert_eq!(ask(Some(&basic), ""), Ok(both.clone()));
        assert_eq!(ask(Some(&basic), "client_id=a+b"), Ok(both.clone()));
        assert_eq!(ask(None, "client_id=a+b&client_secret=c:d"), Ok(both));
        for (authorization, body, why) in [
            (Some(&*basic), "client_secret=c", TokenReason::CredentialsAmbiguous),
            (Some(&*basic), "client_id=other", TokenReason::ClientMismatch),
            (None, "", TokenReason::ClientMissing),
            (None, "client_id=a", TokenReason::ClientMissing),
            (None, "client_secret=c", TokenReason::ClientMissing),
            (Some("Bearer x"), "", TokenReason::ClientMissing),
            (Some("Basic"), "", TokenReason::ClientMissing),
            (Some("Basic !"), "", TokenReason::ClientMissing),
            (Some("Basic YQ=="), "", TokenReason::ClientMissing),
        ] {
            assert_eq!(ask(authorization, body), Err(why), "{authorization:?} {body}");
        }
    }

    proptest! {
        #[test]
        fn no_header_is_more_than_refused(octets in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = basic(&octets);
            let _ = basic(&[b"Basic ", &*octets].concat());
            let _ = basic(format!("Basic {}", STANDARD.encode(&octets)).as_bytes());
        }
    }
}
