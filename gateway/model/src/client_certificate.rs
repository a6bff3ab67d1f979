//! What a verified client certificate says of whoever made a connection.

use serde::{Deserialize, Serialize};

/// A client certificate whose chain was verified against the authorities of the host that asked for it. It names no principal yet:
/// who that is, is for policies to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificate {
    /// SHA-256 of the whole certificate, in lower-case hexadecimal: which certificate, exactly.
    pub fingerprint: String,
    /// Its subject, most significant part first: `C=DE, O=Example, CN=robot`. At most [`Self::SUBJECT_BYTES_MAX`] octets.
    pub subject: String,
    /// Its subject alternative names, sorted: `dns:robot.example`, `email:robot@example`, `uri:spiffe://example/robot`,
    /// `ip:10.0.0.7`. At most [`Self::NAMES_MAX`] of at most [`Self::SUBJECT_BYTES_MAX`] octets.
    #[serde(default)]
    pub names: Vec<String>,
}

impl ClientCertificate {
    /// The most octets of a subject, or of a name.
    pub const SUBJECT_BYTES_MAX: usize = 1024;
    /// The most names.
    pub const NAMES_MAX: usize = 32;
}
