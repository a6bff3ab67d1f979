//! End-to-end tests: the real binaries, real sockets, and what a service behind them really received.
//!
//! [`World`] is one running installation in a temporary directory: gateway, inventory, orders and the echo service, two tenants and
//! a person for each role that the tests need. [`http`] is a client that sends exactly the octets it is given, because half
//! of what is tested no well-behaved client can send.
//!
//! To add a test: `let world = World::shared();`, then `world.ask(...)`, then look at the answer, at what the echo service
//! says it received, and at `world.entry(...)`, the decision's audit entry.

mod axe;
pub mod backend;
mod browser;
pub mod collector;
pub mod grpc;
pub mod h2;
pub mod http;
mod identity_provider;
mod npm;
mod process;
mod saml_provider;
mod scim_tester;
pub mod soak;
pub mod tls;
pub mod totp;
mod world;

pub use axe::Axe;
pub use browser::Browser;
pub use identity_provider::IdentityProvider;
pub use process::{binary, eventually};
pub use saml_provider::SamlProvider;
pub use scim_tester::ScimTester;
pub use world::{Person, World, WorldOptions, free_address, with_the_demos_rules};
