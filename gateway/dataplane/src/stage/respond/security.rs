//! What every answer carries for browsers, and what a service may not say.

use cedargate_model::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Two years, as browsers' preload lists ask. Without `includeSubDomains`: hosts below a tenant's are not ours to speak
/// for.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=63072000");

/// For services without a policy of their own: what a page that was written without one does not need. No framing by
/// others, no plugins, no `<base>` that leads elsewhere. Scripts and styles are not touched, which would break pages.
const SERVICE_CSP: HeaderValue = HeaderValue::from_static("frame-ancestors 'self'; object-src 'none'; base-uri 'self'");

/// For the gateway's own refusals: a page with one stylesheet and links.
const OWN_CSP: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// The powers that a page has to ask for by a policy of its own.
const PERMISSIONS: HeaderValue =
    HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=(), serial=(), usb=()");

/// What must be set on a service's answer, given what it sent itself. Each replaces the service's own value.
///
/// - `Strict-Transport-Security`: ours, on TLS only. It binds the whole host, so no service decides on it.
/// - `Content-Security-Policy`: the service's own, whatever it says; a minimum where it has none. One that only reports
///   protects nobody and is none.
/// - `X-Frame-Options`: `DENY` or `SAMEORIGIN` of its own, else `SAMEORIGIN`. Browsers that know `frame-ancestors` go by
///   that.
/// - `Referrer-Policy`: its own where every value in it is at least as strict as ours.
/// - `X-Content-Type-Options`: always `nosniff`.
/// - `Permissions-Policy`: its own, since only the service knows what its pages need; else none of the powers that
///   intrude.
pub(crate) fn security_headers(
    scheme: Scheme,
    own: &HeaderMap,
) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<> {
    let set = |name: HeaderName, value: &'static str| (name, HeaderValue::from_static(value));
    [
        Some(set(header::X_CONTENT_TYPE_OPTIONS, "nosniff")),
        transport_security(scheme),
        is_blank(own, &header::CONTENT_SECURITY_POLICY).then_some((header::CONTENT_SECURITY_POLICY, SERVICE_CSP)),
        (!keeps_frames_out(own)).then(|| set(header::X_FRAME_OPTIONS, "SAMEORIGIN")),
        (!keeps_referrer(own)).then(|| set(header::REFERRER_POLICY, "strict-origin-when-cross-origin")),
        is_blank(own, &PERMISSIONS_POLICY).then_some((PERMISSIONS_POLICY, PERMISSIONS)),
    ]
    .into_iter()
    .flatten()
}

/// HSTS for every answer over TLS, refusals included (RFC 6797 §7.1). Browsers heed it only under a certificate that
/// they accept for the host.
pub(super) fn transport_security(scheme: Scheme) -> Option<(HeaderName, HeaderValue)> {
    (scheme == Scheme::Https).then_some((header::STRICT_TRANSPORT_SECURITY, HSTS))
}

/// What the gateway's own refusals carry.
pub(super) fn own_headers() -> [(HeaderName, HeaderValue); 5] {
    [
        (header::CONTENT_SECURITY_POLICY, OWN_CSP),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (PERMISSIONS_POLICY, PERMISSIONS),
    ]
}

/// Whether a service may not send a header of this name: the gateway removes it.
///
/// - `Cedargate-*` and the rate limits are the gateway's to say.
/// - `Access-Control-*`: which origins may read is the route's rule; a service that reflects `Origin` would undo it.
/// - What binds more than its own answer: HSTS and certificate pins bind the host, `Alt-Svc` leads browsers past the
///   gateway, `Clear-Site-Data` signs the person out of everything, `Service-Worker-Allowed` lets one service's script
///   answer for all others and for sign-in, `NEL` reports every address of the host to whom it names.
/// - Orders to a proxy (`X-Accel-*`, `X-Sendfile`): one in front of us would obey.
/// - What tells of the inside (`Server`, `X-Powered-By` and the like).
/// - Hop-by-hop headers but for `Transfer-Encoding` and an upgrade's, which are Pingora's to handle.
pub(crate) fn is_forbidden_response_header(name: &str) -> bool {
    let mut space = [0; 32];
    let length = name.len().min(space.len());
    let Some(folded) = space.get_mut(..length) else { return false };
    for (to, from) in folded.iter_mut().zip(name.bytes()) {
        // CGI-like readers behind us cannot tell `_` from `-`.
        *to = if from == b'_' { b'-' } else { from.to_ascii_lowercase() };
    }
    let prefixes: [&[u8]; 3] = [b"cedargate-", b"access-control-", b"x-accel-"];
    prefixes.iter().any(|prefix| folded.starts_with(prefix)) || (name.len() == length && is_forbidden_name(folded))
}

fn is_forbidden_name(folded: &[u8]) -> bool {
    matches!(
        folded,
        b"alt-svc"
            | b"clear-site-data"
            | b"expect-ct"
            | b"keep-alive"
            | b"nel"
            | b"proxy-authenticate"
            | b"proxy-authentication-info"
            | b"proxy-connection"
            | b"public-key-pins"
            | b"public-key-pins-report-only"
            | b"ratelimit"
            | b"ratelimit-policy"
            | b"server"
            | b"service-worker-allowed"
            | b"strict-transport-security"
            | b"x-aspnet-version"
            | b"x-aspnetmvc-version"
            | b"x-powered-by"
            | b"x-runtime"
            | b"x-sendfile"
    )
}

