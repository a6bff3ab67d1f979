//! One issuer of a tenant's, as configured and checked.

use std::time::Duration;

use cedargate_identity::ServiceAccountName;
use cedargate_model::ConnectionName;
use openidconnect::core::CoreJwsSigningAlgorithm;

use super::keys::PinnedKeys;
use crate::connection::ClaimMatch;
use crate::oidc::{OidcIssuer, ProviderUrl};

/// The longest life that an assertion may be allowed to have.
pub const LIFETIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How far an issuer's clock may be allowed to be off.
pub const LEEWAY_MAX: Duration = Duration::from_secs(300);

/// What vouches for programs, for which of them, and as whom they are known.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadSettings {
    /// Its name in the record.
    pub name: ConnectionName,
    /// What `iss` must be, octet for octet.
    pub issuer: String,
    /// What `aud` must be, alone; none for the tenant's own address.
    pub audience: Option<String>,
    /// Where its keys are.
    pub keys: KeySource,
    /// What it may sign with.
    pub algorithms: Vec<WorkloadAlgorithm>,
    /// What its assertions must say. There is at least one: of a public issuer anybody has assertions.
    pub required: Vec<ClaimMatch>,
    /// As whom its programs are known.
    pub service_account: ServiceAccountName,
    /// How long an assertion may count from its `iat` on.
    pub lifetime_max: Duration,
    /// How far its clock may be off.
    pub leeway: Duration,
    /// Whether each assertion counts once, by its `jti`.
    pub once: bool,
    /// Whether its assertions let in at the door as they are, and not by exchange alone.
    pub at_the_door: bool,
}

/// Where an issuer's keys are.
#[derive(Clone, Debug, PartialEq)]
pub enum KeySource {
    /// Where `ISSUER/.well-known/openid-configuration` says.
    Discovery(OidcIssuer),
    /// At an address.
    Url(ProviderUrl),
    /// Written down: nothing is fetched.
    Pinned(PinnedKeys),
}

/// What an assertion may be signed with. There is none with a secret: who can check such a signature can make it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkloadAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256.
    Es256,
    /// ECDSA on P-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl WorkloadAlgorithm {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// The one of this name (RFC 7518 §3.1, RFC 8037 §3.1), in its one spelling.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    pub(super) fn of_library(self) -> CoreJwsSigningAlgorithm {
        match self {
            Self::Rs256 => CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
            Self::Rs384 => CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
            Self::Rs512 => CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
            Self::Ps256 => CoreJwsSigningAlgorithm::RsaSsaPssSha256,
            Self::Ps384 => CoreJwsSigningAlgorithm::RsaSsaPssSha384,
            Self::Ps512 => CoreJwsSigningAlgorithm::RsaSsaPssSha512,
            Self::Es256 => CoreJwsSigningAlgorithm::EcdsaP256Sha256,
            Self::Es384 => CoreJwsSigningAlgorithm::EcdsaP384Sha384,
            Self::EdDsa => CoreJwsSigningAlgorithm::EdDsa,
        }
    }
}
