//! What an operator chooses, and the bounds on work.

/// How an engine is built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The gateway's own cookies, which are random and secret: they are not inspected. Compared exactly.
    pub own_cookies: Vec<String>,
    /// The bounds on one inspection's work.
    pub limits: Limits,
}

/// Bounds on the work of one inspection. What exceeds one is a finding that blocks, never a silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Values and names in the head, and again in the body.
    pub values_max: usize,
    /// How deep JSON may nest.
    pub json_depth_max: usize,
    /// Octets given to detectors in the head, and again in the body; a value counts once for every form it is judged in.
    pub work_bytes_max: usize,
    /// How many times a value is decoded again when what was decoded looks encoded still.
    pub decodings_max: usize,
    /// Findings kept; a request with more is an attack whatever the rest says.
    pub findings_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            values_max: 10_000,
            json_depth_max: 64,
            // A text of 1 MiB, which is judged as a form and as a whole, comes to 28 MiB.
            work_bytes_max: 32 << 20,
            decodings_max: 3,
            findings_max: 64,
        }
    }
}

impl Limits {
    /// Refuses a limit that nothing could stay within.
    pub(crate) fn check(&self) -> Result<(), BuildError> {
        for (limit, value) in [
            ("values_max", self.values_max),
            ("json_depth_max", self.json_depth_max),
            ("work_bytes_max", self.work_bytes_max),
            ("findings_max", self.findings_max),
        ] {
            if value == 0 {
                return Err(BuildError::LimitZero { limit });
            }
        }
        Ok(())
    }
}

/// Why an engine could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A limit that must be positive is zero.
    #[error("`{limit}` must not be zero")]
    LimitZero {
        /// The limit's name.
        limit: &'static str,
    },
    /// A rule's expression does not compile: a bug in this crate that its tests find.
    #[error("the expression of rule `{rule}` does not compile")]
    Expression {
        /// The rule.
        rule: &'static str,
        /// What is wrong with it.
        #[source]
        source: Box<regex::Error>,
    },
    /// The literals do not compile to an automaton.
    #[error("the rules' literals do not compile")]
    Literals(#[source] Box<aho_corasick::BuildError>),
}
