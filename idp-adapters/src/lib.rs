//! Ways in: how a person proves who they are, one module each.
//!
//! Three things are always true of what stands here:
//! - a failed sign-in says nothing about why: an unknown account, a disabled one and a wrong password cost the same work and
//!   give the same answer;
//! - guessing gets slower with every failure, for the account and for the address, and what is delayed is not tried;
//! - whatever takes long (a password's hash) runs beside the caller's threads, a bounded number at a time.
//!
//! ```
//! use cedargate_idp_adapters::local::{Credentials, LocalAccounts, LocalSettings, NewPassword, PresentedPassword};
//! use cedargate_idp_adapters::{SignInAdapter, SignInError};
//! # use cedargate_identity::{Accounts, Email, NewAccount, Tenants};
//! # use cedargate_migrations::{GATEWAY, Pool, StoreUrl};
//! # use cedargate_model::{Micros, TenantName};
//! # use std::net::IpAddr;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let now = Micros(1_700_000_000_000_000);
//! # let pool = Pool::open(&StoreUrl::sqlite(directory.path().join("gateway.db"))).await?;
//! # let _ = pool.migrate(&GATEWAY, now).await?;
//! # let acme = Tenants::new(pool.clone()).create(TenantName::parse("acme")?, now).await?.id;
//! # let client = IpAddr::from([127, 0, 0, 1]);
//! let accounts = Accounts::new(pool);
//! let local = LocalAccounts::new(accounts.clone(), LocalSettings::default())?;
//!
//! let password = local.hash(NewPassword::parse("correct horse battery")?).await?;
//! let new = NewAccount { email: Email::parse("ada@example.com")?, roles: vec![], password: Some(password) };
//! let ada = accounts.create(acme, new, now).await?;
//!
//! let right = Credentials::new("Ada@example.com", PresentedPassword::new("correct horse battery".to_owned()));
//! assert_eq!(local.sign_in(acme, right, client, now).await?.principal, ada.id);
//!
//! let wrong = Credentials::new("ada@example.com", PresentedPassword::new("incorrect".to_owned()));
//! assert!(matches!(local.sign_in(acme, wrong, client, now).await, Err(SignInError::Failed)));
//! # Ok(())
//! # }
//! ```
//!
//! [`second`] is what a person who is signed in proves beside: codes of an authenticator app, recovery codes. [`webauthn`] is both
//! that and a way in: passkeys and security keys.
//!
//! [`workload`] is for programs that an issuer elsewhere vouches for.
//! [`admissions`] is how people come to have a password at all, and [`breached`] what keeps them from one that was stolen.
//!
//! To add a way in that is proved to us: a module with what the person presents, and a [`SignInAdapter`] that
//! turns it into [`Authenticated`] or a [`SignInError`]. To add a kind of identity provider: a variant of
//! [`connection::ConnectionKind`] and a module beside [`oidc`] and [`saml`]; rules, admission and strength are [`connection`]'s. Beginning a
//! session is the caller's.

mod adapter;
pub mod admissions;
pub mod breached;
pub mod captcha;
pub mod connection;
mod guessing;
mod in_browser;
pub mod local;
pub mod oidc;
mod refused;
pub mod saml;
pub mod second;
mod throttle;
mod vault;
pub mod webauthn;
pub mod workload;

pub use adapter::{Authenticated, SignInAdapter, SignInError};
pub use guessing::Client;
pub use in_browser::{
    BeginError, BegunAttempt, BrowserKept, DEVICE_TTL, FindError, FoundAttempt, InBrowser, KnownDevices,
    SEALED_CHARS_MAX, SigninAttempts,
};
pub use refused::Refused;
pub use vault::{Vault, VaultError};
