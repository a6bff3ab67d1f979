//! Sign-ins that were sent to an identity provider and have not come back.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cedargate_migrations::{Pool, StoreError, TenantTx};
use cedargate_model::{ConnectionName, Micros, PrincipalId, SessionId, TenantId, network_of};
use sha2::{Digest, Sha256};
use sqlx::FromRow;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::random::{EntropyError, random_bytes};

/// How long somebody may take at the provider: as long as a password reset there takes.
pub const ATTEMPT_TTL: Duration = Duration::from_secs(15 * 60);

/// How many sign-ins of one tenant may be under way, and how many rows of them there may be in all. Anybody can begin one, so there
/// are bounds: beyond, the oldest give way. Each that begins counts them, which takes milliseconds at the bounds.
const UNDER_WAY_MAX: i64 = 10_000;
const ROWS_MAX: i64 = 2 * UNDER_WAY_MAX;

/// How many may be under way from one network, which may be a house with thousands of people behind one address. Beyond, its own
/// oldest give way: so one network alone never reaches the tenant's bound.
const OF_NETWORK_MAX: i64 = 2_000;

/// How many over ones a new attempt clears away.
const PRUNE_MAX: i64 = 1_000;

/// The secret that a browser keeps during one sign-in: 32 random octets. `Debug` hides it; memory is wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct BrowserSecret(Zeroizing<[u8; 32]>);

/// What was asked of a provider, to be held against its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The connection.
    pub connection: ConnectionName,
    /// Where the person was going: a path of the tenant's host, as the caller checked it.
    pub return_to: String,
    /// The level that the sign-in must reach, where a confirmation is asked for.
    pub level: Option<u8>,
    /// How old the sign-in at the provider may be, in seconds, where that was asked.
    pub max_age_seconds: Option<u32>,
    /// Who has to come back, where somebody who is signed in is asked to confirm it.
    pub person: Option<PrincipalId>,
    /// The session that it was begun from, which a new one takes the place of.
    pub session: Option<SessionId>,
}

/// A sign-in that begins.
#[derive(Debug)]
pub struct BegunAttempt {
    /// For the provider to bring back: 43 characters of base64url.
    pub state: String,
    /// For the browser, in a cookie.
    pub browser: BrowserSecret,
}

/// Why no sign-in begins.
#[derive(Debug, thiserror::Error)]
pub enum BeginAttemptError {
    /// No secret could be drawn.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store failed.
    #[error("the sign-in could not be stored")]
    Store(#[from] StoreError),
}

/// Why an answer belongs to no sign-in.
#[derive(Debug, thiserror::Error)]
pub enum SpendAttemptError {
    /// There is none of this state, or it was forgotten.
    #[error("no sign-in has this state")]
    Unknown,
    /// It came back already.
    #[error("this sign-in came back already")]
    Spent,
    /// It took longer than [`ATTEMPT_TTL`].
    #[error("this sign-in took too long")]
    Expired,
    /// It was sent to another provider.
    #[error("this sign-in was sent by another connection")]
    ConnectionDiffers,
    /// It was begun by another browser.
    #[error("this sign-in was begun by another browser")]
    BrowserDiffers,
    /// The store failed.
    #[error("the sign-in could not be read")]
    Store(#[from] StoreError),
}

/// The sign-ins under way in a store.
#[derive(Clone, Debug)]
pub struct SigninAttempts {
    pool: Pool,
}

impl BrowserSecret {
    /// Draws one.
    ///
    /// # Errors
    /// [`EntropyError`].
    pub fn draw() -> Result<Self, EntropyError> {
        Ok(Self(Zeroizing::new(random_bytes()?)))
    }

    /// Reads a cookie's value; what is not exactly one secret is none.
    pub fn parse(value: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        // The decoder refuses other lengths, padding and trailing bits.
        let length = URL_SAFE_NO_PAD.decode_slice(value, bytes.as_mut_slice()).ok()?;
        (length == bytes.len()).then_some(Self(bytes))
    }

