//! How a command ends.

use std::error::Error;
use std::process::ExitCode;

use crate::compose::StartError;
use crate::config::{LoadError, Mistakes};
use crate::keys::KeyRingError;

/// A command that could be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Ending {
    /// Done, or the answer is yes.
    Done,
    /// The answer is no.
    No,
}

/// A command that could not.
#[derive(Debug)]
pub(crate) struct Failure {
    blame: Blame,
    /// One line or several, each for people.
    pub(crate) message: String,
    /// What is wrong with the configuration, place by place.
    pub(crate) mistakes: Option<Mistakes>,
    /// Whether the answer says it already.
    pub(crate) said: bool,
}

/// Who has to do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blame {
    /// Whoever wrote the command, the configuration or the policies.
    Caller,
    /// Whoever keeps the machine: a store or file that is not available. A retry may help.
    Surroundings,
}

impl Ending {
    pub(crate) fn code(self) -> ExitCode {
        match self {
            Self::Done => ExitCode::SUCCESS,
            Self::No => ExitCode::from(1),
        }
    }

    pub(crate) fn yes_if(yes: bool) -> Self {
        if yes { Self::Done } else { Self::No }
    }
}

impl Failure {
    /// The caller's mistake.
    pub(crate) fn mistake(message: impl Into<String>) -> Self {
        Self { blame: Blame::Caller, message: message.into(), mistakes: None, said: false }
    }

    /// The caller's mistake, with its causes.
    pub(crate) fn mistaken(error: &dyn Error) -> Self {
        Self::mistake(chain(error))
    }

    /// Something is not available.
    pub(crate) fn unavailable(error: &dyn Error) -> Self {
        Self { blame: Blame::Surroundings, message: chain(error), mistakes: None, said: false }
    }

    /// Something is not available, and what for.
    pub(crate) fn unavailable_because(what: impl std::fmt::Display, error: &dyn Error) -> Self {
        Self { blame: Blame::Surroundings, message: format!("{what}: {}", chain(error)), mistakes: None, said: false }
    }

    /// Something that the answer has said already: only the exit code is left.
    pub(crate) fn said(error: StartError) -> Self {
        Self { said: true, ..error.into() }
    }

    pub(crate) fn code(&self) -> ExitCode {
        match self.blame {
            Blame::Caller => ExitCode::from(2),
            Blame::Surroundings => ExitCode::from(3),
        }
    }
}

/// An error with all its causes on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // Some layers repeat what is below them.
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Unreadable { .. } => Self::mistaken(&error),
            LoadError::Mistaken(mistakes) => {
                let count = match mistakes.len() {
                    1 => "a mistake".to_owned(),
                    many => format!("{many} mistakes"),
                };
                let message = format!("{count} in the configuration\n{mistakes}");
                Self { blame: Blame::Caller, message, mistakes: Some(mistakes), said: false }
            }
        }
    }
}

impl From<KeyRingError> for Failure {
    fn from(error: KeyRingError) -> Self {
        if error.is_mistake() { Self::mistaken(&error) } else { Self::unavailable(&error) }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        if error.is_mistake() { Self::mistaken(&error) } else { Self::unavailable(&error) }
    }
}
