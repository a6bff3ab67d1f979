//! Programs that another issuer vouches for: a CI system's jobs, a Kubernetes cluster's pods.
//!
//! Such an issuer gives its programs JWTs. A tenant's configuration says which issuer's, for which audience, saying what, stand for which
//! service account; whoever shows one at the token endpoint gets a short token of ours for it (RFC 8693, RFC 7523). At the door none of
//! them counts: there nothing may be fetched, and nothing that the tenant cannot revoke lets anybody in.
//!
//! Nothing that a token says chooses how it is checked: keys are the ones that the configuration names, by an allow-list of algorithms
//! none of which works with a secret; a header that brings or names a key of its own is refused.

mod assertion;
mod keys;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use cedargate_model::{ConnectionName, Micros, TenantName, TokenReason};

use self::assertion::UnverifiedAssertion;
pub use self::assertion::{ASSERTION_BYTES_MAX, Vouched};
use self::keys::KnownKeys;
pub use self::keys::{PinnedKeys, PinnedKeysError};
pub use self::settings::{KeySource, LEEWAY_MAX, LIFETIME_MAX, WorkloadAlgorithm, WorkloadSettings};
use crate::oidc::ProviderHttp;

/// An issuer at work: what is configured, and what is known of its keys.
#[derive(Debug)]
pub struct LiveWorkload {
    settings: WorkloadSettings,
    keys: KnownKeys,
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
pub struct Workloads(BTreeMap<TenantName, Vec<Arc<LiveWorkload>>>);

impl Workloads {
    /// Puts these to work. One that is as it was before keeps what is known of its keys.
    pub fn new(configured: BTreeMap<TenantName, Vec<WorkloadSettings>>, http: &ProviderHttp, former: &Self) -> Self {
        let live = |tenant: &TenantName, settings: WorkloadSettings| {
            let same = former.of(tenant).iter().find(|live| live.settings == settings);
            same.map_or_else(|| Arc::new(LiveWorkload::new(settings, http.clone())), Arc::clone)
        };
        Self(
            configured
                .into_iter()
                .map(|(tenant, issuers)| {
                    let issuers = issuers.into_iter().map(|settings| live(&tenant, settings)).collect();
                    (tenant, issuers)
                })
                .collect(),
        )
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    fn of(&self, tenant: &TenantName) -> &[Arc<LiveWorkload>] {
        self.0.get(tenant).map(Vec::as_slice).unwrap_or_default()
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
    fn new(settings: WorkloadSettings, http: ProviderHttp) -> Self {
        let keys = KnownKeys::new(settings.keys.clone(), http);
        Self { settings, keys }
    }

    async fn judge(
        &self,
        assertion: &UnverifiedAssertion<'_>,
        url: &str,
        now: Micros,
    ) -> Result<Vouched, AssertionRefused> {
        let refused = |reason| AssertionRefused { reason, issuer: Some(self.settings.name.clone()), cause: None };
        assertion.check_algorithm(&self.settings.algorithms).map_err(refused)?;
        let keys = self.keys.with_key(assertion.kid(), now).await.map_err(|cause| AssertionRefused {
            cause: Some(cause.into()),
            ..refused(TokenReason::IssuerUnavailable)
        })?;
        assertion.verify(&keys, &self.settings, url, now).map_err(refused)
    }
}
