//! The session cookie, as it is set and cleared.

use cedargate_identity::{SessionToken, session_cookie_name};
use cedargate_model::Scheme;
use http::HeaderValue;
use http::header::InvalidHeaderValue;
use zeroize::Zeroizing;

/// Sets the cookie. It ends with the browser's session or with ours, whichever is first; without `Domain` it is this
/// host's alone, and `Lax` still sends it when somebody follows a link from a mail.
pub(crate) fn set(scheme: Scheme, token: &SessionToken) -> Result<HeaderValue, InvalidHeaderValue> {
    let name = session_cookie_name(scheme);
    let text = Zeroizing::new(format!("{name}={}{}", *token.expose(), attributes(scheme)));
    let mut value = HeaderValue::from_str(&text)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Makes the browser forget the cookie.
pub(crate) fn clear(scheme: Scheme) -> HeaderValue {
    match scheme {
        Scheme::Https => {
            HeaderValue::from_static("__Host-cedargate=; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=0")
        }
        Scheme::Http => HeaderValue::from_static("cedargate=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"),
    }
}

fn attributes(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Https => "; Path=/; HttpOnly; SameSite=Lax; Secure",
        Scheme::Http => "; Path=/; HttpOnly; SameSite=Lax",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_and_what_is_cleared_is_the_same_cookie() {
        for scheme in [Scheme::Http, Scheme::Https] {
            let cleared = clear(scheme);
            let expected = format!("{}={}; Max-Age=0", session_cookie_name(scheme), attributes(scheme));
            assert_eq!(cleared.to_str().unwrap(), expected);
        }
    }
}
