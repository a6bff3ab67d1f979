//! Is a browser being tricked? CSRF by origin, CORS by exact origin per route.
//!
//! A browser that sends a request says where the request comes from, in headers that no page can set: `Sec-Fetch-Site`
//! (every browser since 2023) and `Origin` (on unsafe methods and WebSockets, for over a decade). No token is needed, and
//! nothing has to be rendered into pages. This is what OWASP's CSRF guidance calls Fetch Metadata with fallback to
//! `Origin`, and what Go's `http.CrossOriginProtection` does; stricter than the latter in that the scheme counts, that a
//! sibling host is another site (`globex.localhost` and `acme.localhost` are the same "site" to a browser), and that
//! both headers must agree where both stand.
//!
//! What is safe by its method passes, navigations from other sites included: people follow links. And so does what brings a key: what
//! a trick lives on is a credential that the browser adds by itself, and no browser adds an `Authorization` header to what a page
//! makes it send. A page may only add one across origins after a preflight, which is judged here as any other.

use cedargate_model::{Caller, Canonical, Credential, Host, Refusal, RefusalCode, Scheme};
use cedargate_policy::{Origin, Route};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::hygiene::{has_gateway_cookie, is_field_name, is_reserved_header};

/// How long a browser may keep a preflight's answer, in seconds: a change of the rule is felt within ten minutes.
const PREFLIGHT_SECONDS: &str = "600";

/// The fields of ours that a script of an allowed origin may read.
const EXPOSED: &str = "cedargate-decision, cedargate-request, ratelimit, ratelimit-policy, retry-after";

/// How many header names of a preflight are answered for.
const ASKED_HEADERS_MAX: usize = 32;

/// A request that is no trick.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Passage {
    /// A browser asks whether it may send a request: answered here with these headers, and never passed on.
    Preflight(Vec<(HeaderName, HeaderValue)>),
    /// Goes on; the answer carries these headers.
    Go(Vec<(HeaderName, HeaderValue)>),
}

/// Whom a route lets in from other origins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CorsRule<'a> {
    /// The origins, exact.
    pub(crate) origins: &'a [Origin],
    /// Whether they may act with the caller's session.
    pub(crate) credentials: bool,
    /// Whether the connection has what a browser shows with whatever a page makes it send, beside cookies: a certificate, by which
    /// somebody may be known, or a policy may permit.
    pub(crate) is_shown_unasked: bool,
    /// Whether a page of any site may send a form. Whatever is done with it rests on what is in it, never on who brings it.
    pub(crate) any_site: bool,
}

impl<'a> CorsRule<'a> {
    /// The rule of a route. Routes cannot ask for credentials yet.
    fn of(route: &'a Route) -> Self {
        Self { origins: &route.cors, credentials: false, is_shown_unasked: false, any_site: route.any_site }
    }

    fn allows(&self, origin: &[u8]) -> bool {
        self.origins.iter().any(|allowed| allowed.as_str().as_bytes() == origin)
    }
}

/// The method that routing goes by: the one that a CORS preflight asks for, else the request's own.
pub(crate) fn asked_method<'a>(method: &'a Method, headers: &HeaderMap) -> &'a Method {
    static KNOWN: [Method; 6] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    match asked(method, headers) {
        // A method outside of these has no route: as `OPTIONS` it is answered with those that there are.
        Some(asked) => KNOWN.iter().find(|known| known.as_str().as_bytes() == asked.as_bytes()).unwrap_or(method),
        None => method,
    }
}

/// Lets through what no other site has a browser send.
///
/// # Errors
/// `cross_origin` for an unsafe method, an upgrade or a preflight from an origin that is neither the request's own nor
/// allowed by the route.
pub(crate) fn guard(
    canonical: &Canonical,
    headers: &HeaderMap,
    route: &Route,
    caller: &Caller,
    has_certificate: bool,
) -> Result<Passage, Refusal> {
    let rule = CorsRule::of(route);
    let credential = caller.principal().map(|principal| principal.credential);
    let is_meant = credential.is_some_and(Credential::is_bearer);
    if is_meant && asked(&canonical.method, headers).is_none() {
        return Ok(Passage::Go(answer(From::of(canonical, headers, &rule), &rule)));
    }
    // A browser shows the certificate of its connection as it sends cookies: whoever makes it ask.
    let rule = CorsRule { is_shown_unasked: has_certificate, ..rule };
    check(canonical, headers.contains_key(header::UPGRADE), headers, &rule)
}

