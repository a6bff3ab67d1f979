//! What somebody began who is not signed in: their browser keeps it.
//!
//! Anybody may begin a sign-in, as often as they like. So beginning one writes nothing: what was asked is sealed into a cookie of the browser
//! that asked, with its own end inside, and nobody else can open, change or extend it. Where a row for each would be, strangers could fill
//! a table, crowd out each other's, and keep everybody's writers waiting.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cedargate_identity::{
    ATTEMPT_TTL, Attempt, BrowserSecret, CEREMONY_TTL, DeviceId, EntropyError, OneUse, SpentAttempts, StoreError,
};
use cedargate_model::{ConnectionName, Micros, PrincipalId, TenantId};
use moka::sync::Cache;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{Vault, VaultError};

/// How long a cookie's value may be, in characters: browsers take 4,096 with its name (RFC 6265bis §5.6).
pub const SEALED_CHARS_MAX: usize = 3_900;

/// What a browser keeps: sealed, in base64url. `Debug` hides it; memory is wiped on drop.
#[derive(Clone)]
pub struct InBrowser(Zeroizing<String>);

/// What is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// A sign-in at an identity provider.
    AtProvider,
    /// A sign-in by a passkey.
    ByPasskey,
}

/// Why nothing is begun.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// No secret could be drawn.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// It cannot be sealed. No retry helps.
    #[error("the sign-in could not be sealed")]
    Vault(#[from] VaultError),
}

/// Why an answer belongs to nothing that this browser began.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The browser keeps nothing, or something else, or what it keeps is none of ours.
    #[error("this browser began no such sign-in")]
    BrowserDiffers,
    /// It took too long.
    #[error("this sign-in took too long")]
    Expired,
    /// It was sent to another provider.
    #[error("this sign-in was sent by another connection")]
    ConnectionDiffers,
    /// It has counted already.
    #[error("this sign-in came back already")]
    Spent,
    /// The store failed.
    #[error("the sign-in could not be looked up")]
    Store(#[from] StoreError),
}

/// Seals what browsers keep, and finds it again. Cheap to clone.
#[derive(Clone)]
pub struct BrowserKept {
    vault: Arc<dyn Vault>,
    spent: SpentAttempts,
}

/// What was found again.
#[derive(Debug)]
pub(crate) struct Found<T> {
    pub(crate) what: T,
    /// It counts once, with the session that begins by it.
    pub(crate) once: OneUse,
    pub(crate) begun_at: Micros,
}

/// As it is sealed.
#[derive(Serialize, Deserialize)]
struct Kept<T> {
    /// What the answer has to bring back.
    id: String,
    at: Micros,
    what: T,
}

impl InBrowser {
    /// Reads a cookie's value; what is no such value is none.
    pub fn parse(value: &str) -> Option<Self> {
        let is_value = (1..=SEALED_CHARS_MAX).contains(&value.len())
            && value.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'));
        is_value.then(|| Self(Zeroizing::new(value.to_owned())))
    }

    /// The cookie's value.
    ///
    /// # Security
    /// Only for `Set-Cookie`.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for InBrowser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InBrowser(..)")
    }
}

impl Begun {
    fn as_str(self) -> &'static str {
        match self {
            Self::AtProvider => "sign-in at a provider",
            Self::ByPasskey => "sign-in by a passkey",
        }
    }

    fn ttl(self) -> Duration {
        match self {
            Self::AtProvider => ATTEMPT_TTL,
            Self::ByPasskey => CEREMONY_TTL,
        }
    }

    /// What it is sealed for: this purpose of this tenant.
    fn sealed_name(self, tenant: TenantId) -> String {
        format!("{} {tenant}", self.as_str())
    }
}

impl BrowserKept {
    /// Sealed in this vault; what has counted is in this store.
    pub fn new(vault: Arc<dyn Vault>, spent: SpentAttempts) -> Self {
        Self { vault, spent }
    }

