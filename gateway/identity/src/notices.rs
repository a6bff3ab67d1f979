//! What people are to be told by mail, left in the transaction that does what it tells of, and taken from there by a task.
//!
//! No request waits for a mail, and none fails for one. A notice is sent at least once: it is given up only after it was sent, so that a
//! gateway which dies in between leaves it to the next one.

use std::net::IpAddr;
use std::time::Duration;

use cedargate_migrations::{Pool, StoreError, TenantTx};
use cedargate_model::{Micros, PrincipalId, ProofKind, TenantId, TenantName};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use uuid::Uuid;

use crate::accounts::is_of_provider;
use crate::random::{EntropyError, uuid_at};
use crate::{Email, LinkOrigin, Ready};

/// How many notices of one tenant may wait. Beyond, what people would be told is lost and said in the log: whoever can make us send
/// must not fill the store.
pub const NOTICES_MAX: i64 = 10_000;

/// How many of those may wait that strangers asked for. Apart from the others, so that nobody who asks for a thousand resets keeps somebody
/// from hearing that their factor was removed.
const ASKED_MAX: i64 = 2_000;

/// What somebody is told. Holds no secret: a link's token is drawn when its mail is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum Notice {
    /// A factor was added to the account.
    FactorAdded {
        /// Of which kind.
        method: ProofKind,
    },
    /// A factor of the account was removed.
    FactorRemoved {
        /// Of which kind.
        method: ProofKind,
    },
    /// An operator removed all factors of the account.
    FactorsRemoved,
    /// New recovery codes were shown.
    RecoveryCodesDrawn,
    /// The account has another password.
    PasswordChanged,
    /// Somebody signed in from a device that the account was not used from before.
    NewDevice {
        /// From where.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<IpAddr>,
    },
    /// Somebody asked for a way to set the password anew. Whether there is an account is found out when the mail is written, so that
    /// asking does the same work for everybody.
    ResetAsked {
        /// Where the link leads.
        origin: LinkOrigin,
    },
    /// Somebody asked for an account.
    RegistrationAsked {
        /// Where the link leads.
        origin: LinkOrigin,
    },
    /// An account was promised.
    Invited {
        /// Which invitation.
        invitation: Uuid,
        /// Where the link leads.
        origin: LinkOrigin,
    },
}

impl Notice {
    /// Whether anybody may have it sent, by asking for it on a page.
    fn is_asked(&self) -> bool {
        match self {
            Self::ResetAsked { .. } | Self::RegistrationAsked { .. } => true,
            Self::FactorAdded { .. }
            | Self::FactorRemoved { .. }
            | Self::FactorsRemoved
            | Self::RecoveryCodesDrawn
            | Self::PasswordChanged
            | Self::NewDevice { .. }
            | Self::Invited { .. } => false,
        }
    }
}

/// Why no notice was left.
#[derive(Debug, thiserror::Error)]
pub enum NoticeError {
    /// No id could be drawn.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store failed.
    #[error("the notice could not be stored")]
    Store(#[from] StoreError),
}

/// A notice that waits, and is left alone by others for as long as it was taken for.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The tenant.
    pub tenant: TenantId,
    /// Its name.
    pub tenant_name: TenantName,
    /// The notice's own id, which its mail has, too: who gets it twice can tell.
    pub id: Uuid,
    /// To whom.
    pub recipient: Email,
    /// What.
    pub notice: Notice,
    /// How often it was tried, this time included.
    pub tries: u32,
    /// Since when.
    pub since: Micros,
}

/// How many wait, and since when the oldest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many.
    pub count: u64,
    /// Since when the oldest one waits; none where none does.
    pub oldest: Option<Micros>,
}

/// The notices of a store.
#[derive(Clone, Debug)]
pub struct Notices {
    pool: Pool,
}

impl Notices {
    /// The notices in this store.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Leaves a notice for an address, ready to be made known once it is recorded.
    ///
    /// # Errors
    /// [`NoticeError`].
    pub async fn ask(
        &self,
        tenant: TenantId,
        recipient: &Email,
        notice: &Notice,
        now: Micros,
    ) -> Result<Ready<()>, NoticeError> {
        let mut tx = self.pool.tenant(tenant).begin().await?;
        leave(&mut tx, recipient, notice, now).await?;
        Ok(Ready::new(tx, ()))
    }

