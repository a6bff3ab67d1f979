//! Wishes for an account: verified by a link, and decided by an administrator.

use std::time::Duration;

use cedargate_migrations::{StoreError, TenantTx};
use cedargate_model::{
    AdmissionAct, AdmissionEvent, By, EventBody, Host, LinkPurpose, LinkReason, Micros, RoleName, TenantId,
};
use sqlx::FromRow;
use uuid::Uuid;

use crate::account_links::{draw_in, event_of, find, forget, may_have_another};
use crate::accounts::is_of_provider;
use crate::invitations::invite_in;
use crate::random::uuid_at;
use crate::{
    AccountLinkError, AccountLinks, Email, Invitation, InviteError, LinkOrigin, LinkToken, Notice, OperatorError,
    PresentedLink, Ready, notices, operator_events,
};

/// What tells that somebody was told of their account apart from links to the account itself: those they must be able to get all the same.
const TOLD_OF_ACCOUNT: u128 = 0x5ead_0a55_ca7e_9b1d_1c0d_f00d_7e11_0e57;

/// How long a wish may wait until its address is verified.
pub const REGISTRATION_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a wish waits for an administrator.
const DECIDED_WITHIN: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How many wishes of one tenant wait. Strangers make them: beyond, nobody is written to.
const WISHES_MAX: i64 = 1_000;

/// A wish whose address was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Its id.
    pub id: Uuid,
    /// Whose address.
    pub email: Email,
    /// When it was asked for.
    pub asked_at: Micros,
    /// When the address was verified.
    pub verified_at: Micros,
}

/// What is written to whoever wants an account.
#[derive(Debug)]
pub enum Answer {
    /// A link that verifies the address.
    Verify(LinkToken),
    /// That there is an account. Whoever asked does not learn it.
    HasAccount,
}

impl AccountLinks {
    /// Notes a wish, and makes a link that verifies its address. None where too many wait.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn draw_registration(
        &self,
        tenant: TenantId,
        email: &Email,
        origin: &LinkOrigin,
        now: Micros,
    ) -> Result<Option<Answer>, OperatorError> {
        const KNOWN: &str = "
SELECT id
FROM accounts
WHERE tenant_id = $1
  AND email = $2";
        if is_of_provider(email) {
            return Ok(None);
        }
        let mut tx = self.pool.tenant(tenant).begin().await?;
        if let Some((account,)) = tx.query(KNOWN).bind(email.as_str()).fetch_optional::<(Uuid,)>().await? {
            // A link that nobody gets and that leads nowhere, for the same bound on mails as everybody else has.
            let told = Uuid::from_u128(account.as_u128() ^ TOLD_OF_ACCOUNT);
            if !may_have_another(&mut tx, told, now).await? {
                return Ok(None);
            }
            let expires_at = now.after(REGISTRATION_TTL);
            let _nobodys = draw_in(&mut tx, LinkPurpose::Registration, told, origin, expires_at, now).await?;
            tx.commit().await?;
            return Ok(Some(Answer::HasAccount));
        }
        let Some(wish) = note(&mut tx, email, now).await? else { return Ok(None) };
        if !may_have_another(&mut tx, wish, now).await? {
            return Ok(None);
        }
        let purpose = LinkPurpose::Registration;
        let token = draw_in(&mut tx, purpose, wish, origin, now.after(REGISTRATION_TTL), now).await?;
        let sent = event_of(purpose, None, Some(wish), AdmissionAct::Sent);
        operator_events::leave_body(&mut tx, sent, now).await?;
        tx.commit().await?;
        Ok(Some(Answer::Verify(token)))
    }

    /// The address of a wish is its person's. Says which wish it is.
    ///
    /// # Errors
    /// [`AccountLinkError`].
    pub async fn verify(
        &self,
        tenant: TenantId,
        presented: &PresentedLink,
        host: &Host,
        now: Micros,
    ) -> Result<Ready<Uuid>, AccountLinkError> {
        const VERIFY: &str = "
UPDATE registrations
SET verified_at = $3
WHERE tenant_id = $1
  AND id = $2
  AND verified_at IS NULL";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let wish = find(&mut tx, presented, host, now).await?;
        forget(&mut tx, wish).await?;
        match tx.query(VERIFY).bind(wish).bind(now.0).execute().await? {
            1 => Ok(Ready::new(tx, wish)),
            _ => Err(AccountLinkError::Refused(LinkReason::Unknown)),
        }
    }

    /// The wishes that wait for an administrator, the oldest first, at most 500.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn registrations(&self, tenant: TenantId) -> Result<Vec<Registration>, StoreError> {
        const LIST: &str = "
SELECT id, email, created_at, verified_at
FROM registrations
WHERE tenant_id = $1
  AND created_at > 0
  AND verified_at IS NOT NULL