    /// Seals what is begun under this id, which is random and which the answer has to bring back.
    pub(crate) fn keep<T: Serialize>(
        &self,
        tenant: TenantId,
        begun: Begun,
        id: &str,
        what: &T,
        now: Micros,
    ) -> Result<InBrowser, VaultError> {
        let kept = Kept { id: id.to_owned(), at: now, what };
        let text = serde_json::to_string(&kept).map(Zeroizing::new).map_err(|error| VaultError(error.into()))?;
        self.vault.seal_for_browser(&begun.sealed_name(tenant), &text).map(|sealed| InBrowser(Zeroizing::new(sealed)))
    }

    /// Opens what a browser keeps, if it is what the answer belongs to.
    ///
    /// Whoever makes cookies up is refused without the store being asked.
    pub(crate) async fn find<T: DeserializeOwned>(
        &self,
        tenant: TenantId,
        begun: Begun,
        id: &str,
        kept: Option<&InBrowser>,
        now: Micros,
    ) -> Result<Found<T>, FindError> {
        let kept = kept.ok_or(FindError::BrowserDiffers)?;
        let text = self.vault.open_from_browser(&begun.sealed_name(tenant), kept.expose());
        let text = text.map_err(|_| FindError::BrowserDiffers)?;
        let kept: Kept<T> = serde_json::from_str(&text).map_err(|_| FindError::BrowserDiffers)?;
        // Both were drawn at random, and whoever asks holds the one of them: comparing tells nothing through time.
        if kept.id != id {
            return Err(FindError::BrowserDiffers);
        }
        let expires_at = kept.at.after(begun.ttl());
        if now >= expires_at {
            return Err(FindError::Expired);
        }
        let once = OneUse::of_attempt(&kept.id, expires_at);
        if self.spent.is_spent(tenant, &once).await? {
            return Err(FindError::Spent);
        }
        Ok(Found { what: kept.what, once, begun_at: kept.at })
    }
}

impl fmt::Debug for BrowserKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrowserKept").finish_non_exhaustive()
    }
}

/// Sign-ins at identity providers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SigninAttempts {
    kept: BrowserKept,
    /// How often answers to an attempt proved nothing, by its `state`, as this gateway knows it.
    failures: Cache<String, u32>,
}

/// How often an attempt may come back with an answer that proves nothing. An honest provider sends the browser back once; each answer has
/// us call the provider.
const FAILURES_MAX: u32 = 5;

/// Of how many attempts that is known. One takes about 150 octets.
const FAILED_ATTEMPTS_MAX: u64 = 10_000;

/// A sign-in that begins.
#[derive(Debug)]
pub struct BegunAttempt {
    /// For the provider to bring back: 43 characters of base64url.
    pub state: String,
    /// What nonce and code verifier are derived from.
    pub browser: BrowserSecret,
    /// For the browser, in a cookie.
    pub kept: InBrowser,
}

/// A sign-in that an answer belongs to.
#[derive(Debug)]
pub struct FoundAttempt {
    /// What was asked.
    pub attempt: Attempt,
    /// What nonce and code verifier were derived from.
    pub browser: BrowserSecret,
    /// It counts once, with the session that begins by it.
    pub once: OneUse,
    /// When it was begun.
    pub begun_at: Micros,
}

#[derive(Serialize, Deserialize)]
struct AtProvider {
    attempt: Attempt,
    browser: BrowserSecret,
}

impl SigninAttempts {
    /// Sign-ins that browsers keep.
    pub fn new(kept: BrowserKept) -> Self {
        let failures = Cache::builder().max_capacity(FAILED_ATTEMPTS_MAX).time_to_live(ATTEMPT_TTL).build();
        Self { kept, failures }
    }

    /// Hears that the answer to an attempt that was found proved nothing: after some of them, none is found for it any more.
    pub fn failed(&self, state: &str) {
        let _ = self
            .failures
            .entry(state.to_owned())
            .and_upsert_with(|known| known.map_or(1, |known| known.into_value() + 1));
    }

