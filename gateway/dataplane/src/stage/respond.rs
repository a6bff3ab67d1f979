//! What the client gets: every refusal rendered here, once, and what every answer carries.
//!
//! A refusal is told as a page to those who read pages, as a status to gRPC clients, and as problem details (RFC 9457) to other
//! programs. Each says the
//! stable code, one plain sentence, the ids to quote, and what to do next; never the operator's detail, which has no way
//! in: [`Told`] does not hold it.

mod accept;
mod grpc;
mod security;

use std::borrow::Cow;

use askama::Template;
use bytes::Bytes;
use cedargate_assertion::REQUEST_HEADER;
use cedargate_identity::KEPT_POST_TTL;
use cedargate_model::{Challenge, DecisionId, NormalizedPath, Refusal, RefusalCode, RequestId, Scheme};
use cedargate_texts::{Language, Texts};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use uuid::Uuid;

pub(crate) use grpc::is_grpc;
pub(crate) use security::{is_forbidden_response_header, security_headers};

use crate::trail::Trail;

/// Where people sign in.
const SIGN_IN: &str = "/auth/login";

/// Where people find what was kept of theirs.
const KEPT: &str = "/auth/account/kept";

/// For how long it is kept, as people are told.
const KEPT_MINUTES: u64 = KEPT_POST_TTL.as_secs() / 60;

/// Where people confirm who they are.
const STEP_UP: &str = "/auth/step-up";

/// The longest address that sign-in is asked to lead back to, in octets. Longer ones are left out, and the person
/// arrives at the start page.
const RETURN_TO_BYTES_MAX: usize = 2048;

/// A complete answer of the gateway's own, but for `Content-Length`, `Date` and what concerns the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// The body that a `GET` would get. For `HEAD` the caller sends its length and leaves it out.
    pub(crate) body: Bytes,
}

impl Answer {
    /// What `Content-Length` says of it; none where there is nothing but a head for gRPC.
    pub(crate) fn length(&self) -> Option<usize> {
        let is_trailers_only = self.body.is_empty() && self.status == StatusCode::OK;
        (!is_trailers_only).then_some(self.body.len())
    }

    /// The same answer with what every stage wants on it, transport security, and the request's id to quote.
    pub(crate) fn of(mut self, trail: &Trail) -> Self {
        self.headers.extend(trail.answer_headers.iter().cloned());
        self.headers.extend(security::transport_security(trail.scheme));
        self.headers.push((HeaderName::from_static(REQUEST_HEADER), id_value(trail.request().0)));
        self
    }
}

/// An id as a header's value.
pub(crate) fn id_value(id: Uuid) -> HeaderValue {
    let mut space = Uuid::encode_buffer();
    // Digits and hyphens are always a value.
    HeaderValue::from_str(id.hyphenated().encode_lower(&mut space)).unwrap_or(HeaderValue::from_static(""))
}

/// What of a request its refusal's rendering depends on.
#[derive(Clone, Debug)]
pub(crate) struct RequestFacts<'a> {
    /// The exchange's id.
    request: RequestId,
    /// The decision's id; none where there was no request to decide on.
    decision: Option<DecisionId>,
    /// Whether the client reads pages.
    reads_pages: bool,
    /// The language of such a page.
    language: Language,
    /// Whether it speaks gRPC, and can be told in it.
    grpc: bool,
    /// Path and query to come back to, where the request was a person's navigation.
    return_to: Option<&'a str>,
    /// Whether something was sent that a person would not want to lose.
    sends: bool,
    /// Whether a person looks at a page for it.
    navigates: bool,
    /// What was sent is kept, under this id.
    kept: Option<Uuid>,
}

impl<'a> RequestFacts<'a> {
    /// The facts of a parsed request.
    pub(crate) fn of(head: &'a http::request::Parts, trail: &Trail) -> Self {
        let target = head.uri.path_and_query().map(|target| target.as_str());
        let mut facts =
            Self::new(&head.method, target, &head.headers, trail.scheme, trail.request(), Some(trail.decision()));
        facts.grpc = head.version == Version::HTTP_2 && is_grpc(&head.headers);
        facts
    }

    /// The facts of a head that was not parsed.
    pub(crate) fn unparsed(request: RequestId) -> Self {
        Self {
            request,
            decision: None,
            reads_pages: false,
            language: Language::default(),
            grpc: false,
            return_to: None,
            sends: false,
            navigates: false,
            kept: None,
        }
    }

    /// Whether a person is there to be told of what is kept of theirs.
    pub(crate) fn can_hear_of_a_form(&self, told: &Refusal) -> bool {
        self.navigates && matches!(told.challenge, Challenge::StepUp { .. })
    }

    /// What was sent is kept under this id, or not at all.
    pub(crate) fn kept(&mut self, kept: Option<Uuid>) {
        self.kept = kept;
    }

