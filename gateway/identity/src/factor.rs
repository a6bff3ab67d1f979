//! What people prove who they are with beside a password.

use std::fmt;

use cedargate_model::{FactorId, Micros, ProofKind};

/// How many factors one account may have: a phone, a key, one of each in a drawer, and then some.
pub const FACTORS_MAX: usize = 10;

/// A factor that was shown to work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factor {
    /// Its id.
    pub id: FactorId,
    /// Of which kind it is.
    pub kind: ProofKind,
    /// What its person calls it.
    pub name: FactorName,
    /// When it was added.
    pub added_at: Micros,
    /// When it was last used; none where only its enrolment was.
    pub last_used_at: Option<Micros>,
}

/// A factor's name: 1 to 60 characters on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactorName(String);

/// Why a text names no factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to 60 characters on one line")]
pub struct FactorNameError;

const NAME_CHARS_MAX: usize = 60;

impl FactorName {
    /// Accepts a name; blanks around it are left out.
    ///
    /// # Errors
    /// [`FactorNameError`].
    pub fn parse(text: &str) -> Result<Self, FactorNameError> {
        let text = text.trim();
        let length = text.chars().take(NAME_CHARS_MAX + 1).count();
        let is_name = (1..=NAME_CHARS_MAX).contains(&length) && !text.chars().any(char::is_control);
        if is_name { Ok(Self(text.to_owned())) } else { Err(FactorNameError) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FactorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_short_line() {
        assert_eq!(FactorName::parse("  My phone ").unwrap().as_str(), "My phone");
        assert!(FactorName::parse(&"é".repeat(60)).is_ok());
        for refused in ["", "   ", "a\nb", "a\u{0}b", &"a".repeat(61)] {
            assert_eq!(FactorName::parse(refused), Err(FactorNameError), "{refused:?}");
        }
    }
}