    /// Begins a sign-in. Nothing is written. Where somebody was going is forgotten if no cookie could hold it.
    ///
    /// # Errors
    /// [`BeginError`].
    pub fn begin(&self, tenant: TenantId, attempt: &Attempt, now: Micros) -> Result<BegunAttempt, BeginError> {
        // A secret is drawn as the other is, and says nothing about it.
        let state = BrowserSecret::draw()?.derive("state", "").to_string();
        let mut begun = AtProvider { attempt: attempt.clone(), browser: BrowserSecret::draw()? };
        let mut kept = self.kept.keep(tenant, Begun::AtProvider, &state, &begun, now)?;
        if kept.expose().len() > SEALED_CHARS_MAX {
            begun.attempt.return_to = "/".to_owned();
            kept = self.kept.keep(tenant, Begun::AtProvider, &state, &begun, now)?;
        }
        Ok(BegunAttempt { state, browser: begun.browser, kept })
    }

    /// The sign-in that an answer at this connection's address belongs to.
    ///
    /// It is not spent by that: it counts with the session that begins by it. So whoever answers wrongly writes nothing.
    ///
    /// # Errors
    /// [`FindError`].
    pub async fn find(
        &self,
        tenant: TenantId,
        connection: &ConnectionName,
        state: &str,
        kept: Option<&InBrowser>,
        now: Micros,
    ) -> Result<FoundAttempt, FindError> {
        let found = self.kept.find(tenant, Begun::AtProvider, state, kept, now).await?;
        let Found { what: AtProvider { attempt, browser }, once, begun_at } = found;
        if attempt.connection != *connection {
            return Err(FindError::ConnectionDiffers);
        }
        if self.failures.get(state).is_some_and(|failures| failures >= FAILURES_MAX) {
            return Err(FindError::Spent);
        }
        Ok(FoundAttempt { attempt, browser, once, begun_at })
    }
}

/// How long a device is known after its person last proved a factor on it.
pub const DEVICE_TTL: Duration = Duration::from_secs(180 * 24 * 60 * 60);

/// Devices on which people proved a factor. Nothing is kept of them here: each browser keeps, sealed, whose it is. It opens nothing, and only
/// says whose failures count apart.
#[derive(Clone, Debug)]
pub struct KnownDevices {
    kept: BrowserKept,
}

#[derive(Serialize, Deserialize)]
struct Device {
    account: PrincipalId,
    id: String,
    at: Micros,
}

impl KnownDevices {
    /// Devices that browsers keep.
    pub fn new(kept: BrowserKept) -> Self {
        Self { kept }
    }

    /// Whether a browser is a device of this account's, and which. One that was remembered before `since` is none: the account may have been
    /// somebody else's then.
    pub fn find(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        kept: Option<&InBrowser>,
        since: Micros,
        now: Micros,
    ) -> Option<DeviceId> {
        let text = self.kept.vault.open_from_browser(&device_name(tenant), kept?.expose()).ok()?;
        let device: Device = serde_json::from_str(&text).ok()?;
        let is_known = device.account == account && device.at >= since && now < device.at.after(DEVICE_TTL);
        let id = u64::from_str_radix(&device.id, 16).ok()?;
        is_known.then(|| DeviceId(id.to_be_bytes()))
    }

    /// What a browser keeps whose person has just proved a factor: the same device, where it was known.
    ///
    /// # Errors
    /// [`BeginError`].
    pub fn remember(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        known: Option<DeviceId>,
        now: Micros,
    ) -> Result<InBrowser, BeginError> {
        let id = match known {
            Some(DeviceId(octets)) => octets,
            None => {
                let mut octets = [0; 8];
                getrandom::fill(&mut octets).map_err(|error| VaultError(error.into()))?;
                octets
            }
        };
        let device = Device { account, id: format!("{:016x}", u64::from_be_bytes(id)), at: now };
        let text = serde_json::to_string(&device).map_err(|error| VaultError(error.into()))?;
        let sealed = self.kept.vault.seal_for_browser(&device_name(tenant), &text)?;
        Ok(InBrowser(Zeroizing::new(sealed)))
    }
}

