//! The policy test runner: declarative cases decided by the engine that serves.

mod report;

pub use report::{Finding, Report, run};
