//! Assertions as bearers at the door: judged by what is known, while keys are fetched aside.

use std::sync::Arc;

use cedargate_model::{Micros, TenantName, TokenReason};

use super::assertion::{UnverifiedAssertion, Vouched};
use super::{AssertionRefused, LiveWorkload, Workloads};

/// Somebody for whom an issuer vouches at the door, and by which of the tenant's rules.
#[derive(Clone, Debug)]
pub struct VouchedAt {
    /// For whom.
    pub vouched: Vouched,
    /// As long as the tenant has this very rule, it counts.
    pub rule: Arc<LiveWorkload>,
}

impl Workloads {
    /// Whether this text says to be of an issuer whose assertions count at the door of this tenant. Nothing of it is believed.
    pub fn is_for_the_door(&self, tenant: &TenantName, text: &str) -> bool {
        // Nothing is read for tenants that have no such rule.
        if !self.of(tenant).iter().any(|live| live.settings.at_the_door) {
            return false;
        }
        let Ok(assertion) = UnverifiedAssertion::parse(text) else { return false };
        self.at_the_door(tenant, &assertion).next().is_some()
    }

    /// For whom an assertion vouches that was shown at the door of a tenant whose address is `url`: by exactly one of the tenant's rules.
    /// Nobody is asked: keys that are not known are fetched aside, for whoever comes after. It computes for as long as a signature takes.
    ///
    /// # Errors
    /// [`AssertionRefused`].
    pub fn judge_at_the_door(
        &self,
        tenant: &TenantName,
        url: &str,
        text: &str,
        now: Micros,
    ) -> Result<VouchedAt, AssertionRefused> {
        self.judged(tenant, text, |live, assertion| {
            let refused = |reason| live.refused(reason);
            assertion.check_algorithm(&live.settings.algorithms).map_err(refused)?;
            let vouched = assertion.check_claims(&live.settings, url, now).map_err(refused)?;
            let keys = live.keys.known(assertion.kid(), now);
            let is_known = keys.as_ref().is_some_and(|keys| assertion.has_key(keys));
            if !is_known {
                self.wanted.notify_one();
            }
            let keys = keys.ok_or_else(|| refused(TokenReason::IssuerUnavailable))?;
            assertion.check_signature(&keys).map_err(refused)?;
            Ok(vouched)
        })
    }

    /// By which rule a text counts whose signature was verified before.
    ///
    /// # Security
    /// It must have been, for this tenant: here it is not looked at.
    ///
    /// # Errors
    /// [`AssertionRefused`] where it does not count any more.
    pub fn danger_judge_verified(
        &self,
        tenant: &TenantName,
        url: &str,
        text: &str,
        now: Micros,
    ) -> Result<VouchedAt, AssertionRefused> {
        self.judged(tenant, text, |live, assertion| {
            assertion.check_claims(&live.settings, url, now).map_err(|reason| live.refused(reason))
        })
    }

    /// Whether a tenant still has this very rule.
    pub fn has(&self, tenant: &TenantName, rule: &Arc<LiveWorkload>) -> bool {
        self.of(tenant).iter().any(|live| Arc::ptr_eq(live, rule))
    }

    /// Whether every rule of `former` that counts at the door is still among these.
    pub fn keep_all_of(&self, former: &Self) -> bool {
        former.tenants.iter().all(|(tenant, rules)| {
            rules.iter().filter(|live| live.settings.at_the_door).all(|live| self.has(tenant, live))
        })
    }

    /// Comes back once somebody needed keys that are not known.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// Fetches the keys that are wanted at the door, or will soon be old. One issuer that takes its time keeps no other waiting.
    pub async fn refresh(&self, now: Micros) {
        let mut refreshing = tokio::task::JoinSet::new();
        for live in self.tenants.values().flatten().filter(|live| live.settings.at_the_door) {
            let live = Arc::clone(live);
            refreshing.spawn(async move { live.keys.refresh(now).await });
        }
        while refreshing.join_next().await.is_some() {}
    }

    /// The rules at the door for whoever an assertion says that it is of.
    fn at_the_door<'w>(
        &'w self,
        tenant: &TenantName,
        assertion: &'w UnverifiedAssertion<'_>,
    ) -> impl Iterator<Item = &'w Arc<LiveWorkload>> {
        let is_named = |live: &LiveWorkload| assertion.unverified_issuer() == Some(live.settings.issuer.as_str());
        self.of(tenant).iter().filter(move |live| live.settings.at_the_door && is_named(live))
    }

    fn judged(
        &self,
        tenant: &TenantName,
        text: &str,
        judge: impl Fn(&LiveWorkload, &UnverifiedAssertion<'_>) -> Result<Vouched, AssertionRefused>,
    ) -> Result<VouchedAt, AssertionRefused> {
        let refused = |reason| AssertionRefused { reason, issuer: None, cause: None };
        let assertion = UnverifiedAssertion::parse(text).map_err(refused)?;
        let mut reason = refused(TokenReason::AssertionIssuer);
        let mut found: Option<VouchedAt> = None;
        for rule in self.at_the_door(tenant, &assertion) {
            match judge(rule, &assertion) {
                Ok(_) if found.is_some() => return Err(rule.refused(TokenReason::AssertionAmbiguous)),
                Ok(vouched) => found = Some(VouchedAt { vouched, rule: Arc::clone(rule) }),
                Err(error) => reason = error,
            }
        }
        found.ok_or(reason)
    }
}

impl LiveWorkload {
    pub(super) fn refused(&self, reason: TokenReason) -> AssertionRefused {
        AssertionRefused { reason, issuer: Some(self.settings.name.clone()), cause: None }
    }
}
