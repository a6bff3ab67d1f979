//! What a transaction found.

use std::sync::Arc;

use crate::seclang::ast::Severity;

/// What was found in an exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Every rule that matched and logs, in order.
    pub matches: Vec<RuleMatch>,
    /// What ended the exchange, if something did.
    pub interruption: Option<Interruption>,
    /// The limit that was reached, if one was: such an exchange was not inspected to its end, and is to be refused.
    pub limit: Option<LimitReached>,
    /// Whether a brief budget was not enough: then nothing else here counts.
    pub is_cut_short: bool,
    /// The request's anomaly score, as CRS's rules keep it.
    pub inbound_score: i64,
    /// The response's.
    pub outbound_score: i64,
}

impl Report {
    /// The ids of the rules that matched and log.
    pub fn ids(&self) -> impl Iterator<Item = u64> {
        self.matches.iter().map(|matched| matched.rule)
    }
}

/// A rule that matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleMatch {
    /// Its id.
    pub rule: u64,
    /// Its message, with the names of variables put in, but never their values.
    pub message: String,
    /// How grave it is.
    pub severity: Option<Severity>,
    /// Its tags.
    pub tags: Arc<[Arc<str>]>,
    /// The variables that it matched on; for a chain, those of its last rule.
    pub variables: Vec<Matched>,
}

/// Where a rule matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// The variable's full name, such as `ARGS:name`.
    pub variable: String,
    /// Where in its transformed value the match begins, if that is known.
    pub offset: Option<usize>,
}

/// What ended an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// A rule.
    Rule {
        /// Its id.
        rule: u64,
        /// The status that it asks for.
        status: u16,
    },
    /// A limit: what was not inspected to its end does not pass.
    Limit(LimitReached),
}

/// A bound on one transaction's work that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitReached {
    /// More values, or more octets of them, than are kept.
    Values,
    /// Patterns took more steps than a transaction may.
    Steps,
    /// A body is larger than is inspected.
    Body,
    /// A body is not what it says it is, so another reader may find in it what the engine did not.
    Malformed,
    /// A body nests deeper than it may.
    Depth,
    /// More work than one transaction may cause.
    Work,
}

impl LimitReached {
    /// A stable name, for audit events and refusals.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Values => "waf_limit_values",
            Self::Steps => "waf_limit_steps",
            Self::Body => "waf_limit_body",
            Self::Malformed => "waf_body_malformed",
            Self::Depth => "waf_limit_depth",
            Self::Work => "waf_limit_work",
        }
    }
}