fn check(canonical: &Canonical, upgrade: bool, headers: &HeaderMap, rule: &CorsRule<'_>) -> Result<Passage, Refusal> {
    let from = From::of(canonical, headers, rule);
    if let Some(method) = asked(&canonical.method, headers) {
        return match from {
            From::Own | From::Allowed(_) => Ok(Passage::Preflight(preflight(method, headers, from, rule))),
            From::Nowhere | From::Null | From::Other => {
                Err(cross_origin("a preflight from an origin that may not call"))
            }
        };
    }
    if upgrade || !(canonical.is_safe() || rule.any_site) {
        check_unsafe(canonical, headers, from, rule)?;
    }
    Ok(Passage::Go(answer(from, rule)))
}

/// What the `Origin` header says.
#[derive(Clone, Copy, Debug)]
enum From<'a> {
    /// There is none.
    Nowhere,
    /// `null`: a sandboxed frame, a `data:` page, a redirect across sites, or a page that hides its address.
    Null,
    /// The host that the request is addressed to.
    Own,
    /// One that the route allows.
    Allowed(&'a HeaderValue),
    /// Any other, or several.
    Other,
}

impl<'a> From<'a> {
    fn of(canonical: &Canonical, headers: &'a HeaderMap, rule: &CorsRule<'_>) -> Self {
        let mut values = headers.get_all(header::ORIGIN).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Nowhere,
            (Some(_), Some(_)) => Self::Other,
            (Some(origin), None) if origin == "null" => Self::Null,
            (Some(origin), None) if is_own(canonical, origin.as_bytes()) => Self::Own,
            (Some(origin), None) if rule.allows(origin.as_bytes()) => Self::Allowed(origin),
            (Some(_), None) => Self::Other,
        }
    }
}

/// What `Sec-Fetch-Site` says. It tells more than `Origin`, and only browsers send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Site {
    /// An older browser, a browser on plain HTTP, or a program.
    Unsaid,
    /// The request's own origin.
    Same,
    /// Nobody but the person: the address bar, a bookmark.
    Person,
    /// A sibling host, another site, or a value that does not exist.
    Another,
}

impl Site {
    fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all("sec-fetch-site").iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Unsaid,
            (Some(site), None) if site == "same-origin" => Self::Same,
            (Some(site), None) if site == "none" => Self::Person,
            _ => Self::Another,
        }
    }
}

fn check_unsafe(
    canonical: &Canonical,
    headers: &HeaderMap,
    from: From<'_>,
    rule: &CorsRule<'_>,
) -> Result<(), Refusal> {
    match (from, Site::of(headers)) {
        (From::Allowed(_), _) if rule.credentials || !(rule.is_shown_unasked || has_gateway_cookie(headers)) => Ok(()),
        // Without preflight a page can send a form with the person's cookies and need not read the answer. Sibling
        // hosts are one site, so `SameSite` does not hold the cookie back.
        (From::Allowed(_), _) => Err(cross_origin("an allowed origin that may not act with a session")),
        (From::Other, _) => Err(cross_origin(other_origin(canonical, headers))),
        // A page with `Referrer-Policy: no-referrer` sends `null` with its own forms too (Fetch, "append a request
        // `Origin` header"); only `Sec-Fetch-Site` then tells it from a sandboxed frame's.
        (From::Null, Site::Same) => Ok(()),
        (From::Null, _) => Err(cross_origin("`Origin: null`")),
        (From::Own | From::Nowhere, Site::Same | Site::Person) => Ok(()),
        (From::Own | From::Nowhere, Site::Another) => Err(cross_origin("`Sec-Fetch-Site` names another site")),
        (From::Own, Site::Unsaid) => Ok(()),
        // Neither header: no browser of the last decade, so a program, which nobody tricks; except that Firefox before
        // 70 sent no `Origin` with forms. It sent `Referer`.
        (From::Nowhere, Site::Unsaid) => match headers.get(header::REFERER) {
            Some(referer) if !is_own(canonical, origin_of(referer.as_bytes())) => {
                Err(cross_origin("`Referer` names another origin, and neither `Origin` nor `Sec-Fetch-Site` is there"))
            }
            _ => Ok(()),
        },
    }
}

