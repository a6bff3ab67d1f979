//! The short access tokens that programs show at the door: issued and verified by the gateway alone.
//!
//! A token is a JWT of RFC 9068's type (`at+jwt`), signed with Ed25519 by keys that sign nothing else, for one audience: the
//! tenant's own address. It is for the door and nobody behind it: services get `Cedargate-Identity`, which shares neither its type
//! nor its audience nor its keys, so that neither is ever taken for the other.
//!
//! Always true of what stands here:
//! - nothing does IO or reads a clock;
//! - one algorithm, one type, one audience; whatever else a token says of itself is a refusal, each with its own word;
//! - a token says who its bearer was when it was issued, never what they may do now: whoever verifies one looks up what it was
//!   issued for, and what that may do today.
//!
//! ```
//! use std::time::Duration;
//!
//! use cedargate_assertion::SigningKeys;
//! use cedargate_model::{AccessToken, ApiKeyId, Micros, PrincipalId, TenantId, TenantName, TokenId, TokenSource};
//! use cedargate_tokens::{TenantUrls, TokenAuthority, TokenRefused};
//! use uuid::Uuid;
//!
//! let urls = TenantUrls::new("https", "gateway.example");
//! let authority = TokenAuthority::new(urls, SigningKeys::generate()?, Duration::from_secs(2));
//! let (acme, name) = (TenantId(Uuid::from_u128(1)), TenantName::parse("acme")?);
//! let now = Micros(1_790_000_000_000_000);
//! let token = AccessToken {
//!     id: TokenId(Uuid::from_u128(2)),
//!     subject: PrincipalId(Uuid::from_u128(3)),
//!     source: TokenSource::ApiKey(ApiKeyId(Uuid::from_u128(4))),
//!     roles: None,
//!     issued_at: now,
//!     expires_at: now.after(cedargate_tokens::LIFETIME),
//! };
//! let text = authority.issue(&token, acme, &name)?;
//! assert_eq!(authority.verify(&text, acme, &name, now)?, token);
//!
//! let globex = TenantName::parse("globex")?;
//! let abroad = authority.verify(&text, TenantId(Uuid::from_u128(9)), &globex, now);
//! assert_eq!(abroad.unwrap_err(), TokenRefused::Issuer);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! To add a claim: a field in `claims.rs` that tokens of before can do without, its reading beside it, and its row in the guide.

mod authority;
mod claims;
mod key_look;
#[cfg(test)]
mod tests;

pub use authority::{IssueTokenError, LIFETIME, SignedBy, TOKEN_BYTES_MAX, TenantUrls, TokenAuthority};
pub use claims::TokenRefused;
pub use key_look::{KeyLook, TokenKeys};
