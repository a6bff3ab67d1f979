//! Names that a client may not set, because a service could trust them.

use http::{HeaderMap, HeaderName};

/// Names reserved with everything behind them.
const PREFIXES: [&[u8]; 17] = [
    // Ours.
    b"cedargate-",
    // Whom a proxy speaks for: `X-Forwarded-For`, `-Host`, `-Proto`, `-Prefix`, `-User`, `-Client-Cert`, ...
    b"x-forwarded-",
    // What Envoy, nginx's JWT and TLS set-ups, and the sign-in proxies of the large clouds assert about a caller.
    b"x-envoy-",
    b"x-ssl-",
    b"ssl-client-",
    b"x-client-cert",
    b"x-amzn-oidc-",
    b"x-ms-client-principal",
    b"x-goog-iap-",
    b"x-goog-authenticated-user-",
    b"cf-access-",
    b"x-auth-request-",
    b"x-authentik-",
    b"x-pomerium-",
    b"tailscale-user-",
    // Sub-requests of web frameworks, which skip a service's own checks (CVE-2025-29927).
    b"x-middleware-",
    // Headers by which Kong tells services who calls.
    b"x-consumer-",
];

/// Whether a client may not send a header of this name: the gateway removes it, in any case and with any other mark for
/// `-`, and sets its own where it has one. CGI, WSGI and PHP cannot tell `_` from `-`, and servers that hand headers on as
/// CGI variables make `_` of every octet that is no letter or digit (`Cedargate.Identity`, `X!Forwarded!For`).
///
/// Four groups: the gateway's own; where a request comes from; who sent it, in the conventions that services are most
/// likely to trust; and what would change the request behind the walk (its path, method or host). General names such as
/// `X-Auth-Token` stay: they are credentials that a service checks by itself. `Via` stays: it claims nothing.
pub(crate) fn is_reserved_header(name: &str) -> bool {
    if !may_be_reserved(name.as_bytes()) {
        return false;
    }
    let mut space = [0; 48];
    let length = name.len().min(space.len());
    let Some(folded) = space.get_mut(..length) else { return false };
    for (to, from) in folded.iter_mut().zip(name.bytes()) {
        *to = fold(from);
    }
    PREFIXES.iter().any(|prefix| folded.starts_with(prefix)) || (name.len() == length && is_reserved_name(folded))
}

fn fold(octet: u8) -> u8 {
    if octet.is_ascii_alphanumeric() { octet.to_ascii_lowercase() } else { b'-' }
}

/// Whether a name begins as a reserved one does. Nearly none of what a browser sends does, so this decides for nearly all
/// of it; a test holds it to the lists.
fn may_be_reserved(name: &[u8]) -> bool {
    let [first, second, third, ..] = name else { return false };
    matches!(
        [first, second, third].map(|octet| fold(*octet)),
        [b'x', b'-', _]
            | [b'b', b'a', b's']
            | [b'c', b'e', b'd']
            | [b'c', b'f', _]
            | [b'c', b'l', b'i']
            | [b'f', b'o' | b'a', _]
            | [b'p', b'r', b'o']
            | [b'r', b'e', b'm']
            | [b's', b's', b'l']
            | [b't', b'r' | b'a', _]
            | [b'w', b'l', _]
    )
}

fn is_reserved_name(folded: &[u8]) -> bool {
    matches!(
        folded,
        // Ours, and the trace, which is set anew.
        b"cedargate" | b"x-request-id" | b"traceparent" | b"tracestate"
        // Where a request comes from.
        | b"forwarded" | b"x-forwarded" | b"x-original-forwarded-for"
        | b"x-real-ip" | b"x-client-ip" | b"client-ip" | b"true-client-ip" | b"x-cluster-client-ip"
        | b"x-originating-ip" | b"x-remote-ip" | b"x-remote-addr" | b"remote-addr" | b"x-proxyuser-ip"
        | b"proxy-client-ip" | b"wl-proxy-client-ip" | b"fastly-client-ip" | b"cf-connecting-ip"
        | b"cf-connecting-ipv6" | b"x-azure-clientip" | b"x-azure-socketip" | b"x-appengine-user-ip"
        // Who sent it.
        | b"remote-user" | b"remote-groups" | b"remote-name" | b"remote-email"
        | b"x-remote-user" | b"x-remote-group" | b"x-remote-groups" | b"x-remote-email"
        | b"x-authenticated-user" | b"x-authenticated-userid" | b"x-authenticated-groups" | b"x-webauth-user"
        | b"x-user" | b"x-user-id" | b"x-user-name" | b"x-username" | b"x-user-email" | b"x-user-role" | b"x-user-roles"
        | b"x-user-group" | b"x-user-groups" | b"x-tenant" | b"x-tenant-id" | b"x-credential-identifier"
        | b"x-credential-username" | b"x-anonymous-consumer" | b"x-vouch-user" | b"client-cert" | b"client-cert-chain"
        | b"x-client-verify" | b"x-client-dn"
        // What changes the request behind the walk; `Proxy` becomes the variable HTTP_PROXY (httpoxy).
        | b"x-original-url" | b"x-original-uri" | b"x-original-method" | b"x-original-host" | b"x-rewrite-url"
        | b"x-override-url" | b"x-http-method-override" | b"x-http-method" | b"x-method-override" | b"x-host"
        | b"x-http-host-override" | b"x-accel-mapping" | b"x-sendfile-type" | b"base-url" | b"proxy"
    )
}

