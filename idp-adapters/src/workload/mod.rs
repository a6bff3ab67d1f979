//! Programs that another issuer vouches for: a CI system's jobs, a Kubernetes cluster's pods.
//!
//! Such an issuer gives its programs JWTs. A tenant's configuration says which issuer's, for which audience, saying what, stand for which
//! service account; whoever shows one at the token endpoint gets a short token of ours for it (RFC 8693, RFC 7523). At the door it counts
//! where the tenant says so, by the same rules: keys are then fetched aside and known by when they are needed, and a rule that is removed
//! ends what it let in.
//!
//! Nothing that a token says chooses how it is checked: keys are the ones that the configuration names, by an allow-list of algorithms
//! none of which works with a secret; a header that brings or names a key of its own is refused.

mod assertion;
mod door;
mod keys;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use cedargate_model::{ConnectionName, Micros, TenantName, TokenReason};
use tokio::sync::Notify;

use self::assertion::UnverifiedAssertion;
pub use self::assertion::{ASSERTION_BYTES_MAX, Vouched};
pub use self::door::VouchedAt;
use self::keys::KnownKeys;
pub use self::keys::{PinnedKeys, PinnedKeysError};
pub use self::settings::{KeySource, LEEWAY_MAX, LIFETIME_MAX, WorkloadAlgorithm, WorkloadSettings};
use crate::oidc::ProviderHttp;

/// An issuer at work: what is configured, and what is known of its keys.
#[derive(Debug)]
pub struct LiveWorkload {
    settings: WorkloadSettings,
    /// Shared by the tenant's rules for programs of one issuer: it is asked once for all of them.
    keys: Arc<KnownKeys>,
}

/// Why an assertion vouches for nobody. The one who shows it learns none of this.
#[derive(Debug, thiserror::Error)]
#[error("the assertion is refused: {}", .reason.as_str())]
pub struct AssertionRefused {
    /// The word for the record.
    pub reason: TokenReason,
    /// Whose assertion it says that it is, where that is an issuer of the tenant's.
    pub issuer: Option<ConnectionName>,
    /// What lies behind it, where something of the issuer's is away or broken.
    #[source]
    pub cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Every tenant's issuers.
#[derive(Debug, Default)]
pub struct Workloads {
    tenants: BTreeMap<TenantName, Vec<Arc<LiveWorkload>>>,
    /// Told when somebody needs keys that are not known.
    wanted: Arc<Notify>,
}

impl Workloads {
    /// Puts these to work. One that is as it was before keeps what is known of its keys.
    pub fn new(configured: BTreeMap<TenantName, Vec<WorkloadSettings>>, http: &ProviderHttp, former: &Self) -> Self {
        let tenants = configured.into_iter().map(|(tenant, issuers)| {
            let mut made: Vec<Arc<LiveWorkload>> = Vec::new();
            for settings in issuers {
                let known = || former.of(&tenant).iter().chain(&made);
                let live = match known().find(|live| live.settings == settings) {
                    Some(same) => Arc::clone(same),
                    None => {
                        let of_one_issuer = known().find(|live| live.settings.keys == settings.keys);
                        let keys = of_one_issuer.map(|live| Arc::clone(&live.keys));
                        Arc::new(LiveWorkload::new(settings, keys, http))
                    }
                };
                made.push(live);
            }
            (tenant, made)
        });
        Self { tenants: tenants.collect(), wanted: Arc::clone(&former.wanted) }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.tenants.values().map(Vec::len).sum()
    }

    fn of(&self, tenant: &TenantName) -> &[Arc<LiveWorkload>] {
        self.tenants.get(tenant).map(Vec::as_slice).unwrap_or_default()
    }

    /// For whom an assertion vouches that was shown at a tenant's address, which is `url`: by exactly one of the tenant's issuers, or by
    /// none. The issuer's keys may be fetched.
    ///
    /// # Errors
    /// [`AssertionRefused`].
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn judge(
        &self,
        tenant: &TenantName,
        url: &str,
        text: &str,
        now: Micros,
    ) -> Result<Vouched, AssertionRefused> {
        let refused = |reason| AssertionRefused { reason, issuer: None, cause: None };
        let assertion = UnverifiedAssertion::parse(text).map_err(refused)?;
        // Several tables may be of one issuer, each for other programs: what tells them apart is looked at once it is verified.
        let named =
            self.of(tenant).iter().filter(|live| assertion.unverified_issuer() == Some(live.settings.issuer.as_str()));
        let named: Vec<_> = named.collect();
        let mut reason = refused(TokenReason::AssertionIssuer);
        let mut found: Option<Vouched> = None;
        for live in named {
            match live.judge(&assertion, url, now).await {
                Ok(_) if found.is_some() => {
                    return Err(AssertionRefused {
                        issuer: Some(live.settings.name.clone()),
                        ..refused(TokenReason::AssertionAmbiguous)
                    });
                }
                Ok(vouched) => found = Some(vouched),
                Err(error) => reason = error,
            }
        }
        found.ok_or(reason)
    }
}

impl LiveWorkload {
    fn new(settings: WorkloadSettings, keys: Option<Arc<KnownKeys>>, http: &ProviderHttp) -> Self {
        let keys = keys.unwrap_or_else(|| Arc::new(KnownKeys::new(settings.keys.clone(), http.clone())));
        Self { settings, keys }
    }

    async fn judge(
        &self,
        assertion: &UnverifiedAssertion<'_>,
        url: &str,
        now: Micros,
    ) -> Result<Vouched, AssertionRefused> {
        let refused = |reason| self.refused(reason);
        assertion.check_algorithm(&self.settings.algorithms).map_err(refused)?;
        // What costs a call or a verification comes last, and not at all for what would be refused if it were good.
        let vouched = assertion.check_claims(&self.settings, url, now).map_err(refused)?;
        let keys = self.keys.with_key(assertion.kid(), now).await.map_err(|cause| AssertionRefused {
            cause: Some(cause.into()),
            ..refused(TokenReason::IssuerUnavailable)
        })?;
        assertion.check_signature(&keys).map_err(refused)?;
        Ok(vouched)
    }
}
