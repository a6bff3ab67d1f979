//! SecLang: the language of ModSecurity's rules, and an engine that runs them.
//!
//! - [`parse`](parse::parse) reads files to directives with their places, and refuses what it does not know;
//! - [`link`](link::link) resolves ids, markers, updates and patterns to a [`Program`];
//! - a [`Transaction`] runs a program on an exchange. It evaluates rules plainly, one value after the other; what
//!   [`Compiled`] adds is to know which rules and values cannot match, so that they are never visited.
//!
//! To add a variable, an operator or a transformation: a row in its table.

mod ast;
mod bytes;
mod compiled;
mod cost;
mod error;
mod link;
mod operator;
mod parse;
mod pcre;
mod program;
mod rule_set;
mod soundness;
mod store;
mod template;
mod told;
mod transaction;
mod transform;
mod variable;
mod warm_up;

pub use ast::{EngineMode, Position, Severity as RuleSeverity};
pub use cost::RuleCost;
pub use error::{LoadError, Reason};
pub use link::Warning;
pub use parse::{Disk, Files, InMemory};
pub use pcre::PatternError;
pub use rule_set::{Entry, RuleSet, Table, Way};
pub use soundness::Weakness;
pub use told::Told;
pub use transaction::{
    Budget, Interruption, LimitReached, Matched, Report, RequestHead, RuleMatch, Scratch, Setup, Transaction,
};

#[cfg(test)]
mod tests;