/// Whether a serialised origin is the one that the request is addressed to: scheme, host and port.
fn is_own(canonical: &Canonical, origin: &[u8]) -> bool {
    split_origin(origin).is_some_and(|(scheme, host)| {
        scheme == canonical.scheme && host.name() == canonical.host.name() && port(scheme, &host) == own_port(canonical)
    })
}

fn own_port(canonical: &Canonical) -> u16 {
    port(canonical.scheme, &canonical.host)
}

fn port(scheme: Scheme, host: &Host) -> u16 {
    host.port().unwrap_or(match scheme {
        Scheme::Http => 80,
        Scheme::Https => 443,
    })
}

fn split_origin(origin: &[u8]) -> Option<(Scheme, Host)> {
    let (scheme, authority) = std::str::from_utf8(origin).ok()?.split_once("://")?;
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return None,
    };
    Some((scheme, Host::parse(authority).ok()?))
}

/// A URL up to where its path begins.
fn origin_of(url: &[u8]) -> &[u8] {
    let ends = |b: &u8| matches!(b, b'/' | b'?' | b'#' | b'\\');
    let authority = url.windows(3).position(|window| window == b"://").map_or(0, |at| at + 3);
    let end = url.iter().skip(authority).position(ends).map_or(url.len(), |length| authority + length);
    url.get(..end).unwrap_or_default()
}

/// Says what is most often wrong where people set a gateway up.
fn other_origin(canonical: &Canonical, headers: &HeaderMap) -> &'static str {
    let sent = headers.get(header::ORIGIN).and_then(|origin| split_origin(origin.as_bytes()));
    match sent {
        Some((scheme, host)) if scheme != canonical.scheme && host.name() == canonical.host.name() => {
            "`Origin` has the right host and another scheme: is the proxy that ends TLS missing from the trusted ones?"
        }
        _ => "`Origin` names another origin",
    }
}

/// The method that a preflight asks for, if this is one (Fetch, "CORS-preflight request").
fn asked<'a>(method: &Method, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
    let asked = headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
    (method == Method::OPTIONS && headers.contains_key(header::ORIGIN)).then_some(asked)
}

fn preflight(
    method: &HeaderValue,
    headers: &HeaderMap,
    from: From<'_>,
    rule: &CorsRule<'_>,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut answer = answer(from, rule);
    answer.retain(|(name, _)| *name != header::ACCESS_CONTROL_EXPOSE_HEADERS && *name != header::VARY);
    let vary = "origin, access-control-request-method, access-control-request-headers";
    answer.push((header::VARY, HeaderValue::from_static(vary)));
    answer.push((header::ACCESS_CONTROL_ALLOW_METHODS, method.clone()));
    if let Some(allowed) = asked_headers(headers) {
        answer.push((header::ACCESS_CONTROL_ALLOW_HEADERS, allowed));
    }
    answer.push((header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_SECONDS)));
    answer
}

/// Of the header names that a preflight asks for, those that a client may send at all.
fn asked_headers(headers: &HeaderMap) -> Option<HeaderValue> {
    let asked = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS)?.to_str().ok()?;
    let names = asked.split(',').map(str::trim).take(ASKED_HEADERS_MAX);
    let allowed: Vec<_> = names.filter(|name| is_field_name(name.as_bytes()) && !is_reserved_header(name)).collect();
    HeaderValue::from_str(&allowed.join(", ")).ok().filter(|value| !value.is_empty())
}

/// The CORS headers of an answer. `Vary` stands wherever another origin would have got other headers.
fn answer(from: From<'_>, rule: &CorsRule<'_>) -> Vec<(HeaderName, HeaderValue)> {
    if rule.origins.is_empty() {
        return Vec::new();
    }
    let mut answer = vec![(header::VARY, HeaderValue::from_static("origin"))];
    if let From::Allowed(origin) = from {
        answer.push((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()));
        answer.push((header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED)));
        if rule.credentials {
            answer.push((header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")));
        }
    }
    answer
}

fn cross_origin(detail: &str) -> Refusal {
    Refusal::new(RefusalCode::CrossOrigin, detail)
}

#[cfg(test)]
mod tests;
