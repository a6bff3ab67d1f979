//! Which account is whose at an identity provider.

use cedargate_migrations::{Pool, StoreError, TenantTx};
use cedargate_model::{AccountAct, ConnectionName, Micros, PrincipalId, RoleName, TenantId};
use sha2::{Digest, Sha256};
use sqlx::FromRow;
use uuid::Uuid;

use crate::accounts::{grantable, insert_account, replace_roles};
use crate::identity::{Identity, Issuer, Subject};
use crate::provider_endings::Ended;
use crate::random::{EntropyError, uuid_at};
use crate::{
    Account, AccountState, Accounts, Email, EndedSessions, OperatorError, Provisioning, Ready, RolesError, federated,
    operator_events,
};

/// The domain of the addresses that accounts of identity providers have. Nobody receives mail there (RFC 2606 §2), and
/// nobody signs in with one: such accounts have no password, and no other account has such an address.
pub(crate) const ADDRESS_DOMAIN: &str = "federated.invalid";

/// How long a display name may be, in octets; longer ones are cut.
const DISPLAY_BYTES_MAX: usize = 254;

/// The identities of a store.
#[derive(Clone, Debug)]
pub struct Identities {
    pool: Pool,
}

/// What a provider's word about a person comes to, once it was verified.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Who.
    pub identity: Identity,
    /// What the person is shown as, if the provider says: an address or a name. It links to nothing.
    pub display: Option<String>,
    /// The roles that the connection's rules give. They replace what the account had.
    pub roles: Vec<RoleName>,
    /// Whether an account is made where there is none.
    pub admit: bool,
    /// The format in which a SAML provider names the person: the one in which it did so first.
    pub name_id_format: Option<String>,
}

/// Somebody who arrives.
#[derive(Debug)]
pub struct Arrived {
    /// The account, with the roles that it has from now on.
    pub account: Account,
    /// Whether it is made.
    pub created: bool,
    /// Whether it had other roles before.
    pub roles_changed: bool,
}

/// Somebody who is let in no more.
#[derive(Debug)]
pub struct Departed {
    /// Whose account it is.
    pub account: PrincipalId,
    /// Whether it had roles.
    pub roles_taken: bool,
    /// The sessions that end.
    pub ended: EndedSessions,
}

/// Why nobody arrived.
#[derive(Debug, thiserror::Error)]
pub enum ArriveError {
    /// There is no account of this person, and none is to be made.
    #[error("there is no account of this person, and the connection admits nobody new")]
    NotAdmitted,
    /// The sign-in says nothing where the connection's rule looks for whom it means, so that nobody can tell whether they were taken away.
    #[error("the sign-in does not say which provisioned person it is")]
    ClaimMissing,
    /// The account was disabled.
    #[error("the account `{0}` is disabled")]
    AccountDisabled(PrincipalId),
    /// The provider named the person in another format before: then the same text may be somebody else's.
    #[error("the account `{0}` belongs to this name in another format")]
    FormatDiffers(PrincipalId),
    /// A role that cannot be given.
    #[error(transparent)]
    Roles(#[from] RolesError),
    /// No id could be drawn.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store failed.
    #[error("the account could not be read or stored")]
    Store(#[from] StoreError),
}

/// Why an identity was not linked.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// It is an account's already, perhaps this one's.
    #[error("this identity belongs to the account `{0}` already")]
    Taken(PrincipalId),
    /// The tenant has no such account.
    #[error("there is no account `{0}`")]
    AccountUnknown(PrincipalId),
    /// No id could be drawn.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store failed.
    #[error("the identity could not be stored")]
    Store(#[from] StoreError),
}

impl From<OperatorError> for LinkError {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Entropy(error) => Self::Entropy(error),
            OperatorError::Store(error) => Self::Store(error),
        }
    }
}

impl Identities {
    /// The identities in this store.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// What providers told of their people beside, in the same store.
    pub fn provisioning(&self) -> Provisioning {
        Provisioning::new(self.pool.clone())
    }

    /// Finds or makes the account of a person whom a provider vouches for, and gives it the roles that follow from what
    /// the provider says now. One transaction: either all of it happens or nothing.
    ///
    /// # Errors
    /// [`ArriveError`].
    ///
    /// # Security
    /// The caller has verified the provider's word. The account is found by the identity alone.
    pub async fn arrive(
        &self,
        tenant: TenantId,
        arrival: &Arrival,
        now: Micros,
    ) -> Result<Ready<Arrived>, ArriveError> {
        match self.arrive_once(tenant, arrival, now).await {
            // Another gateway made the account a moment ago: now it is there.
            Err(ArriveError::Store(StoreError::Conflict(_))) => self.arrive_once(tenant, arrival, now).await,
            done => done,
        }
    }

