//! Which healthy upstream, with which signed assertion; and what of a request and of its answer may pass.

use bytes::Bytes;
use cedargate_assertion::{DECISION_HEADER, IDENTITY_HEADER, REQUEST_HEADER, TenantScope};
use cedargate_identity::{device_cookie_name, signin_cookie_name};
use cedargate_model::{Canonical, Host, Micros, Refusal, RefusalCode, append_address};
use cedargate_policy::Upgrade;
use cedargate_texts::language_cookie_name;
use http::header::{self, HeaderMap, HeaderName, HeaderValue, MaxSizeReached};
use http::{StatusCode, Uri, Version, request, response};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::{Error, ErrorSource, ErrorType};

use super::hygiene::{self, CookieLookup, Stripped};
use super::{authenticate, inspect, respond};
use crate::exchange::Admitted;
use crate::framing::may_stand_in_a_trailer;
use crate::gateway::Gateway;

const IDENTITY: HeaderName = HeaderName::from_static(IDENTITY_HEADER);
const DECISION: HeaderName = HeaderName::from_static(DECISION_HEADER);
const REQUEST: HeaderName = HeaderName::from_static(REQUEST_HEADER);
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Room for what is set on a request or an answer beyond what it has, so that its map grows once at most.
const HEADERS_SET: usize = 12;

/// The longest address as text: an IPv4 address written as an IPv6 one.
const ADDRESS_BYTES_MAX: usize = 45;

/// The service that is the gateway itself: it alone may set the session cookie.
pub(crate) const GATEWAY_SERVICE: &str = "gateway";

/// Turns the client's request into the one that the service gets: the canonical target, nothing that a client may not
/// set, and what the gateway says of it.
///
/// # Errors
/// `decision_failed` if no assertion can be signed for this caller: a service must never be left to guess.
pub(crate) fn prepare(
    gateway: &Gateway,
    admitted: &Admitted,
    request: &mut RequestHeader,
    now: Micros,
) -> Result<(), Refusal> {
    let pass = &admitted.pass;
    let canonical = &pass.canonical;
    let scope = TenantScope { id: pass.site.tenant, name: pass.site.name.clone() };
    let issued = gateway
        .issued
        .get_or_issue(&gateway.issuer.load(), &admitted.trail.caller, &scope, &pass.route.service, now)
        .map_err(|error| Refusal::new(RefusalCode::DecisionFailed, error.to_string()))?;

    // As plain parts: Pingora's own type keeps a second map of names for the sake of their case, which nobody may need.
    let mut parts: request::Parts = std::mem::replace(request, RequestHeader::from(no_request())).into();
    set_target(&mut parts, canonical)?;
    let headers = &mut parts.headers;
    for name in hygiene::reserved_headers(headers) {
        headers.remove(&name);
    }
    let kept = match *pass.route.service == *GATEWAY_SERVICE {
        true => [signin_cookie_name, device_cookie_name, language_cookie_name]
            .map(|name| own_cookie(headers, name(canonical.scheme))),
        false => [None, None, None],
    };
    strip_session_cookie(headers)?;
    if !authenticate::is_token_endpoint(&pass.route) {
        // A service must not be able to act as who asks it.
        headers.remove(header::AUTHORIZATION);
    }
    for cookie in kept.into_iter().flatten() {
        headers.try_append(header::COOKIE, cookie).map_err(too_many)?;
    }
    // Answered by us where the body was read, and where it is not, the upstream gets the body at once.
    headers.remove(header::EXPECT);

    if pass.response.is_some() {
        inspect::ask_for_all(headers);
    }

    headers.reserve(HEADERS_SET);
    let host = value(canonical.host.as_str().as_bytes())?;
    set(headers, header::HOST, host.clone())?;
    let mut client = Vec::with_capacity(ADDRESS_BYTES_MAX);
    append_address(&mut client, canonical.client);
    set(headers, X_FORWARDED_FOR, value(&client)?)?;
    set(headers, X_FORWARDED_HOST, host)?;
    set(headers, X_FORWARDED_PROTO, HeaderValue::from_static(canonical.scheme.as_str()))?;
    set(headers, IDENTITY, issued.header)?;
    set(headers, DECISION, respond::id_value(pass.allowed.decision().0))?;
    set(headers, REQUEST, respond::id_value(canonical.request.0))?;
    if let Some(trace) = &admitted.trail.trace {
        set(headers, TRACEPARENT, value(&trace.parent.to_ascii())?)?;
        if let Some(state) = &trace.state {
            set(headers, TRACESTATE, state.clone())?;
        }
    }
    if pass.route.grpc {
        // Hop-by-hop, so removed above: we take trailers, whatever the client said (gRPC over HTTP2, "Requests").
        set(headers, header::TE, HeaderValue::from_static("trailers"))?;
    }
    if pass.upgrade {
        // Hop-by-hop, so removed above; the route allows it, and both headers said so.
        set(headers, header::CONNECTION, HeaderValue::from_static("upgrade"))?;
        set(headers, header::UPGRADE, HeaderValue::from_static(Upgrade::Websocket.as_str()))?;
    }
    *request = RequestHeader::from(parts);
    Ok(())
}

