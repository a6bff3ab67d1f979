//! The `cedargate` program as a library: command line, configuration and composition root. It wires, and decides nothing.
//!
//! [`run`] is all there is to it. The program is made of it in `main.rs`, and nothing else is to depend on this crate.
//!
//! ```no_run
//! let status: std::process::ExitCode = cedargate_app::run();
//! ```

mod cli;
mod compose;
mod config;
mod files;
#[doc(hidden)]
pub mod fuzzing;
mod keys;

pub use cli::run;
