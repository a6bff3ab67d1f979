//! Accounts that are promised to an address, until the person behind it takes theirs.

use cedargate_migrations::{StoreError, TenantTx};
use cedargate_model::{
    AdmissionAct, AdmissionEvent, By, EventBody, Host, LinkPurpose, LinkReason, Micros, PrincipalId, RoleName, TenantId,
};
use sqlx::FromRow;
use uuid::Uuid;

use crate::account_links::{INVITATION_TTL, draw_in, event_of, find, forget};
use crate::accounts::{grantable, insert_account, is_of_provider, replace_roles};
use crate::promised_roles::promise;
use crate::random::uuid_at;
use crate::{
    AccountLinkError, AccountLinks, Email, EntropyError, LinkOrigin, LinkToken, Notice, NoticeError, OperatorError,
    PasswordHash, PresentedLink, Ready, RolesError, notices, operator_events,
};

/// Why nobody was invited.
#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    /// The tenant has an account with this address.
    #[error("there is an account `{0}` already")]
    EmailTaken(Email),
    /// The domain is that of accounts which identity providers vouch for.
    #[error("the address `{0}` is kept for people of identity providers")]
    AddressReserved(Email),
    /// A role that cannot be given.
    #[error(transparent)]
    Roles(#[from] RolesError),
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store failed.
    #[error("the invitation could not be stored")]
    Store(#[from] StoreError),
}

impl From<NoticeError> for InviteError {
    fn from(error: NoticeError) -> Self {
        match error {
            NoticeError::Entropy(error) => Self::Entropy(error),
            NoticeError::Store(error) => Self::Store(error),
        }
    }
}

impl From<OperatorError> for InviteError {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Entropy(error) => Self::Entropy(error),
            OperatorError::Store(error) => Self::Store(error),
        }
    }
}

/// Somebody who may take an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Its id.
    pub id: Uuid,
    /// Whose address.
    pub email: Email,
    /// The roles that the account will have.
    pub roles: Vec<RoleName>,
    /// Until when it stands.
    pub expires_at: Micros,
}

/// An account that was taken.
#[derive(Debug)]
pub struct Accepted {
    /// The invitation.
    pub invitation: Uuid,
    /// The account.
    pub account: PrincipalId,
    /// The roles that it has now.
    pub roles: Vec<RoleName>,
}

impl AccountLinks {
    /// Promises an account to an address, in place of an earlier promise, and leaves it to be mailed.
    ///
    /// # Errors
    /// [`InviteError`].
    pub async fn invite(
        &self,
        tenant: TenantId,
        email: Email,
        roles: Vec<RoleName>,
        origin: &LinkOrigin,
        now: Micros,
    ) -> Result<Ready<Invitation>, InviteError> {
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let invitation = invite_in(&mut tx, email, roles, now).await?;
        let notice = Notice::Invited { invitation: invitation.id, origin: origin.clone() };
        notices::leave(&mut tx, &invitation.email, &notice, now).await?;
        Ok(Ready::new(tx, invitation))
    }

    /// The same by an operator's command, which leaves its event in the store.
    ///
    /// # Errors
    /// [`InviteError`]; then nobody was invited.
    pub async fn invite_by_operator(
        &self,
        tenant: TenantId,
        email: Email,
        roles: Vec<RoleName>,
        origin: &LinkOrigin,
        now: Micros,
    ) -> Result<Invitation, InviteError> {
        let (mut tx, invitation) = self.invite(tenant, email, roles, origin, now).await?.into_parts();
        let invited = AdmissionEvent {
            decision: None,
            purpose: LinkPurpose::Invitation,
            principal: None,
            subject: Some(invitation.id),
            client: None,
            by: By::Operator,
            act: AdmissionAct::Invited { roles: invitation.roles.clone() },
        };
        operator_events::leave_body(&mut tx, EventBody::Admission(Box::new(invited)), now).await?;
        tx.commit().await?;
        Ok(invitation)
    }

