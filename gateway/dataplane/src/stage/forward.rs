//! Which healthy upstream, with which signed assertion; and what of a request and of its answer may pass.

use bytes::Bytes;
use cedargate_assertion::{DECISION_HEADER, IDENTITY_HEADER, REQUEST_HEADER, TenantScope};
use cedargate_model::{Canonical, Host, Micros, Refusal, RefusalCode};
use cedargate_policy::Upgrade;
use http::header::{self, HeaderName, HeaderValue};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::{Error, ErrorSource, ErrorType};

use super::hygiene::{self, Stripped};
use super::respond;
use crate::exchange::Admitted;
use crate::gateway::Gateway;

const IDENTITY: HeaderName = HeaderName::from_static(IDENTITY_HEADER);
const DECISION: HeaderName = HeaderName::from_static(DECISION_HEADER);
const REQUEST: HeaderName = HeaderName::from_static(REQUEST_HEADER);
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

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
    let scope = TenantScope { id: pass.site.tenant, name: pass.site.name.clone() };
    let issued = gateway
        .issued
        .get_or_issue(&gateway.issuer.load(), &admitted.trail.caller, &scope, &pass.route.service, now)
        .map_err(|error| Refusal::new(RefusalCode::DecisionFailed, error.to_string()))?;

    for name in hygiene::reserved_headers(&request.headers) {
        request.remove_header(&name);
    }
    strip_session_cookie(request);
    // Answered by us where the body was read, and where it is not, the upstream gets the body at once.
    request.remove_header(&header::EXPECT);

    set_target(request, &pass.canonical)?;
    let host = value(pass.canonical.host.to_string())?;
    set(request, header::HOST, host.clone())?;
    set(request, X_FORWARDED_FOR, value(pass.canonical.client.to_string())?)?;
    set(request, X_FORWARDED_HOST, host)?;
    set(request, X_FORWARDED_PROTO, HeaderValue::from_static(pass.canonical.scheme.as_str()))?;
    set(request, IDENTITY, value(issued.token.to_string())?)?;
    set(request, DECISION, value(pass.allowed.decision().to_string())?)?;
    set(request, REQUEST, value(pass.canonical.request.to_string())?)?;
    if let Some(trace) = &admitted.trail.trace {
        set(request, TRACEPARENT, value(trace.parent.to_string())?)?;
        if let Some(state) = &trace.state {
            set(request, TRACESTATE, state.clone())?;
        }
    }
    if pass.upgrade {
        // Hop-by-hop, so removed above; the route allows it, and both headers said so.
        set(request, header::CONNECTION, HeaderValue::from_static("upgrade"))?;
        set(request, header::UPGRADE, HeaderValue::from_static(Upgrade::Websocket.as_str()))?;
    }
    Ok(())
}

fn set_target(request: &mut RequestHeader, canonical: &Canonical) -> Result<(), Refusal> {
    let target = canonical.target();
    let uri = target.parse().map_err(|_| Refusal::new(RefusalCode::PathInvalid, "the target is no URI"))?;
    request.set_uri(uri);
    Ok(())
}

/// A header's value from text of ours, which is taken over and not copied.
fn value(text: String) -> Result<HeaderValue, Refusal> {
    HeaderValue::from_maybe_shared(Bytes::from(text))
        .map_err(|error| Refusal::new(RefusalCode::HeaderInvalid, format!("a value that no header has: {error}")))
}

fn set(request: &mut RequestHeader, name: HeaderName, value: HeaderValue) -> Result<(), Refusal> {
    request.insert_header(name, value).map_err(|error| Refusal::new(RefusalCode::HeaderInvalid, error.to_string()))
}

/// Removes the session cookie from what goes upstream; the client's other cookies stay byte for byte.
fn strip_session_cookie(request: &mut RequestHeader) {
    if !hygiene::has_gateway_cookie(&request.headers) {
        return;
    }
    let kept: Vec<HeaderValue> = request
        .headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| match hygiene::strip_gateway_cookie(value.as_bytes()) {
            Stripped::Untouched => Some(value.clone()),
            Stripped::Rest(rest) => HeaderValue::from_bytes(&rest).ok(),
            Stripped::Nothing => None,
        })
        .collect();
    request.remove_header(&header::COOKIE);
    for value in kept {
        // A value that was a header value a moment ago is one still.
        let _ = request.append_header(header::COOKIE, value);
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
    let pass = &admitted.pass;
    let forbidden: Vec<_> =
        response.headers.keys().filter(|name| respond::is_forbidden_response_header(name.as_str())).cloned().collect();
    for name in forbidden {
        response.remove_header(&name);
    }
    if *pass.route.service != *GATEWAY_SERVICE {
        strip_gateway_set_cookies(response, &pass.canonical.host)?;
    }
    for (name, value) in respond::security_headers(pass.canonical.scheme, &response.headers) {
        response.insert_header(name, value)?;
    }
    // Only the gateway's own service has any left. Of two the browser keeps the last, so clearing a dead cookie would
    // undo the sign-in that replaces it.
    let sets_session =
        response.headers.get_all(header::SET_COOKIE).iter().any(|value| hygiene::sets_gateway_cookie(value.as_bytes()));
    for (name, value) in std::mem::take(&mut admitted.trail.answer_headers) {
        if name != header::SET_COOKIE || !sets_session {
            response.append_header(name, value)?;
        }
    }
    response.insert_header(REQUEST, pass.canonical.request.to_string())?;
    Ok(())
}

/// Drops cookies that only the gateway may set, and those that would reach another tenant's host.
fn strip_gateway_set_cookies(response: &mut ResponseHeader, host: &Host) -> pingora::Result<()> {
    let ours = |value: &HeaderValue| {
        hygiene::sets_gateway_cookie(value.as_bytes()) || hygiene::spans_hosts(value.as_bytes(), host)
    };
    if !response.headers.get_all(header::SET_COOKIE).iter().any(ours) {
        return Ok(());
    }
    let kept: Vec<_> = response.headers.get_all(header::SET_COOKIE).iter().filter(|v| !ours(v)).cloned().collect();
    response.remove_header(&header::SET_COOKIE);
    for value in kept {
        response.append_header(header::SET_COOKIE, value)?;
    }
    Ok(())
}

/// What a failed exchange with the upstream means to the client; `None` if it is the client that went away.
pub(crate) fn classify(error: &Error) -> Option<Refusal> {
    let code = match (error.esource(), error.etype()) {
        (ErrorSource::Downstream, ErrorType::ReadTimedout | ErrorType::InvalidHTTPHeader) => {
            RefusalCode::BodyUnreadable
        }
        (ErrorSource::Downstream, ErrorType::ReadError) => RefusalCode::BodyUnreadable,
        (ErrorSource::Downstream, _) => return None,
        (_, ErrorType::ConnectTimedout | ErrorType::ReadTimedout | ErrorType::WriteTimedout) => {
            RefusalCode::UpstreamTimeout
        }
        _ => RefusalCode::UpstreamFailed,
    };
    Some(Refusal::new(code, describe(error)))
}

/// Who failed, and how: for the log and the record. Without the error's context, which quotes the answer where that is no
/// HTTP: cookies, body and all.
pub(crate) fn describe(error: &Error) -> String {
    let described = format!("{} {}", error.esource().as_str(), error.root_etype().as_str());
    match error.root_cause().downcast_ref::<std::io::Error>() {
        Some(cause) => format!("{described}: {cause}"),
        None => described,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