/// What stands in for a request while its parts are worked on.
fn no_request() -> request::Parts {
    http::Request::new(()).into_parts().0
}

fn set_target(request: &mut request::Parts, canonical: &Canonical) -> Result<(), Refusal> {
    let uri = &request.uri;
    let is_canonical = uri.authority().is_none()
        && uri.path_and_query().is_some_and(|target| {
            target.path() == canonical.path.as_str() && target.query() == canonical.query.as_deref()
        });
    if !is_canonical {
        request.uri = Uri::from_maybe_shared(Bytes::from(canonical.target()))
            .map_err(|_| Refusal::new(RefusalCode::PathInvalid, "the target is no URI"))?;
    }
    Ok(())
}

/// A header's value from octets of ours.
fn value(octets: &[u8]) -> Result<HeaderValue, Refusal> {
    HeaderValue::from_bytes(octets)
        .map_err(|error| Refusal::new(RefusalCode::HeaderInvalid, format!("a value that no header has: {error}")))
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) -> Result<(), Refusal> {
    headers.try_insert(name, value).map_err(too_many)?;
    Ok(())
}

fn too_many(error: MaxSizeReached) -> Refusal {
    Refusal::new(RefusalCode::HeaderInvalid, error.to_string())
}

/// Removes the session cookie from what goes upstream; the client's other cookies stay byte for byte.
fn strip_session_cookie(headers: &mut HeaderMap) -> Result<(), Refusal> {
    let stripped = |value: &HeaderValue| match hygiene::strip_gateway_cookie(value.as_bytes()) {
        Stripped::Untouched => Some(value.clone()),
        Stripped::Rest(rest) => HeaderValue::from_bytes(&rest).ok(),
        Stripped::Nothing => None,
    };
    let kept: Vec<HeaderValue> = headers.get_all(header::COOKIE).iter().filter_map(stripped).collect();
    headers.remove(header::COOKIE);
    for value in kept {
        headers.try_append(header::COOKIE, value).map_err(too_many)?;
    }
    Ok(())
}

/// A cookie that the gateway's own service needs to see: of a sign-in under way, of a device that is known, of a language. Two of one name
/// are none: somebody may have planted one.
fn own_cookie(headers: &HeaderMap, name: &str) -> Option<HeaderValue> {
    match hygiene::session_cookie(headers, name) {
        CookieLookup::One(value) => HeaderValue::from_str(&format!("{name}={value}")).ok(),
        CookieLookup::Absent | CookieLookup::Ambiguous => None,
    }
}

/// Whether a service may switch protocols now.
///
/// # Errors
/// 502 where nobody asked for it, or for another protocol: a proxy in front of us would take what follows for a tunnel.
pub(crate) fn check_switch(asked: bool, response: &ResponseHeader) -> Result<(), Refusal> {
    let mut named = response.headers.get_all(header::UPGRADE).iter();
    match (asked, named.next(), named.next()) {
        (true, Some(protocol), None)
            if protocol.as_bytes().eq_ignore_ascii_case(Upgrade::Websocket.as_str().as_bytes()) =>
        {
            Ok(())
        }
        _ => Err(Refusal::new(RefusalCode::UpstreamFailed, "the service switched to a protocol that nobody asked for")),
    }
}

