//! Whether somebody is asked to show that they are no program, and who judges it.

use std::net::IpAddr;

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::oidc::{CallError, ProviderHttp, ProviderHttpError, ProviderUrl, ProviderUrlError};

/// A service that judges what somebody's browser got for a puzzle: `secret`, `response` and `remoteip` are posted, and JSON with `success`
/// comes back, as the common ones have it. Which puzzle, is a page's to show; ours loads nothing from elsewhere.
#[derive(Debug)]
pub struct Captcha {
    http: ProviderHttp,
    url: ProviderUrl,
    secret: Zeroizing<String>,
    hostname: Option<String>,
}

/// Why a service cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum CaptchaError {
    /// Its address is none that may be called.
    #[error(transparent)]
    Url(#[from] ProviderUrlError),
    /// Nobody can be called.
    #[error(transparent)]
    Http(#[from] ProviderHttpError),
    /// The call brought nothing.
    #[error("the call brought nothing")]
    Call(#[source] CallError),
    /// It answered something else than a verdict.
    #[error("it answers with the status {0} and no verdict")]
    Answer(u16),
}

/// What was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Puzzle {
    /// Somebody solved it.
    Solved,
    /// Nobody did, or the answer was used before.
    Unsolved,
}

impl Captcha {
    /// The service at this address, which knows us by a secret.
    ///
    /// # Errors
    /// [`CaptchaError`] where the address may not be called.
    pub fn new(url: &str, secret: Zeroizing<String>) -> Result<Self, CaptchaError> {
        let url = ProviderUrl::parse(url)?;
        Ok(Self { http: ProviderHttp::new(url.is_tls())?, url, secret, hostname: None })
    }

    /// The same, where a puzzle counts only if the service says that it was solved on a page of this host: the secret may be that of other
    /// pages, too.
    #[must_use]
    pub fn solved_on(self, hostname: Option<String>) -> Self {
        Self { hostname, ..self }
    }

    /// Has an answer judged. An empty one is nobody's.
    ///
    /// # Errors
    /// [`CaptchaError`]; then nobody knows, and nothing is done.
    pub async fn judge(&self, response: &str, client: IpAddr) -> Result<Puzzle, CaptchaError> {
        #[derive(Deserialize)]
        struct Verdict {
            success: bool,
            #[serde(default)]
            hostname: Option<String>,
        }
        if response.is_empty() {
            return Ok(Puzzle::Unsolved);
        }
        let client = client.to_string();
        let fields = [("secret", self.secret.as_str()), ("response", response), ("remoteip", client.as_str())];
        let answer = self.http.post_form(&self.url, &fields, None).await.map_err(CaptchaError::Call)?;
        let status = answer.status.as_u16();
        match (status, serde_json::from_slice::<Verdict>(&answer.body)) {
            (200, Ok(Verdict { success: true, hostname })) if self.hostname.is_none() || hostname == self.hostname => {
                Ok(Puzzle::Solved)
            }
            (200, Ok(Verdict { .. })) => Ok(Puzzle::Unsolved),
            _ => Err(CaptchaError::Answer(status)),
        }
    }
}
