//! An issuer's keys: written down, or fetched when they are needed and kept for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use cedargate_model::Micros;
use openidconnect::JsonWebKey as _;
use openidconnect::core::CoreJsonWebKey;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::settings::KeySource;
use crate::Refused;
use crate::oidc::{OidcIssuer, ProviderHttp, ProviderUrl, fetch, fetch_keys, key_set};

/// How long keys are used before they are asked for again.
const FRESH: Duration = Duration::from_secs(60 * 60);

/// How old they are when they are asked for aside, where they are needed at the door.
const RENEWED_AFTER: Duration = Duration::from_secs(45 * 60);

/// How long they are used while the issuer does not say them again.
const STALE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How often at most they are fetched twice because an assertion names one that is not known. Anybody can send such an assertion: a second
/// time is in reserve for when the issuer rotates right behind a stranger's.
const REFETCH_EVERY: Duration = Duration::from_secs(30);

/// How long a failure is remembered.
const RETRY_AFTER: Duration = Duration::from_secs(3);

/// Keys that an operator wrote down.
#[derive(Clone, Debug, PartialEq)]
pub struct PinnedKeys(Arc<[CoreJsonWebKey]>);

/// A text is no set of keys that assertions can be verified with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no JSON Web Key Set with an RSA key of 2048 bits, a key on P-256 or P-384, or an Ed25519 key")]
pub struct PinnedKeysError;

impl PinnedKeys {
    /// Reads a JSON Web Key Set (RFC 7517 §5).
    ///
    /// # Errors
    /// [`PinnedKeysError`].
    pub fn parse(text: &str) -> Result<Self, PinnedKeysError> {
        let keys = key_set(text.as_bytes()).map_err(|_| PinnedKeysError)?;
        if keys.is_empty() { Err(PinnedKeysError) } else { Ok(Self(keys.into())) }
    }
}

/// What is known of one issuer's keys.
#[derive(Debug)]
pub(super) struct KnownKeys {
    source: KeySource,
    http: ProviderHttp,
    current: ArcSwapOption<Fetched>,
    /// Whoever holds it asks the issuer; everybody else waits for what comes of that.
    asking: Mutex<Asking>,
    /// Whether somebody needed what is not known, who could not wait for it.
    wanted: AtomicBool,
}

#[derive(Debug)]
struct Fetched {
    keys: Arc<[CoreJsonWebKey]>,
    at: Micros,
}

#[derive(Debug, Default)]
struct Asking {
    /// The last time, and the one before it.
    asked_at: [Option<Micros>; 2],
    failed_at: Option<Micros>,
}

impl KnownKeys {
    pub(super) fn new(source: KeySource, http: ProviderHttp) -> Self {
        Self { source, http, current: ArcSwapOption::empty(), asking: Mutex::default(), wanted: AtomicBool::new(false) }
    }

    /// The keys, asked for anew where they are old or the one of this name is not among them: so a rotation needs no restart.
    pub(super) async fn with_key(&self, kid: Option<&str>, now: Micros) -> Result<Arc<[CoreJsonWebKey]>, Refused> {
        if let KeySource::Pinned(PinnedKeys(keys)) = &self.source {
            return Ok(Arc::clone(keys));
        }
        let known = |age: Duration| self.current.load_full().filter(|known| now.since(known.at) < age);
        let has = |fetched: &Fetched| kid.is_none_or(|kid| fetched.keys.iter().any(|key| is_named(key, kid)));
        if let Some(known) = known(FRESH).filter(|known| has(known)) {
            return Ok(Arc::clone(&known.keys));
        }
        // While somebody asks, a key that was known last still serves.
        let mut asking = match (self.asking.try_lock(), known(STALE_MAX).filter(|known| has(known))) {
            (Ok(asking), _) => asking,
            (Err(_), Some(known)) => return Ok(Arc::clone(&known.keys)),
            (Err(_), None) => self.asking.lock().await,
        };
        let (fresh, stale) = (known(FRESH), known(STALE_MAX));
        let asked_lately = asking.asked_at.iter().all(|at| at.is_some_and(|at| now.since(at) < REFETCH_EVERY));
        let failed_lately = asking.failed_at.is_some_and(|at| now.since(at) < RETRY_AFTER);
        match (fresh, stale) {
            (Some(known), _) if has(&known) || asked_lately || failed_lately => return Ok(Arc::clone(&known.keys)),
            (None, Some(known)) if failed_lately => return Ok(Arc::clone(&known.keys)),
            (None, None) if failed_lately => return Err(cedargate_model::SigninReason::ProviderUnavailable.into()),
            (_, _) => {}
        }
        self.ask(&mut asking, now).await
    }

