//! What ended sessions of identity providers, for sign-ins that were on their way meanwhile.
//!
//! | a sign-in by a provider | a logout token, an operator, another configuration |
//! |---|---|
//! | the provider says who it is | |
//! | | ends that person's sessions: there are none yet |
//! | its session would begin, by a word from before | |
//!
//! So what ended them is noted for as long as a sign-in may be under way, and no session begins by one that was begun before.

use std::time::Duration;

use cedargate_migrations::{StoreError, TenantTx};
use cedargate_model::{ConnectionName, Micros};
use sha2::{Digest, Sha256};

use crate::identity::{Issuer, Subject};
use crate::{ATTEMPT_TTL, Federation};

/// How long it is noted: as long as what was begun before may come back, and the same again for clocks that differ.
const NOTED: Duration = ATTEMPT_TTL.saturating_mul(2);

/// How many over ones a new one clears away.
const PRUNE_MAX: i64 = 1_000;

/// Whose sessions ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ended<'e> {
    /// All of a connection.
    Connection(&'e ConnectionName),
    /// All of a connection to this issuer.
    OfIssuer(&'e ConnectionName, &'e Issuer),
    /// All of a person.
    Subject(&'e ConnectionName, &'e Issuer, &'e Subject),
    /// All of one session at the provider.
    Session(&'e ConnectionName, &'e Issuer, &'e Subject),
    /// All of a person of which the provider does not say in which session of its own they were begun.
    SessionUnsaid(&'e ConnectionName, &'e Issuer, &'e Subject),
}

impl Ended<'_> {
    fn hash(self) -> [u8; 32] {
        let (kind, connection, issuer, name) = match self {
            Self::Connection(connection) => ("connection", connection, None, None),
            Self::OfIssuer(connection, issuer) => ("issuer", connection, Some(issuer), None),
            Self::Subject(connection, issuer, subject) => ("subject", connection, Some(issuer), Some(subject)),
            Self::Session(connection, issuer, session) => ("session", connection, Some(issuer), Some(session)),
            Self::SessionUnsaid(connection, issuer, subject) => ("unsaid", connection, Some(issuer), Some(subject)),
        };
        let mut hash = Sha256::new();
        for part in [kind, connection.as_str(), issuer.map_or("", Issuer::as_str), name.map_or("", Subject::as_str)] {
            // The length first, so that no two of them are the same octets.
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }

    /// Notes it, in the transaction that ends the sessions that there are.
    pub(crate) async fn note(self, tx: &mut TenantTx, now: Micros) -> Result<(), StoreError> {
        const CLEAR: &str = "
DELETE FROM provider_endings
WHERE tenant_id = $1
  AND ending_hash IN (
    SELECT ending_hash
    FROM provider_endings
    WHERE tenant_id = $1
      AND ended_at <= $2
    LIMIT $3
  )";
        const NOTE: &str = "
INSERT INTO provider_endings (tenant_id, ending_hash, ended_at)
VALUES ($1, $2, $3)
ON CONFLICT (tenant_id, ending_hash) DO UPDATE
SET ended_at = excluded.ended_at
WHERE provider_endings.ended_at < excluded.ended_at";
        let over = now.0.saturating_sub(i64::try_from(NOTED.as_micros()).unwrap_or(i64::MAX));
        tx.query(CLEAR).bind(over).bind(PRUNE_MAX).execute().await?;
        tx.query(NOTE).bind(self.hash().as_slice()).bind(now.0).execute().await.map(drop)
    }
}

/// Whether sessions of what this one comes from were ended since then.
pub(crate) async fn ended_since(tx: &mut TenantTx, from: &Federation, since: Micros) -> Result<bool, StoreError> {
    const FIND: &str = "
SELECT ended_at
FROM provider_endings
WHERE tenant_id = $1
  AND ending_hash IN ($2, $3, $4, $5)
  AND ended_at > $6
LIMIT 1";
    let (connection, issuer, subject) = (&from.identity.connection, &from.identity.issuer, &from.identity.subject);
    let session = match &from.provider_session {
        Some(session) => Ended::Session(connection, issuer, session),
        None => Ended::SessionUnsaid(connection, issuer, subject),
    };
    let found: Option<(i64,)> = tx
        .query(FIND)
        .bind(Ended::Connection(connection).hash().as_slice())
        .bind(Ended::OfIssuer(connection, issuer).hash().as_slice())
        .bind(Ended::Subject(connection, issuer, subject).hash().as_slice())
        .bind(session.hash().as_slice())
        .bind(since.0)
        .fetch_optional()
        .await?;
    Ok(found.is_some())
}
