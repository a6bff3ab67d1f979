//! The signed identity that services trust: issued by the gateway, verified anywhere.
//!
//! `Cedargate-Identity` carries a JWT of its own type (`cedargate-identity+jwt`), signed with Ed25519 by keys that sign
//! nothing else, for exactly one audience: the service that receives it. `docs/reference/identity-header.md` specifies
//! it for services in other languages.
//!
//! Always true of what stands here:
//! - nothing does IO or reads a clock: time is an argument, key sets are text that somebody else fetched;
//! - one algorithm, one type, one audience; whatever else a token says of itself is a refusal, never a choice;
//! - a token holds nothing of a single request, so that it can be cached and so that stealing one decides nothing more
//!   than its five minutes.
//!
//! ```
//! use cedargate_assertion::{Issuer, SigningKeys, TenantScope, Verifier, VerifyError};
//! use cedargate_model::{Caller, Micros, TenantId, TenantName};
//!
//! let keys = SigningKeys::generate()?;
//! let issuer = Issuer::new("https://gateway.example", keys);
//! let tenant = TenantScope { id: TenantId(uuid::Uuid::from_u128(7)), name: TenantName::parse("acme")? };
//! let now = Micros(1_790_000_000_000_000);
//! let issued = issuer.issue(&Caller::Anonymous, &tenant, "inventory", now)?;
//!
//! let inventory = Verifier::new("https://gateway.example", "inventory", issuer.keys().jwks());
//! assert_eq!(inventory.verify(&issued.token, now)?.tenant, tenant);
//!
//! let orders = Verifier::new("https://gateway.example", "orders", issuer.keys().jwks());
//! assert!(matches!(orders.verify(&issued.token, now), Err(VerifyError::AudienceMismatch)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! To add a claim: a field in `claims.rs` that older services can do without (they ignore what they do not know), its
//! reading in `identity.rs`, its row in the reference page, and the worked example there, which a test writes.

mod cache;
mod claims;
mod header;
mod identity;
mod issuer;
mod jwks;
mod key_id;
mod keys;
mod verifier;

pub use cache::IssuedCache;
pub use header::{DECISION_HEADER, IDENTITY_HEADER, JWKS_PATH, REQUEST_HEADER};
pub use identity::{AssertedSubject, Identity, TenantScope};
pub use issuer::{IssueError, Issued, Issuer, LIFETIME, TOKEN_BYTES_MAX};
pub use jwks::{JWKS_BYTES_MAX, Jwks, JwksError, KEYS_MAX};
pub use key_id::KeyId;
pub use keys::{KeyError, OLDER_KEYS_MAX, SigningKeys};
pub use verifier::{LEEWAY, Verifier, VerifyError};