    async fn arrive_once(
        &self,
        tenant: TenantId,
        arrival: &Arrival,
        now: Micros,
    ) -> Result<Ready<Arrived>, ArriveError> {
        let roles = grantable(arrival.roles.clone())?;
        let display = arrival.display.as_deref().and_then(shown);
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let (account, created) = match find_in(&mut tx, &arrival.identity).await? {
            Some(account) => (account, false),
            None if arrival.admit => {
                let id = PrincipalId(uuid_at(now)?);
                insert_account(&mut tx, id, &address(&arrival.identity), None, now).await?;
                insert(&mut tx, &arrival.identity, id, LinkedBy::Arrival, now).await?;
                (Accounts::find_in(&mut tx, id).await?.ok_or(ArriveError::NotAdmitted)?, true)
            }
            None => return Err(ArriveError::NotAdmitted),
        };
        if account.state != AccountState::Active {
            return Err(ArriveError::AccountDisabled(account.id));
        }
        if let Some(format) = &arrival.name_id_format
            && !pin_format(&mut tx, &arrival.identity, format).await?
        {
            return Err(ArriveError::FormatDiffers(account.id));
        }
        let roles_changed = account.roles != roles;
        let account = update(&mut tx, account, display, roles).await?;
        Ok(Ready::new(tx, Arrived { account, created, roles_changed }))
    }

    /// Takes the roles of a person whom their connection no longer lets in, and ends their sessions: what they had came from what
    /// the provider said before. None where nobody has such an account, or there is nothing left to take.
    ///
    /// # Security
    /// The caller has verified the provider's word.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn depart(
        &self,
        tenant: TenantId,
        identity: &Identity,
        now: Micros,
    ) -> Result<Option<Ready<Departed>>, StoreError> {
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let Some(account) = find_in(&mut tx, identity).await? else { return Ok(None) };
        let departed = depart_in(&mut tx, account, identity, now).await?;
        let is_gone = !departed.roles_taken && departed.ended.sessions.is_empty();
        Ok((!is_gone).then(|| Ready::new(tx, departed)))
    }

    /// Says that a person at a provider is nobody's any more, ends the sessions that came from there, and leaves word of it for the
    /// record: an operator's act. Says whose it was, and how many sessions ended; none where it was nobody's.
    ///
    /// # Errors
    /// [`OperatorError`]; then nothing was done.
    pub async fn unlink(
        &self,
        tenant: TenantId,
        identity: &Identity,
        now: Micros,
    ) -> Result<Option<(Account, usize)>, OperatorError> {
        const UNLINK: &str = "
DELETE FROM identities
WHERE tenant_id = $1
  AND connection = $2
  AND issuer = $3
  AND subject = $4";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let Some(account) = find_in(&mut tx, identity).await? else { return Ok(None) };
        let query = tx.query(UNLINK).bind(identity.connection.as_str()).bind(identity.issuer.as_str());
        query.bind(identity.subject.as_str()).execute().await?;
        let ended = federated::end_identity(&mut tx, identity, now).await?.sessions;
        let act = AccountAct::IdentityUnlinked;
        operator_events::leave(&mut tx, account.id, Some(&identity.connection), act, now).await?;
        federated::leave_word(&mut tx, &identity.connection, &ended, now).await?;
        tx.commit().await?;
        Ok(Some((account, ended.len())))
    }

    /// The account of this person, disabled or not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find(&self, tenant: TenantId, identity: &Identity) -> Result<Option<Account>, StoreError> {
        let mut tx = self.pool.tenant(tenant).read().await?;
        find_in(&mut tx, identity).await
    }

    /// Says that a person at a provider is this account's, and leaves word of it for the record. An operator's act: no sign-in does it.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn link(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        identity: &Identity,
        now: Micros,
    ) -> Result<(), LinkError> {
        let mut tx = self.pool.tenant(tenant).begin().await?;
        if let Some(owner) = find_in(&mut tx, identity).await? {
            return Err(LinkError::Taken(owner.id));
        }
        insert(&mut tx, identity, account, LinkedBy::Operator, now).await.map_err(|error| match error {
            // Of what it refers to, only the account may be missing.
            StoreError::Constraint(_) => LinkError::AccountUnknown(account),
            error => LinkError::Store(error),
        })?;
        let act = AccountAct::IdentityLinked;
        operator_events::leave(&mut tx, account, Some(&identity.connection), act, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Every identity of an account, sorted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn of_account(&self, tenant: TenantId, account: PrincipalId) -> Result<Vec<Identity>, StoreError> {
        const OF_ACCOUNT: &str = "
SELECT connection, issuer, subject
FROM identities
WHERE tenant_id = $1
  AND account_id = $2";
        let mut tx = self.pool.tenant(tenant).read().await?;
        let mut rows: Vec<IdentityRow> = tx.query(OF_ACCOUNT).bind(account.0).fetch_all().await?;
        // Not by the store: asked for this order, SQLite reads the primary key's, which is everybody in the tenant.
        rows.sort();
        rows.into_iter().map(IdentityRow::into_identity).collect()
    }
}

pub(crate) async fn find_in(tx: &mut TenantTx, identity: &Identity) -> Result<Option<Account>, StoreError> {
    const FIND: &str = "
SELECT account_id
FROM identities
WHERE tenant_id = $1
  AND connection = $2
  AND issuer = $3
  AND subject = $4";
    let found: Option<(Uuid,)> = tx
        .query(FIND)
        .bind(identity.connection.as_str())
        .bind(identity.issuer.as_str())
        .bind(identity.subject.as_str())
        .fetch_optional()
        .await?;
    match found {
        Some((account,)) => Accounts::find_in(tx, PrincipalId(account)).await,
        None => Ok(None),
    }
}

/// Takes an account's roles and ends its sessions, in the middle of a unit of work.
pub(crate) async fn depart_in(
    tx: &mut TenantTx,
    account: Account,
    identity: &Identity,
    now: Micros,
) -> Result<Departed, StoreError> {
    let roles_taken = !account.roles.is_empty();
    if roles_taken {
        replace_roles(tx, account.id, &[]).await?;
    }
    let ended = federated::end_account(tx, account.id).await?;
    // What is on its way by an earlier word must not give back what is taken.
    Ended::Subject(&identity.connection, &identity.issuer, &identity.subject).note(tx, now).await?;
    Ok(Departed { account: account.id, roles_taken, ended })
}

/// Who said whose an identity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkedBy {
    /// An operator: that stands, whatever a provider tells.
    Operator,
    /// A sign-in.
    Arrival,
}

