//! Refusals as values: one enum, rendered in one place, recorded in one place, counted in one place.

use std::fmt;

use http::Method;
use serde::{Deserialize, Serialize};

use crate::DecisionId;

/// A stage of the walk, in the order in which a request passes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The connection and the head's arrival.
    Accept,
    /// Is this one unambiguous request?
    Hygiene,
    /// Whose is it, and which action on which resource?
    Route,
    /// Is this address within its rate?
    Limit,
    /// Whose session, token or certificate?
    Authenticate,
    /// Is this person, this tenant within its rate?
    Quota,
    /// Is a browser being tricked?
    Guard,
    /// An attack in head or body?
    Inspect,
    /// Does the tenant's snapshot permit it?
    Authorize,
    /// Is the decision on disk?
    Record,
    /// Did an upstream answer?
    Forward,
    /// What the client gets.
    Respond,
}

impl Stage {
    /// The stage's name in logs, metrics and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Hygiene => "hygiene",
            Self::Route => "route",
            Self::Limit => "limit",
            Self::Authenticate => "authenticate",
            Self::Quota => "quota",
            Self::Guard => "guard",
            Self::Inspect => "inspect",
            Self::Authorize => "authorize",
            Self::Record => "record",
            Self::Forward => "forward",
            Self::Respond => "respond",
        }
    }

    /// Whether a refusal here comes before anybody is known: only those may be folded under a flood.
    pub fn is_before_authentication(self) -> bool {
        self < Self::Authenticate
    }
}

macro_rules! refusal_codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $code:literal, $stage:ident, $status:literal, $public:literal;)*) => {
        /// Every way in which the gateway can refuse. The code is stable: programs and dashboards may depend on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum RefusalCode {
            $($(#[doc = $doc])+ #[serde(rename = $code)] $variant,)*
        }

        impl RefusalCode {
            /// Every code, for metrics that start at zero and for the reference page.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable code: lower-case words joined by `_`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The stage that refuses with it.
            pub fn stage(self) -> Stage {
                match self { $(Self::$variant => Stage::$stage,)* }
            }

            /// The HTTP status of the answer.
            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// The one plain sentence that the client may read.
            pub fn public_sentence(self) -> &'static str {
                match self { $(Self::$variant => $public,)* }
            }
        }
    };
}

