//! JWTs of issuers elsewhere, as bearers at the door.
//!
//! Nothing is fetched for whoever waits here: keys are known, or looked for aside and known to whoever comes after. A signature is verified
//! beside the proxy's threads, a few at a time, once for each text and a few minutes.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use cedargate_idp_adapters::workload::{AssertionRefused, LiveWorkload, VouchedAt, Workloads};
use cedargate_model::{Micros, Refusal, RefusalCode, TenantName, TokenReason};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How many signatures are verified at once. Anybody may show what has to be verified.
const VERIFYING_MAX: usize = 4;
/// For how long one waits for its turn.
const WAITING_MAX: Duration = Duration::from_secs(1);

/// Every tenant's issuers, and who verifies what they sign.
pub struct Issuers {
    workloads: Arc<ArcSwap<Workloads>>,
    verifying: Arc<Semaphore>,
}

impl Issuers {
    /// Believes these, and whatever they are replaced by.
    pub fn new(workloads: Arc<ArcSwap<Workloads>>) -> Self {
        Self { workloads, verifying: Arc::new(Semaphore::new(VERIFYING_MAX)) }
    }

    /// Whether a text says to be of an issuer whose JWTs count at this tenant's door.
    pub(crate) fn concern(&self, tenant: &TenantName, text: &str) -> bool {
        self.workloads.load().is_for_the_door(tenant, text)
    }

    /// For whom a text vouches.
    ///
    /// # Errors
    /// 401 with its own word for each way of not vouching, 503 where the issuer's keys are not known yet.
    pub(crate) async fn judge(
        &self,
        tenant: &TenantName,
        url: String,
        text: &str,
        now: Micros,
    ) -> Result<VouchedAt, Refusal> {
        let broken = |error: &dyn std::error::Error| Refusal::new(RefusalCode::IssuerUnavailable, error.to_string());
        let place = timeout(WAITING_MAX, Arc::clone(&self.verifying).acquire_owned());
        let place = place.await.map_err(|late| broken(&late))?.map_err(|closed| broken(&closed))?;
        let (workloads, tenant, text) = (self.workloads.load_full(), tenant.clone(), text.to_owned());
        let judging = tokio::task::spawn_blocking(move || {
            // Held until it is done, even where nobody waits any more.
            let _place = place;
            workloads.judge_at_the_door(&tenant, &url, &text, now)
        });
        judging.await.map_err(|lost| broken(&lost))?.map_err(refusal)
    }

    /// By which rule a text counts that was judged before.
    pub(crate) fn rule_of(&self, tenant: &TenantName, url: &str, text: &str, then: Micros) -> Option<VouchedAt> {
        self.workloads.load().danger_judge_verified(tenant, url, text, then).ok()
    }

    /// Whether a rule still stands.
    pub(crate) fn have(&self, tenant: &TenantName, rule: &Arc<LiveWorkload>) -> bool {
        self.workloads.load().has(tenant, rule)
    }
}

/// The record has the word and the issuer.
pub(crate) fn refused(reason: TokenReason, issuer: Option<&str>) -> Refusal {
    let code = match reason {
        TokenReason::IssuerUnavailable => RefusalCode::IssuerUnavailable,
        _ => RefusalCode::CredentialsInvalid,
    };
    let issuer = issuer.map(|issuer| format!(" {issuer}")).unwrap_or_default();
    Refusal::new(code, format!("{}{issuer}", reason.as_str()))
}

fn refusal(error: AssertionRefused) -> Refusal {
    refused(error.reason, error.issuer.as_ref().map(|issuer| issuer.as_str()))
}
