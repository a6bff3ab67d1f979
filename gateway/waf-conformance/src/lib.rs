//! Conformance: does the engine do with a rule set what the rules' authors say it should?
//!
//! Their corpora are trees of YAML in go-ftw's format. A case is a request and the ids of rules that must match it, or
//! must not. [`Corpus::read`] reads a tree, [`rules`] loads a rule set as its authors test it, and [`run`] plays every
//! case through the engine: no sockets, no server; a backend that answers as theirs does.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use cedargate_waf_conformance::{Corpus, rules, run};
//!
//! let rules = rules(Path::new("crs/rules"))?;
//! let corpus = Corpus::read(Path::new("crs/tests/regression"))?;
//! let tally = run(&rules, &corpus);
//! println!("{} passed, {} failed", tally.passed, tally.failures.len());
//! # Ok::<(), cedargate_waf_conformance::Error>(())
//! ```

mod backend;
mod corpus;
mod request;
mod rules;
mod run;

use std::path::PathBuf;

pub use self::corpus::{Case, Corpus};
pub use self::request::Request;
pub use self::rules::rules;
pub use self::run::{Failure, Tally, differences, inspect, run};

/// Why nothing could be run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder cannot be read.
    #[error("`{path}` cannot be read")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A corpus file is not in go-ftw's format.
    #[error("`{path}` is no corpus file")]
    Format {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_yaml::Error,
    },
    /// There is no setup file beside the rules.
    #[error("there is no `crs-setup.conf` or `crs-setup.conf.example` in `{0}` or the folder above it")]
    NoSetup(PathBuf),
    /// The rules have mistakes.
    #[error("the rules have {} mistakes; the first: {}", .0.len(), .0.first().map(ToString::to_string).unwrap_or_default())]
    Rules(Vec<cedargate_waf::seclang::LoadError>),
}
