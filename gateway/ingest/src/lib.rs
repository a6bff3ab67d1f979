//! Where services say what they did: each event is held against the record, and becomes part of it.
//!
//! Three things are always true of what is recorded here:
//! - it was said with a credential, and in the name of that credential's service alone;
//! - it stands under a decision of this very record that allowed something of that tenant at that service: nobody can
//!   claim an act under a decision that is not theirs;
//! - it is durable before the service is told so, and an event that is said again is recorded once.
//!
//! What a service says that it did is its own word. Who asked is not: that is the decision's.
//!
//! ```
//! use cedargate_ingest::{Credential, CredentialBook, ServiceName};
//! use cedargate_model::Micros;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut book = CredentialBook::default();
//! let made = book.create(&ServiceName::parse("inventory")?, Micros(1_700_000_000_000_000))?;
//! let shown_once = made.expose();
//!
//! let presented = Credential::parse(&shown_once).ok_or("not a credential")?;
//! let whose = book.authenticate(&presented).map(|entry| entry.service.as_str());
//! assert_eq!(whose, Some("inventory"));
//! # Ok(())
//! # }
//! ```
//!
//! `desk` decides, `record` and `memory` are what it knows, `router` is HTTP. To say more about an event: a field in
//! `cedargate_model::ServiceEvent`, one in `event`, and a line in `docs/reference/service-events.md`.

mod answer;
mod credential;
mod credential_file;
mod desk;
mod event;
mod memory;
mod rate;
mod record;
mod router;
mod service_name;

pub use answer::{Answer, LaterCode, Outcome, RefusedCode};
pub use credential::{BookError, CreateError, Credential, CredentialBook, CredentialEntry, CredentialId};
pub use credential_file::{CredentialFile, CredentialFileError};
pub use desk::{Desk, DeskSettings, TakeError, Turn};
pub use event::EVENT_BYTES_MAX;
pub use router::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX, Surface, router};
pub use service_name::{ServiceName, ServiceNameError};
