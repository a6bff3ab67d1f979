//! Sign-ins that were sent to an identity provider, and what of all that strangers begin has counted.
//!
//! What is begun is in nobody's store: the browser that began it keeps it, sealed. Anybody may begin as many as they like, and writes
//! nothing with it. The store knows what has counted, until it is over: so each counts once, at whichever gateway.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cedargate_migrations::{Pool, StoreError, TenantTx};
use cedargate_model::{ConnectionName, Micros, PrincipalId, SessionId, TenantId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::random::{EntropyError, random_bytes};

/// How long somebody may take at the provider: as long as a password reset there takes.
pub const ATTEMPT_TTL: Duration = Duration::from_secs(15 * 60);

/// How long beyond its end it is remembered what has counted: the clock of another gateway may be behind.
const REMEMBERED_BEYOND: Duration = Duration::from_secs(15 * 60);

/// How many over ones one more clears away.
const PRUNE_MAX: i64 = 1_000;

/// The secret of one sign-in, which only the browser that began it has: 32 random octets. `Debug` hides it; memory is wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct BrowserSecret(Zeroizing<[u8; 32]>);

/// What was asked of a provider, to be held against its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The connection.
    pub connection: ConnectionName,
    /// Where the person was going: a path of the tenant's host, as the caller checked it.
    pub return_to: String,
    /// The level that the sign-in must reach, where a confirmation is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<u8>,
    /// How old the sign-in at the provider may be, in seconds, where that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u32>,
    /// Who has to come back, where somebody who is signed in is asked to confirm it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PrincipalId>,
    /// The session that it was begun from, which a new one takes the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
}

/// Something that counts once: in the transaction of the session that begins with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneUse {
    of: OneUseOf,
    hash: [u8; 32],
    expires_at: Micros,
}

/// What counts once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OneUseOf {
    /// A sign-in that somebody's browser began.
    Attempt,
    /// An assertion of this connection's SAML provider.
    SamlMessage(ConnectionName),
}

/// What has counted in a store.
#[derive(Clone, Debug)]
pub struct SpentAttempts {
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

    /// A text for one purpose, of this sign-in alone, that says nothing about the secret or about other purposes: 43
    /// characters of base64url.
    ///
    /// Nonce and code verifier are such texts: they exist in the browser's sealed cookie and nowhere else, so whoever reads the store
    /// can neither answer for a browser nor redeem a code.
    pub fn derive(&self, purpose: &'static str, state: &str) -> Zeroizing<String> {
        let mut hash = Sha256::new();
        hash.update(b"cedargate sign-in\0");
        hash.update(*self.0);
        hash.update(purpose.as_bytes());
        hash.update(b"\0");
        hash.update(state.as_bytes());
        Zeroizing::new(URL_SAFE_NO_PAD.encode(hash.finalize()))
    }
}

impl fmt::Debug for BrowserSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BrowserSecret(..)")
    }
}

/// As base64url, for what is sealed.
impl Serialize for BrowserSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(URL_SAFE_NO_PAD.encode(*self.0)))
    }
}

impl<'de> Deserialize<'de> for BrowserSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let mut bytes = Zeroizing::new([0; 32]);
        // The decoder refuses other lengths, padding and trailing bits.
        let length = URL_SAFE_NO_PAD.decode_slice(text.as_str(), bytes.as_mut_slice());
        match length {
            Ok(32) => Ok(Self(bytes)),
            _ => Err(serde::de::Error::custom("a secret has 32 octets")),
        }
    }
}

impl OneUse {
    /// Of a sign-in by its name, which is random and said nowhere else, good until then.
    pub fn of_attempt(id: &str, expires_at: Micros) -> Self {
        Self { of: OneUseOf::Attempt, hash: hash_of(id), expires_at }
    }

    /// Of an assertion of a SAML provider, by its id. It is too old by then anyway.
    pub fn of_saml_message(connection: &ConnectionName, id: &str, expires_at: Micros) -> Self {
        Self { of: OneUseOf::SamlMessage(connection.clone()), hash: hash_of(id), expires_at }
    }

    /// What it is of.
    pub fn of(&self) -> &OneUseOf {
        &self.of
    }

    /// Uses it, in the transaction of what comes of it. Says whether it was the first time.
    pub(crate) async fn spend(&self, tx: &mut TenantTx, now: Micros) -> Result<bool, StoreError> {
        match &self.of {
            OneUseOf::Attempt => self.spend_attempt(tx, now).await,
            OneUseOf::SamlMessage(connection) => self.spend_saml_message(tx, connection, now).await,
        }
    }

    async fn spend_attempt(&self, tx: &mut TenantTx, now: Micros) -> Result<bool, StoreError> {
        const CLEAR: &str = "
DELETE FROM spent_attempts
WHERE tenant_id = $1
  AND attempt_hash IN (
    SELECT attempt_hash
    FROM spent_attempts
    WHERE tenant_id = $1
      AND expires_at <= $2
    LIMIT $3
  )";
        const SPEND: &str = "
INSERT INTO spent_attempts (tenant_id, attempt_hash, expires_at)
VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING";
        tx.query(CLEAR).bind(long_over(now).0).bind(PRUNE_MAX).execute().await?;
        let spent = tx.query(SPEND).bind(self.hash.as_slice()).bind(self.expires_at.0).execute().await?;
        Ok(spent == 1)
    }

    async fn spend_saml_message(
        &self,
        tx: &mut TenantTx,
        connection: &ConnectionName,
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
        tx.query(CLEAR).bind(long_over(now).0).execute().await?;
        let query = tx.query(TAKE).bind(connection.as_str()).bind(self.hash.as_slice());
        Ok(query.bind(self.expires_at.0).execute().await? == 1)
    }
}

impl SpentAttempts {
    /// What has counted in this store.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Whether a sign-in that a browser began has counted already. Whether it does now, the transaction that it counts in says.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_spent(&self, tenant: TenantId, once: &OneUse) -> Result<bool, StoreError> {
        const FIND: &str = "
SELECT expires_at
FROM spent_attempts
WHERE tenant_id = $1
  AND attempt_hash = $2";
        let mut tx = self.pool.tenant(tenant).read().await?;
        let found: Option<(i64,)> = tx.query(FIND).bind(once.hash.as_slice()).fetch_optional().await?;
        Ok(found.is_some())
    }
}

fn long_over(now: Micros) -> Micros {
    Micros(now.0.saturating_sub(i64::try_from(REMEMBERED_BEYOND.as_micros()).unwrap_or(i64::MAX)))
}

fn hash_of(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_derived_differs_by_purpose_by_state_and_by_browser() {
        let [one, two] = [1, 2].map(|octet| BrowserSecret(Zeroizing::new([octet; 32])));
        let derived =
            [one.derive("nonce", "a"), one.derive("verifier", "a"), one.derive("nonce", "b"), two.derive("nonce", "a")];
        for (n, text) in derived.iter().enumerate() {
            assert_eq!(text.len(), 43);
            assert!(derived.iter().skip(n + 1).all(|other| other != text));
        }
        let written = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<BrowserSecret>(&written).unwrap(), one);
        assert_eq!(format!("{one:?}"), "BrowserSecret(..)");
        for text in ["", "AAAA", &"A".repeat(44), &format!("{}=", "A".repeat(43)), &format!("{}B", "A".repeat(42))] {
            assert!(serde_json::from_str::<BrowserSecret>(&format!("\"{text}\"")).is_err(), "{text}");
        }
    }
}
