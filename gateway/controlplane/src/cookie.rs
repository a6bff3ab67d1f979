//! The gateway's cookies, as they are set and cleared: the session's, and the one of a sign-in under way at a provider.

use cedargate_identity::{ATTEMPT_TTL, Begun, device_cookie_name, session_cookie_name, signin_cookie_name};
use cedargate_idp_adapters::{DEVICE_TTL, InBrowser};
use cedargate_model::{Micros, Scheme};
use cedargate_texts::{Language, language_cookie_name};
use http::header::{self, InvalidHeaderValue};
use http::{HeaderMap, HeaderValue};
use zeroize::Zeroizing;

/// Sets the cookie. It ends with the browser's session or with ours, whichever is first; without `Domain` it is this
/// host's alone, and `Lax` still sends it when somebody follows a link from a mail.
///
/// That of a session which is to be remembered stays with the browser for as long as the session lives.
pub(crate) fn set(scheme: Scheme, begun: &Begun, now: Micros) -> Result<HeaderValue, InvalidHeaderValue> {
    let name = session_cookie_name(scheme);
    let age = begun.is_remembered.then(|| format!("; Max-Age={}", begun.expires_at.since(now).as_secs()));
    let (token, age) = (begun.token.expose(), age.unwrap_or_default());
    let text = Zeroizing::new(format!("{name}={}{}{age}", *token, attributes(scheme)));
    let mut value = HeaderValue::from_str(&text)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Has the browser remember a language, for a year.
pub(crate) fn set_language(scheme: Scheme, language: Language) -> Result<HeaderValue, InvalidHeaderValue> {
    let (name, tag) = (language_cookie_name(scheme), language.tag());
    HeaderValue::from_str(&format!("{name}={tag}{}; Max-Age=31536000", attributes(scheme)))
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

/// Sets the cookie in which this browser keeps the sign-in that it began, sealed. `Lax` sends it when the provider's answer comes, which is a navigation from
/// another site.
pub(crate) fn set_signin(scheme: Scheme, kept: &InBrowser) -> Result<HeaderValue, InvalidHeaderValue> {
    let (name, age) = (signin_cookie_name(scheme), ATTEMPT_TTL.as_secs());
    let text = Zeroizing::new(format!("{name}={}{}; Max-Age={age}", kept.expose(), attributes(scheme)));
    let mut value = HeaderValue::from_str(&text)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Sets the same cookie where the provider's answer is a form that its page posts here: `Lax` would keep the cookie back. Browsers take
/// `None` with `Secure` alone, which they allow to plain HTTP on this machine's own names; elsewhere such a sign-in needs HTTPS.
pub(crate) fn set_signin_from_any_site(scheme: Scheme, kept: &InBrowser) -> Result<HeaderValue, InvalidHeaderValue> {
    let (name, age) = (signin_cookie_name(scheme), ATTEMPT_TTL.as_secs());
    let text = Zeroizing::new(format!("{name}={}{ANY_SITE}; Max-Age={age}", kept.expose()));
    let mut value = HeaderValue::from_str(&text)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Makes the browser forget that one.
pub(crate) fn clear_signin_from_any_site(scheme: Scheme) -> HeaderValue {
    match scheme {
        Scheme::Https => {
            HeaderValue::from_static("__Host-cedargate-signin=; Path=/; HttpOnly; SameSite=None; Secure; Max-Age=0")
        }
        Scheme::Http => {
            HeaderValue::from_static("cedargate-signin=; Path=/; HttpOnly; SameSite=None; Secure; Max-Age=0")
        }
    }
}

const ANY_SITE: &str = "; Path=/; HttpOnly; SameSite=None; Secure";

/// Makes the browser forget that cookie.
pub(crate) fn clear_signin(scheme: Scheme) -> HeaderValue {
    match scheme {
        Scheme::Https => {
            HeaderValue::from_static("__Host-cedargate-signin=; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=0")
        }
        Scheme::Http => HeaderValue::from_static("cedargate-signin=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"),
    }
}

/// Sets the cookie by which a browser says that its person proved a factor in it. It is sent with requests of this host's own pages alone.
pub(crate) fn set_device(scheme: Scheme, kept: &InBrowser) -> Result<HeaderValue, InvalidHeaderValue> {
    let (name, age) = (device_cookie_name(scheme), DEVICE_TTL.as_secs());
    let text = Zeroizing::new(format!("{name}={}{}; Max-Age={age}", kept.expose(), attributes(scheme)));
    let mut value = HeaderValue::from_str(&text)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Reads that cookie.
pub(crate) fn device_kept(scheme: Scheme, headers: &HeaderMap) -> Option<InBrowser> {
    kept_as(device_cookie_name(scheme), headers)
}

/// Reads the cookie of a sign-in under way.
pub(crate) fn signin_kept(scheme: Scheme, headers: &HeaderMap) -> Option<InBrowser> {
    kept_as(signin_cookie_name(scheme), headers)
}

/// The data plane passes on one, or none where there were two.
fn kept_as(wanted: &str, headers: &HeaderMap) -> Option<InBrowser> {
    let mut found =
        headers.get_all(header::COOKIE).iter().filter_map(|header| header.to_str().ok()).flat_map(|header| {
            header.split(';').filter_map(|pair| pair.trim().split_once('=')).filter(|(name, _)| *name == wanted)
        });
    match (found.next(), found.next()) {
        (Some((_, value)), None) => InBrowser::parse(value),
        _ => None,
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
            let cleared = clear_signin(scheme);
            let expected = format!("{}={}; Max-Age=0", signin_cookie_name(scheme), attributes(scheme));
            assert_eq!(cleared.to_str().unwrap(), expected);
            let cleared = clear_signin_from_any_site(scheme);
            assert_eq!(cleared.to_str().unwrap(), format!("{}={ANY_SITE}; Max-Age=0", signin_cookie_name(scheme)));
        }
    }
}
