//! What is wrong with a configuration: all of it, each with its place.

use std::fmt;

use cedargate_policy::Place;
use serde::Serialize;

/// Where a mistake is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub(crate) enum Whence {
    /// In the file.
    File(Place),
    /// In an environment variable.
    Environment {
        /// The variable.
        environment: &'static str,
    },
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Mistake {
    #[serde(flatten)]
    pub(crate) whence: Whence,
    /// The key's path, such as `listen.base_url`; empty where it is the file that is wrong.
    pub(crate) key: String,
    /// What is wrong, and what to do.
    pub(crate) message: String,
}

/// Every mistake, sorted by place. Never empty where it is an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Mistakes(Vec<Mistake>);

/// A mistake was found and noted: the value cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Noted;

impl Mistakes {
    pub(crate) fn add(&mut self, whence: Whence, key: impl Into<String>, message: impl Into<String>) {
        self.0.push(Mistake { whence, key: key.into(), message: message.into() });
    }

    pub(crate) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The same, sorted and without repeats.
    #[must_use]
    pub(crate) fn sorted(mut self) -> Self {
        self.0.sort();
        self.0.dedup();
        self
    }
}

impl fmt::Display for Whence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(place) => place.fmt(f),
            Self::Environment { environment } => write!(f, "environment variable {environment}"),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.whence)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, mistake) in self.0.iter().enumerate() {
            let separator = if n == 0 { "" } else { "\n" };
            write!(f, "{separator}{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}