    fn new(
        method: &Method,
        target: Option<&'a str>,
        headers: &HeaderMap,
        scheme: Scheme,
        request: RequestId,
        decision: Option<DecisionId>,
    ) -> Self {
        let reads_pages = accept::prefers_html(headers);
        // A script that asks for a page does not want to be led away to another one. Browsers tell the two apart.
        let mode = headers.get("sec-fetch-mode").map(HeaderValue::as_bytes);
        let navigates = reads_pages && matches!(mode, None | Some(b"navigate"));
        let return_to = target.filter(|target| navigates && *method == Method::GET && may_return_to(target));
        // Programs are told in English, which is what they have always read.
        let language = if reads_pages { Language::asked(headers, scheme) } else { Language::default() };
        Self {
            request,
            decision,
            reads_pages,
            language,
            grpc: false,
            return_to,
            sends: !method.is_safe(),
            navigates,
            kept: None,
        }
    }
}

/// Renders a refusal.
pub(crate) fn render(refusal: &Refusal, facts: &RequestFacts<'_>) -> Answer {
    let told = Told::of(refusal, facts);
    let mut headers = vec![
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::VARY, HeaderValue::from_static("accept")),
    ];
    challenge_headers(refusal, &mut headers);
    if facts.grpc {
        return grpc::render(refusal.code, headers, facts);
    }
    headers.extend(security::own_headers());

    if let (Some(next), Some(_)) = (&told.next, facts.return_to)
        && let Ok(location) = HeaderValue::from_str(&next.href)
    {
        headers.push((header::LOCATION, location));
        // See Other: whatever it was, what follows is a GET. A challenge is for programs.
        headers.retain(|(name, _)| *name != header::WWW_AUTHENTICATE);
        return Answer { status: StatusCode::SEE_OTHER, headers, body: Bytes::new() };
    }
    let (kind, body) = if facts.reads_pages { told.page() } else { told.problem() };
    if facts.reads_pages {
        headers.push((header::CONTENT_LANGUAGE, HeaderValue::from_static(facts.language.tag())));
        headers.push((header::VARY, HeaderValue::from_static("accept-language, cookie")));
    }
    headers.push((header::CONTENT_TYPE, HeaderValue::from_static(kind)));
    Answer { status: told.status, headers, body }
}

/// The answer to a CORS preflight that was let through.
pub(crate) fn preflight(headers: Vec<(HeaderName, HeaderValue)>) -> Answer {
    Answer { status: StatusCode::NO_CONTENT, headers, body: Bytes::new() }
}

/// Everything that a client is told of a refusal. Holds no detail: the operator's voice cannot be rendered.
#[derive(Template)]
#[template(path = "refusal.html")]
struct Told {
    t: Texts,
    status: StatusCode,
    code: RefusalCode,
    request: RequestId,
    decision: Option<DecisionId>,
    next: Option<Next>,
    /// What was sent is not kept: the browser has it, and sends it again once the person may.
    resend: bool,
    /// What was sent is kept, and shown again after the step-up.
    kept: bool,
    step_up: Option<StepUp>,
}

/// What a person can do next.
struct Next {
    href: String,
    label: Cow<'static, str>,
}

/// What a stronger sign-in has to reach.
#[derive(Clone, Copy, Serialize)]
struct StepUp {
    level: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age: Option<u64>,
}

/// Problem details (RFC 9457).
#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: RefusalCode,
    request: RequestId,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<DecisionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sign_in: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step_up: Option<StepUp>,
}

impl Told {
    fn of(refusal: &Refusal, facts: &RequestFacts<'_>) -> Self {
        let (decision, step_up) = match refusal.challenge {
            Challenge::Decision(decision) | Challenge::InsufficientScope(decision) => (Some(decision), None),
            Challenge::StepUp { level, max_age_seconds } => (None, Some(StepUp { level, max_age: max_age_seconds })),
            Challenge::None | Challenge::Allow(_) | Challenge::RetryAfter(_) | Challenge::SignIn => (None, None),
        };
        // Of our own codes, all are refusals' statuses; a test says so.
        let status = StatusCode::from_u16(refusal.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let t = Texts::of(facts.language);
        let kept_at = facts.kept.map(|id| format!("{KEPT}/{id}"));
        Self {
            t,
            status,
            code: refusal.code,
            request: facts.request,
            decision: decision.or(facts.decision),
            next: next(t, &refusal.challenge, kept_at.as_deref().or(facts.return_to)),
            kept: kept_at.is_some(),
            resend: facts.sends && matches!(refusal.challenge, Challenge::SignIn | Challenge::StepUp { .. }),
            step_up,
        }
    }

    fn title(&self) -> &'static str {
        self.status.canonical_reason().unwrap_or("Refused")
    }

