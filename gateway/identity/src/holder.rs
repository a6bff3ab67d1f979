//! Whose factors are changed, and in which session.

use std::time::Duration;

use cedargate_migrations::{StoreError, TenantTx};
use cedargate_model::{Micros, PrincipalId, SessionId, TenantId};
use sqlx::FromRow;

use crate::Factor;
use crate::factors::list;

/// How old the sign-in may be in which factors are changed. What the gateway's matrix asks of a request when it arrives is asked here
/// again when the change is made.
pub const FACTORS_FRESH: Duration = Duration::from_secs(15 * 60);

/// How long ago a person without a factor may have proved to their provider who they are, because they were asked to.
const PROVED_ANEW: Duration = Duration::from_secs(5 * 60);

/// The level of a sign-in with a second factor.
const SECOND_FACTOR: u8 = 2;

/// Somebody who changes what their account signs in with, in a session of theirs.
///
/// Each change reads the session again, in the transaction that makes it. The timeline that this stops:
///
/// | one request | another |
/// |---|---|
/// | arrives with a session that is live; its body takes its time | |
/// | | the person ends all sessions, or has their password reset |
/// | the body ends: a factor is enrolled for whoever had the cookie | |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The tenant.
    pub tenant: TenantId,
    /// The account.
    pub account: PrincipalId,
    /// The session.
    pub session: SessionId,
}

/// What a person showed in the very request that asks for a change, beside the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Nothing.
    Nothing,
    /// The account's password.
    Password,
}

/// Why factors are not changed.
#[derive(Debug, thiserror::Error)]
pub enum HolderError {
    /// The session is over, or another account's.
    #[error("the session is over")]
    SessionOver,
    /// The sign-in is older than [`FACTORS_FRESH`].
    #[error("the sign-in is too old to change factors")]
    TooOld,
    /// The account has a factor, and the session has not proved one.
    #[error("the account has a factor, and the session has proved none")]
    TooWeak,
    /// The account has no factor, and a session alone enrols none: a cookie may be stolen.
    #[error("a first factor needs the password, or a sign-in at the provider that was asked for")]
    Unconfirmed,
    /// The store failed.
    #[error("the session could not be read")]
    Store(#[from] StoreError),
}

/// A holder whose session was found live and fresh, in the transaction in which it is used. Nobody else makes one.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) factors: Vec<Factor>,
    proved_anew_at: Option<Micros>,
}

impl Holder {
    /// Reads the session for a change that is made in this transaction.
    pub(crate) async fn check(&self, tx: &mut TenantTx, now: Micros) -> Result<Checked, HolderError> {
        const FIND: &str = "
SELECT s.level AS level, s.authenticated_at AS authenticated_at, s.expires_at AS expires_at, f.proved_anew_at AS proved_anew_at
FROM sessions AS s
JOIN accounts AS a ON a.tenant_id = s.tenant_id AND a.id = s.account_id
LEFT JOIN federated_sessions AS f ON f.tenant_id = s.tenant_id AND f.session_id = s.id
WHERE s.tenant_id = $1
  AND s.id = $2
  AND s.account_id = $3
  AND a.disabled_at IS NULL
  AND a.deactivated_at IS NULL";
        let found = tx.query(FIND).bind(self.session.0).bind(self.account.0);
        let row: Option<HolderRow> = found.fetch_optional().await?;
        let row = row.filter(|row| now.0 < row.expires_at).ok_or(HolderError::SessionOver)?;
        if now.since(Micros(row.authenticated_at)) > FACTORS_FRESH {
            return Err(HolderError::TooOld);
        }
        let factors = list(tx, self.account).await?;
        if !factors.is_empty() && row.level < i64::from(SECOND_FACTOR) {
            return Err(HolderError::TooWeak);
        }
        Ok(Checked { factors, proved_anew_at: row.proved_anew_at.map(Micros) })
    }
}

impl Checked {
    /// Whether a factor may be enrolled now: whoever has one has proved it, and for the first one a cookie is not enough.
    pub(crate) fn may_enrol(&self, shown: Shown, now: Micros) -> Result<(), HolderError> {
        let proved_anew = self.proved_anew_at.is_some_and(|at| now.since(at) <= PROVED_ANEW);
        match shown {
            Shown::Nothing if self.factors.is_empty() && !proved_anew => Err(HolderError::Unconfirmed),
            Shown::Nothing | Shown::Password => Ok(()),
        }
    }
}

#[derive(FromRow)]
struct HolderRow {
    level: i64,
    authenticated_at: i64,
    expires_at: i64,
    proved_anew_at: Option<i64>,
}
