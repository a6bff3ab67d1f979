//! Is this person, this tenant within its rate?

use cedargate_model::{Caller, PrincipalId, Refusal, RefusalCode, TenantId};
use governor::clock::{Clock, DefaultClock};
use http::{HeaderName, HeaderValue};

use super::limit::{Limiter, Rate};

/// Holds every principal, and every tenant as a whole, to a rate.
#[derive(Debug)]
pub struct Quotas<C: Clock = DefaultClock> {
    principals: Limiter<(TenantId, PrincipalId), C>,
    tenants: Limiter<(TenantId, Share), C>,
}

/// Whose requests count together at a tenant. Strangers have a quota of their own, of the same size: anybody with enough
/// addresses can use that up, and people who are signed in must not pay for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Share {
    Known,
    Strangers(Strangers),
}

/// Which strangers: programs show what they have in what they send, where nobody has looked yet. Whoever is no more than a stranger
/// elsewhere must not keep them from their tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Strangers {
    /// Anywhere.
    Anywhere,
    /// Where programs ask for tokens and give them back.
    Programs,
}

impl Quotas {
    /// Principals that are remembered at once: 3 MiB.
    pub const PRINCIPALS_MAX: usize = 64 * 1024;
    /// Tenants that are remembered at once.
    pub const TENANTS_MAX: usize = 4 * 1024;

    /// Limits each principal and each tenant to its rate, remembering about so many of each.
    pub fn new(principal: Rate, tenant: Rate, principals_max: usize, tenants_max: usize) -> Self {
        Self::with_clock(principal, tenant, principals_max, tenants_max, &DefaultClock::default())
    }
}

impl<C: Clock + Clone> Quotas<C> {
    fn with_clock(principal: Rate, tenant: Rate, principals_max: usize, tenants_max: usize, clock: &C) -> Self {
        Self {
            principals: Limiter::new("principal", principal, principals_max, clock.clone()),
            // Each has three entries.
            tenants: Limiter::new("tenant", tenant, tenants_max.saturating_mul(3), clock.clone()),
        }
    }
}