/// How a client knows where an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// By what the answer says, or by HTTP/2.
    Known,
    /// By the end of the connection.
    UntilClosed,
}

/// Holds an answer to one length that everybody reads alike, and in a form that its client knows: one of HTTP/1.0 takes chunks for
/// the content.
///
/// # Errors
/// 502 where the length is said twice, also twice the same: what passes it on need not agree with who reads it (RFC 9112 §6.3). And
/// where a client of HTTP/1.0 would be sent chunks that Pingora adds to an answer that came by HTTP/2.
pub(crate) fn check_length(response: &mut ResponseHeader, is_old_client: bool) -> Result<Length, Refusal> {
    let refused = |detail: &str| Err(Refusal::new(RefusalCode::UpstreamFailed, detail));
    let mut lengths = response.headers.get_all(header::CONTENT_LENGTH).iter();
    let known = match (lengths.next(), lengths.next()) {
        (None, _) => false,
        (Some(only), None) if !only.is_empty() && only.as_bytes().iter().all(u8::is_ascii_digit) => true,
        _ => return refused("the answer's length is said twice, or is none"),
    };
    if !is_old_client || known {
        return Ok(Length::Known);
    }
    if response.version == Version::HTTP_2 {
        return refused("an answer of HTTP/2 without a length, and a client of HTTP/1.0");
    }
    response.remove_header(&header::TRANSFER_ENCODING);
    Ok(Length::UntilClosed)
}

/// Leaves of an interim answer (1xx) what early hints are for. Its other fields would pass by everything that
/// [`finish`] does, cookies included.
pub(crate) fn finish_interim(response: &mut ResponseHeader) {
    let dropped: Vec<_> = response.headers.keys().filter(|name| **name != header::LINK).cloned().collect();
    for name in dropped {
        response.remove_header(&name);
    }
}

/// Turns the service's answer into the one that the client gets.
pub(crate) fn finish(admitted: &mut Admitted, response: &mut ResponseHeader) -> pingora::Result<()> {
    // A phrase of the service's own is passed on, though it means nothing (RFC 9112 §4).
    let phrase = response.get_reason_phrase().filter(|phrase| Some(*phrase) != response.status.canonical_reason());
    let phrase = phrase.map(str::to_owned);
    // As plain parts, for the reason given in `prepare`.
    let mut parts: response::Parts = std::mem::replace(response, ResponseHeader::from(no_response())).into();
    finish_headers(admitted, &mut parts.headers)
        .map_err(|error| Error::because(ErrorType::InvalidHTTPHeader, "the answer's headers", error).into_in())?;
    *response = ResponseHeader::from(parts);
    if phrase.is_some() {
        response.set_reason_phrase(phrase.as_deref())?;
    }
    Ok(())
}

/// Turns the service's trailers into those that the client gets: none but where gRPC needs them. What may stand only in a head,
/// or is the gateway's own to say, is dropped.
pub(crate) fn finish_trailers(grpc: bool, trailers: &mut HeaderMap) {
    if !grpc {
        trailers.clear();
        return;
    }
    let dropped: Vec<_> = trailers.keys().filter(|name| !may_trail(name.as_str())).cloned().collect();
    for name in dropped {
        trailers.remove(&name);
    }
}

fn may_trail(name: &str) -> bool {
    let is_forbidden = respond::is_forbidden_response_header(name) || name == header::SET_COOKIE.as_str();
    !is_forbidden && may_stand_in_a_trailer(name)
}

/// What stands in for an answer while its parts are worked on.
fn no_response() -> response::Parts {
    http::Response::new(()).into_parts().0
}

