//! What a case expects.

use std::fmt;

use cedargate_policy::Verdict;

/// A decision as cases write it: `allow`, `deny`, `sign_in`, `step_up(2)` or `step_up(2,300)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// Permitted.
    Allow,
    /// Denied, and no other sign-in would help.
    Deny,
    /// Denied, and the caller is anonymous.
    SignIn,
    /// Denied, and this sign-in would be permitted.
    StepUp {
        /// The level that is asked for.
        level: u8,
        /// The age in seconds that is asked for, where one is.
        max_age_seconds: Option<u64>,
    },
    /// An evaluation erred. No case can expect it.
    Failed,
}

impl Expectation {
    /// Reads a decision.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "allow" => Some(Self::Allow),
            "deny" => Some(Self::Deny),
            "sign_in" => Some(Self::SignIn),
            _ => {
                let inner = text.strip_prefix("step_up(")?.strip_suffix(')')?;
                let (level, age) = match inner.split_once(',') {
                    Some((level, age)) => (level, Some(age.parse().ok()?)),
                    None => (inner, None),
                };
                Some(Self::StepUp { level: level.parse().ok()?, max_age_seconds: age })
            }
        }
    }

    /// What a verdict says.
    pub fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Allow(_) => Self::Allow,
            Verdict::Deny(_) => Self::Deny,
            Verdict::SignIn(_) => Self::SignIn,
            Verdict::StepUp(step_up) => {
                Self::StepUp { level: step_up.level(), max_age_seconds: step_up.max_age_seconds() }
            }
            Verdict::Failed(_) => Self::Failed,
        }
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow => f.write_str("allow"),
            Self::Deny => f.write_str("deny"),
            Self::SignIn => f.write_str("sign_in"),
            Self::StepUp { level, max_age_seconds: None } => write!(f, "step_up({level})"),
            Self::StepUp { level, max_age_seconds: Some(age) } => write!(f, "step_up({level},{age})"),
            Self::Failed => f.write_str("failed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_read() {
        for text in ["allow", "deny", "sign_in", "step_up(2)", "step_up(3,60)"] {
            assert_eq!(Expectation::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "Allow", "failed", "step_up", "step_up()", "step_up(2", "step_up(2,)", "step_up(x)"] {
            assert_eq!(Expectation::parse(text), None, "{text}");
        }
    }
}
