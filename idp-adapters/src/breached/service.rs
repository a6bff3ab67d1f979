//! A service that knows all ranges.

use crate::oidc::{CallError, ProviderHttp, ProviderHttpError, ProviderUrl, ProviderUrlError};

/// A service of ranges. It is called as identity providers are: bounded in time and size, no redirect is followed, and no name leads to
/// what only this machine reaches.
#[derive(Debug)]
pub struct RangeService {
    http: ProviderHttp,
    base: String,
}

/// Why a service cannot be asked, or gave no range.
#[derive(Debug, thiserror::Error)]
pub enum RangeServiceError {
    /// Its address is none that may be called.
    #[error(transparent)]
    Url(#[from] ProviderUrlError),
    /// Nobody can be called.
    #[error(transparent)]
    Http(#[from] ProviderHttpError),
    /// The call brought nothing.
    #[error("the call brought nothing")]
    Call(#[source] CallError),
    /// It answered with another status.
    #[error("it answers with the status {0}")]
    Status(u16),
}

impl RangeService {
    /// The service whose ranges are at `BASE/PREFIX`.
    ///
    /// # Errors
    /// [`RangeServiceError`] where the address may not be called.
    pub fn new(base: &str) -> Result<Self, RangeServiceError> {
        let base = base.trim_end_matches('/');
        let url = ProviderUrl::parse(base)?;
        Ok(Self { http: ProviderHttp::new(url.is_tls())?, base: base.to_owned() })
    }

    pub(super) async fn fetch(&self, prefix: &str) -> Result<Vec<u8>, RangeServiceError> {
        let url = ProviderUrl::parse(&format!("{}/{prefix}", self.base))?;
        let answer = self.http.get_padded(&url).await.map_err(RangeServiceError::Call)?;
        match answer.status.as_u16() {
            200 => Ok(answer.body.to_vec()),
            other => Err(RangeServiceError::Status(other)),
        }
    }
}