    /// Takes notices that are due, at most `limit`, and keeps others from them for as long as `lease`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take(&self, lease: Duration, limit: u32, now: Micros) -> Result<Vec<Waiting>, StoreError> {
        const DUE: &str = "
SELECT id
FROM notices
WHERE due_at <= $1
LIMIT 1";
        // Of two gateways that see a row due, the second finds that it is so no more.
        const TAKE: &str = "
UPDATE notices
SET due_at = $2, tries = tries + 1
WHERE (tenant_id, id) IN (
    SELECT tenant_id, id
    FROM notices
    WHERE due_at <= $1
    ORDER BY asked, due_at
    LIMIT $3
)
AND due_at <= $1
RETURNING tenant_id, id, recipient, notice, tries, created_at";
        const TENANT: &str = "
SELECT name
FROM tenants
WHERE id = $1";
        // Most of the time there is nothing, and no writer needs to wait for this.
        let mut tx = self.pool.read_system().await?;
        if tx.query(DUE).bind(now.0).fetch_optional::<(Uuid,)>().await?.is_none() {
            return Ok(Vec::new());
        }
        drop(tx);
        let mut tx = self.pool.begin_system().await?;
        let taking = tx.query(TAKE).bind(now.0).bind(now.after(lease).0).bind(i64::from(limit));
        let rows: Vec<NoticeRow> = taking.fetch_all().await?;
        let mut taken = Vec::with_capacity(rows.len());
        for row in rows {
            let (name,): (String,) = tx.query(TENANT).bind(row.tenant_id).fetch_one().await?;
            match row.into_waiting(&name) {
                Ok(waiting) => taken.push(waiting),
                // A later version's, perhaps: left for that, and nobody else waits for it.
                Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "a notice cannot be read"),
            }
        }
        tx.commit().await?;
        Ok(taken)
    }

    /// It was sent, or given up, and waits no more.
    ///
    /// # Errors
    /// [`StoreError`]; then it is sent again.
    pub async fn done(&self, waiting: &Waiting) -> Result<(), StoreError> {
        const DONE: &str = "
DELETE FROM notices
WHERE tenant_id = $1
  AND id = $2";
        let mut tx = self.pool.begin_system().await?;
        tx.query(DONE).bind(waiting.tenant.0).bind(waiting.id).execute().await?;
        tx.commit().await
    }

    /// It could not be sent, and is due again at `due`.
    ///
    /// # Errors
    /// [`StoreError`]; then it is due when the time is over that it was taken for.
    pub async fn put_off(&self, waiting: &Waiting, due: Micros) -> Result<(), StoreError> {
        const PUT_OFF: &str = "
UPDATE notices
SET due_at = $3
WHERE tenant_id = $1
  AND id = $2";
        let mut tx = self.pool.begin_system().await?;
        tx.query(PUT_OFF).bind(waiting.tenant.0).bind(waiting.id).bind(due.0).execute().await?;
        tx.commit().await
    }

    /// How many wait, of all tenants.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn backlog(&self) -> Result<Backlog, StoreError> {
        const BACKLOG: &str = "
SELECT COUNT(*), MIN(created_at)
FROM notices";
        let mut tx = self.pool.read_system().await?;
        let (count, oldest): (i64, Option<i64>) = tx.query(BACKLOG).fetch_one().await?;
        Ok(Backlog { count: u64::try_from(count).unwrap_or(0), oldest: oldest.map(Micros) })
    }
}

impl<T> Ready<T> {
    /// Tells the account's person, too, once the change is made. Whoever an identity provider vouches for has no address of ours, and
    /// hears from their provider.
    ///
    /// # Errors
    /// [`NoticeError`]; then the change is not made.
    pub async fn noticed(self, account: PrincipalId, notice: Notice, now: Micros) -> Result<Self, NoticeError> {
        let (mut tx, change) = self.into_parts();
        leave_for(&mut tx, account, &notice, now).await?;
        Ok(Self::new(tx, change))
    }
}

/// Leaves a notice for an account's person, in the transaction that does what it tells of.
pub(crate) async fn leave_for(
    tx: &mut TenantTx,
    account: PrincipalId,
    notice: &Notice,
    now: Micros,
) -> Result<(), NoticeError> {
    const FIND: &str = "
SELECT email
FROM accounts
WHERE tenant_id = $1
  AND id = $2";
    let found: Option<(String,)> = tx.query(FIND).bind(account.0).fetch_optional().await?;
    match found.map(|(email,)| Email::parse(&email)) {
        Some(Ok(email)) if !is_of_provider(&email) => leave(tx, &email, notice, now).await,
        Some(Ok(_)) | None => Ok(()),
        Some(Err(_)) => Err(impossible("accounts", "email", account.0).into()),
    }
}

/// Leaves a notice for an address.
pub(crate) async fn leave(
    tx: &mut TenantTx,
    recipient: &Email,
    notice: &Notice,
    now: Micros,
) -> Result<(), NoticeError> {
    const WAIT: &str = "
SELECT COUNT(*)
FROM (
    SELECT id
    FROM notices
    WHERE tenant_id = $1
      AND asked = $2
    LIMIT $3
) AS waiting";
    const LEAVE: &str = "
INSERT INTO notices (tenant_id, id, recipient, notice, tries, created_at, due_at, asked)
VALUES ($1, $2, $3, $4, 0, $5, $5, $6)";
    let is_asked = notice.is_asked();
    let max = if is_asked { ASKED_MAX } else { NOTICES_MAX };
    let (waiting,): (i64,) = tx.query(WAIT).bind(is_asked).bind(max).fetch_one().await?;
    if waiting >= max {
        tracing::warn!(cedargate.tenant.id = %tx.tenant(), "too many notices wait: one was dropped");
        return Ok(());
    }
    let id = uuid_at(now)?;
    let text = serde_json::to_string(notice).map_err(|_| impossible("notices", "notice", id))?;
    tx.query(LEAVE).bind(id).bind(recipient.as_str()).bind(text).bind(now.0).bind(is_asked).execute().await?;
    Ok(())
}

fn impossible(table: &'static str, column: &'static str, id: Uuid) -> StoreError {
    StoreError::Impossible { table, column, id: id.hyphenated().to_string() }
}

#[derive(FromRow)]
struct NoticeRow {
    tenant_id: Uuid,
    id: Uuid,
    recipient: String,
    notice: String,
    tries: i64,
    created_at: i64,
}

impl NoticeRow {
    fn into_waiting(self, tenant_name: &str) -> Result<Waiting, StoreError> {
        let impossible = |column| impossible("notices", column, self.id);
        Ok(Waiting {
            tenant: TenantId(self.tenant_id),
            tenant_name: TenantName::parse(tenant_name).map_err(|_| impossible("tenant_id"))?,
            id: self.id,
            recipient: Email::parse(&self.recipient).map_err(|_| impossible("recipient"))?,
            notice: serde_json::from_str(&self.notice).map_err(|_| impossible("notice"))?,
            tries: u32::try_from(self.tries).unwrap_or(u32::MAX),
            since: Micros(self.created_at),
        })
    }
}
