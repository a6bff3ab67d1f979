//! What can be wrong with rules.

use super::ast::Position;
use super::pcre::PatternError;

/// A mistake in a rule file.
#[derive(Debug, thiserror::Error)]
#[error("{position}: {}{reason}", rule.map(|id| format!("rule {id}: ")).unwrap_or_default())]
pub struct LoadError {
    /// Where it is.
    pub position: Position,
    /// The rule that it is in, if it has an id by there.
    pub rule: Option<u64>,
    /// What is wrong.
    #[source]
    pub reason: Reason,
}

/// What is wrong with a rule file.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// It cannot be read.
    #[error("the file cannot be read")]
    Unreadable(#[source] std::io::Error),
    /// Files include each other, or too many.
    #[error("files are included {0} deep; do they include each other?")]
    IncludedTooDeep(usize),
    /// A quote is not closed.
    #[error("a quote is not closed")]
    Unclosed,
    /// There is no such directive.
    #[error("`{0}` is no directive; see the reference for those there are")]
    UnknownDirective(String),
    /// The directive is ModSecurity's and not supported.
    #[error("the directive `{0}` is not supported: {1}")]
    UnsupportedDirective(String, &'static str),
    /// The directive has too few or too many arguments.
    #[error("`{directive}` takes {takes}")]
    Arguments {
        /// The directive.
        directive: String,
        /// What it takes.
        takes: &'static str,
    },
    /// The value of a setting or an action is none that it can have.
    #[error("`{value}` is no value for `{of}`")]
    Value {
        /// What it is for.
        of: String,
        /// What it is.
        value: String,
    },
    /// There is no such variable.
    #[error("there is no variable `{0}`")]
    UnknownVariable(String),
    /// The variable has no members, or not such ones.
    #[error("`{0}` cannot be selected from; for XML there are `/*` and `//@*`")]
    Selector(String),
    /// There is no such operator.
    #[error("there is no operator `@{0}`")]
    UnknownOperator(String),
    /// The operator is ModSecurity's and not supported.
    #[error("the operator `@{0}` is not supported: {1}")]
    UnsupportedOperator(String, &'static str),
    /// There is no such transformation.
    #[error("there is no transformation `t:{0}`")]
    UnknownTransformation(String),
    /// There is no such action.
    #[error("there is no action `{0}`")]
    UnknownAction(String),
    /// The action is ModSecurity's and not supported.
    #[error("the action `{0}` is not supported: {1}")]
    UnsupportedAction(String, &'static str),
    /// A pattern is malformed or too large.
    #[error("the pattern cannot be used")]
    Pattern(#[source] PatternError),
    /// A rule has no id.
    #[error("the rule has no `id`")]
    NoId,
    /// Two rules have the same id.
    #[error("the id is that of the rule at {0}, too")]
    SameId(Position),
    /// A chain has no end.
    #[error("the chain has no next rule")]
    ChainWithoutEnd,
    /// An action stands in a chain's later rule that only its first may have.
    #[error("`{0}` belongs to a chain's first rule")]
    InChain(&'static str),
    /// There is no such marker behind the rule.
    #[error("there is no `SecMarker {0}` behind this rule")]
    UnknownMarker(String),
    /// There is more than is allowed.
    #[error("there are more than {1} {0}")]
    TooMany(&'static str, usize),
}
