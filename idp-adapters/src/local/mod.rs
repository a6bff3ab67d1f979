//! Accounts of our own: an e-mail address and a password.

mod hasher;
mod password;
mod rules;

use std::net::IpAddr;
use std::sync::Arc;

use cedargate_identity::{Account, AccountState, Accounts, Email, PasswordHash, StoreError};
use cedargate_model::{AuthnMethod, AuthnStrength, Micros, PrincipalId, ProofKind, TenantId};

pub use hasher::{HashError, HashParameters, HashingLimits};
pub use password::{NewPassword, NewPasswordError, PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN, PresentedPassword};
pub use rules::{PasswordRefused, PasswordRules};

use crate::guessing::Guessing;
use crate::throttle::{Admission, Throttle};
pub use crate::throttle::{DelayCurve, DelaySettings};
use crate::{Authenticated, Client, SignInAdapter, SignInError};
use hasher::{PasswordHasher, Verification};

/// How local accounts are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocalSettings {
    /// How dear one hash is.
    pub parameters: HashParameters,
    /// How many hashes run and wait at once.
    pub limits: HashingLimits,
    /// How failures slow down what follows.
    pub delays: DelaySettings,
}

/// What a person presents: an address and a password, as typed.
#[derive(Debug)]
pub struct Credentials {
    email: String,
    password: PresentedPassword,
}

impl Credentials {
    /// An address and a password, neither of them checked.
    pub fn new(email: impl Into<String>, password: PresentedPassword) -> Self {
        Self { email: email.into(), password }
    }
}

/// Sign-in with local accounts. Cheap to clone; clones share limits and delays.
#[derive(Clone, Debug)]
pub struct LocalAccounts {
    accounts: Accounts,
    hasher: Arc<PasswordHasher>,
    throttle: Arc<Throttle>,
    confirming: Arc<Guessing>,
}

impl LocalAccounts {
    /// Local accounts in this store. Takes as long as one hash, because it makes the decoy.
    ///
    /// # Errors
    /// [`HashError`] where the parameters are impossible or there is no randomness.
    pub fn new(accounts: Accounts, settings: LocalSettings) -> Result<Self, HashError> {
        let confirming = Guessing::at(ProofKind::Password, settings.delays.account, accounts.guesses());
        Ok(Self {
            accounts,
            hasher: Arc::new(PasswordHasher::new(settings.parameters, settings.limits)?),
            throttle: Arc::new(Throttle::new(settings.delays)),
            confirming: Arc::new(confirming),
        })
    }

    /// Judges the password of somebody who is signed in. Their failures are counted apart from those of sign-ins: whoever guesses from
    /// outside keeps nobody from confirming who they are.
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn confirm(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        password: PresentedPassword,
        client: Client,
        now: Micros,
    ) -> Result<Authenticated, SignInError> {
        let judged = self.confirming.judged(tenant, account, client, now, async {
            let account = self.accounts.find(tenant, account).await?;
            match self.judge(tenant, account, password).await {
                Ok(authenticated) => Ok(Some(authenticated)),
                Err(SignInError::Failed) => Ok(None),
                Err(error) => Err(error),
            }
        });
        judged.await
    }

    /// Hashes a password that is to be set.
    ///
    /// # Errors
    /// [`HashError`].
    pub async fn hash(&self, password: NewPassword) -> Result<PasswordHash, HashError> {
        self.hasher.hash(password).await
    }

    /// How many hashes were computed for sign-ins since the start. The same number whatever was wrong with them.
    pub fn verifications(&self) -> u64 {
        self.hasher.verifications()
    }

    /// Judges credentials, and says of which version the account was by which they were judged: the session that begins with them is to
    /// be one of that ([`Sessions::create_as_judged`](cedargate_identity::Sessions::create_as_judged)).
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn sign_in_judged(
        &self,
        tenant: TenantId,
        proof: Credentials,
        client: IpAddr,
        now: Micros,
    ) -> Result<(Authenticated, i64), SignInError> {
        let attempt = match self.throttle.admit(tenant, &proof.email, client, now) {
            Admission::Admitted(attempt) => attempt,
            Admission::Delayed { retry_after } => return Err(SignInError::Delayed { retry_after }),
        };
        let outcome = self.judge_credentials(tenant, proof).await;
        // The attempt was counted as a failure beforehand, so that many at once cannot outrun the count.
        match &outcome {
            Ok(_) => self.throttle.succeeded(attempt),
            Err(SignInError::Failed | SignInError::Delayed { .. }) => {}
            Err(SignInError::Busy | SignInError::Store(_) | SignInError::Broken(_)) => self.throttle.not_tried(attempt),
        }
        outcome
    }

    async fn judge_credentials(
        &self,
        tenant: TenantId,
        proof: Credentials,
    ) -> Result<(Authenticated, i64), SignInError> {
        let account = match Email::parse(&proof.email) {
            Ok(email) => self.accounts.find_by_email(tenant, &email).await?,
            Err(_) => None,
        };
        let version = account.as_ref().map_or(0, |account| account.version);
        Ok((self.judge(tenant, account, proof.password).await?, version))
    }

    async fn judge(
        &self,
        tenant: TenantId,
        account: Option<Account>,
        password: PresentedPassword,
    ) -> Result<Authenticated, SignInError> {
        let usable = account.as_ref().and_then(usable_password);
        // Whatever `usable` is, exactly one hash of the same cost is computed from here on.
        let verification = self.hasher.verify(password, usable).await.map_err(|error| match error {
            HashError::Busy => SignInError::Busy,
            error => SignInError::Broken(Box::new(error)),
        })?;
        match (verification, account) {
            (Verification::Matches { replacement }, Some(account)) => {
                if let (Some(old), Some(new)) = (&account.password, replacement) {
                    self.replace_hash(tenant, &account, old, &new).await;
                }
                let strength = AuthnStrength { level: 1, methods: vec![AuthnMethod::Pwd] };
                Ok(Authenticated { principal: account.id, strength })
            }
            (Verification::Differs, _) | (Verification::Matches { .. }, None) => Err(SignInError::Failed),
        }
    }

    /// The sign-in stands whether or not the dearer hash could be stored: the next one tries again.
    async fn replace_hash(&self, tenant: TenantId, account: &Account, old: &PasswordHash, new: &PasswordHash) {
        let replaced: Result<bool, StoreError> = self.accounts.rehash(tenant, account.id, old, new).await;
        if let Err(error) = replaced {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                cedargate.principal = %account.id,
                "a password could not be hashed anew"
            );
        }
    }
}

impl SignInAdapter for LocalAccounts {
    type Proof = Credentials;

    async fn sign_in(
        &self,
        tenant: TenantId,
        proof: Credentials,
        client: IpAddr,
        now: Micros,
    ) -> Result<Authenticated, SignInError> {
        self.sign_in_judged(tenant, proof, client, now).await.map(|(authenticated, _)| authenticated)
    }
}

fn usable_password(account: &Account) -> Option<&PasswordHash> {
    match account.state {
        AccountState::Active => account.password.as_ref(),
        AccountState::Disabled { .. } | AccountState::Deactivated { .. } => None,
    }
}
