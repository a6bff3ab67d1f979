//! Counting alike refusals of strangers instead of writing each one.
//!
//! A flood from one address would otherwise decide how much is written. Within one commit, the first few refusals of
//! one kind from one prefix stand whole; the rest become one entry that counts them exactly.

use std::collections::HashMap;
use std::net::IpAddr;

use cedargate_model::{Decision, Event, EventBody, Folded, Micros, RefusalCode, Stage, TenantName, Verdict};

/// What makes two refusals alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FoldKey {
    prefix: Prefix,
    stage: Stage,
    code: RefusalCode,
    tenant: Option<TenantName>,
}

/// What one subscriber holds: an IPv4 address, or the first 64 bits of an IPv6 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Prefix {
    V4([u8; 4]),
    V6([u16; 4]),
}

impl FoldKey {
    /// The key of an event that may be folded; none for everything else.
    pub(crate) fn of(event: &Event) -> Option<Self> {
        let EventBody::Decision(decision) = &event.body else { return None };
        let Decision { verdict: Verdict::Refuse { stage, code, .. }, client, .. } = &**decision else { return None };
        stage.is_before_authentication().then(|| Self {
            prefix: Prefix::of(*client),
            stage: *stage,
            code: *code,
            tenant: event.tenant.clone(),
        })
    }
}

impl Prefix {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}

impl std::fmt::Display for Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::V4(octets) => write!(f, "{}", IpAddr::from(octets)),
            Self::V6([a, b, c, d]) => write!(f, "{}/64", IpAddr::from([a, b, c, d, 0, 0, 0, 0])),
        }
    }
}

/// The refusals of one commit, by kind.
///
/// INVARIANT (folds are bounded): a kind enters with an entry that stands whole and takes room in the queue, so there
/// are never more kinds than such entries.
#[derive(Debug, Default)]
pub(crate) struct Folds(HashMap<FoldKey, Fold>);

#[derive(Debug, Default)]
struct Fold {
    whole: u32,
    counted: u32,
    first_at: Micros,
    last_at: Micros,
}

impl Folds {
    /// Counts a refusal whose kind already stands whole `after` times. False where this one is to be written.
    pub(crate) fn count(&mut self, key: &FoldKey, at: Micros, after: u32) -> bool {
        let Some(fold) = self.0.get_mut(key).filter(|fold| fold.whole >= after) else { return false };
        if fold.counted == 0 {
            fold.first_at = at;
        }
        fold.counted = fold.counted.saturating_add(1);
        fold.last_at = at;
        true
    }

    /// Notes that a refusal of this kind was written whole.
    pub(crate) fn wrote(&mut self, key: FoldKey) {
        let fold = self.0.entry(key).or_default();
        fold.whole = fold.whole.saturating_add(1);
    }

    /// Takes the counts, oldest first, and forgets everything.
    pub(crate) fn drain(&mut self) -> Vec<(Option<TenantName>, Folded)> {
        let mut counted: Vec<_> = self.0.drain().filter(|(_, fold)| fold.counted > 0).map(into_folded).collect();
        counted.sort_by_key(|(_, folded)| folded.first_at);
        counted
    }
}

fn into_folded((key, fold): (FoldKey, Fold)) -> (Option<TenantName>, Folded) {
    let Fold { counted, first_at, last_at, .. } = fold;
    let FoldKey { prefix, stage, code, tenant } = key;
    (tenant, Folded { prefix: prefix.to_string(), stage, code, count: counted, first_at, last_at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{allowed, refused};

    #[test]
    fn only_refusals_before_authentication_fold() {
        assert!(FoldKey::of(&allowed(1)).is_none());
        assert!(FoldKey::of(&refused(1, "192.0.2.1", RefusalCode::SigninRequired)).is_none());
        assert!(FoldKey::of(&refused(1, "192.0.2.1", RefusalCode::HostInvalid)).is_some());
    }

    #[test]
    fn a_prefix_is_an_ipv4_address_or_an_ipv6_64() {
        let key = |address| FoldKey::of(&refused(1, address, RefusalCode::HostInvalid)).unwrap();
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("2001:db8:1:2:ffff::9").prefix.to_string(), "2001:db8:1:2::/64");
        assert_eq!(key("192.0.2.1").prefix.to_string(), "192.0.2.1");
    }
}