fn device_name(tenant: TenantId) -> String {
    format!("device {tenant}")
}

#[cfg(test)]
mod tests {
    use cedargate_identity::{
        Accounts, Device, Email, Grounds, NewAccount, SessionSettings, Sessions, SignIn, Tenants,
    };
    use cedargate_migrations::GATEWAY;
    use cedargate_migrations::testing::TestStore;
    use cedargate_model::{AuthnMethod, AuthnStrength, TenantName};

    use super::*;

    const NOW: Micros = Micros(1_700_000_000_000_000);

    /// Keeps secrets as they are, under their names.
    struct Drawer;

    impl Vault for Drawer {
        fn seal(&self, name: &str, secret: &str) -> Result<String, VaultError> {
            Ok(format!("{name}|{secret}"))
        }

        fn open(&self, name: &str, sealed: &str) -> Result<Zeroizing<String>, VaultError> {
            let secret = sealed.strip_prefix(&format!("{name}|")).ok_or_else(|| VaultError("another name".into()))?;
            Ok(Zeroizing::new(secret.to_owned()))
        }
    }

    fn asked(connection: &str) -> Attempt {
        Attempt {
            connection: ConnectionName::parse(connection).unwrap(),
            return_to: "/orders?after=a".to_owned(),
            level: Some(2),
            max_age_seconds: None,
            person: None,
            session: None,
        }
    }

    #[tokio::test]
    async fn a_sign_in_is_found_by_its_state_in_its_browser_at_its_connection_and_tenant_in_time() {
        let store = TestStore::new().await;
        let pool = store.migrated(&[&GATEWAY]).await;
        let tenants = Tenants::new(pool.clone());
        let acme = tenants.create(TenantName::parse("acme").unwrap(), NOW).await.unwrap().id;
        let globex = tenants.create(TenantName::parse("globex").unwrap(), NOW).await.unwrap().id;
        let kept = BrowserKept::new(Arc::new(Drawer), SpentAttempts::new(pool.clone()));
        let attempts = SigninAttempts::new(kept.clone());
        let [okta, entra] = ["okta", "entra"].map(asked);
        let begun = attempts.begin(acme, &okta, NOW).unwrap();
        let other = attempts.begin(acme, &okta, NOW).unwrap();
        assert!(begun.state.len() == 43 && begun.state != other.state && begun.browser != other.browser);
        let find = async |tenant, connection: &Attempt, state: &str, browser: Option<&InBrowser>, now| {
            attempts.find(tenant, &connection.connection, state, browser, now).await
        };
        let mine = Some(&begun.kept);
        for (name, found) in [
            ("another browser", find(acme, &okta, &begun.state, Some(&other.kept), NOW).await),
            ("no cookie", find(acme, &okta, &begun.state, None, NOW).await),
            ("another state", find(acme, &okta, &other.state, mine, NOW).await),
            ("no state", find(acme, &okta, "", mine, NOW).await),
            ("another tenant", find(globex, &okta, &begun.state, mine, NOW).await),
        ] {
            assert!(matches!(found, Err(FindError::BrowserDiffers)), "{name}: {found:?}");
        }
        let as_passkey = kept.find::<AtProvider>(acme, Begun::ByPasskey, &begun.state, mine, NOW).await;
        assert!(matches!(as_passkey, Err(FindError::BrowserDiffers)), "another purpose");
        let mixed_up = find(acme, &entra, &begun.state, mine, NOW).await;
        assert!(matches!(mixed_up, Err(FindError::ConnectionDiffers)), "{mixed_up:?}");
        let late = find(acme, &okta, &begun.state, mine, NOW.after(ATTEMPT_TTL)).await;
        assert!(matches!(late, Err(FindError::Expired)), "{late:?}");

        for _ in 0..FAILURES_MAX {
            assert!(find(acme, &okta, &other.state, Some(&other.kept), NOW).await.is_ok());
            attempts.failed(&other.state);
        }
        let tried = find(acme, &okta, &other.state, Some(&other.kept), NOW).await;
        assert!(matches!(tried, Err(FindError::Spent)), "{tried:?}");

        let found = find(acme, &okta, &begun.state, mine, NOW).await.unwrap();
        assert_eq!((&found.attempt, &found.browser, found.begun_at), (&okta, &begun.browser, NOW));
        let new = NewAccount { email: Email::parse("ada@example.com").unwrap(), roles: vec![], password: None };
        let ada = Accounts::new(pool.clone()).create(acme, new, NOW).await.unwrap().id;
        let sessions = Sessions::new(pool, SessionSettings::default());
        let strength = AuthnStrength { level: 1, methods: vec![AuthnMethod::Fed] };
        let sign_in = SignIn {
            tenant: acme,
            principal: ada,
            strength,
            replaces: None,
            remember: false,
            device: Device::default(),
        };
        let grounds = Grounds { once: vec![found.once], ..Grounds::default() };
        let begins = sessions.begin(sign_in, &grounds, NOW).await.unwrap().commit().await.unwrap();
        sessions.take_up_begun(begins);
        let again = find(acme, &okta, &begun.state, mine, NOW).await;
        assert!(matches!(again, Err(FindError::Spent)), "{again:?}");
        let long = Attempt { return_to: format!("/{}", "a".repeat(4_000)), ..okta };
        let begun = attempts.begin(acme, &long, NOW).unwrap();
        let found = attempts.find(acme, &long.connection, &begun.state, Some(&begun.kept), NOW).await.unwrap();
        assert_eq!(found.attempt.return_to, "/", "no cookie holds it");
    }