    /// The keys as far as they are known: nobody is asked. Where there are none, or none of this name, they are wanted from then on.
    pub(super) fn known(&self, kid: Option<&str>, now: Micros) -> Option<Arc<[CoreJsonWebKey]>> {
        if let KeySource::Pinned(PinnedKeys(keys)) = &self.source {
            return Some(Arc::clone(keys));
        }
        let known = self.current.load_full().filter(|known| now.since(known.at) < STALE_MAX);
        let has = |fetched: &Fetched| kid.is_none_or(|kid| fetched.keys.iter().any(|key| is_named(key, kid)));
        if !known.as_deref().is_some_and(has) {
            self.wanted.store(true, Ordering::Release);
        }
        known.map(|known| Arc::clone(&known.keys))
    }

    /// Asks the issuer where its keys are wanted, or will soon be old: aside, so that whoever needs them finds them known.
    pub(super) async fn refresh(&self, now: Micros) {
        if matches!(self.source, KeySource::Pinned(_)) {
            return;
        }
        let age = self.current.load_full().map(|known| now.since(known.at));
        let is_due = age.is_none_or(|age| age >= RENEWED_AFTER);
        if !is_due && !self.wanted.load(Ordering::Acquire) {
            return;
        }
        let mut asking = self.asking.lock().await;
        let lately = |at: Option<Micros>, within| at.is_some_and(|at: Micros| now.since(at) < within);
        let asked_lately = asking.asked_at.iter().all(|at| lately(*at, REFETCH_EVERY));
        if lately(asking.failed_at, RETRY_AFTER) || asked_lately {
            return;
        }
        self.wanted.store(false, Ordering::Release);
        let _ = self.ask(&mut asking, now).await;
    }

    async fn ask(&self, asking: &mut Asking, now: Micros) -> Result<Arc<[CoreJsonWebKey]>, Refused> {
        let known = |age: Duration| self.current.load_full().filter(|known| now.since(known.at) < age);
        let began = Instant::now();
        match self.fetch().await {
            Ok(keys) => {
                let keys: Arc<[CoreJsonWebKey]> = keys.into();
                self.current.store(Some(Arc::new(Fetched { keys: Arc::clone(&keys), at: now })));
                *asking = Asking { asked_at: [Some(now), asking.asked_at[0]], failed_at: None };
                Ok(keys)
            }
            Err(error) => {
                // From the end of the attempt on: one that took long must not be tried again by each of those who waited for it.
                asking.failed_at = Some(now.after(began.elapsed()));
                let cause = &error as &dyn std::error::Error;
                tracing::warn!(error = cause, "the keys of an issuer that vouches for programs cannot be had");
                known(STALE_MAX).map(|known| Arc::clone(&known.keys)).ok_or(error)
            }
        }
    }

    async fn fetch(&self) -> Result<Vec<CoreJsonWebKey>, Refused> {
        match &self.source {
            KeySource::Url(url) => fetch_keys(&self.http, url).await,
            KeySource::Discovery(issuer) => {
                let url = discovered(issuer, &self.http).await?;
                fetch_keys(&self.http, &url).await
            }
            KeySource::Pinned(PinnedKeys(keys)) => Ok(keys.to_vec()),
        }
    }
}

/// Where an issuer says that its keys are. It need not sign people in: of what OIDC Discovery asks for, these two are looked at.
async fn discovered(issuer: &OidcIssuer, http: &ProviderHttp) -> Result<ProviderUrl, Refused> {
    #[derive(Deserialize)]
    struct Description {
        issuer: String,
        jwks_uri: String,
    }
    let unavailable = |cause: &'static str| {
        Refused::because(cedargate_model::SigninReason::ProviderUnavailable, std::io::Error::other(cause))
    };
    let from = format!("{}/.well-known/openid-configuration", issuer.issuer().as_str().trim_end_matches('/'));
    let from = issuer.url().endpoint(&from).map_err(|_| unavailable("the issuer's address cannot be called"))?;
    let document = fetch(http, &from).await?;
    let document: Description = serde_json::from_slice(&document)
        .map_err(|_| unavailable("its description is no JSON of the expected form"))?;
    // Exactly: a document of another issuer could name anybody's keys (OIDC Discovery §4.3).
    if document.issuer != issuer.issuer().as_str() {
        return Err(unavailable("it describes another issuer than the configured one"));
    }
    issuer
        .url()
        .endpoint(&document.jwks_uri)
        .map_err(|_| unavailable("its `jwks_uri` is no address that may be called"))
}

fn is_named(key: &CoreJsonWebKey, kid: &str) -> bool {
    key.key_id().is_some_and(|id| id.as_str() == kid)
}
