//! What a provider publishes of itself at an address, fetched anew now and then: so its certificates roll over by themselves.
//!
//! Where an operator has pinned a certificate it is believed by its signature alone, and else because it comes by TLS from where the
//! operator says. What cannot be had or is not believed changes nothing; what was known before is used on, for as long as that says that
//! it is good.

use std::sync::Arc;
use std::time::Duration;

use cedargate_model::Micros;
use http::StatusCode;
use sha2::{Digest as _, Sha256};

use super::certificate::SamlCertificate;
use super::client::SamlClient;
use super::metadata::{IdpMetadata, MetadataError};
use super::scan::scan_published;
use super::verify::verify;
use crate::Refused;
use crate::oidc::{ProviderHttp, ProviderUrl};

/// How often it is fetched, unless it asks to be fetched more often.
const REFRESH_EVERY: Duration = Duration::from_secs(60 * 60);

/// How often at most, whatever it asks for.
const REFRESH_EVERY_MIN: Duration = Duration::from_secs(5 * 60);

/// Where metadata is fetched, and by which certificates it has to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The address.
    pub url: ProviderUrl,
    /// Whose signature counts: the next certificate beside the one of now, while whoever signs changes over. Where there is none, what
    /// the address answers is believed.
    pub pinned: Vec<SamlCertificate>,
}

/// Metadata that says something else than what is known, and is not taken up yet.
#[derive(Clone, Debug)]
#[must_use]
pub struct News {
    found: Arc<IdpMetadata>,
    /// What the provider signs with from then on, by SHA-256 of each certificate in hexadecimal.
    pub signing: Vec<String>,
    /// What it signed with before, and does no more.
    pub removed: Vec<String>,
}

/// Why metadata was not taken.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// It cannot be had.
    #[error("it cannot be fetched")]
    Away(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Something else than metadata was answered.
    #[error("the address answered {0}")]
    Status(StatusCode),
    /// It is not signed by a pinned certificate, or not as it has to be.
    #[error("its signature is not believed: it has to be signed as a whole, by a pinned certificate")]
    Signature(#[source] Refused),
    /// It cannot be used.
    #[error("it is not taken")]
    Metadata(#[from] MetadataError),
    /// It is another provider's.
    #[error("it is of `{0}`, and the connection is with another provider")]
    Entity(String),
    /// It was over before it came.
    #[error("its `validUntil` has passed")]
    Over,
}

impl SamlClient {
    /// Fetches what the provider publishes, where an address is configured. None where it says what is known.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub async fn refresh(self: &Arc<Self>, http: &ProviderHttp, now: Micros) -> Result<Option<News>, RefreshError> {
        let Some(published) = &self.settings.published else { return Ok(None) };
        let answer = http.get_xml(&published.url).await.map_err(|error| RefreshError::Away(error.into()))?;
        if answer.status != StatusCode::OK {
            return Err(RefreshError::Status(answer.status));
        }
        let (client, pinned) = (Arc::clone(self), published.pinned.clone());
        let judging = tokio::task::spawn_blocking(move || client.judge_published(&answer.body, &pinned, now));
        judging.await.map_err(|lost| RefreshError::Away(lost.into()))?
    }

    /// Goes by this from now on.
    pub fn take_up(&self, news: News) {
        self.metadata.store(news.found);
    }

    /// How long what is known is used before it is asked for again.
    pub fn refresh_every(&self) -> Duration {
        self.metadata().cache_for.map_or(REFRESH_EVERY, |asked| asked.clamp(REFRESH_EVERY_MIN, REFRESH_EVERY))
    }

    pub(super) fn judge_published(
        &self,
        octets: &[u8],
        pinned: &[SamlCertificate],
        now: Micros,
    ) -> Result<Option<News>, RefreshError> {
        if !pinned.is_empty() {
            let scanned = scan_published(octets).map_err(|reason| RefreshError::Signature(reason.into()))?;
            verify(&scanned, pinned).map_err(RefreshError::Signature)?;
        }
        let found = IdpMetadata::parse(octets)?;
        let known = self.metadata();
        if found.entity_id != known.entity_id {
            return Err(RefreshError::Entity(found.entity_id.to_string()));
        }
        if !found.is_valid(now) {
            return Err(RefreshError::Over);
        }
        if found == *known {
            return Ok(None);
        }
        let removed = known.signing.iter().filter(|certificate| !found.signing.contains(certificate));
        Ok(Some(News {
            signing: found.signing.iter().map(fingerprint).collect(),
            removed: removed.map(fingerprint).collect(),
            found: Arc::new(found),
        }))
    }
}

fn fingerprint(certificate: &SamlCertificate) -> String {
    Sha256::digest(certificate.der()).iter().map(|octet| format!("{octet:02x}")).collect()
}