    /// The sentence as people read it. Programs are told the English one.
    fn sentence(&self) -> Cow<'static, str> {
        self.t.refusal(self.code.as_str()).unwrap_or(Cow::Borrowed(self.code.public_sentence()))
    }

    fn page(&self) -> (&'static str, Bytes) {
        match self.render() {
            Ok(page) => ("text/html; charset=utf-8", page.into()),
            // The template writes to memory and cannot fail; were it to, the other rendering says the same.
            Err(_) => self.problem(),
        }
    }

    fn problem(&self) -> (&'static str, Bytes) {
        let problem = Problem {
            // A URN of ours: it identifies, and need not lead anywhere (RFC 9457 §3.1.1).
            r#type: format!("urn:cedargate:refusal:{}", self.code),
            title: self.title(),
            status: self.status.as_u16(),
            detail: self.code.public_sentence(),
            code: self.code,
            request: self.request,
            decision: self.decision,
            sign_in: (self.code == RefusalCode::SigninRequired).then_some(SIGN_IN),
            step_up: self.step_up,
        };
        // Texts and numbers only, so it serialises.
        ("application/problem+json", serde_json::to_vec(&problem).unwrap_or_default().into())
    }
}

/// Where a person goes from here: to sign-in, and back to where they were going.
fn next(t: Texts, challenge: &Challenge, return_to: Option<&str>) -> Option<Next> {
    // Unreserved characters and slashes stay; everything else cannot end or extend the parameter.
    const PARAMETER: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
    let (page, mut query, label) = match challenge {
        Challenge::SignIn => (SIGN_IN, Vec::new(), t.signin()),
        Challenge::StepUp { level, max_age_seconds } => {
            let mut query = vec![format!("level={level}")];
            query.extend(max_age_seconds.map(|seconds| format!("max_age={seconds}")));
            (STEP_UP, query, t.stepup_title())
        }
        Challenge::None
        | Challenge::Allow(_)
        | Challenge::RetryAfter(_)
        | Challenge::Decision(_)
        | Challenge::InsufficientScope(_) => return None,
    };
    query.extend(return_to.map(|target| format!("return_to={}", utf8_percent_encode(target, PARAMETER))));
    let href = if query.is_empty() { page.to_owned() } else { format!("{page}?{}", query.join("&")) };
    Some(Next { href, label })
}

/// Whether sign-in may lead back there: an address within this host, no other spelling of one, and not sign-in itself.
pub(crate) fn may_return_to(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    target.len() <= RETURN_TO_BYTES_MAX
        && target.bytes().all(|b| b.is_ascii_graphic())
        // No `//host`, no backslash, no dot segment: those are refused for every request.
        && NormalizedPath::parse(path).is_ok_and(|path| !path.as_str().starts_with("/auth/") || is_account(path.as_str()))
}

/// One's own account is the one of the gateway's pages that asks for a fresher sign-in, so it is come back to.
fn is_account(path: &str) -> bool {
    path.strip_prefix("/auth/account").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn challenge_headers(refusal: &Refusal, headers: &mut Vec<(HeaderName, HeaderValue)>) {
    let mut add = |name: HeaderName, text: String| {
        // Methods are tokens and the rest is digits and our own words.
        headers.extend(HeaderValue::from_str(&text).ok().map(|value| (name, value)));
    };
    match &refusal.challenge {
        Challenge::Allow(methods) => {
            add(header::ALLOW, methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", "));
        }
        Challenge::RetryAfter(seconds) => add(header::RETRY_AFTER, seconds.to_string()),
        Challenge::StepUp { level, max_age_seconds } => {
            // RFC 9470 §3; the levels are NIST SP 800-63B's.
            let max_age = max_age_seconds.map(|seconds| format!(", max_age=\"{seconds}\"")).unwrap_or_default();
            add(
                header::WWW_AUTHENTICATE,
                format!(
                    "Bearer realm=\"cedargate\", error=\"insufficient_user_authentication\", acr_values=\"aal{level}\"{max_age}"
                ),
            );
        }
        Challenge::InsufficientScope(_) => {
            add(header::WWW_AUTHENTICATE, "Bearer realm=\"cedargate\", error=\"insufficient_scope\"".to_owned());
        }
        Challenge::None | Challenge::SignIn | Challenge::Decision(_) => match (refusal.code.status(), refusal.code) {
            // Every 401 has to say how one authenticates (RFC 9110 §15.5.2).
            (401, RefusalCode::CredentialsInvalid) => {
                add(header::WWW_AUTHENTICATE, "Bearer realm=\"cedargate\", error=\"invalid_token\"".to_owned());
            }
            (401, _) => add(header::WWW_AUTHENTICATE, "Bearer realm=\"cedargate\"".to_owned()),
            _ => {}
        },
    }
}

#[cfg(test)]
mod tests;
