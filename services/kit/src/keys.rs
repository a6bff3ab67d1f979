//! Where the gateway's public keys come from, and how they stay current.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use cedargate_assertion::{Identity, JWKS_BYTES_MAX, Jwks, JwksError, Verifier, VerifyError};
use cedargate_model::Micros;
use http::StatusCode;
use tokio::io::AsyncReadExt as _;
use tokio::sync::Mutex;

use crate::problem::chain;

/// How often the key set is read again without being asked, so that a withdrawn key soon counts for nothing.
const REFRESH_EVERY: Duration = Duration::from_secs(60);

/// How often it is tried while there are no keys at all: the gateway may start after the service.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// An unknown `kid` asks for a new key set at most this often, whoever sends how many.
const ASKED_EVERY: Duration = Duration::from_secs(5);

/// How long fetching may take, connecting included.
const FETCH_MAX: Duration = Duration::from_secs(5);

/// Where the key set is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file that the gateway or the deployment writes.
    File(PathBuf),
    /// The gateway itself, on this machine.
    Http(LoopbackUrl),
}

/// An `http` address on this machine: whoever could answer in the gateway's place could sign in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopbackUrl(Box<reqwest::Url>);

/// Why a text is no source of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySourceError {
    /// Neither of the two forms.
    #[error("write `file:PATH` or `http://HOST:PORT/.well-known/cedargate/jwks.json`")]
    Unknown,
    /// Plain HTTP to another machine: whoever stands in between could hand out keys of their own.
    #[error("keys over http are accepted from this machine only; use `file:PATH` for keys from elsewhere")]
    NotLoopback,
}

impl FromStr for KeySource {
    type Err = KeySourceError;

    fn from_str(text: &str) -> Result<Self, KeySourceError> {
        if let Some(path) = text.strip_prefix("file:").filter(|path| !path.is_empty()) {
            return Ok(Self::File(path.into()));
        }
        let url = reqwest::Url::parse(text).map_err(|_| KeySourceError::Unknown)?;
        let host = url.host_str().filter(|_| url.scheme() == "http").ok_or(KeySourceError::Unknown)?;
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        if is_localhost(host) || address.is_ok_and(|address| address.is_loopback()) {
            Ok(Self::Http(LoopbackUrl(Box::new(url))))
        } else {
            Err(KeySourceError::NotLoopback)
        }
    }
}

