//! A rule set that is ready to inspect exchanges.

use std::path::PathBuf;

use super::ast::EngineMode;
use super::compiled::Compiled;
use super::cost::{self, RuleCost};
use super::error::LoadError;
use super::link::{self, Warning};
use super::parse::{self, Files};
use super::program::Program;
use super::soundness::{self, Weakness};
use super::transaction::{Scratch, Transaction};
use super::{operator, transform, variable, warm_up};

/// Rules, loaded and compiled. Shared by all threads; a [`Scratch`] is each thread's own.
#[derive(Debug)]
pub struct RuleSet {
    program: Program,
    compiled: Compiled,
    warnings: Vec<Warning>,
}

/// How a transaction finds out which rules match. Both find the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Rules that cannot match are passed over.
    Compiled,
    /// Every rule is run on every value: what the other is compared with.
    Plain,
}

/// A table of the language, for the reference page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// What rules look at.
    Variables,
    /// What undoes encodings.
    Transformations,
    /// What rules ask of a value.
    Operators,
}

/// A row of such a table: the name, and what it is.
pub type Entry = (&'static str, &'static str);

impl RuleSet {
    /// Loads files, one after the other.
    ///
    /// # Errors
    /// Every mistake in them: what is malformed, unknown or not supported is never passed over in silence.
    pub fn load(files: &dyn Files, paths: &[PathBuf]) -> Result<Self, Vec<LoadError>> {
        let parsed = parse::parse(files, paths);
        let linked = link::link(parsed.directives, files, parsed.errors)?;
        let compiled = Compiled::new(&linked.program);
        let rules = Self { program: linked.program, compiled, warnings: linked.warnings };
        rules.warm_up(&[]);
        Ok(rules)
    }

    /// Makes what a first request set up with these members of TX would have to wait for: what is scanned at its paranoia
    /// level, and the states that ordinary texts take patterns through. Loading does so for what rules say themselves.
    pub fn warm_up(&self, tx: &[(&str, &str)]) {
        warm_up::run(self, tx);
    }

    /// The same rules with this mode in place of what `SecRuleEngine` says.
    #[must_use]
    pub fn with_mode(mut self, mode: EngineMode) -> Self {
        self.program.settings.mode = mode;
        self
    }

    /// What has less effect than it says, though it is no mistake.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// What speaks against putting these rules before anything, though they have no mistake; empty for sound ones. Takes milliseconds.
    pub fn weaknesses(&self) -> Vec<Weakness> {
        soundness::weaknesses(self)
    }

    /// How many of three plain attacks (SQL, script, a path) these rules stop at CRS's stock settings: a rule set that is about attacks
    /// stops each.
    pub fn stops(&self) -> usize {
        soundness::stopped(self)
    }

    pub(super) fn program(&self) -> &Program {
        &self.program
    }

    /// How many rules there are; a chain is one.
    pub fn len(&self) -> usize {
        self.program.rules.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.program.rules.is_empty()
    }

    /// How many rules are passed over where no value has what they need.
    pub fn gated(&self) -> usize {
        self.compiled.gated()
    }

    /// What each rule costs, measured here and now: milliseconds for a large rule set.
    pub fn costs(&self) -> Vec<RuleCost> {
        cost::of(&self.program, &self.compiled)
    }

    /// Memory for transactions with these rules.
    pub fn scratch(&self) -> Scratch {
        Scratch::new()
    }

    /// Begins a transaction.
    pub fn begin<'s>(&'s self, scratch: &'s mut Scratch, way: Way) -> Transaction<'s> {
        let compiled = match way {
            Way::Compiled => Some(&self.compiled),
            Way::Plain => None,
        };
        Transaction::new(&self.program, compiled, scratch)
    }

    /// What the language has.
    pub fn table(table: Table) -> Vec<Entry> {
        match table {
            Table::Variables => variable::VARIABLES.iter().map(|row| (row.name, row.about)).collect(),
            Table::Transformations => transform::TRANSFORMS.iter().map(|row| (row.name, row.about)).collect(),
            Table::Operators => operator::OPERATORS.iter().map(|row| (row.name, row.about)).collect(),
        }
    }
}