/// Whether a header concerns one connection only and is never passed on (RFC 9110 §7.6.1, with the older names).
///
/// `Transfer-Encoding` is one too, but says how Pingora frames the body: see [`reserved_headers`].
pub(crate) fn is_hop_by_hop(name: &str) -> bool {
    [
        "connection",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
    .iter()
    .any(|hop| name.eq_ignore_ascii_case(hop))
}

/// The headers of a request that do not go upstream: reserved ones, and hop-by-hop ones but for `Transfer-Encoding`,
/// which Pingora needs for the body's framing. For an admitted upgrade the caller sets `Connection` and `Upgrade` anew.
pub(crate) fn reserved_headers(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .keys()
        .filter(|name| {
            let name = name.as_str();
            is_reserved_header(name) || (is_hop_by_hop(name) && name != "transfer-encoding")
        })
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_spelling_of_a_reserved_name_gets_by() {
        for name in [
            "cedargate-identity",
            "Cedargate-Identity",
            "CEDARGATE_IDENTITY",
            "cedargate-Decision",
            "cedargate_request",
            "X-Forwarded-For",
            "x_forwarded_for",
            "X-FORWARDED-CLIENT-CERT",
            "x-forwarded_user",
            "Forwarded",
            "x-real-ip",
            "X_Real_IP",
            "True-Client-IP",
            "CF-Connecting-IP",
            "X-Original-URL",
            "x_original_url",
            "X-Rewrite-URL",
            "X-HTTP-Method-Override",
            "x_http_method_override",
            "X-Method-Override",
            "X-HTTP-Method",
            "Proxy",
            "Remote-User",
            "REMOTE_USER",
            "X-Remote-User",
            "X-User-Id",
            "traceparent",
            "X-Request-Id",
            "x-middleware-subrequest",
            "x-envoy-external-address",
            "X-SSL-Client-Verify",
            "ssl_client_verify",
            "X-Amzn-Oidc-Data",
            "x-ms-client-principal-id",
            "X-Goog-IAP-JWT-Assertion",
        ] {
            assert!(is_reserved_header(name), "{name}");
        }
    }

    #[test]
    fn the_quick_look_misses_no_prefix() {
        assert!(PREFIXES.iter().all(|prefix| may_be_reserved(prefix)));
    }

    #[test]
    fn ordinary_headers_pass() {
        for name in [
            "accept",
            "accept-language",
            "user-agent",
            "host",
            "cookie",
            "authorization",
            "content-type",
            "content-length",
            "sec-fetch-site",
            "if-none-match",
            "range",
            "referer",
            "origin",
            "cache-control",
            "x-requested-with",
            "x-csrf-token",
            "x-api-key",
            "x-user-agent",
            "x-auth-token",
            "x-custom",
            "via",
            "proxya",
            "prefer",
            "cedargat",
            "cedargates",
            "forwarded-",
            "x-forwardedfor",
            "baggage",
            "x-correlation-id",
            "idempotency-key",
            "",
        ] {
            assert!(!is_reserved_header(name), "{name}");
        }
    }

    #[test]
    fn only_what_must_go_is_removed() {
        let mut headers = HeaderMap::new();
        for name in ["host", "connection", "keep-alive", "te", "transfer-encoding", "accept", "cedargate-identity"] {
            headers.insert(HeaderName::from_static(name), http::HeaderValue::from_static("x"));
        }
        let mut removed: Vec<_> = reserved_headers(&headers).iter().map(|name| name.to_string()).collect();
        removed.sort();
        assert_eq!(removed, ["cedargate-identity", "connection", "keep-alive", "te"]);
        assert_eq!(reserved_headers(&HeaderMap::new()).capacity(), 0);
    }

    proptest! {
        #[test]
        fn whatever_begins_with_our_name_is_ours(rest in "[a-zA-Z0-9_-]{0,80}", upper: bool, underscore: bool) {
            let mut name = format!("cedargate{}{rest}", if underscore { "_" } else { "-" });
            if upper { name.make_ascii_uppercase(); }
            prop_assert!(is_reserved_header(&name));
        }

        #[test]
        fn case_and_marks_never_change_the_answer(
            name in "(x-|cedargate-|x-forwarded-|remote-|proxy)[a-z-]{0,30}",
            mark in "[_.!#$%&'*+^`|~]",
        ) {
            let spelled = name.to_ascii_uppercase().replace('-', &mark);
            prop_assert_eq!(is_reserved_header(&name), is_reserved_header(&spelled));
        }
    }
}
