//! Sign-in pages and the gateway's own HTTP surface, an axum router behind the walk.
//!
//! It is one more upstream of the walk: every request was screened, decided and recorded before it arrives here over a private
//! Unix socket. Three things are always true of what stands here:
//! - a request without a valid `Cedargate-Identity` for the audience [`AUDIENCE`] is refused, whatever it asks for;
//! - a sign-in is answered only after its event is durable, and a refused one says nothing about why;
//! - a page loads nothing from elsewhere and needs no script; the one that is there is for passkeys, which no browser asks for
//!   without one.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use arc_swap::ArcSwap;
//! # use cedargate_controlplane::{AUDIENCE, ConsentAsking, ControlPlane, Receipts, Recorder, ServiceLink, router};
//! # use cedargate_assertion::{Issuer, Verifier};
//! # use cedargate_identity::{Accounts, Identities, KeptPosts, Sessions, Tenants};
//! # use cedargate_idp_adapters::admissions::Admissions;
//! # use cedargate_idp_adapters::connection::Connections;
//! # use cedargate_idp_adapters::local::LocalAccounts;
//! # use cedargate_idp_adapters::second::SecondFactors;
//! # use cedargate_idp_adapters::webauthn::Webauthn;
//! # use cedargate_idp_adapters::workload::Workloads;
//! # use cedargate_idp_adapters::{KnownDevices, SigninAttempts, Vault};
//! # use cedargate_model::SystemClock;
//! # use cedargate_tokens::{KeyLook, TokenAuthority};
//! # fn example(
//! #     issuer: Issuer, sessions: Sessions, accounts: Accounts, local: LocalAccounts, second: SecondFactors, tenants: Tenants,
//! #     identities: Identities, attempts: SigninAttempts, devices: KnownDevices, vault: Arc<dyn Vault>, tokens: TokenAuthority,
//! #     recorder: Arc<dyn Recorder>, receipts: Arc<dyn Receipts>, webauthn: Webauthn, admissions: Admissions,
//! #     consents: ConsentAsking, posts: KeptPosts,
//! # ) -> axum::Router {
//! let verifier = Verifier::new(issuer.url(), AUDIENCE, issuer.keys().jwks());
//! // To be served on a Unix socket that only the gateway's user reaches: the headers beside the assertion are believed.
//! router(ControlPlane {
//!     sessions,
//!     accounts,
//!     local,
//!     connections: Arc::new(ArcSwap::from_pointee(Connections::default())),
//!     workloads: Arc::new(ArcSwap::from_pointee(Workloads::default())),
//!     token_keys: Arc::new(KeyLook::settled()),
//!     identities,
//!     attempts,
//!     devices,
//!     posts,
//!     second,
//!     webauthn,
//!     admissions,
//!     consents,
//!     vault,
//!     tenants,
//!     verifier: Arc::new(ArcSwap::from_pointee(verifier)),
//!     tokens: Arc::new(ArcSwap::from_pointee(tokens)),
//!     recorder,
//!     receipts,
//!     clock: Arc::new(SystemClock),
//!     services: vec![ServiceLink { title: "Inventory".into(), about: "Items and stock".into(), href: "/inventory/items".into() }],
//! })
//! # }
//! ```
//!
//! To add a page: a file under `page/` with a template of the same name, a line in [`router`], and a route with its Cedar
//! action in `policies/gateway/routes.toml`.

mod account;
mod assets;
mod consent;
mod cookie;
mod join;
mod keys;
mod language;
mod oauth;
mod otpauth;
mod own;
mod page;
mod passkey;
mod problem;
mod receipt;
mod recorder;
mod return_to;
mod router;
mod saml;
mod scim;
mod signin;
mod signout;
mod sso;
mod stepup;
mod submitted;
mod view;
mod visit;
mod wanted;

pub use consent::{AskedDocument, ConsentAsking};
pub use receipt::{Receipts, ReceiptsUnavailable};
pub use recorder::{RecordUnavailable, Recorder};
pub use router::{AUDIENCE, ControlPlane, ServiceLink, router};