fn is_blank(own: &HeaderMap, name: &HeaderName) -> bool {
    own.get_all(name).iter().all(|value| value.as_bytes().trim_ascii().is_empty())
}

fn keeps_frames_out(own: &HeaderMap) -> bool {
    let mut values = own.get_all(header::X_FRAME_OPTIONS).iter().map(|value| value.as_bytes().trim_ascii());
    match (values.next(), values.next()) {
        (Some(value), None) => value.eq_ignore_ascii_case(b"deny") || value.eq_ignore_ascii_case(b"sameorigin"),
        // Several contradict each other, and browsers then differ.
        _ => false,
    }
}

fn keeps_referrer(own: &HeaderMap) -> bool {
    const STRICT: [&str; 4] = ["no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin"];
    let mut values = own.get_all(header::REFERRER_POLICY).iter().peekable();
    // The last value that a browser knows counts, so none of them may be looser.
    values.peek().is_some()
        && values.all(|value| {
            let strict = |token: &str| STRICT.iter().any(|policy| token.trim().eq_ignore_ascii_case(policy));
            value.to_str().is_ok_and(|value| value.split(',').all(strict))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn set(fields: &[(&'static str, &'static str)], name: &str) -> Option<String> {
        let set = security_headers(Scheme::Https, &headers(fields));
        set.into_iter().find(|(this, _)| this == name).map(|(_, value)| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_service_that_says_nothing_gets_a_minimum() {
        assert_eq!(set(&[], "strict-transport-security").unwrap(), "max-age=63072000");
        let csp = "frame-ancestors 'self'; object-src 'none'; base-uri 'self'";
        assert_eq!(set(&[], "content-security-policy").unwrap(), csp);
        assert_eq!(set(&[], "x-frame-options").unwrap(), "SAMEORIGIN");
        assert_eq!(set(&[], "referrer-policy").unwrap(), "strict-origin-when-cross-origin");
        assert_eq!(set(&[], "x-content-type-options").unwrap(), "nosniff");
        assert!(set(&[], "permissions-policy").unwrap().contains("camera=()"));
    }

    #[test]
    fn transport_security_is_for_tls_only() {
        let mut set = security_headers(Scheme::Http, &HeaderMap::new());
        assert!(!set.any(|(name, _)| name == header::STRICT_TRANSPORT_SECURITY));
    }

    #[test]
    fn a_services_own_policy_is_never_touched() {
        for csp in ["default-src 'self'", "script-src 'nonce-x'", "frame-ancestors https://partner.example"] {
            assert_eq!(set(&[("content-security-policy", csp)], "content-security-policy"), None, "{csp}");
        }
        assert_eq!(set(&[("permissions-policy", "camera=(self)")], "permissions-policy"), None);
        for policy in ["no-referrer", "same-origin", "Strict-Origin", "no-referrer, strict-origin-when-cross-origin"] {
            assert_eq!(set(&[("referrer-policy", policy)], "referrer-policy"), None, "{policy}");
        }
        for frames in ["DENY", "deny", "SameOrigin"] {
            assert_eq!(set(&[("x-frame-options", frames)], "x-frame-options"), None, "{frames}");
        }
    }

    #[test]
    fn looser_or_meaningless_values_are_replaced() {
        assert!(set(&[("content-security-policy", " ")], "content-security-policy").is_some());
        let reports = [("content-security-policy-report-only", "default-src 'none'")];
        assert!(set(&reports, "content-security-policy").is_some());
        for frames in ["ALLOWALL", "ALLOW-FROM https://evil.example", "", "DENY, SAMEORIGIN"] {
            assert!(set(&[("x-frame-options", frames)], "x-frame-options").is_some(), "{frames}");
        }
        assert!(set(&[("x-frame-options", "DENY"), ("x-frame-options", "ALLOWALL")], "x-frame-options").is_some());
        for policy in ["unsafe-url", "origin", "no-referrer-when-downgrade", "", "no-referrer, unsafe-url", "x"] {
            assert!(set(&[("referrer-policy", policy)], "referrer-policy").is_some(), "{policy}");
        }
        assert!(set(&[("x-content-type-options", "none")], "x-content-type-options").is_some());
        assert!(set(&[("strict-transport-security", "max-age=0")], "strict-transport-security").is_some());
    }

    #[test]
    fn a_service_cannot_speak_for_the_gateway_or_the_host() {
        for name in [
            "Cedargate-Identity",
            "cedargate-decision",
            "Access-Control-Allow-Origin",
            "access-control-allow-credentials",
            "X-Accel-Redirect",
            "X-Sendfile",
            "Strict-Transport-Security",
            "Alt-Svc",
            "Clear-Site-Data",
            "NEL",
            "Service-Worker-Allowed",
            "RateLimit",
            "RateLimit-Policy",
            "Server",
            "X-Powered-By",
            "Keep-Alive",
            "Public-Key-Pins",
        ] {
            assert!(is_forbidden_response_header(name), "{name}");
        }
        for name in [
            "content-type",
            "content-length",
            "transfer-encoding",
            "connection",
            "upgrade",
            "set-cookie",
            "etag",
            "location",
            "cache-control",
            "vary",
            "content-security-policy",
            "www-authenticate",
            "retry-after",
            "x-custom",
            "cedar",
            "",
            "server-timing",
            "trailer",
        ] {
            assert!(!is_forbidden_response_header(name), "{name}");
        }
    }
}
