//! Regular expressions as ModSecurity runs them: PCRE's language over octets, `.` matching line ends, `$` only the very end.
//!
//! A pattern is parsed once into a [`Node`]. What an automaton can express runs on one, in linear time; look-around,
//! back-references and possessive repetition run on a backtracking engine whose steps are bounded.

mod automaton;
mod backtrack;
mod literals;
mod node;
mod parse;

pub(crate) use backtrack::Steps;
pub(crate) use literals::Required;
pub(crate) use node::Node;

use self::automaton::Automaton;
use self::backtrack::Program;

/// Why a pattern cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PatternError {
    /// The text is no pattern.
    #[error("the pattern is malformed at offset {at}: {what}")]
    Syntax {
        /// Where in the pattern.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// The pattern is too large to compile.
    #[error("the pattern does not compile")]
    TooLarge(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Look-behind of no fixed length.
    #[error("the pattern looks behind for a text of no fixed length")]
    LookBehind,
}

/// Searches took more steps than they may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StepsExceeded;

/// Where the groups of a match begin and end; the first is the whole match.
pub(crate) type Groups = Vec<Option<(usize, usize)>>;

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Pattern {
    engine: Engine,
    node: Node,
}

#[derive(Debug)]
enum Engine {
    Automaton(Box<Automaton>),
    Backtracking(Program),
}

impl Pattern {
    pub(crate) fn new(pattern: &[u8]) -> Result<Self, PatternError> {
        Self::compile(pattern, false)
    }

    /// A pattern that ignores ASCII case, as selectors do.
    pub(crate) fn any_case(pattern: &[u8]) -> Result<Self, PatternError> {
        Self::compile(pattern, true)
    }

    fn compile(pattern: &[u8], any_case: bool) -> Result<Self, PatternError> {
        let node = parse::parse(pattern, any_case)?;
        let engine = match automaton::lower(&node) {
            Some(hir) => Engine::Automaton(Box::new(Automaton::new(&hir)?)),
            None => Engine::Backtracking(backtrack::compile(&node)?),
        };
        Ok(Self { engine, node })
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// Whether it runs on the automaton.
    #[cfg(test)]
    pub(crate) fn is_linear(&self) -> bool {
        matches!(self.engine, Engine::Automaton(_))
    }

    pub(crate) fn is_match(&self, text: &[u8], steps: &Steps) -> Result<bool, StepsExceeded> {
        match &self.engine {
            Engine::Automaton(automaton) => Ok(automaton.is_match(text)),
            Engine::Backtracking(program) => program.search(text, steps).map(|groups| groups.is_some()),
        }
    }

    /// Puts the first match's groups into an empty list; whether there is a match.
    pub(crate) fn groups(&self, text: &[u8], groups: &mut Groups, steps: &Steps) -> Result<bool, StepsExceeded> {
        match &self.engine {
            Engine::Automaton(automaton) => Ok(automaton.groups(text, groups)),
            Engine::Backtracking(program) => program.search(text, steps).map(|found| match found {
                Some(found) => {
                    groups.extend(found);
                    true
                }
                None => false,
            }),
        }
    }

    /// How much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        match &self.engine {
            Engine::Automaton(automaton) => automaton.bytes(),
            Engine::Backtracking(program) => program.bytes(),
        }
    }
}

#[cfg(test)]
mod tests;