fn finish_headers(admitted: &mut Admitted, headers: &mut HeaderMap) -> Result<(), MaxSizeReached> {
    let pass = &admitted.pass;
    let forbidden: Vec<_> =
        headers.keys().filter(|name| respond::is_forbidden_response_header(name.as_str())).cloned().collect();
    for name in forbidden {
        headers.remove(&name);
    }
    if *pass.route.service != *GATEWAY_SERVICE {
        strip_gateway_set_cookies(headers, &pass.canonical.host)?;
    }
    let answer_headers = std::mem::take(&mut admitted.trail.answer_headers);
    headers.try_reserve(HEADERS_SET + answer_headers.len())?;
    for (name, value) in respond::security_headers(pass.canonical.scheme, headers) {
        headers.try_insert(name, value)?;
    }
    // Only the gateway's own service has any left. Of two the browser keeps the last, so clearing a dead cookie would
    // undo the sign-in that replaces it.
    let sets_session =
        headers.get_all(header::SET_COOKIE).iter().any(|value| hygiene::sets_gateway_cookie(value.as_bytes()));
    for (name, value) in answer_headers {
        if name != header::SET_COOKIE || !sets_session {
            headers.try_append(name, value)?;
        }
    }
    headers.try_insert(REQUEST, respond::id_value(pass.canonical.request.0))?;
    Ok(())
}

/// Drops cookies that only the gateway may set, and those that would reach another tenant's host.
fn strip_gateway_set_cookies(headers: &mut HeaderMap, host: &Host) -> Result<(), MaxSizeReached> {
    let ours = |value: &HeaderValue| {
        hygiene::sets_gateway_cookie(value.as_bytes()) || hygiene::spans_hosts(value.as_bytes(), host)
    };
    if !headers.get_all(header::SET_COOKIE).iter().any(ours) {
        return Ok(());
    }
    let kept: Vec<_> = headers.get_all(header::SET_COOKIE).iter().filter(|v| !ours(v)).cloned().collect();
    headers.remove(header::SET_COOKIE);
    for value in kept {
        headers.try_append(header::SET_COOKIE, value)?;
    }
    Ok(())
}

