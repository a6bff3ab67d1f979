//! What has changed in the store since a session was read, as far as this process has heard.
//!
//! The store counts every change to what a session's lookup answers with: a *generation* for each tenant, and with each
//! account the generation of its last change. One task here asks for what is beyond the generations that it knows
//! ([`Sessions::listen`](crate::Sessions::listen)). A session in memory is as good as one just read while its account is
//! not among what was heard, and the last time of hearing is no longer ago than answers may be old.
//!
//! INVARIANT (heard after read): what is marked gets a moment that is drawn after the store was asked, and a lookup
//! draws its moment before it asks. Of a change that a lookup did not see, whoever hears of it asked later, so that its
//! mark is the later moment: the session is read again. The timeline that this stops:
//!
//! | lookup | listening |
//! |---|---|
//! | draws moment 5 | |
//! | reads the session | |
//! | | (elsewhere: the session ends) |
//! | | asks, hears of it, marks the account with moment 6 |
//! | keeps the session, as of 5 | |
//! | the next lookup sees 6 > 5 and asks the store | |

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use cedargate_model::{Micros, PrincipalId, TenantId};

/// Accounts share marks: with more of them than this, a change to one has a few others read again too.
const MARKS: usize = 1 << 13;

/// A point in the order of what this process did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

/// An account's mark.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(usize);

impl Mark {
    pub(crate) fn of(tenant: TenantId, account: PrincipalId) -> Self {
        // The low halves of ids are random (RFC 9562 §5.7), and nobody chooses them.
        let mixed = tenant.0.as_u64_pair().1 ^ account.0.as_u64_pair().1;
        Self(usize::try_from(mixed % MARKS as u64).unwrap_or_default())
    }
}

/// What was heard, and when.
#[derive(Debug)]
pub(crate) struct SessionChanges {
    now: AtomicU64,
    /// Until when everything must be read again.
    all: AtomicU64,
    marks: Box<[AtomicU64]>,
    /// When the store was asked for the last answer, by the caller's clock.
    heard_at: AtomicI64,
}

impl Default for SessionChanges {
    fn default() -> Self {
        Self {
            now: AtomicU64::new(0),
            all: AtomicU64::new(0),
            marks: (0..MARKS).map(|_| AtomicU64::new(0)).collect(),
            heard_at: AtomicI64::new(i64::MIN),
        }
    }
}

impl SessionChanges {
    /// The present moment, to be drawn before the store is asked for a session.
    pub(crate) fn moment(&self) -> Moment {
        Moment(self.now.load(Ordering::SeqCst))
    }

    /// Whether what was read at `read` is known to be so still, by an answer of at most `staleness_max` ago. A clock that
    /// was set back knows nothing.
    pub(crate) fn none_since(&self, read: Moment, mark: Mark, now: Micros, staleness_max: Duration) -> bool {
        // Before the marks: whoever sees when something was heard then sees what was heard.
        let heard_at = Micros(self.heard_at.load(Ordering::Acquire));
        heard_at <= now && now < heard_at.after(staleness_max) && !self.is_marked(read, mark)
    }

    /// Whether something that was read at `read` is known to have changed.
    pub(crate) fn is_marked(&self, read: Moment, mark: Mark) -> bool {
        let marked = self.marks.get(mark.0).map_or(u64::MAX, |mark| mark.load(Ordering::Acquire));
        marked.max(self.all.load(Ordering::Acquire)) > read.0
    }

    /// Takes what the store answered when it was asked at `asked_at`. INVARIANT (heard after read).
    pub(crate) fn hear(&self, heard: &Heard, asked_at: Micros) {
        if !matches!(heard, Heard::Accounts(marks) if marks.is_empty()) {
            let moment = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            match heard {
                Heard::Accounts(marks) => {
                    marks.iter().for_each(|mark| self.raise(*mark, moment));
                }
                Heard::Unknown => self.all.store(moment, Ordering::Release),
            }
        }
        self.heard_at.store(asked_at.0, Ordering::Release);
    }

    /// Takes what was changed here, and committed, before this: nobody needs to wait until it is heard of. What else there may be
    /// to hear of stays unheard.
    pub(crate) fn mark(&self, mark: Mark) {
        self.raise(mark, self.now.fetch_add(1, Ordering::SeqCst) + 1);
    }

    /// The same of all accounts.
    pub(crate) fn mark_all(&self) {
        self.all.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::AcqRel);
    }

    /// Never back: of two that mark one account, the later moment stays, whoever writes last.
    fn raise(&self, mark: Mark, moment: u64) {
        if let Some(mark) = self.marks.get(mark.0) {
            mark.fetch_max(moment, Ordering::AcqRel);
        }
    }
}

/// What may have changed since the store was asked before.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The sessions of these accounts.
    Accounts(Vec<Mark>),
    /// Anything.
    Unknown,
}

/// The generation of every tenant that has one.
pub(crate) type Generations = HashMap<TenantId, i64>;

/// So many changes at once are not listed: it is cheaper to read all sessions again. Where a statement changes sessions that
/// cannot be named one by one, their tenant goes on by more than this.
pub(crate) const CHANGES_MAX: usize = 10_000;