    #[tokio::test]
    async fn a_device_is_one_accounts_for_half_a_year() {
        let store = TestStore::new().await;
        let pool = store.migrated(&[&GATEWAY]).await;
        let devices = KnownDevices::new(BrowserKept::new(Arc::new(Drawer), SpentAttempts::new(pool)));
        let [acme, globex] = [1, 2].map(|n| TenantId(uuid::Uuid::from_u128(n)));
        let [ada, bob] = [3, 4].map(|n| PrincipalId(uuid::Uuid::from_u128(n)));
        let kept = devices.remember(acme, ada, None, NOW).unwrap();
        let device = devices.find(acme, ada, Some(&kept), NOW, NOW).unwrap();
        for (tenant, account) in [(acme, bob), (globex, ada)] {
            assert_eq!(devices.find(tenant, account, Some(&kept), NOW, NOW), None);
        }
        assert_eq!(devices.find(acme, ada, None, NOW, NOW), None);
        let reset = NOW.after(Duration::from_secs(1));
        assert_eq!(
            devices.find(acme, ada, Some(&kept), reset, reset),
            None,
            "remembered before the password was set anew"
        );
        let later = NOW.after(DEVICE_TTL);
        assert_eq!(devices.find(acme, ada, Some(&kept), NOW, later), None);
        let again = devices.remember(acme, ada, Some(device), later).unwrap();
        assert_eq!(devices.find(acme, ada, Some(&again), later, later), Some(device));
        assert_ne!(
            devices.find(acme, ada, Some(&devices.remember(acme, ada, None, NOW).unwrap()), NOW, NOW),
            Some(device)
        );
    }

    #[test]
    fn what_is_no_value_of_ours_is_none() {
        for value in ["", "a b", "a=b", "a;b", "a/b", &"a".repeat(SEALED_CHARS_MAX + 1)] {
            assert!(InBrowser::parse(value).is_none(), "{value}");
        }
        let value = InBrowser::parse("abc-_019").unwrap();
        assert_eq!((value.expose(), format!("{value:?}").as_str()), ("abc-_019", "InBrowser(..)"));
    }
}
