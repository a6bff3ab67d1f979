//! How long sessions live, and how many of them an account may have: each tenant's to say.

use std::time::Duration;

/// How many sessions one account may have at once at most, whatever a tenant says: a script that signs in for every call must not fill
/// the store.
pub const SESSIONS_MAX: u32 = 100;

/// What a tenant says of its sessions. It holds for sessions that begin from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// A session that nobody used for this long is over.
    pub idle_timeout: Duration,
    /// A session is over this long after its sign-in, used or not.
    pub absolute_timeout: Duration,
    /// How long a session lives, used or not, whose person wants this browser to remember them; none where nobody may.
    pub remembered: Option<Duration>,
    /// How many sessions an account may have at once, 1 to [`SESSIONS_MAX`]; the oldest gives way.
    pub sessions_max: u32,
}

/// A session's time, once it is known what its tenant says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    pub(crate) idle_timeout: Duration,
    pub(crate) absolute_timeout: Duration,
    pub(crate) is_remembered: bool,
}

impl SessionLimits {
    /// The time of a session whose person wants to be remembered, or does not.
    pub(crate) fn lifetime(&self, wants_remembering: bool) -> Lifetime {
        match self.remembered.filter(|_| wants_remembering) {
            Some(remembered) => {
                Lifetime { idle_timeout: remembered, absolute_timeout: remembered, is_remembered: true }
            }
            None => {
                let Self { idle_timeout, absolute_timeout, .. } = *self;
                Lifetime { idle_timeout, absolute_timeout, is_remembered: false }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_remembered_who_did_not_ask_or_where_nobody_may() {
        let [hour, day, month] = [1, 24, 720].map(|hours| Duration::from_secs(hours * 3_600));
        let limits =
            SessionLimits { idle_timeout: hour, absolute_timeout: day, remembered: Some(month), sessions_max: 1 };
        let short = Lifetime { idle_timeout: hour, absolute_timeout: day, is_remembered: false };
        assert_eq!(limits.lifetime(false), short);
        assert_eq!(SessionLimits { remembered: None, ..limits }.lifetime(true), short);
        assert_eq!(
            limits.lifetime(true),
            Lifetime { idle_timeout: month, absolute_timeout: month, is_remembered: true }
        );
    }
}