/// Whether an operator said whose this identity is.
pub(crate) async fn is_linked_by_operator(tx: &mut TenantTx, identity: &Identity) -> Result<bool, StoreError> {
    const LINKED: &str = "
SELECT linked_by_operator
FROM identities
WHERE tenant_id = $1
  AND connection = $2
  AND issuer = $3
  AND subject = $4";
    let query = tx.query(LINKED).bind(identity.connection.as_str()).bind(identity.issuer.as_str());
    let found: Option<(bool,)> = query.bind(identity.subject.as_str()).fetch_optional().await?;
    Ok(found.is_some_and(|(linked,)| linked))
}

pub(crate) async fn insert(
    tx: &mut TenantTx,
    identity: &Identity,
    account: PrincipalId,
    linked_by: LinkedBy,
    now: Micros,
) -> Result<(), StoreError> {
    const INSERT: &str = "
INSERT INTO identities (tenant_id, connection, issuer, subject, account_id, created_at, linked_by_operator)
VALUES ($1, $2, $3, $4, $5, $6, $7)";
    tx.query(INSERT)
        .bind(identity.connection.as_str())
        .bind(identity.issuer.as_str())
        .bind(identity.subject.as_str())
        .bind(account.0)
        .bind(now.0)
        .bind(linked_by == LinkedBy::Operator)
        .execute()
        .await
        .map(drop)
}

