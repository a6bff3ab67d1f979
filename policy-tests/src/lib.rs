//! The policy test runner: declarative cases, decided by the engine that serves, read by people in a diff.
//!
//! Two things are always true of a run that passes:
//! - every decision is what a case says, fresh and from the cache, and for the reasons that the case names;
//! - nothing is left unsaid: every role has a cell for every action, every policy decides a case, every tenant with
//!   policies of its own has a case file, and every operation of a service has a route.
//!
//! ```no_run
//! let report = cedargate_policy_tests::run("policies", "policy-tests/cases");
//! assert!(report.passed(), "{report}");
//! ```
//!
//! To add a case: one `[[case]]` in a file under `policy-tests/cases`; `docs/guides/policy-author.md` shows how.

mod case_file;
mod coverage;
mod expectation;
mod openapi;
mod report;
mod run;

pub use expectation::Expectation;
pub use report::{Finding, Report};
pub use run::run;
