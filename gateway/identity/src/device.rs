//! From where and by which program a session was begun, as its person is shown it.

use std::fmt;
use std::net::IpAddr;

/// What is known of the other end when somebody signs in. Nothing is decided by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// The client's address.
    pub address: Option<IpAddr>,
    /// The program, as it calls itself.
    pub agent: Option<Agent>,
}

/// How a program calls itself (`User-Agent`): 1 to 200 characters without controls. Anybody may claim anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent(String);

/// Longer ones are cut. Those of browsers have about 120.
const CHARS_MAX: usize = 200;

impl Agent {
    /// Takes what may be shown of a claim; none where nothing of it can.
    pub fn of(claim: &str) -> Option<Self> {
        let shown: String = claim.chars().filter(|c| !c.is_control()).take(CHARS_MAX).collect();
        let shown = shown.trim();
        (!shown.is_empty()).then(|| Self(shown.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_bounded_and_has_no_controls() {
        assert_eq!(Agent::of(" \r\n\t "), None);
        assert_eq!(Agent::of(" curl/8\u{1b}[31m\n").unwrap().as_str(), "curl/8[31m");
        assert_eq!(Agent::of(&"é".repeat(500)).unwrap().as_str().chars().count(), CHARS_MAX);
    }
}