/// Counts one request of `caller` at `tenant`. The fields that tell where it stands go to `answer`, whether it passes or
/// not.
///
/// The principal's quota comes first, and a request over it is not charged to the tenant: else one person could use up
/// what belongs to all. Anonymous requests count for the tenant's strangers only; each address is limited before.
///
/// # Errors
/// `quota_exceeded` with the time to wait.
pub(crate) fn quota<C: Clock>(
    quotas: &Quotas<C>,
    tenant: TenantId,
    caller: &Caller,
    strangers: Strangers,
    answer: &mut Vec<(HeaderName, HeaderValue)>,
) -> Result<(), Refusal> {
    let share = match caller.principal() {
        Some(principal) => {
            let standing = quotas.principals.check(&(principal.tenant, principal.id));
            answer.extend(standing.fields());
            standing.within(RefusalCode::QuotaExceeded)?;
            Share::Known
        }
        None => Share::Strangers(strangers),
    };
    let standing = quotas.tenants.check(&(tenant, share));
    answer.extend(standing.fields());
    standing.within(RefusalCode::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use cedargate_model::{AuthnStrength, Credential, Micros, Principal, SessionId, TenantName};
    use governor::clock::FakeRelativeClock;
    use uuid::Uuid;

    use super::*;

    const ACME: TenantId = TenantId(Uuid::from_u128(1));
    const GLOBEX: TenantId = TenantId(Uuid::from_u128(2));

    fn person(tenant: TenantId, id: u128) -> Caller {
        Caller::Principal(Arc::new(Principal {
            id: PrincipalId(Uuid::from_u128(id)),
            tenant,
            tenant_name: TenantName::parse("acme").unwrap(),
            display: String::new(),
            roles: Vec::new(),
            session: SessionId(Uuid::from_u128(9)),
            credential: Credential::Session,
            strength: AuthnStrength { level: 1, methods: Vec::new() },
            authenticated_at: Micros(0),
            version: 1,
        }))
    }

    fn quotas(principal: u32, tenant: u32) -> (Quotas<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let rate = |requests| Rate::new(requests, 60).unwrap();
        (Quotas::with_clock(rate(principal), rate(tenant), 64, 64, &clock), clock)
    }

    fn passes(quotas: &Quotas<FakeRelativeClock>, tenant: TenantId, caller: &Caller) -> bool {
        quota(quotas, tenant, caller, Strangers::Anywhere, &mut Vec::new()).is_ok()
    }

    #[test]
    fn a_person_over_quota_is_refused_and_others_are_not() {
        let (quotas, _) = quotas(2, 100);
        let (one, two) = (person(ACME, 1), person(ACME, 2));
        assert!(passes(&quotas, ACME, &one));
        assert!(passes(&quotas, ACME, &one));
        let refusal = quota(&quotas, ACME, &one, Strangers::Anywhere, &mut Vec::new()).unwrap_err();
        assert_eq!(refusal.code, RefusalCode::QuotaExceeded);
        assert!(passes(&quotas, ACME, &two));
        assert!(passes(&quotas, GLOBEX, &person(GLOBEX, 1)), "the same number in another tenant is somebody else");
    }

    #[test]
    fn what_a_person_is_refused_is_not_charged_to_the_tenant() {
        let (quotas, _) = quotas(1, 3);
        let one = person(ACME, 1);
        assert!(passes(&quotas, ACME, &one));
        for _ in 0..50 {
            assert!(!passes(&quotas, ACME, &one));
        }
        assert!(passes(&quotas, ACME, &person(ACME, 2)));
        assert!(passes(&quotas, ACME, &Caller::Anonymous));
    }

    #[test]
    fn a_tenant_over_quota_is_refused_and_others_are_not() {
        let (quotas, clock) = quotas(100, 2);
        assert!(passes(&quotas, ACME, &person(ACME, 1)));
        assert!(passes(&quotas, ACME, &person(ACME, 2)));
        assert!(!passes(&quotas, ACME, &person(ACME, 3)));
        assert!(passes(&quotas, GLOBEX, &person(GLOBEX, 1)));
        clock.advance(Duration::from_secs(30));
        assert!(passes(&quotas, ACME, &person(ACME, 3)));
    }

    #[test]
    fn strangers_use_up_nothing_of_the_people_who_are_signed_in() {
        let (quotas, _) = quotas(100, 2);
        assert!(passes(&quotas, ACME, &Caller::Anonymous));
        assert!(passes(&quotas, ACME, &Caller::Anonymous));
        assert!(!passes(&quotas, ACME, &Caller::Anonymous));
        assert!(passes(&quotas, GLOBEX, &Caller::Anonymous));
        assert!(passes(&quotas, ACME, &person(ACME, 1)));
    }

    #[test]
    fn strangers_use_up_nothing_of_the_programs_that_ask_for_tokens() {
        let (quotas, _) = quotas(100, 2);
        while passes(&quotas, ACME, &Caller::Anonymous) {}
        let asks = || quota(&quotas, ACME, &Caller::Anonymous, Strangers::Programs, &mut Vec::new()).is_ok();
        assert_eq!([asks(), asks(), asks()], [true, true, false], "they have a quota of their own");
        assert!(passes(&quotas, ACME, &person(ACME, 1)), "a program that is known is none of them");
    }

    #[test]
    fn both_limits_are_told() {
        let (quotas, _) = quotas(10, 20);
        let mut answer = Vec::new();
        quota(&quotas, ACME, &person(ACME, 1), Strangers::Anywhere, &mut answer).unwrap();
        let told: Vec<_> = answer.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        assert_eq!(
            told,
            [
                "ratelimit: \"principal\";r=9;t=6",
                "ratelimit-policy: \"principal\";q=10;w=60",
                "ratelimit: \"tenant\";r=19;t=3",
                "ratelimit-policy: \"tenant\";q=20;w=60",
            ]
        );
    }
}
