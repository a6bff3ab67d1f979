//! The one form of a request that everything after hygiene sees.

use std::net::IpAddr;

use http::Method;

use crate::{Host, NormalizedPath, RequestId};

/// A request that is unambiguous: every later stage, Cedar, the log and the service read this and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canonical {
    /// This exchange's id.
    pub request: RequestId,
    /// The method, upper-case as sent (RFC 9110 §9.1: methods are case-sensitive).
    pub method: Method,
    /// How the client reached the first proxy of ours.
    pub scheme: Scheme,
    /// Whom the request is addressed to.
    pub host: Host,
    /// The path, normalised once.
    pub path: NormalizedPath,
    /// What stands behind the first `?`, delimited and otherwise untouched: `?q=100%` is legal traffic.
    pub query: Option<String>,
    /// The client's address: the peer's, or what a configured proxy says of it.
    pub client: IpAddr,
}

impl Canonical {
    /// Path and query, as they go upstream.
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path.as_str()),
            None => self.path.as_str().to_owned(),
        }
    }

    /// Whether the method is safe by definition (RFC 9110 §9.2.1): it asks, and acts on nothing.
    pub fn is_safe(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
    }
}

/// How the client reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Without TLS: on loopback, or behind something that should not be there.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}