refusal_codes! {
    /// The whole head did not arrive in time (slow clients).
    HeadTimeout = "head_timeout", Accept, 408, "The request's head did not arrive in time.";
    /// Bytes that are no HTTP request.
    RequestUnparsable = "request_unparsable", Accept, 400, "This is not a valid HTTP request.";
    /// A connection that costs much and asks for little: floods of frames, streams opened and given up.
    ConnectionAbused = "connection_abused", Accept, 400, "This connection was used in a way that is not accepted.";

    /// Two ways of telling where the body ends, or one that is malformed (RFC 9112 §6.3).
    FramingAmbiguous = "framing_ambiguous", Hygiene, 400, "The request's framing is ambiguous.";
    /// `Host` missing, repeated, malformed or in disagreement with the target.
    HostInvalid = "host_invalid", Hygiene, 400, "The request names no host, or more than one.";
    /// A header name or value with a character that does not belong there.
    HeaderInvalid = "header_invalid", Hygiene, 400, "A header of the request is malformed.";
    /// A path that two parsers could read differently.
    PathInvalid = "path_invalid", Hygiene, 400, "The request's path is malformed.";
    /// A method that is no token, or one that the gateway never passes on (`CONNECT`, `TRACE`).
    MethodInvalid = "method_invalid", Hygiene, 400, "The request's method is not accepted.";
    /// An `Upgrade` that `Connection` does not name, or that the route does not allow.
    UpgradeInvalid = "upgrade_invalid", Hygiene, 400, "This upgrade is not accepted.";
    /// A request line over its bound.
    TargetTooLong = "target_too_long", Hygiene, 414, "The request's address is too long.";
    /// A head over its bound.
    HeadTooLarge = "head_too_large", Hygiene, 431, "The request's headers are too large.";

    /// `Host` is not the host that the TLS connection was made for (SNI).
    MisdirectedRequest = "misdirected_request", Route, 421, "This connection was made for another host.";
    /// No tenant has this host.
    HostUnknown = "host_unknown", Route, 404, "There is nothing at this address.";
    /// No route of the tenant has this path.
    RouteUnknown = "route_unknown", Route, 404, "There is nothing at this address.";
    /// The path is known, the method is not.
    MethodNotAllowed = "method_not_allowed", Route, 405, "This address does not accept that method.";

    /// gRPC on a route that does not declare it, or something else on one that does.
    GrpcUnexpected = "grpc_unexpected", Route, 415, "This address and this kind of content do not go together.";
    /// gRPC over HTTP/1, which has no trailers that a client would get.
    GrpcNeedsHttp2 = "grpc_needs_http2", Route, 505, "gRPC needs HTTP/2.";

    /// The client's address is over its rate.
    AddressRateLimited = "address_rate_limited", Limit, 429, "Too many requests. Please wait a moment.";

    /// Two session cookies: somebody may have planted one.
    CookieAmbiguous = "cookie_ambiguous", Authenticate, 400, "The request carries more than one session cookie.";
    /// The route asks for a client certificate, and the connection was made without one.
    ClientCertificateRequired = "client_certificate_required", Authenticate, 403, "This address asks for a client certificate.";
    /// Two credentials at once, a session's cookie and an `Authorization` header: who of the two would be asking?
    CredentialsAmbiguous = "credentials_ambiguous", Authenticate, 400, "The request carries more than one credential.";
    /// Credentials were presented and are bad.
    CredentialsInvalid = "credentials_invalid", Authenticate, 401, "These credentials are not valid.";
    /// The keys of an issuer elsewhere, whose word counts at the door, are not known: they are being looked for.
    IssuerUnavailable = "issuer_unavailable", Authenticate, 503, "Whoever vouches for you cannot be asked right now.";
    /// The session store does not answer, so nobody can be known.
    SessionStoreUnavailable = "session_store_unavailable", Authenticate, 503, "Sign-in state cannot be checked right now.";

    /// The person or tenant is over its rate.
    QuotaExceeded = "quota_exceeded", Quota, 429, "Too many requests. Please wait a moment.";

    /// An unsafe method or an upgrade from another origin.
    CrossOrigin = "cross_origin", Guard, 403, "This request came from another site.";

    /// The inspection found an attack.
    AttackDetected = "attack_detected", Inspect, 403, "This request looks like an attack and was stopped.";
    /// The body is not what it says it is: the service might read in it what the inspection did not.
    BodyMalformed = "body_malformed", Inspect, 400, "The request's body is malformed.";
    /// A limit of the inspection was reached, so that the rest was not looked at.
    InspectionLimit = "inspection_limit", Inspect, 400, "This request is too elaborate to be accepted.";
    /// There are no such rules, or nobody to run them in time.
    InspectionUnavailable = "inspection_unavailable", Inspect, 503, "The request cannot be inspected right now.";
    /// The body is larger than may be inspected or than the route accepts.
    BodyTooLarge = "body_too_large", Inspect, 413, "The request's body is too large.";
    /// The body is compressed or otherwise encoded, so it cannot be inspected.
    BodyEncodingUnsupported = "body_encoding_unsupported", Inspect, 415, "The body's encoding is not accepted.";
    /// The body broke off or was malformed in framing.
    BodyUnreadable = "body_unreadable", Inspect, 400, "The request's body could not be read.";

    /// Anonymous, and what was asked for needs a sign-in.
    SigninRequired = "signin_required", Authorize, 401, "Please sign in.";
    /// Signed in, but a stronger or fresher sign-in would be permitted (RFC 9470).
    StepUpRequired = "step_up_required", Authorize, 401, "Please confirm who you are.";
    /// Known, and not permitted.
    Forbidden = "forbidden", Authorize, 403, "You are not permitted to do this.";
    /// A policy's evaluation erred: Cedar would skip it, we refuse.
    DecisionFailed = "decision_failed", Authorize, 500, "The request could not be decided.";
    /// The tenant has no valid snapshot.
    SnapshotMissing = "snapshot_missing", Authorize, 503, "The request cannot be decided right now.";

    /// The decision could not be made durable.
    RecordUnavailable = "record_unavailable", Record, 503, "The request cannot be recorded right now.";

    /// No upstream of the service is healthy.
    UpstreamUnavailable = "upstream_unavailable", Forward, 503, "The service is not available right now.";
    /// The upstream refused the connection or broke it off.
    UpstreamFailed = "upstream_failed", Forward, 502, "The service did not answer properly.";
    /// The upstream did not answer in time.
    UpstreamTimeout = "upstream_timeout", Forward, 504, "The service did not answer in time.";
    /// The inspection found something in the service's answer that must not leave.
    ResponseWithheld = "response_withheld", Respond, 502, "The service's answer was withheld.";
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request that goes no further, and why.
///
/// It has two voices. The code, its sentence and the [`Challenge`] are for the client; `detail` is for the operator's
/// log and the audit event and is never rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was refused, by its stable code.
    pub code: RefusalCode,
    /// What the client is told to do about it, beyond the code's sentence.
    pub challenge: Challenge,
    /// For the operator: lower-case, without secrets, without matched values. May be empty.
    pub detail: String,
}

impl Refusal {
    /// A refusal with nothing more to say to the client than its code.
    pub fn new(code: RefusalCode, detail: impl Into<String>) -> Self {
        Self { code, challenge: Challenge::None, detail: detail.into() }
    }

    /// The same refusal with something for the client to act on.
    #[must_use]
    pub fn with(mut self, challenge: Challenge) -> Self {
        self.challenge = challenge;
        self
    }
}

impl From<RefusalCode> for Refusal {
    fn from(code: RefusalCode) -> Self {
        Self::new(code, String::new())
    }
}

/// What a client can do about a refusal; becomes headers and links of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// Nothing.
    None,
    /// Use one of these methods (405, `Allow`).
    Allow(Vec<Method>),
    /// Come back after so many seconds (429 and 503, `Retry-After`).
    RetryAfter(u64),
    /// Sign in (401).
    SignIn,
    /// Sign in more strongly or anew (401, RFC 9470 §3).
    StepUp {
        /// The authentication assurance level that would be permitted.
        level: u8,
        /// The age in seconds that the sign-in may have, where the policy asks for freshness.
        max_age_seconds: Option<u64>,
    },
    /// Quote this decision when asking why (403).
    Decision(DecisionId),
    /// The same to a program: what it showed is good, and not good enough for this (403, RFC 6750 §3.1).
    InsufficientScope(DecisionId),
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_statuses_are_refusals() {
        let codes: BTreeSet<_> = RefusalCode::ALL.iter().map(|c| c.as_str()).collect();
        assert_eq!(codes.len(), RefusalCode::ALL.len());
        assert!(RefusalCode::ALL.iter().all(|c| (400..=599).contains(&c.status())));
    }

    #[test]
    fn a_code_is_written_to_the_log_as_it_is_shown() {
        for code in RefusalCode::ALL {
            assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{code}\""));
        }
    }
}