/// Notes the format of a name that arrives for the first time. Says whether it is the one of every arrival before.
pub(crate) async fn pin_format(tx: &mut TenantTx, identity: &Identity, format: &str) -> Result<bool, StoreError> {
    const FORMAT: &str = "
SELECT name_id_format
FROM identities
WHERE tenant_id = $1
  AND connection = $2
  AND issuer = $3
  AND subject = $4";
    const PIN: &str = "
UPDATE identities
SET name_id_format = $5
WHERE tenant_id = $1
  AND connection = $2
  AND issuer = $3
  AND subject = $4";
    let (connection, issuer, subject) =
        (identity.connection.as_str(), identity.issuer.as_str(), identity.subject.as_str());
    let query = tx.query(FORMAT).bind(connection).bind(issuer).bind(subject);
    let pinned: Option<(Option<String>,)> = query.fetch_optional().await?;
    match pinned.and_then(|(pinned,)| pinned) {
        Some(pinned) => Ok(pinned == format),
        None => {
            tx.query(PIN).bind(connection).bind(issuer).bind(subject).bind(format).execute().await?;
            Ok(true)
        }
    }
}

/// Writes only what changed: a version that grows at every sign-in would empty caches for nothing.
pub(crate) async fn update(
    tx: &mut TenantTx,
    mut account: Account,
    display: Option<String>,
    roles: Vec<RoleName>,
) -> Result<Account, StoreError> {
    const SHOW_AS: &str = "
UPDATE accounts
SET display = $3, version = version + 1
WHERE tenant_id = $1
  AND id = $2";
    if display.is_some() && display != account.display {
        tx.query(SHOW_AS).bind(account.id.0).bind(display.as_deref()).execute().await?;
        account.display = display;
        account.version += 1;
    }
    if roles != account.roles {
        replace_roles(tx, account.id, &roles).await?;
        account.roles = roles;
        account.version += 1;
    }
    Ok(account)
}

/// The account's address: no mailbox, one for each identity, and the same again for the same one.
fn address(identity: &Identity) -> Email {
    let mut hash = Sha256::new();
    for part in [identity.connection.as_str(), identity.issuer.as_str(), identity.subject.as_str()] {
        // The length first, so that no two identities are the same octets.
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    let digest: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    #[expect(
        clippy::expect_used,
        reason = "a name, hexadecimal digits and a constant make an address; covered by a test"
    )]
    Email::parse(&format!("{}-{digest}@{ADDRESS_DOMAIN}", identity.connection)).expect("an address")
}

/// A display name as it may be kept: one line of at most 254 octets. `None` where nothing is left.
pub(crate) fn shown(text: &str) -> Option<String> {
    let mut shown: String = text.chars().filter(|c| !c.is_control() && !is_directional(*c)).collect();
    while shown.len() > DISPLAY_BYTES_MAX {
        shown.pop();
    }
    let shown = shown.trim().to_owned();
    (!shown.is_empty()).then_some(shown)
}

/// What turns the direction of what follows could make one address look like another.
fn is_directional(c: char) -> bool {
    matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[derive(FromRow, PartialEq, Eq, PartialOrd, Ord)]
struct IdentityRow {
    connection: String,
    issuer: String,
    subject: String,
}

impl IdentityRow {
    fn into_identity(self) -> Result<Identity, StoreError> {
        let impossible = |column| StoreError::Impossible { table: "identities", column, id: String::new() };
        Ok(Identity {
            connection: ConnectionName::parse(&self.connection).map_err(|_| impossible("connection"))?,
            issuer: Issuer::parse(&self.issuer).map_err(|_| impossible("issuer"))?,
            subject: Subject::parse(&self.subject).map_err(|_| impossible("subject"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(connection: &str, issuer: &str, subject: &str) -> Identity {
        Identity {
            connection: ConnectionName::parse(connection).unwrap(),
            issuer: Issuer::parse(issuer).unwrap(),
            subject: Subject::parse(subject).unwrap(),
        }
    }

    #[test]
    fn every_identity_has_an_address_of_its_own_that_nobody_reads() {
        let address = |c: &str, i: &str, s: &str| address(&identity(c, i, s)).to_string();
        let one = address(&"a".repeat(32), "https://idp.example", "ada@example.com");
        assert!(one.ends_with("@federated.invalid"), "{one}");
        assert_eq!(one, address(&"a".repeat(32), "https://idp.example", "ada@example.com"));
        assert_ne!(address("okta", "https://a", "b"), address("okta", "https://ab", "b"));
        assert_ne!(address("okta", "https://a", "bc"), address("okta", "https://ab", "c"));
    }

    #[test]
    fn a_display_name_stays_on_its_line_and_reads_forwards() {
        assert_eq!(shown(" Ada\n\u{202e}Lovelace\u{0} "), Some("AdaLovelace".to_owned()));
        assert_eq!(shown("\t\u{2066} "), None);
        assert!(shown(&"ä".repeat(300)).unwrap().len() <= 254);
    }
}