/// What the store was when it was asked.
#[derive(Debug)]
pub(crate) struct Known {
    /// Which server answered: another may have lost some of what this one said.
    pub(crate) server: String,
    pub(crate) generations: Generations,
}

/// The tenants that went on, each with the generation from which on its changes are unheard of. None where no listing of
/// changes could tell: nothing was known before, the store went back to an earlier state, or it went on too far.
pub(crate) fn gone_on(known: Option<&Generations>, found: &Generations) -> Option<Vec<(TenantId, i64)>> {
    let known = known?;
    let went_back = |(tenant, before): (&TenantId, &i64)| found.get(tenant).is_none_or(|now| now < before);
    if known.iter().any(went_back) {
        return None;
    }
    let before = |tenant| known.get(tenant).copied().unwrap_or(0);
    let gone_on =
        found.iter().map(|(tenant, now)| (*tenant, before(tenant), *now)).filter(|(_, before, now)| before < now);
    let is_near = |before: i64, now: i64| usize::try_from(now - before).is_ok_and(|changes| changes <= CHANGES_MAX);
    gone_on.map(|(tenant, before, now)| is_near(before, now).then_some((tenant, before))).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const STALENESS: Duration = Duration::from_secs(3);

    fn tenant(n: u128) -> TenantId {
        TenantId(Uuid::from_u128(n))
    }

    fn mark(n: u128) -> Mark {
        Mark::of(tenant(1), PrincipalId(Uuid::from_u128(n)))
    }

    #[test]
    fn nothing_holds_before_the_store_was_heard() {
        let changes = SessionChanges::default();
        assert!(!changes.none_since(changes.moment(), mark(1), Micros(0), STALENESS));
        assert!(!changes.none_since(changes.moment(), mark(1), Micros(i64::MIN + 1), Duration::ZERO));
    }

    #[test]
    fn what_was_read_before_a_change_was_heard_of_does_not_hold() {
        let changes = SessionChanges::default();
        let read = changes.moment();
        changes.hear(&Heard::Accounts(vec![mark(1)]), Micros(0));
        assert!(!changes.none_since(read, mark(1), Micros(0), STALENESS));
        assert!(changes.none_since(read, mark(2), Micros(0), STALENESS), "of another account");
        assert!(changes.none_since(changes.moment(), mark(1), Micros(0), STALENESS), "read after");
        let read = changes.moment();
        changes.hear(&Heard::Unknown, Micros(0));
        assert!(!changes.none_since(read, mark(1), Micros(0), STALENESS));
        assert!(!changes.none_since(read, mark(2), Micros(0), STALENESS));
    }

    #[test]
    fn what_was_changed_here_need_not_be_heard_of() {
        let changes = SessionChanges::default();
        changes.hear(&Heard::Accounts(Vec::new()), Micros(0));
        let read = changes.moment();
        changes.mark(mark(1));
        assert!(changes.is_marked(read, mark(1)));
        assert!(changes.none_since(read, mark(2), Micros(0), STALENESS), "of another account");
        assert!(changes.none_since(changes.moment(), mark(1), Micros(0), STALENESS), "read after");
        assert!(!changes.none_since(read, mark(2), Micros(3_000_000), STALENESS), "nothing else was heard by it");
        changes.raise(mark(1), 0);
        assert!(changes.is_marked(read, mark(1)), "a mark never goes back");
    }

    #[test]
    fn an_answer_holds_as_long_as_answers_may_be_old() {
        let changes = SessionChanges::default();
        changes.hear(&Heard::Accounts(Vec::new()), Micros(10));
        for (now, holds) in [(9, false), (10, true), (3_000_009, true), (3_000_010, false)] {
            assert_eq!(changes.none_since(changes.moment(), mark(1), Micros(now), STALENESS), holds, "{now}");
        }
    }

    #[test]
    fn a_store_that_went_back_may_have_changed_anywhere() {
        let known = Generations::from([(tenant(1), 5), (tenant(2), 1)]);
        assert_eq!(gone_on(None, &known), None);
        for found in [[(tenant(1), 4), (tenant(2), 2)].as_slice(), &[(tenant(1), 6)], &[]] {
            assert_eq!(gone_on(Some(&known), &found.iter().copied().collect()), None, "{found:?}");
        }
    }

    #[test]
    fn a_tenant_that_went_on_too_far_may_have_changed_anywhere() {
        let known = Generations::from([(tenant(1), 5)]);
        let far = i64::try_from(CHANGES_MAX).unwrap();
        assert!(gone_on(Some(&known), &[(tenant(1), 5 + far)].into()).is_some());
        assert_eq!(gone_on(Some(&known), &[(tenant(1), 6 + far)].into()), None);
        assert_eq!(gone_on(Some(&known), &[(tenant(1), 5), (tenant(2), i64::MAX)].into()), None);
    }

    #[test]
    fn tenants_that_went_on_are_asked_about_from_where_they_were() {
        let known = Generations::from([(tenant(1), 5), (tenant(2), 1)]);
        let found = Generations::from([(tenant(1), 7), (tenant(2), 1), (tenant(3), 2)]);
        let mut gone = gone_on(Some(&known), &found).unwrap();
        gone.sort();
        assert_eq!(gone, [(tenant(1), 5), (tenant(3), 0)]);
        assert_eq!(gone_on(Some(&found), &found), Some(vec![]));
    }
}
