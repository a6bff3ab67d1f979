//! How a session begins: once what it rests on is looked at again, and its event is durable.

use cedargate_migrations::{StoreError, TenantTx};
use cedargate_model::{Micros, PrincipalId, SessionId, TenantName};

use super::{Begun, CreateSessionError, Sessions, SignIn};
use crate::federated::{self, Vouched};
use crate::kept_posts;
use crate::provider_endings::ended_since;
use crate::random::uuid_at;
use crate::session_cache::Key;
use crate::session_rows::{self as rows, NewRow};
use crate::webauthn_credentials::{UseCredentialError, UsedCredential, use_credential_in};
use crate::{Notice, NoticeError, OneUse, Ready, SessionToken, notices, signin_places};

/// What somebody was judged by before their session begins. Judging takes its time, and each of these may be gone by now: so each is
/// looked at again, or used, in the transaction in which the session begins.
///
/// | a sign-in | meanwhile |
/// |---|---|
/// | the password, or the passkey, is found right | |
/// | | the password is set anew, the passkey removed: every session ends |
/// | a session begins, and outlives what it came from | |
#[derive(Clone, Debug, Default)]
pub struct Grounds {
    /// The account as it was judged: another version is another account.
    pub version: Option<i64>,
    /// The credential that signed, with the counter that it said.
    pub credential: Option<UsedCredential>,
    /// What counts once, and with this.
    pub once: Vec<OneUse>,
}

/// A session that begins, and what ends with that.
#[derive(Debug)]
#[must_use = "tell `Sessions::take_up_begun`, or what ended goes on in memory until it is stale"]
pub struct Beginning {
    begun: Begun,
    ended: Vec<SessionId>,
    keys: Vec<Key>,
    changed: Vec<PrincipalId>,
    is_new_device: bool,
}

impl Beginning {
    /// The session and whose it is.
    pub fn begun(&self) -> &Begun {
        &self.begun
    }

    /// Whether the account was used before, and never by such a program or from such a family of addresses. Its person is told by mail.
    pub fn is_new_device(&self) -> bool {
        self.is_new_device
    }

    /// The sessions that end with it: the one that it takes the place of, and those beyond how many an account may have.
    pub fn ended(&self) -> &[SessionId] {
        &self.ended
    }
}

impl Sessions {
    /// Begins a session with a fresh token and ends the one that it replaces, once that is committed: whoever holds it makes the event
    /// durable before.
    ///
    /// # Errors
    /// [`CreateSessionError`].
    pub async fn begin(
        &self,
        sign_in: SignIn,
        grounds: &Grounds,
        now: Micros,
    ) -> Result<Ready<Beginning>, CreateSessionError> {
        let mut tx = self.pool.tenant(sign_in.tenant).begin().await?;
        let beginning = self.begin_in(&mut tx, sign_in, grounds, None, now, now).await?;
        Ok(Ready::new(tx, beginning))
    }

    /// Begins a session that an identity provider vouches for, together with what its word changes: both happen or neither does.
    ///
    /// # Security
    /// Where the proof is said to be `anew`, the caller has asked the provider for it there and then, and has checked that it is that one.
    ///
    /// # Errors
    /// [`CreateSessionError`]; then the other change does not happen either.
    pub async fn begin_federated<T>(
        &self,
        change: Ready<T>,
        sign_in: SignIn,
        vouched: Vouched<'_>,
        grounds: &Grounds,
        now: Micros,
    ) -> Result<Ready<(T, Beginning)>, CreateSessionError> {
        let (mut tx, change) = change.into_parts();
        // A provider's clock may be ahead of ours; nobody has proved anything in the future.
        let authenticated_at = vouched.authenticated_at.min(now);
        let beginning = self.begin_in(&mut tx, sign_in, grounds, Some(vouched), authenticated_at, now).await?;
        Ok(Ready::new(tx, (change, beginning)))
    }

    /// Takes up a session whose beginning was committed: what ended with it is gone from memory, too.
    pub fn take_up_begun(&self, beginning: Beginning) -> Begun {
        let tenant = beginning.begun.principal.tenant;
        self.cache.forget(beginning.keys);
        for account in beginning.changed {
            self.cache.changed(tenant, account);
        }
        beginning.begun
    }

    /// Begins a session of which no record is kept: tests and measurements do.
    ///
    /// # Errors
    /// [`CreateSessionError`].
    pub async fn create(&self, sign_in: SignIn, now: Micros) -> Result<Begun, CreateSessionError> {
        let beginning = self.begin(sign_in, &Grounds::default(), now).await?.commit().await?;
        Ok(self.take_up_begun(beginning))
    }