    /// The cookie's value.
    ///
    /// # Security
    /// Only for `Set-Cookie`.
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(*self.0))
    }

    /// A text for one purpose, of this sign-in alone, that says nothing about the secret or about other purposes: 43
    /// characters of base64url.
    ///
    /// The store knows hashes only, so whoever reads it can neither answer for a browser nor redeem a code: nonce and
    /// code verifier exist in the browser's cookie and nowhere else.
    pub fn derive(&self, purpose: &'static str, state: &str) -> Zeroizing<String> {
        let mut hash = Sha256::new();
        hash.update(b"cedargate sign-in\0");
        hash.update(*self.0);
        hash.update(purpose.as_bytes());
        hash.update(b"\0");
        hash.update(state.as_bytes());
        Zeroizing::new(URL_SAFE_NO_PAD.encode(hash.finalize()))
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        Sha256::digest(*self.0).into()
    }
}

impl fmt::Debug for BrowserSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BrowserSecret(..)")
    }
}

impl SigninAttempts {
    /// The sign-ins in this store.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Begins a sign-in for somebody at this address. Where too many are under way the oldest is given up, that of the same network
    /// first: a stranger who begins many keeps nobody else from signing in.
    ///
    /// # Errors
    /// [`BeginAttemptError`].
    pub async fn begin(
        &self,
        tenant: TenantId,
        attempt: &Attempt,
        client: IpAddr,
        now: Micros,
    ) -> Result<BegunAttempt, BeginAttemptError> {
        const INSERT: &str = "
INSERT INTO signin_attempts
    (tenant_id, state_hash, browser_hash, connection, return_to, level, max_age_seconds, account_id, expires_at, network,
     session_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
        let state = URL_SAFE_NO_PAD.encode(random_bytes::<32>()?);
        let browser = BrowserSecret::draw()?;
        let network = network_of(client).to_string();
        // Counted before anybody has to wait for us: a few that begin at once may go beyond a bound.
        let found = UnderWay::count(&mut self.pool.tenant(tenant).read().await?, &network, now).await?;
        let mut tx = self.pool.tenant(tenant).begin().await?;
        found.make_room(&mut tx, &network, now).await?;
        tx.query(INSERT)
            .bind(hash_of(&state).as_slice())
            .bind(browser.hash().as_slice())
            .bind(attempt.connection.as_str())
            .bind(attempt.return_to.as_str())
            .bind(attempt.level.map(i64::from))
            .bind(attempt.max_age_seconds.map(i64::from))
            .bind(attempt.person.map(|person| person.0))
            .bind(now.after(ATTEMPT_TTL).0)
            .bind(network)
            .bind(attempt.session.map(|session| session.0))
            .execute()
            .await?;
        tx.commit().await?;
        Ok(BegunAttempt { state, browser })
    }

    /// Takes the sign-in that an answer belongs to. It is spent on first use, whatever comes of it.
    ///
    /// # Errors
    /// [`SpendAttemptError`].
    pub async fn spend(
        &self,
        tenant: TenantId,
        connection: &ConnectionName,
        state: &str,
        browser: Option<&BrowserSecret>,
        now: Micros,
    ) -> Result<Attempt, SpendAttemptError> {
        const FIND: &str = "
SELECT browser_hash, connection, return_to, level, max_age_seconds, account_id, session_id, expires_at, spent_at
FROM signin_attempts
WHERE tenant_id = $1
  AND state_hash = $2";
        const SPEND: &str = "
UPDATE signin_attempts
SET spent_at = $3
WHERE tenant_id = $1
  AND state_hash = $2
  AND spent_at IS NULL";
        let state = hash_of(state);
        // Read before anything is written: whoever makes states up has nobody wait for them.
        let mut tx = self.pool.tenant(tenant).read().await?;
        let found: Option<AttemptRow> = tx.query(FIND).bind(state.as_slice()).fetch_optional().await?;
        drop(tx);
        let row = found.ok_or(SpendAttemptError::Unknown)?;
        if row.spent_at.is_some() {
            return Err(SpendAttemptError::Spent);
        }
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let spent = tx.query(SPEND).bind(state.as_slice()).bind(now.0).execute().await?;
        tx.commit().await?;
        if spent == 0 {
            return Err(SpendAttemptError::Spent);
        }
        if now.0 >= row.expires_at {
            return Err(SpendAttemptError::Expired);
        }
        let attempt = row.as_attempt()?;
        if attempt.connection != *connection {
            return Err(SpendAttemptError::ConnectionDiffers);
        }
        // Hashes of random secrets: comparing them tells nothing through time.
        if browser.is_none_or(|browser| browser.hash().as_slice() != row.browser_hash) {
            return Err(SpendAttemptError::BrowserDiffers);
        }
        Ok(attempt)
    }

    /// Notes that an assertion or a request of a SAML provider was taken, by its id, until it is too old anyway. Says whether it is the
    /// first time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take_saml_message(
        &self,
        tenant: TenantId,
        connection: &ConnectionName,
        id: &str,
        expires_at: Micros,
        now: Micros,
    ) -> Result<bool, StoreError> {
        const CLEAR: &str = "
DELETE FROM saml_messages
WHERE tenant_id = $1
  AND expires_at <= $2";
        const TAKE: &str = "
INSERT INTO saml_messages (tenant_id, connection, message_hash, expires_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        tx.query(CLEAR).bind(now.0).execute().await?;
        let query = tx.query(TAKE).bind(connection.as_str()).bind(hash_of(id).as_slice());
        let taken = query.bind(expires_at.0).execute().await?;
        tx.commit().await?;
        Ok(taken == 1)
    }
}

/// What there is already when a sign-in begins.
struct UnderWay {
    of_network: i64,
    of_tenant: i64,
    rows: i64,
    is_any_over: bool,
}

impl UnderWay {
    async fn count(tx: &mut TenantTx, network: &str, now: Micros) -> Result<Self, StoreError> {
        const OF_NETWORK: &str = "
SELECT COUNT(*)
FROM signin_attempts
WHERE tenant_id = $1
  AND network = $2
  AND spent_at IS NULL
  AND expires_at > $3";
        const OF_TENANT: &str = "
SELECT COUNT(*)
FROM signin_attempts
WHERE tenant_id = $1
  AND spent_at IS NULL
  AND expires_at > $2";
        const ROWS: &str = "
SELECT COUNT(*)
FROM signin_attempts
WHERE tenant_id = $1";
        const OVER: &str = "
SELECT expires_at
FROM signin_attempts
WHERE tenant_id = $1
  AND expires_at <= $2
LIMIT 1";
        let (of_network,): (i64,) = tx.query(OF_NETWORK).bind(network).bind(now.0).fetch_one().await?;
        let (of_tenant,): (i64,) = tx.query(OF_TENANT).bind(now.0).fetch_one().await?;
        let (rows,): (i64,) = tx.query(ROWS).fetch_one().await?;
        let over: Option<(i64,)> = tx.query(OVER).bind(long_over(now).0).fetch_optional().await?;
        Ok(Self { of_network, of_tenant, rows, is_any_over: over.is_some() })
    }

