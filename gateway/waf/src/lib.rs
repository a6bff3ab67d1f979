//! Inspection: finds attacks in a request's head and body.
//!
//! Three things are always true of it:
//! - values go in and findings come out: no IO, no clock, no proxy's types, the same answer every time;
//! - a finding names its rule and its place and never holds what matched;
//! - work is bounded, and what exceeds a bound is a finding that blocks, never a silence.
//!
//! ```
//! use cedargate_waf::{Engine, Mode, Scope, Settings, Subject, Threshold, Verdict};
//!
//! let engine = Engine::new(Settings::default())?;
//! let scope = Scope::new(Mode::Block).exempting(["password"]);
//! let subject = Subject {
//!     method: "GET",
//!     target: "/inventory/items?name=O%27Brien",
//!     path: "/inventory/items",
//!     query: Some("name=O%27Brien"),
//!     headers: &[("user-agent", "curl/8.5.0")],
//!     body: None,
//! };
//! let inspected = engine.inspect(&subject, &scope);
//! assert_eq!(inspected.verdict(Threshold::default()), Verdict::Pass);
//! # Ok::<(), cedargate_waf::BuildError>(())
//! ```
//!
//! To add a rule: a row in one of the tables under `rules/`, a row in `docs/reference/inspection.md`, and an attack and
//! a harmless neighbour in the tests. Another engine takes this one's place behind [`Engine`], [`Subject`] and
//! [`Inspected`]: nothing else is public.

mod body;
mod class;
mod compiled;
mod decode;
mod engine;
mod finding;
mod head;
mod injection;
mod json;
mod multipart;
mod rules;
mod run;
pub mod seclang;
mod settings;
mod subject;
mod xml;

pub use engine::Engine;
pub use finding::{Finding, Inspected, Name, Place, Severity, Threshold, Verdict};
pub use settings::{BuildError, Limits, Settings};
pub use subject::{Body, Headers, Mode, Scope, Subject};