    async fn begin_in(
        &self,
        tx: &mut TenantTx,
        sign_in: SignIn,
        grounds: &Grounds,
        vouched: Option<Vouched<'_>>,
        authenticated_at: Micros,
        now: Micros,
    ) -> Result<Beginning, CreateSessionError> {
        let tenant = sign_in.tenant;
        look_again(tx, sign_in.principal, grounds, now).await?;
        // The account's row is gone: only a foreign key can say so.
        let gone = |error| match error {
            StoreError::Constraint(_) => CreateSessionError::AccountUnusable(sign_in.principal),
            error => CreateSessionError::Store(error),
        };
        let token = SessionToken::draw()?;
        let limits = self.limits_of(&name_of(tx).await?);
        let lifetime = limits.lifetime(sign_in.remember);
        let is_new_device = signin_places::arrive(tx, sign_in.principal, &sign_in.device, now).await.map_err(gone)?;
        if is_new_device {
            let notice = Notice::NewDevice { address: sign_in.device.address };
            notices::leave_for(tx, sign_in.principal, &notice, now).await.map_err(|error| match error {
                NoticeError::Entropy(error) => CreateSessionError::Entropy(error),
                NoticeError::Store(error) => CreateSessionError::Store(error),
            })?;
        }
        let ends_by = vouched.and_then(|vouched| vouched.ends_by);
        let row = NewRow {
            id: SessionId(uuid_at(now)?),
            account: sign_in.principal,
            token: token.hash(),
            strength: sign_in.strength,
            authenticated_at,
            now,
            began_at: now,
            device: sign_in.device,
            expires_at: ends_by.unwrap_or(Micros(i64::MAX)).min(now.after(lifetime.absolute_timeout)),
            idle_timeout: Some(lifetime.idle_timeout),
            is_remembered: lifetime.is_remembered,
        };
        let (mut ended, mut keys, mut changed) = (Vec::new(), Vec::new(), Vec::new());
        rows::insert(tx, &row).await.map_err(gone)?;
        if let Some(session) = sign_in.replaces {
            // Now that the new one is there: what the same person's former one keeps goes over to it, and not away with it.
            kept_posts::carry_over(tx, session, row.id, row.account).await?;
            if let Some((hash, account)) = rows::delete(tx, session).await? {
                ended.push(session);
                keys.push(Key::new(tenant, hash));
                changed.push(account);
            }
        }
        if let Some(vouched) = vouched {
            federated::insert(tx, row.id, vouched, now).await?;
            if ended_since(tx, vouched.federation, vouched.begun_at).await? {
                return Err(CreateSessionError::EndedMeanwhile);
            }
        }
        let (dropped, dropped_keys) =
            rows::ended_of(tenant, rows::delete_beyond_bound(tx, sign_in.principal, limits.sessions_max).await?)?;
        if !dropped.is_empty() {
            changed.push(sign_in.principal);
        }
        ended.extend(dropped);
        keys.extend(dropped_keys);
        let loaded = rows::find_by_token(tx, row.token).await?;
        let is_as_judged =
            |loaded: &rows::Loaded| grounds.version.is_none_or(|version| loaded.principal.version == version);
        let loaded = loaded.filter(is_as_judged).ok_or(CreateSessionError::AccountUnusable(sign_in.principal))?;
        let (principal, expires_at, is_remembered) = (loaded.principal, row.expires_at, row.is_remembered);
        let begun = Begun { token, principal, expires_at, is_remembered };
        Ok(Beginning { begun, ended, keys, changed, is_new_device })
    }
}

async fn name_of(tx: &mut TenantTx) -> Result<TenantName, StoreError> {
    const NAME: &str = "
SELECT name
FROM tenants
WHERE id = $1";
    let (name,): (String,) = tx.query(NAME).fetch_one().await?;
    let impossible = |_| StoreError::Impossible { table: "tenants", column: "name", id: tx.tenant().to_string() };
    TenantName::parse(&name).map_err(impossible)
}

/// Looks at what a session rests on, and uses what counts once.
async fn look_again(
    tx: &mut TenantTx,
    account: PrincipalId,
    grounds: &Grounds,
    now: Micros,
) -> Result<(), CreateSessionError> {
    for once in &grounds.once {
        if !once.spend(tx, now).await? {
            return Err(CreateSessionError::UsedBefore(once.of().clone()));
        }
    }
    match grounds.credential {
        None => Ok(()),
        Some(used) => use_credential_in(tx, account, used, now).await.map_err(|error| match error {
            UseCredentialError::Gone => CreateSessionError::CredentialGone,
            UseCredentialError::Regressed => CreateSessionError::CounterRegressed,
            UseCredentialError::Store(error) => CreateSessionError::Store(error),
        }),
    }
}
