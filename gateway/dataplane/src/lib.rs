//! The walk of one request through Pingora, one file per stage.
//!
//! ```text
//! accept -> hygiene -> route -> limit -> authenticate -> quota -> guard -> inspect -> authorize -> record -> forward -> respond
//! ```
//!
//! Three things are always true:
//! - a request is forwarded only with a pass, which nothing makes but the walk: it holds the decision
//!   ([`cedargate_policy::Allowed`]) and its record;
//! - routing, policy, inspection, log and service see the one canonical form of a request;
//! - a refusal is a value, rendered in one place, recorded in one place, counted in one place.
//!
//! To add a stage: a file in `stage/` with one function that takes what earlier stages returned, a line in `walk.rs`,
//! and the refusals it may end with as rows of [`cedargate_model::RefusalCode`].

mod arrival;
mod connection;
mod cut;
mod exchange;
mod explain;
mod framing;
#[doc(hidden)]
pub mod fuzzing;
mod gateway;
mod h2;
mod issuers;
mod lifeline;
pub mod metrics;
mod open;
mod proxy;
mod server;
mod site;
mod stage;
mod timeline;
mod tls;
mod trail;
mod upstream;
mod walk;

pub use explain::{Explained, ExplainedPolicy, Explanation, Parts, Question, StageOutcome, explain};
pub use gateway::{Gateway, Settings};
pub use h2::StreamLimits;
pub use issuers::Issuers;
pub use metrics::Metrics;
pub use server::{Listener, Server, ServerSettings};
pub use site::{PolicyShadow, Site, Sites};
pub use stage::accept::Traffic;
pub use stage::hygiene::{HeadLimits, TrustedProxies, TrustedProxiesError};
pub use stage::inspect::{RuleChoice, RuleSets, RuleSettings, Shadow};
pub use stage::keep::{FormToKeep, KeepsForms};
pub use stage::limit::{Rate, RateError, RateLimiter};
pub use stage::quota::Quotas;
pub use timeline::{Ratio, TraceSink, TracedExchange, Tracing};
pub use tls::{CertificateFiles, ClientAuthorityFile, HostExpiry, TlsError, TlsHosts, certificate_key};
pub use upstream::{
    Address, Authorities, ClientCertificateFiles, HealthChecks, Protocol, ServerName, ServerNameError, UpstreamError,
    UpstreamSettings, UpstreamTls, Upstreams,
};