    async fn make_room(&self, tx: &mut TenantTx, network: &str, now: Micros) -> Result<(), StoreError> {
        const OLDEST_OF_NETWORK: &str = "
DELETE FROM signin_attempts
WHERE tenant_id = $1
  AND state_hash IN (
    SELECT state_hash
    FROM signin_attempts
    WHERE tenant_id = $1
      AND network = $2
      AND spent_at IS NULL
      AND expires_at > $3
    ORDER BY expires_at
    LIMIT 1
  )";
        const OLDEST: &str = "
DELETE FROM signin_attempts
WHERE tenant_id = $1
  AND state_hash IN (
    SELECT state_hash
    FROM signin_attempts
    WHERE tenant_id = $1
      AND spent_at IS NULL
      AND expires_at > $2
    ORDER BY expires_at
    LIMIT 1
  )";
        // Spent ones are there to be told from unknown ones, and give way first.
        const OLDEST_ROWS: &str = "
DELETE FROM signin_attempts
WHERE tenant_id = $1
  AND state_hash IN (
    SELECT state_hash
    FROM signin_attempts
    WHERE tenant_id = $1
    ORDER BY spent_at IS NULL, expires_at
    LIMIT $2
  )";
        if self.is_any_over {
            prune(tx, now).await?;
        }
        let is_full = self.of_tenant >= UNDER_WAY_MAX;
        if self.of_network >= OF_NETWORK_MAX || (is_full && self.of_network > 0) {
            tx.query(OLDEST_OF_NETWORK).bind(network).bind(now.0).execute().await?;
        } else if is_full {
            tx.query(OLDEST).bind(now.0).execute().await?;
        }
        if self.rows >= ROWS_MAX {
            tx.query(OLDEST_ROWS).bind(PRUNE_MAX).execute().await?;
        }
        Ok(())
    }
}

/// Clears away what is over. Spent ones stay until then, so that a second use is told from an unknown state.
async fn prune(tx: &mut TenantTx, now: Micros) -> Result<(), StoreError> {
    const PRUNE: &str = "
DELETE FROM signin_attempts
WHERE tenant_id = $1
  AND state_hash IN (
    SELECT state_hash
    FROM signin_attempts
    WHERE tenant_id = $1
      AND expires_at <= $2
    LIMIT $3
  )";
    tx.query(PRUNE).bind(long_over(now).0).bind(PRUNE_MAX).execute().await.map(drop)
}

/// A while longer than they are good for: whoever is late is told so.
fn long_over(now: Micros) -> Micros {
    Micros(now.0.saturating_sub(i64::try_from(ATTEMPT_TTL.as_micros()).unwrap_or(i64::MAX)))
}

fn hash_of(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

#[derive(FromRow)]
struct AttemptRow {
    browser_hash: Vec<u8>,
    connection: String,
    return_to: String,
    level: Option<i64>,
    max_age_seconds: Option<i64>,
    account_id: Option<Uuid>,
    session_id: Option<Uuid>,
    expires_at: i64,
    spent_at: Option<i64>,
}

impl AttemptRow {
    fn as_attempt(&self) -> Result<Attempt, StoreError> {
        let impossible = |column| StoreError::Impossible { table: "signin_attempts", column, id: String::new() };
        Ok(Attempt {
            connection: ConnectionName::parse(&self.connection).map_err(|_| impossible("connection"))?,
            return_to: self.return_to.clone(),
            level: self.level.map(u8::try_from).transpose().map_err(|_| impossible("level"))?,
            max_age_seconds: self
                .max_age_seconds
                .map(u32::try_from)
                .transpose()
                .map_err(|_| impossible("max_age_seconds"))?,
            person: self.account_id.map(PrincipalId),
            session: self.session_id.map(SessionId),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_derived_differs_by_purpose_by_state_and_by_browser() {
        let [one, two] = [1, 2].map(|octet| BrowserSecret(Zeroizing::new([octet; 32])));
        let derived = [
            one.derive("nonce", "a"),
            one.derive("verifier", "a"),
            one.derive("nonce", "b"),
            two.derive("nonce", "a"),
            one.expose(),
        ];
        for (n, text) in derived.iter().enumerate() {
            assert_eq!(text.len(), 43);
            assert!(derived.iter().skip(n + 1).all(|other| other != text));
        }
        assert_eq!(BrowserSecret::parse(&one.expose()), Some(one.clone()));
        assert_eq!(format!("{one:?}"), "BrowserSecret(..)");
        for text in ["", "AAAA", &"A".repeat(44), &format!("{}=", "A".repeat(43)), &format!("{}B", "A".repeat(42))] {
            assert_eq!(BrowserSecret::parse(text), None, "{text}");
        }
    }
}