/// Whether nothing follows an answer's head: of HTTP/2 Pingora shows no end where there is no body.
pub(crate) fn is_head_alone(response: &ResponseHeader) -> bool {
    let is_empty = |length: &HeaderValue| length.as_bytes() == b"0";
    matches!(response.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || response.headers.get(header::CONTENT_LENGTH).is_some_and(is_empty)
        // A call that failed at once is told in a head alone (gRPC over HTTP/2, Responses).
        || response.headers.contains_key("grpc-status")
}

/// What a failed exchange with the upstream means to the client; `None` if it is the client that went away.
pub(crate) fn classify(error: &Error) -> Option<Refusal> {
    let code = match (error.esource(), error.etype()) {
        (ErrorSource::Downstream, ErrorType::ReadTimedout | ErrorType::InvalidHTTPHeader) => {
            RefusalCode::BodyUnreadable
        }
        // A stream that was given up, as a call that is cancelled.
        (ErrorSource::Downstream, ErrorType::ReadError) if is_reset(error) => return None,
        (ErrorSource::Downstream, ErrorType::ReadError) => RefusalCode::BodyUnreadable,
        (ErrorSource::Downstream, _) => return None,
        (_, ErrorType::ConnectTimedout | ErrorType::ReadTimedout | ErrorType::WriteTimedout) => {
            RefusalCode::UpstreamTimeout
        }
        _ => RefusalCode::UpstreamFailed,
    };
    Some(Refusal::new(code, describe(error)))
}

/// Whether the other end gave up the stream, or the connection is gone.
fn is_reset(error: &Error) -> bool {
    let of_http2 = error.root_cause().downcast_ref::<h2::Error>();
    of_http2.is_some_and(|cause| cause.is_remote() || cause.is_io())
}

/// Who failed, and how: for the log and the record. Without the error's context, which quotes the answer where that is no
/// HTTP: cookies, body and all. Before there is TLS nothing was asked, and the context says what is wrong with a certificate.
pub(crate) fn describe(error: &Error) -> String {
    let described = format!("{} {}", error.esource().as_str(), error.root_etype().as_str());
    if let (ErrorType::TLSHandshakeFailure, Some(context)) = (error.etype(), &error.context) {
        return format!("{described}: {}", context.as_str());
    }
    match error.root_cause().downcast_ref::<std::io::Error>() {
        Some(cause) => format!("{described}: {cause}"),
        None => described,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(fields: &[(&'static str, &'static str)], version: Version) -> ResponseHeader {
        let mut response = ResponseHeader::build(200, None).unwrap();
        response.set_version(version);
        for (name, value) in fields {
            response.append_header(*name, *value).unwrap();
        }
        response
    }

    #[test]
    fn an_answer_says_its_length_once() {
        let v1 = Version::HTTP_11;
        for bad in [
            &[("content-length", "2, 2")][..],
            &[("content-length", "2"), ("content-length", "2")],
            &[("content-length", "")],
            &[("content-length", "+2")],
        ] {
            let refused = check_length(&mut answer(bad, v1), false).unwrap_err();
            assert_eq!(refused.code, RefusalCode::UpstreamFailed, "{bad:?}");
        }
        for good in [&[("content-length", "2")][..], &[("transfer-encoding", "chunked")], &[]] {
            assert_eq!(check_length(&mut answer(good, v1), false), Ok(Length::Known), "{good:?}");
        }
    }

    #[test]
    fn a_client_of_http_1_0_is_sent_no_chunks() {
        let mut chunked = answer(&[("transfer-encoding", "chunked")], Version::HTTP_11);
        assert_eq!(check_length(&mut chunked, true), Ok(Length::UntilClosed));
        assert!(!chunked.headers.contains_key("transfer-encoding"));
        assert_eq!(check_length(&mut answer(&[("content-length", "2")], Version::HTTP_2), true), Ok(Length::Known));
        assert!(check_length(&mut answer(&[], Version::HTTP_2), true).is_err());
    }

    #[test]
    fn trailers_say_how_a_call_ended_and_nothing_else_that_matters() {
        let names = [
            ("grpc-status", true),
            ("grpc-message", true),
            ("grpc-status-details-bin", true),
            ("x-sound", true),
            ("set-cookie", false),
            ("cedargate-identity", false),
            ("content-length", false),
            ("transfer-encoding", false),
            ("access-control-allow-origin", false),
            ("strict-transport-security", false),
            ("cache-control", false),
            ("authorization", false),
        ];
        let sent =
            || HeaderMap::from_iter(names.map(|(n, _)| (HeaderName::from_static(n), HeaderValue::from_static("0"))));
        let mut trailers = sent();
        finish_trailers(true, &mut trailers);
        for (name, kept) in names {
            assert_eq!(trailers.contains_key(name), kept, "{name}");
        }
        let mut trailers = sent();
        finish_trailers(false, &mut trailers);
        assert!(trailers.is_empty());
    }

    #[test]
    fn of_our_cookies_a_sign_in_under_way_and_a_language_alone_are_passed_on() {
        let cookies = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_static(text));
            let signin = own_cookie(&headers, "cedargate-signin");
            strip_session_cookie(&mut headers).unwrap();
            (signin, headers.get(header::COOKIE).cloned())
        };
        let text = |text: &'static str| Some(HeaderValue::from_static(text));
        let sent = "cedargate=s3cret; theme=dark; cedargate-signin=abc";
        assert_eq!(cookies(sent), (text("cedargate-signin=abc"), text("theme=dark")));
        let language =
            HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static("cedargate=x; cedargate-language=fa"))]);
        assert_eq!(own_cookie(&language, "cedargate-language"), text("cedargate-language=fa"));
        assert_eq!(cookies("cedargate-signin=a; cedargate-signin=a"), (None, None), "somebody may have planted one");
        assert_eq!(cookies("__Host-cedargate-signin=a"), (None, None), "another scheme's");
        let device =
            HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static("cedargate-device=d; cedargate=x"))]);
        assert_eq!(own_cookie(&device, "cedargate-device"), text("cedargate-device=d"));
    }

    #[test]
    fn what_is_told_of_a_failure_quotes_nothing_of_the_exchange() {
        let cause = Error::explain(ErrorType::InvalidHTTPHeader, "buf: Set-Cookie: sid=secret");
        let error = Error::because(ErrorType::ReadError, "body: secret", cause).into_up();
        assert_eq!(describe(&error), "Upstream InvalidHTTPHeader");
        let cause = std::io::Error::other("a line does not end in CR LF");
        let error = Error::because(ErrorType::ReadError, "secret", cause).into_down();
        assert_eq!(describe(&error), "Downstream ReadError: a line does not end in CR LF");
    }
}
