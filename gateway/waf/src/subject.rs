//! What is inspected: a request as plain borrowed values.

use std::sync::Arc;

/// A request as the inspection sees it. The engine keeps nothing of it.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The method as sent.
    pub method: &'a str,
    /// The request target as it stood in the request line, before any normalisation.
    pub target: &'a str,
    /// The canonical path that routing, policy and the service see: starts with `/`, still percent-encoded.
    pub path: &'a str,
    /// What stands behind the first `?`, undecoded.
    pub query: Option<&'a str>,
    /// The request's headers, in any order.
    pub headers: &'a dyn Headers,
    /// The body or the part of it that is there; none where it is inspected later or there is none.
    pub body: Option<Body<'a>>,
}

/// A body, or as much of it as was held back.
#[derive(Clone, Copy)]
pub struct Body<'a> {
    /// The value of `Content-Type`, if there is exactly one.
    pub content_type: Option<&'a str>,
    /// The octets, after the transfer coding was removed.
    pub bytes: &'a [u8],
    /// Whether `bytes` is the whole body. A prefix is judged as far as it goes, and is not malformed for ending early.
    pub complete: bool,
}

/// Headers by name and value, wherever they live.
pub trait Headers {
    /// Calls `visit` once for every field line. Names may come in any case.
    fn each(&self, visit: &mut dyn FnMut(&str, &[u8]));
}

impl Headers for http::HeaderMap {
    fn each(&self, visit: &mut dyn FnMut(&str, &[u8])) {
        for (name, value) in self {
            visit(name.as_str(), value.as_bytes());
        }
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>> Headers for Vec<(N, V)> {
    fn each(&self, visit: &mut dyn FnMut(&str, &[u8])) {
        self.iter().for_each(|(name, value)| visit(name.as_ref(), value.as_ref()));
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>, const LEN: usize> Headers for [(N, V); LEN] {
    fn each(&self, visit: &mut dyn FnMut(&str, &[u8])) {
        self.iter().for_each(|(name, value)| visit(name.as_ref(), value.as_ref()));
    }
}

/// What a route does with what the inspection finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// A score at or over the threshold ends the request.
    Block,
    /// The score is told to Cedar as `context.waf.score`, and nothing is blocked here.
    Score,
    /// Nothing is inspected.
    Off,
}

/// How one route is inspected. Built once for the route, not for every request.
#[derive(Clone, Debug)]
pub struct Scope {
    /// What happens with the score.
    pub mode: Mode,
    exempt_fields: Arc<[Box<str>]>,
}

impl Scope {
    /// A scope of this mode in which every field is inspected.
    pub fn new(mode: Mode) -> Self {
        Self { mode, exempt_fields: Arc::new([]) }
    }

    /// The same, with these body fields' values left alone: passwords, which may look like anything.
    ///
    /// `password` names a form field, a multipart text field, or a string member of a JSON body's top-level object;
    /// `/user/password` is a JSON pointer (RFC 6901) to a string deeper in it. Names are compared exactly. The
    /// exemption is for the body alone: a password has no business in a query.
    pub fn exempting<F: Into<Box<str>>>(self, fields: impl IntoIterator<Item = F>) -> Self {
        Self { exempt_fields: fields.into_iter().map(Into::into).collect(), ..self }
    }

    pub(crate) fn has_exempt_fields(&self) -> bool {
        !self.exempt_fields.is_empty()
    }

    /// Whether the value of this form field is left alone.
    pub(crate) fn exempts_field(&self, name: &[u8]) -> bool {
        self.exempt_fields.iter().any(|field| field.as_bytes() == name)
    }

    /// Whether the string at this place of a JSON body is left alone. `pointer` is only built when asked for.
    pub(crate) fn exempts_member(&self, top_level: bool, key: &[u8], pointer: impl FnOnce() -> String) -> bool {
        if self.exempt_fields.is_empty() {
            return false;
        }
        if top_level && self.exempts_field(key) {
            return true;
        }
        let mut pointers = self.exempt_fields.iter().filter(|field| field.starts_with('/')).peekable();
        if pointers.peek().is_none() {
            return false;
        }
        let pointer = pointer();
        pointers.any(|field| **field == *pointer)
    }
}
