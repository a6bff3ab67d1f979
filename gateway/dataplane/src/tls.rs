//! TLS towards clients: a certificate for each host, chosen by the name that the ClientHello asks for (SNI).
//!
//! The handshake is ours and not Pingora's, because the certificate, and whether a client certificate is asked for,
//! depend on the host; because it needs a deadline of its own; and because certificates change while we run.
//!
//! Always true:
//! - who asks for no host, or for one that there is no certificate for, is refused before any cryptography, unless a
//!   certificate is the default;
//! - every certificate has settings of its own, with session tickets under keys of their own: what was agreed with one
//!   host is resumed with no other;
//! - a host that asks clients for certificates has settings of its own, and resumes nothing: each connection's certificate was
//!   verified in its own handshake;
//! - certificates are taken up whole or not at all: one that cannot be used leaves the former one serving.

mod certificate;
mod client;
mod handshake;
mod hosts;
mod stream;

pub use certificate::{CertificateFiles, ClientAuthorityFile, TlsError};
pub(crate) use certificate::{chain, private_key};
pub use client::certificate_key;
pub(crate) use handshake::{HandshakeFailure, accept};
pub use hosts::{HostExpiry, TlsHosts};
