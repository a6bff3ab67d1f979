//! Plain types that every room shares: ids, times, the canonical request, the caller, refusals and audit events.
//!
//! Three things are always true of what stands here:
//! - a value exists only in valid, canonical form: [`Host`], [`NormalizedPath`] and the names each have one fallible
//!   constructor, and tests use that same one;
//! - nothing here does IO, reads a clock or draws randomness by itself;
//! - every enum is closed, so that a `match` elsewhere stops compiling when a variant is added.
//!
//! ```
//! use cedargate_model::{Host, NormalizedPath};
//!
//! let host = Host::parse("Acme.LOCALHOST:8080")?;
//! assert_eq!(host.name(), "acme.localhost");
//!
//! let path = NormalizedPath::parse("/inventory/%69tems/caf%c3%a9")?;
//! assert_eq!(path.as_str(), "/inventory/items/caf%C3%A9");
//! assert!(NormalizedPath::parse("/inventory/%2e%2e/admin").is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! To add a refusal: one row in `refusal.rs`. It then has a stable code, a status, a public sentence, a place in the
//! metrics and a row in the reference, and the renderer cannot forget it.

mod access_token;
mod account_event;
mod address;
mod admission_event;
mod caller;
mod canonical;
mod client_certificate;
mod connection_name;
mod event;
mod facts;
mod host;
mod id;
mod path;
mod policy_change_event;
mod posted_form;
mod provisioning_event;
mod refusal;
mod signin_reason;
mod time;
mod token_event;
mod trace_parent;

pub use access_token::{AccessToken, TokenSource};
pub use account_event::{AccountAct, AccountEvent, By, ConsentDocument, ProofKind};
pub use address::{append_address, network_of};
pub use admission_event::{AdmissionAct, AdmissionEvent, LinkPurpose, LinkReason};
pub use caller::{AuthnMethod, AuthnStrength, Caller, Credential, Principal, RoleName, RoleNameError};
pub use canonical::{Canonical, Scheme};
pub use client_certificate::ClientCertificate;
pub use connection_name::{ConnectionName, ConnectionNameError};
pub use event::{
    Amendment, Decision, EVENT_VERSION, Event, EventBody, Folded, Inspection, InspectionPlace, Outcome, OutcomeEnd,
    ServiceEvent, Signin, SigninResult, Subject, Verdict,
};
pub use facts::{Facts, Shadowed};
pub use host::{Host, HostError};
pub use id::{
    ApiKeyId, ChangeId, DecisionId, EventId, FactorId, GrantId, PolicyId, PolicySetId, PrincipalId, RequestId, RouteId,
    ScimGroupId, ScimTokenId, SessionId, SnapshotId, TenantId, TenantName, TenantNameError, TokenId,
};
pub use path::{NormalizedPath, PathError};
pub use policy_change_event::{PolicyChangeAct, PolicyChangeEvent};
pub use posted_form::{FORM_MEDIA_TYPE, POSTED_FORM_BYTES_MAX, PostedForm};
pub use provisioning_event::{ProvisioningAct, ProvisioningEvent, RolesOf};
pub use refusal::{Challenge, Refusal, RefusalCode, Stage};
pub use signin_reason::SigninReason;
pub use time::{Clock, Micros, SystemClock};
pub use token_event::{GrantType, KeyEvent, TokenAct, TokenEvent, TokenReason};
pub use trace_parent::TraceParent;
