//! SAML 2.0: what passes between the gateway as SP and an IdP.
//!
//! Three things are always true of an answer that is believed:
//! - it passed the strict [`scan`] before anything else looked at it, and an assertion that was encrypted passed it again;
//! - every signature in it is the provider's, by the keys of its metadata, and one of them covers the assertion that is read;
//! - it is for this gateway, for this request, and for now, by checks of ours.
//!
//! Which library verifies, and how this stands if it is replaced, says decision 9 (`docs/decisions`).

mod answer;
mod binding;
mod certificate;
mod client;
mod decrypt;
mod enforce;
mod key;
mod logout;
mod message;
mod metadata;
mod names;
mod preview;
mod published;
mod read;
mod scan;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod text;
mod turn;
mod verify;

pub use answer::{Answer, Believed};
pub use binding::{FORM_BYTES_MAX, Parameter};
pub use certificate::{SamlCertificate, SamlCertificateError};
pub use client::{Outgoing, SamlClient, SamlSettings, Sp};
pub use key::{SpKey, SpKeyError};
pub use logout::{Ends, LogoutMessage};
pub use metadata::{Binding, Endpoint, IdpMetadata, MetadataError};
pub use preview::preview;
pub use published::{News, Published, RefreshError};
pub use read::NameId;
pub use scan::{MESSAGE_BYTES_MAX, MessageKind, Scanned, SignatureAt, scan, scan_published};
pub use turn::Turn;
