//! Links that were mailed: made, looked at, and used once.

use std::time::Duration;

use cedargate_migrations::{Pool, StoreError, TenantTx};
use cedargate_model::{
    AdmissionAct, AdmissionEvent, By, EventBody, Host, LinkPurpose, LinkReason, Micros, PrincipalId, SessionId,
    TenantId,
};
use sqlx::FromRow;
use uuid::Uuid;

use crate::accounts::is_of_provider;
use crate::{
    Account, AccountState, Accounts, Email, EndedSessions, EntropyError, LinkOrigin, LinkToken, Notice, NoticeError,
    OperatorError, PasswordHash, PresentedLink, Ready, Sessions, federated, guesses, notices, operator_events,
};

/// How long a link to set a password anew is good for.
pub const RESET_TTL: Duration = Duration::from_secs(30 * 60);

/// How long an invitation stands, and every link that it was mailed with.
pub const INVITATION_TTL: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How many links there may be to one thing at a time, at whichever gateways they were asked for. Whoever keeps asking mails nobody without end.
const LINKS_MAX: i64 = 5;

/// How long it is remembered of a link that its time is over.
const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How many are forgotten at a time.
const PRUNE_MAX: i64 = 100;

/// Why a link did nothing.
#[derive(Debug, thiserror::Error)]
pub enum AccountLinkError {
    /// It is not one, any more.
    #[error("the link is refused: {}", .0.as_str())]
    Refused(LinkReason),
    /// What would have come of it cannot be noted.
    #[error("the person could not be told")]
    Notice(#[source] EntropyError),
    /// The store failed.
    #[error("the link could not be read")]
    Store(#[from] StoreError),
}

impl From<NoticeError> for AccountLinkError {
    fn from(error: NoticeError) -> Self {
        match error {
            NoticeError::Entropy(error) => Self::Notice(error),
            NoticeError::Store(error) => Self::Store(error),
        }
    }
}

/// A password that was set by a link, and the sessions that ended with it.
#[derive(Debug)]
#[must_use = "tell `Sessions::forget_reset`, or what is in memory goes on until it is stale"]
pub struct PasswordReset {
    /// Whose.
    pub account: PrincipalId,
    /// The sessions.
    pub ended: Vec<SessionId>,
    gone: EndedSessions,
}

/// The links of a store.
#[derive(Clone, Debug)]
pub struct AccountLinks {
    pub(crate) pool: Pool,
}

impl AccountLinks {
    /// The links in this store.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Makes a link that sets the password of the account with this address, and leaves word of it for the record. None where there is
    /// no such account, it signs in by something else, or it was
    /// sent several links already.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn draw_reset(
        &self,
        tenant: TenantId,
        email: &Email,
        origin: &LinkOrigin,
        now: Micros,
    ) -> Result<Option<LinkToken>, OperatorError> {
        let accounts = Accounts::new(self.pool.clone());
        let found = accounts.find_by_email(tenant, email).await?;
        let Some(account) = found.filter(may_reset) else { return Ok(None) };
        let mut tx = self.pool.tenant(tenant).begin().await?;
        if !may_have_another(&mut tx, account.id.0, now).await? {
            return Ok(None);
        }
        let (purpose, expires_at) = (LinkPurpose::Reset, now.after(RESET_TTL));
        let token = draw_in(&mut tx, purpose, account.id.0, origin, expires_at, now).await?;
        let sent = event_of(purpose, Some(account.id), None, AdmissionAct::Sent);
        operator_events::leave_body(&mut tx, sent, now).await?;
        tx.commit().await?;
        Ok(Some(token))
    }

    /// Takes back a link whose mail was not sent: the next try has one of its own, and as many as may be live are for people who got theirs.
    ///
    /// # Errors
    /// [`StoreError`]; the link is then good until its time is over.
    pub async fn withdraw(&self, tenant: TenantId, token: &LinkToken) -> Result<(), StoreError> {
        const WITHDRAW: &str = "
DELETE FROM account_links
WHERE tenant_id = $1
  AND token_hash = $2";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        tx.query(WITHDRAW).bind(token.hash().as_bytes()).execute().await?;
        tx.commit().await
    }

    /// Whom a link is for: for the page that asks for a password. Looking at it does not use it.
    ///
    /// # Errors
    /// [`AccountLinkError`].
    pub async fn look(
        &self,
        tenant: TenantId,
        presented: &PresentedLink,
        host: &Host,
        now: Micros,
    ) -> Result<Email, AccountLinkError> {
        const INVITED: &str = "
SELECT email
FROM invitations
WHERE tenant_id = $1
  AND id = $2";
        const WISHED: &str = "
SELECT email
FROM registrations
WHERE tenant_id = $1
  AND id = $2
  AND verified_at IS NULL";
        const ACCOUNT: &str = "
SELECT email
FROM accounts
WHERE tenant_id = $1
  AND id = $2
  AND disabled_at IS NULL
  AND deactivated_at IS NULL";
        let mut tx = self.pool.tenant(tenant).read().await?;
        let subject = find(&mut tx, presented, host, now).await?;
        let text = match presented.purpose() {
            LinkPurpose::Reset => ACCOUNT,
            LinkPurpose::Invitation => INVITED,
            LinkPurpose::Registration => WISHED,
        };
        let found: Option<(String,)> = tx.query(text).bind(subject).fetch_optional().await?;
        let (email,) = found.ok_or(AccountLinkError::Refused(LinkReason::Unknown))?;
        Email::parse(&email).map_err(|_| impossible("email", subject).into())
    }

    /// Uses a link to set a password: every session of the account ends, its person is told, and its other links are worth nothing. What
    /// the account proves beside a password stays as it is; but a passkey, which whoever had the former password may have added, counts
    /// beside the new one alone from now on. It is not removed: a mailbox alone takes no second factor away.
    ///
    /// # Errors
    /// [`AccountLinkError`].
    pub async fn reset(
        &self,
        tenant: TenantId,
        presented: &PresentedLink,
        host: &Host,
        hash: &PasswordHash,
        now: Micros,
    ) -> Result<Ready<PasswordReset>, AccountLinkError> {
        const SET: &str = "
UPDATE accounts
SET password_hash = $3, version = version + 1
WHERE tenant_id = $1
  AND id = $2
  AND disabled_at IS NULL
  AND deactivated_at IS NULL
  AND password_hash IS NOT NULL";
        const BESIDE: &str = "
UPDATE webauthn_credentials
SET kind = 'security_key'
WHERE tenant_id = $1
  AND account_id = $2
  AND kind = 'passkey'";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let subject = find(&mut tx, presented, host, now).await?;
        forget(&mut tx, subject).await?;
        let account = PrincipalId(subject);
        if tx.query(SET).bind(subject).bind(hash.expose()).execute().await? != 1 {
            return Err(AccountLinkError::Refused(LinkReason::Unknown));
        }
        tx.query(BESIDE).bind(subject).execute().await?;
        guesses::forget_devices(&mut tx, account, now).await?;
        let gone = federated::end_account(&mut tx, account).await?;
        let ended = gone.sessions.iter().map(|ended| ended.session).collect();
        notices::leave_for(&mut tx, account, &Notice::PasswordChanged, now).await?;
        Ok(Ready::new(tx, PasswordReset { account, ended, gone }))
    }
}

impl Sessions {
    /// Forgets what ended with a password that was set by a link.
    pub fn forget_reset(&self, reset: &PasswordReset) {
        self.forget(&reset.gone);
    }
}

/// Whoever has a password may have another one.
fn may_reset(account: &Account) -> bool {
    account.state == AccountState::Active && account.password.is_some() && !is_of_provider(&account.email)
}

/// What a link is for. It stays as it is.
pub(crate) async fn find(
    tx: &mut TenantTx,
    presented: &PresentedLink,
    host: &Host,
    now: Micros,
) -> Result<Uuid, AccountLinkError> {
    const FIND: &str = "
SELECT subject_id, host, expires_at
FROM account_links
WHERE tenant_id = $1
  AND token_hash = $2
  AND purpose = $3";
    let finding = tx.query(FIND).bind(presented.hash().as_bytes()).bind(presented.purpose().as_str());
    let row: LinkRow = finding.fetch_optional().await?.ok_or(AccountLinkError::Refused(LinkReason::Unknown))?;
    if now.0 >= row.expires_at {
        return Err(AccountLinkError::Refused(LinkReason::Expired));
    }
    // A tenant may have several hosts, and one of them may be on its way to somebody else.
    if row.host != host.as_str() {
        return Err(AccountLinkError::Refused(LinkReason::Elsewhere));
    }
    Ok(row.subject_id)
}

/// Whether one more link to a thing may be mailed.
pub(crate) async fn may_have_another(tx: &mut TenantTx, subject: Uuid, now: Micros) -> Result<bool, StoreError> {
    const LIVE: &str = "
SELECT COUNT(*)
FROM account_links
WHERE tenant_id = $1
  AND subject_id = $2
  AND expires_at > $3";
    let (live,): (i64,) = tx.query(LIVE).bind(subject).bind(now.0).fetch_one().await?;
    Ok(live < LINKS_MAX)
}

/// All links to one thing are worth nothing from now on.
pub(crate) async fn forget(tx: &mut TenantTx, subject: Uuid) -> Result<(), StoreError> {
    const FORGET: &str = "
DELETE FROM account_links
WHERE tenant_id = $1
  AND subject_id = $2";
    tx.query(FORGET).bind(subject).execute().await.map(drop)
}

/// Makes a link. A mail may be sent twice, and each has a link of its own: all are good until one is used.
pub(crate) async fn draw_in(
    tx: &mut TenantTx,
    purpose: LinkPurpose,
    subject: Uuid,
    origin: &LinkOrigin,
    expires_at: Micros,
    now: Micros,
) -> Result<LinkToken, OperatorError> {
    const PRUNE: &str = "
DELETE FROM account_links
WHERE tenant_id = $1
  AND token_hash IN (
    SELECT token_hash
    FROM account_links
    WHERE tenant_id = $1
      AND expires_at <= $2
    LIMIT $3
  )";
    const INSERT: &str = "
INSERT INTO account_links (tenant_id, token_hash, purpose, subject_id, host, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let remembered_since = Micros(now.0.saturating_sub(i64::try_from(REMEMBERED.as_micros()).unwrap_or(i64::MAX)));
    tx.query(PRUNE).bind(remembered_since.0).bind(PRUNE_MAX).execute().await?;
    let token = LinkToken::draw(purpose)?;
    tx.query(INSERT)
        .bind(token.hash().as_bytes())
        .bind(purpose.as_str())
        .bind(subject)
        .bind(origin.host().as_str())
        .bind(now.0)
        .bind(expires_at.0)
        .execute()
        .await?;
    Ok(token)
}

/// An event of what goes on beside requests.
pub(crate) fn event_of(
    purpose: LinkPurpose,
    principal: Option<PrincipalId>,
    subject: Option<Uuid>,
    act: AdmissionAct,
) -> EventBody {
    let done = AdmissionEvent { decision: None, purpose, principal, subject, client: None, by: By::Person, act };
    EventBody::Admission(Box::new(done))
}

fn impossible(column: &'static str, id: Uuid) -> StoreError {
    StoreError::Impossible { table: "account_links", column, id: id.hyphenated().to_string() }
}

#[derive(FromRow)]
struct LinkRow {
    subject_id: Uuid,
    host: String,
    expires_at: i64,
}