ORDER BY created_at
LIMIT 500";
        let mut tx = self.pool.tenant(tenant).read().await?;
        let rows: Vec<WishRow> = tx.query(LIST).fetch_all().await?;
        rows.into_iter().map(WishRow::read).collect()
    }

    /// Grants a wish: its person is invited, with these roles. None where there is no such wish, or its address was not verified.
    ///
    /// # Security
    /// Whether the roles may be given is the caller's to know.
    ///
    /// # Errors
    /// [`InviteError`].
    pub async fn approve(
        &self,
        tenant: TenantId,
        wish: Uuid,
        roles: Vec<RoleName>,
        origin: &LinkOrigin,
        now: Micros,
    ) -> Result<Option<Ready<Invitation>>, InviteError> {
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let Some(email) = take(&mut tx, wish).await? else { return Ok(None) };
        let invitation = invite_in(&mut tx, email, roles, now).await?;
        let notice = Notice::Invited { invitation: invitation.id, origin: origin.clone() };
        notices::leave(&mut tx, &invitation.email, &notice, now).await?;
        Ok(Some(Ready::new(tx, invitation)))
    }

    /// Turns a wish down. Nobody is written to. None where there is no such wish.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn deny(&self, tenant: TenantId, wish: Uuid) -> Result<Option<Ready<()>>, StoreError> {
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let taken = take(&mut tx, wish).await?;
        Ok(taken.map(|_| Ready::new(tx, ())))
    }

    /// Grants a wish by an operator's command, which leaves its event in the store.
    ///
    /// # Errors
    /// [`InviteError`]; then nobody was invited.
    pub async fn approve_by_operator(
        &self,
        tenant: TenantId,
        wish: Uuid,
        roles: Vec<RoleName>,
        origin: &LinkOrigin,
        now: Micros,
    ) -> Result<Option<Invitation>, InviteError> {
        let Some(ready) = self.approve(tenant, wish, roles, origin, now).await? else { return Ok(None) };
        let (mut tx, invitation) = ready.into_parts();
        let approved = AdmissionAct::Approved { roles: invitation.roles.clone() };
        operator_events::leave_body(&mut tx, decided(wish, approved), now).await?;
        tx.commit().await?;
        Ok(Some(invitation))
    }

    /// Turns a wish down by an operator's command. Says whether there was one.
    ///
    /// # Errors
    /// [`OperatorError`]; then it waits on.
    pub async fn deny_by_operator(&self, tenant: TenantId, wish: Uuid, now: Micros) -> Result<bool, OperatorError> {
        let Some(ready) = self.deny(tenant, wish).await? else { return Ok(false) };
        let (mut tx, ()) = ready.into_parts();
        operator_events::leave_body(&mut tx, decided(wish, AdmissionAct::Denied), now).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// An operator's decision about a wish.
fn decided(wish: Uuid, act: AdmissionAct) -> EventBody {
    EventBody::Admission(Box::new(AdmissionEvent {
        decision: None,
        purpose: LinkPurpose::Registration,
        principal: None,
        subject: Some(wish),
        client: None,
        by: By::Operator,
        act,
    }))
}

/// The wish of this address, a new one where there is none. None where too many wait.
async fn note(tx: &mut TenantTx, email: &Email, now: Micros) -> Result<Option<Uuid>, OperatorError> {
    const PRUNE_UNVERIFIED: &str = "
DELETE FROM registrations
WHERE tenant_id = $1
  AND created_at <= $2
  AND verified_at IS NULL";
    const PRUNE: &str = "
DELETE FROM registrations
WHERE tenant_id = $1
  AND created_at <= $2";
    const FIND: &str = "
SELECT id
FROM registrations
WHERE tenant_id = $1
  AND email = $2";
    const COUNT: &str = "
SELECT COUNT(*)
FROM (
    SELECT id
    FROM registrations
    WHERE tenant_id = $1
    LIMIT $2
) AS wishes";
    const INSERT: &str = "
INSERT INTO registrations (tenant_id, id, email, created_at)
VALUES ($1, $2, $3, $4)";
    let before = |duration: Duration| now.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX));
    tx.query(PRUNE_UNVERIFIED).bind(before(REGISTRATION_TTL)).execute().await?;
    tx.query(PRUNE).bind(before(DECIDED_WITHIN)).execute().await?;
    if let Some((known,)) = tx.query(FIND).bind(email.as_str()).fetch_optional::<(Uuid,)>().await? {
        return Ok(Some(known));
    }
    let (wishes,): (i64,) = tx.query(COUNT).bind(WISHES_MAX).fetch_one().await?;
    if wishes >= WISHES_MAX {
        tracing::warn!(cedargate.tenant.id = %tx.tenant(), "too many wishes for an account wait: one was dropped");
        return Ok(None);
    }
    let id = uuid_at(now)?;
    tx.query(INSERT).bind(id).bind(email.as_str()).bind(now.0).execute().await?;
    Ok(Some(id))
}

/// Takes a verified wish away, and says whose it was.
async fn take(tx: &mut TenantTx, wish: Uuid) -> Result<Option<Email>, StoreError> {
    const TAKE: &str = "
DELETE FROM registrations
WHERE tenant_id = $1
  AND id = $2
  AND verified_at IS NOT NULL
RETURNING email";
    let taken: Option<(String,)> = tx.query(TAKE).bind(wish).fetch_optional().await?;
    taken.map(|(email,)| Email::parse(&email).map_err(|_| impossible("email", wish))).transpose()
}

fn impossible(column: &'static str, id: Uuid) -> StoreError {
    StoreError::Impossible { table: "registrations", column, id: id.hyphenated().to_string() }
}

#[derive(FromRow)]
struct WishRow {
    id: Uuid,
    email: String,
    created_at: i64,
    verified_at: i64,
}

impl WishRow {
    fn read(self) -> Result<Registration, StoreError> {
        Ok(Registration {
            id: self.id,
            email: Email::parse(&self.email).map_err(|_| impossible("email", self.id))?,
            asked_at: Micros(self.created_at),
            verified_at: Micros(self.verified_at),
        })
    }
}