/// `localhost` and every name below it are this machine (RFC 6761 §6.3), whatever a resolver says.
fn is_localhost(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

/// The gateway's keys, kept current, and the verification that needs them.
#[derive(Debug)]
pub struct Keys {
    source: KeySource,
    issuer: Arc<str>,
    audience: Arc<str>,
    client: reqwest::Client,
    verifier: ArcSwapOption<Verifier>,
    /// When an unknown `kid` last asked. Held while a refresh runs, so that there is one at a time.
    asked_at: Mutex<Option<Micros>>,
}

/// Why an assertion could not be accepted.
#[derive(Debug, thiserror::Error)]
pub enum IdentifyError {
    /// There are no keys yet. A retry helps once the gateway is up.
    #[error("the gateway's keys have not been read yet")]
    KeysMissing,
    /// The assertion is not acceptable.
    #[error("the assertion is not accepted")]
    Refused(#[source] VerifyError),
}

/// Why the key set could not be read. The keys at hand stay.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// The file could not be read.
    #[error("the key file `{}` cannot be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The gateway did not answer, or not in time.
    #[error("the gateway did not give its keys")]
    Http(#[source] reqwest::Error),
    /// The gateway answered, but not with 200.
    #[error("the gateway answered {status} instead of its keys")]
    Status {
        /// The status.
        status: u16,
    },
    /// What was read is no key set.
    #[error("what was read is no key set for assertions")]
    KeySet(#[source] JwksError),
}

impl Keys {
    /// Keys of `issuer`, for assertions meant for `audience`; none of them read yet.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn new(
        source: KeySource,
        issuer: impl Into<Arc<str>>,
        audience: impl Into<Arc<str>>,
    ) -> Result<Self, RefreshError> {
        let client = client(&source).map_err(RefreshError::Http)?;
        let (issuer, audience) = (issuer.into(), audience.into());
        Ok(Self { source, issuer, audience, client, verifier: ArcSwapOption::empty(), asked_at: Mutex::new(None) })
    }

    /// Verifies an assertion; reads the key set anew if it names an unknown key.
    ///
    /// # Errors
    /// `KeysMissing` before the first key set was read, else what is wrong with the assertion.
    pub async fn identify(&self, token: &str, now: Micros) -> Result<Identity, IdentifyError> {
        let verifier = self.verifier.load_full().ok_or(IdentifyError::KeysMissing)?;
        match verifier.verify(token, now) {
            Err(VerifyError::KeyUnknown { .. }) => {
                self.refresh_if_stale(&verifier, now).await;
                let verifier = self.verifier.load_full().ok_or(IdentifyError::KeysMissing)?;
                verifier.verify(token, now).map_err(IdentifyError::Refused)
            }
            verified => verified.map_err(IdentifyError::Refused),
        }
    }

    /// Whether there are keys to verify with.
    pub fn are_loaded(&self) -> bool {
        self.verifier.load().is_some()
    }

    /// Reads the key set now.
    ///
    /// # Errors
    /// [`RefreshError`]; the keys at hand stay.
    pub async fn refresh(&self) -> Result<(), RefreshError> {
        // Counts for nobody who asks: a key that signs since a moment later must be found at once, too.
        let _one_at_a_time = self.asked_at.lock().await;
        self.read_and_swap().await
    }

    /// Keeps the keys current for ever; failures are logged and tried again.
    pub async fn keep_current(self: Arc<Self>) {
        loop {
            if let Err(error) = self.refresh().await {
                tracing::warn!(
                    error.cause = chain(&error),
                    cedargate.keys.loaded = self.are_loaded(),
                    "keys not refreshed"
                );
            }
            tokio::time::sleep(if self.are_loaded() { REFRESH_EVERY } else { RETRY_EVERY }).await;
        }
    }

    /// One refresh for all who wait, and none if somebody else's has just brought other keys than `seen`.
    async fn refresh_if_stale(&self, seen: &Arc<Verifier>, now: Micros) {
        let mut asked_at = self.asked_at.lock().await;
        let is_newer = self.verifier.load().as_ref().is_some_and(|current| !Arc::ptr_eq(current, seen));
        let is_due = asked_at.is_none_or(|at| now.since(at) >= ASKED_EVERY);
        if is_newer || !is_due {
            return;
        }
        *asked_at = Some(now);
        if let Err(error) = self.read_and_swap().await {
            tracing::warn!(error.cause = chain(&error), "keys not refreshed");
        }
    }

    async fn read_and_swap(&self) -> Result<(), RefreshError> {
        let text = match &self.source {
            KeySource::File(path) => {
                read_file(path).await.map_err(|source| RefreshError::File { path: path.clone(), source })?
            }
            KeySource::Http(url) => fetch(&self.client, url).await?,
        };
        let keys = Jwks::parse(&text).map_err(RefreshError::KeySet)?;
        let is_news = self.verifier.load().as_ref().is_none_or(|current| *current.keys() != keys);
        if is_news {
            let kids: Vec<_> = keys.kids().map(|kid| kid.to_string()).collect();
            let verifier = Verifier::new(Arc::clone(&self.issuer), Arc::clone(&self.audience), keys);
            self.verifier.store(Some(Arc::new(verifier)));
            // Only now: whoever waits for this line may send requests at once.
            tracing::info!(cedargate.keys = ?kids, "keys read");
        }
        Ok(())
    }
}

/// One byte over the bound is read, so that [`Jwks::parse`] sees that it is over.
const READ_MAX: usize = JWKS_BYTES_MAX + 1;

async fn read_file(path: &PathBuf) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    tokio::fs::File::open(path).await?.take(READ_MAX as u64).read_to_end(&mut text).await?;
    Ok(text)
}

async fn fetch(client: &reqwest::Client, url: &LoopbackUrl) -> Result<Vec<u8>, RefreshError> {
    let mut response = client.get((*url.0).clone()).send().await.map_err(RefreshError::Http)?;
    // Exactly 200: the body of a redirect is as much an answer of somebody else as the body of an error.
    if response.status() != StatusCode::OK {
        return Err(RefreshError::Status { status: response.status().as_u16() });
    }
    let mut text = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(RefreshError::Http)? {
        text.extend_from_slice(&chunk);
        if text.len() > READ_MAX {
            break;
        }
    }
    Ok(text)
}

/// A client that goes nowhere else: no proxy, no redirects, and names below `localhost` are this machine.
fn client(source: &KeySource) -> Result<reqwest::Client, reqwest::Error> {
    let builder = reqwest::Client::builder().timeout(FETCH_MAX).no_proxy().redirect(reqwest::redirect::Policy::none());
    match source {
        KeySource::Http(LoopbackUrl(url)) => match url.host_str().filter(|host| is_localhost(host)) {
            Some(host) => {
                let port = url.port_or_known_default().unwrap_or(80);
                builder.resolve(host, SocketAddr::from((Ipv4Addr::LOCALHOST, port))).build()
            }
            None => builder.build(),
        },
        KeySource::File(_) => builder.build(),
    }
}