    /// Makes a link to an invitation, and leaves word of it for the record. None where it stands no more.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn draw_invitation(
        &self,
        tenant: TenantId,
        invitation: Uuid,
        origin: &LinkOrigin,
        now: Micros,
    ) -> Result<Option<LinkToken>, OperatorError> {
        const FIND: &str = "
SELECT expires_at
FROM invitations
WHERE tenant_id = $1
  AND id = $2
  AND expires_at > $3";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let found: Option<(i64,)> = tx.query(FIND).bind(invitation).bind(now.0).fetch_optional().await?;
        let Some((expires_at,)) = found else { return Ok(None) };
        let purpose = LinkPurpose::Invitation;
        let token = draw_in(&mut tx, purpose, invitation, origin, Micros(expires_at), now).await?;
        let sent = event_of(purpose, None, Some(invitation), AdmissionAct::Sent);
        operator_events::leave_body(&mut tx, sent, now).await?;
        tx.commit().await?;
        Ok(Some(token))
    }

    /// Takes the account that was promised, with a password. Roles that are `after_factor` it has from its first second factor on.
    ///
    /// # Errors
    /// [`AccountLinkError`].
    pub async fn accept(
        &self,
        tenant: TenantId,
        presented: &PresentedLink,
        host: &Host,
        hash: &PasswordHash,
        after_factor: &[RoleName],
        now: Micros,
    ) -> Result<Ready<Accepted>, AccountLinkError> {
        const TAKE: &str = "
DELETE FROM invitations
WHERE tenant_id = $1
  AND id = $2
  AND expires_at > $3
RETURNING email, roles";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let invitation = find(&mut tx, presented, host, now).await?;
        forget(&mut tx, invitation).await?;
        let taken: Option<InvitedRow> = tx.query(TAKE).bind(invitation).bind(now.0).fetch_optional().await?;
        let row = taken.ok_or(AccountLinkError::Refused(LinkReason::Unknown))?;
        let (email, roles) = row.read(invitation)?;
        let account = PrincipalId(uuid_at(now).map_err(AccountLinkError::Notice)?);
        match insert_account(&mut tx, account, &email, Some(hash), now).await {
            Ok(()) => {}
            // Somebody made the account meanwhile: the promise is kept, and this is nobody's way into it.
            Err(StoreError::Conflict(_)) => return Err(AccountLinkError::Refused(LinkReason::Unknown)),
            Err(error) => return Err(error.into()),
        }
        let (promised, roles): (Vec<_>, Vec<_>) = roles.into_iter().partition(|role| after_factor.contains(role));
        replace_roles(&mut tx, account, &roles).await?;
        promise(&mut tx, account, &promised).await?;
        Ok(Ready::new(tx, Accepted { invitation, account, roles }))
    }
}

pub(crate) async fn invite_in(
    tx: &mut TenantTx,
    email: Email,
    roles: Vec<RoleName>,
    now: Micros,
) -> Result<Invitation, InviteError> {
    const KNOWN: &str = "
SELECT id
FROM accounts
WHERE tenant_id = $1
  AND email = $2";
    const FORMER: &str = "
DELETE FROM invitations
WHERE tenant_id = $1
  AND email = $2
RETURNING id";
    const INSERT: &str = "
INSERT INTO invitations (tenant_id, id, email, roles, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)";
    if is_of_provider(&email) {
        return Err(InviteError::AddressReserved(email));
    }
    let roles = grantable(roles)?;
    if tx.query(KNOWN).bind(email.as_str()).fetch_optional::<(Uuid,)>().await?.is_some() {
        return Err(InviteError::EmailTaken(email));
    }
    if let Some((former,)) = tx.query(FORMER).bind(email.as_str()).fetch_optional::<(Uuid,)>().await? {
        forget(tx, former).await?;
    }
    let invitation = Invitation { id: uuid_at(now)?, email, roles, expires_at: now.after(INVITATION_TTL) };
    let names: Vec<_> = invitation.roles.iter().map(RoleName::as_str).collect();
    tx.query(INSERT)
        .bind(invitation.id)
        .bind(invitation.email.as_str())
        .bind(names.join(" "))
        .bind(now.0)
        .bind(invitation.expires_at.0)
        .execute()
        .await?;
    Ok(invitation)
}

#[derive(FromRow)]
struct InvitedRow {
    email: String,
    roles: String,
}

impl InvitedRow {
    fn read(&self, id: Uuid) -> Result<(Email, Vec<RoleName>), StoreError> {
        let impossible =
            |column| StoreError::Impossible { table: "invitations", column, id: id.hyphenated().to_string() };
        let email = Email::parse(&self.email).map_err(|_| impossible("email"))?;
        let roles = self.roles.split_ascii_whitespace().map(RoleName::parse).collect::<Result<_, _>>();
        Ok((email, roles.map_err(|_| impossible("roles"))?))
    }
}
