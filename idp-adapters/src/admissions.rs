//! How people come to have a password: by an invitation that was mailed, and anew by a link that was.
//!
//! Asking does the same work and gets the same answer whether or not there is an account: an address is noted, and whoever writes the
//! mail finds out whether there is somebody to write to.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use cedargate_identity::{
    Accepted, AccountLinkError, AccountLinks, Email, Invitation, InviteError, LinkOrigin, Notice, NoticeError, Notices,
    PasswordHash, PasswordReset, PresentedLink, Ready, Registration, StoreError,
};
use cedargate_model::{Host, LinkPurpose, LinkReason, Micros, RoleName, TenantId, TenantName};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::captcha::{Captcha, CaptchaError, Puzzle};
use crate::local::{DelayCurve, DelaySettings, HashError, LocalAccounts, PasswordRefused, PasswordRules};
use crate::throttle::{Admission, Throttle};

/// How asking slows down what follows: each ask may be a mail to somebody who did not want one. What is mailed at most is bounded by the
/// store, too, for all gateways together.
const ASKING: DelaySettings = DelaySettings {
    account: DelayCurve { first_delayed: 2, delay_max: Duration::from_secs(60 * 60) },
    address: DelayCurve { first_delayed: 20, delay_max: Duration::from_secs(10 * 60) },
    forget_after: Duration::from_secs(24 * 60 * 60),
    remembered_max: 100_000,
};

/// What a tenant says of people who come in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdmissionRules {
    /// The roles that people who asked for an account may be given; none where nobody may ask.
    pub offered: Option<Vec<RoleName>>,
    /// Roles that an account which was taken by a link has from its first second factor on.
    pub after_factor: Vec<RoleName>,
}

/// Where a link was opened.
#[derive(Clone, Copy, Debug)]
pub struct Place<'v> {
    /// The tenant.
    pub tenant: TenantId,
    /// Its name.
    pub name: &'v TenantName,
    /// The host at which it was opened.
    pub host: &'v Host,
}

/// Why nothing was asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Too many asked.
    #[error("too many asked")]
    Delayed {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The tenant lets nobody ask.
    #[error("nobody may ask for an account here")]
    NotOffered,
    /// The puzzle was not solved.
    #[error("the puzzle was not solved")]
    Puzzle,
    /// Nobody can tell whether it was.
    #[error("whether the puzzle was solved cannot be told")]
    PuzzleUnknown(#[source] CaptchaError),
    /// It cannot be noted.
    #[error(transparent)]
    Notice(#[from] NoticeError),
}

/// Why nobody was let in.
#[derive(Debug, thiserror::Error)]
pub enum ApproveError {
    /// The tenant does not offer this role to people who asked.
    #[error("the role `{0}` is not offered to people who ask for an account")]
    RoleNotOffered(RoleName),
    /// The invitation failed.
    #[error(transparent)]
    Invite(#[from] InviteError),
}

/// Why no password was set.
#[derive(Debug, thiserror::Error)]
pub enum SetPasswordError {
    /// The link does nothing.
    #[error(transparent)]
    Link(#[from] AccountLinkError),
    /// The password may not be set.
    #[error(transparent)]
    Password(#[from] PasswordRefused),
    /// The password cannot be hashed now.
    #[error(transparent)]
    Hash(#[from] HashError),
}

/// Invitations and resets. Cheap to clone; clones share delays.
#[derive(Clone, Debug)]
pub struct Admissions {
    links: AccountLinks,
    notices: Notices,
    local: LocalAccounts,
    rules: PasswordRules,
    asking: Arc<Throttle>,
    tenants: Arc<BTreeMap<TenantName, AdmissionRules>>,
    captcha: Option<Arc<Captcha>>,
}

impl Admissions {
    /// Links and notices of a store, and how passwords are set.
    pub fn new(links: AccountLinks, notices: Notices, local: LocalAccounts, rules: PasswordRules) -> Self {
        let asking = Arc::new(Throttle::new(ASKING));
        Self { links, notices, local, rules, asking, tenants: Arc::default(), captcha: None }
    }

    /// The same with what tenants say, and a service that judges puzzles where there is one.
    #[must_use]
    pub fn with(self, tenants: BTreeMap<TenantName, AdmissionRules>, captcha: Option<Captcha>) -> Self {
        Self { tenants: Arc::new(tenants), captcha: captcha.map(Arc::new), ..self }
    }

    /// Whether people may ask for an account.
    pub fn registers(&self, tenant: &TenantName) -> bool {
        self.tenants.get(tenant).is_some_and(|rules| rules.offered.is_some())
    }

    /// The roles that people who asked may be given.
    pub fn roles_offered(&self, tenant: &TenantName) -> Vec<RoleName> {
        self.tenants.get(tenant).and_then(|rules| rules.offered.clone()).unwrap_or_default()
    }

    /// Notes that somebody wants an account. None where what they typed is no address.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn ask_registration(
        &self,
        place: Place<'_>,
        address: &str,
        puzzle: &str,
        origin: LinkOrigin,
        client: IpAddr,
        now: Micros,
    ) -> Result<Option<Ready<()>>, AskError> {
        if !self.registers(place.name) {
            return Err(AskError::NotOffered);
        }
        let email = Email::parse(address).ok();
        if let Some(captcha) = &self.captcha {
            // Before anything is counted against whoever is written to: an unsolved puzzle keeps nobody waiting but its own address.
            let of_client = format!("puzzle {client}");
            if let Admission::Delayed { retry_after } = self.asking.admit(place.tenant, &of_client, client, now) {
                return Err(AskError::Delayed { retry_after });
            }
            match captcha.judge(puzzle, client).await {
                Ok(Puzzle::Solved) => {}
                Ok(Puzzle::Unsolved) => return Err(AskError::Puzzle),
                Err(error) => return Err(AskError::PuzzleUnknown(error)),
            }
        }
        // Apart from resets: wishes keep nobody from a new password. By the address as it is read, so that no spelling of it is another.
        let asked = format!("registration {}", email.as_ref().map_or("", Email::as_str));
        if let Admission::Delayed { retry_after } = self.asking.admit(place.tenant, &asked, client, now) {
            return Err(AskError::Delayed { retry_after });
        }
        let Some(email) = email else { return Ok(None) };
        Ok(Some(self.notices.ask(place.tenant, &email, &Notice::RegistrationAsked { origin }, now).await?))
    }

    /// The address of a wish is its person's. Says which wish it is.
    ///
    /// # Errors
    /// [`AccountLinkError`].
    pub async fn verify(&self, place: Place<'_>, token: &str, now: Micros) -> Result<Ready<Uuid>, AccountLinkError> {
        let presented = presented(LinkPurpose::Registration, token)?;
        self.links.verify(place.tenant, &presented, place.host, now).await
    }

    /// The wishes that wait for an administrator.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn registrations(&self, tenant: TenantId) -> Result<Vec<Registration>, StoreError> {
        self.links.registrations(tenant).await
    }

    /// Grants a wish with roles that are offered. None where there is no such wish.
    ///
    /// # Errors
    /// [`ApproveError`].
    pub async fn approve(
        &self,
        place: Place<'_>,
        wish: Uuid,
        roles: Vec<RoleName>,
        origin: &LinkOrigin,
        now: Micros,
    ) -> Result<Option<Ready<Invitation>>, ApproveError> {
        let offered = self.roles_offered(place.name);
        if let Some(role) = roles.iter().find(|role| !offered.contains(role)) {
            return Err(ApproveError::RoleNotOffered(role.clone()));
        }
        Ok(self.links.approve(place.tenant, wish, roles, origin, now).await?)
    }

    /// Turns a wish down. None where there is no such wish.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn deny(&self, tenant: TenantId, wish: Uuid) -> Result<Option<Ready<()>>, StoreError> {
        self.links.deny(tenant, wish).await
    }

    /// How many characters a tenant's passwords have at least: for the page that asks for one.
    pub fn chars_min(&self, tenant: &TenantName) -> usize {
        self.rules.chars_min(tenant)
    }

    /// Notes that somebody wants to set the password anew of whoever has this address. None where it is no address: then nobody has it.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn ask_reset(
        &self,
        tenant: TenantId,
        address: &str,
        origin: LinkOrigin,
        client: IpAddr,
        now: Micros,
    ) -> Result<Option<Ready<()>>, AskError> {
        // Never said to have succeeded: what counts is how many asked.
        if let Admission::Delayed { retry_after } = self.asking.admit(tenant, address, client, now) {
            return Err(AskError::Delayed { retry_after });
        }
        let Ok(email) = Email::parse(address) else { return Ok(None) };
        Ok(Some(self.notices.ask(tenant, &email, &Notice::ResetAsked { origin }, now).await?))
    }

    /// Whom a link is for. Looking at it does not use it.
    ///
    /// # Errors
    /// [`AccountLinkError`].
    pub async fn look(
        &self,
        purpose: LinkPurpose,
        place: Place<'_>,
        token: &str,
        now: Micros,
    ) -> Result<Email, AccountLinkError> {
        self.links.look(place.tenant, &presented(purpose, token)?, place.host, now).await
    }

    /// Sets a password anew.
    ///
    /// # Errors
    /// [`SetPasswordError`]; then the link is as good as it was.
    pub async fn reset(
        &self,
        place: Place<'_>,
        token: &str,
        password: Zeroizing<String>,
        now: Micros,
    ) -> Result<Ready<PasswordReset>, SetPasswordError> {
        let presented = presented(LinkPurpose::Reset, token)?;
        let hash = self.judge(place, &presented, &password, now).await?;
        Ok(self.links.reset(place.tenant, &presented, place.host, &hash, now).await?)
    }

    /// Takes an account that was promised.
    ///
    /// # Errors
    /// [`SetPasswordError`]; then the link is as good as it was.
    pub async fn accept(
        &self,
        place: Place<'_>,
        token: &str,
        password: Zeroizing<String>,
        now: Micros,
    ) -> Result<Ready<Accepted>, SetPasswordError> {
        let presented = presented(LinkPurpose::Invitation, token)?;
        let hash = self.judge(place, &presented, &password, now).await?;
        let after_factor = self.tenants.get(place.name).map(|rules| rules.after_factor.as_slice()).unwrap_or_default();
        Ok(self.links.accept(place.tenant, &presented, place.host, &hash, after_factor, now).await?)
    }

    /// Hashing takes its time, and whoever has no link gets none of it. It is done before the transaction, which nobody should wait for.
    async fn judge(
        &self,
        place: Place<'_>,
        presented: &PresentedLink,
        password: &str,
        now: Micros,
    ) -> Result<PasswordHash, SetPasswordError> {
        let email = self.links.look(place.tenant, presented, place.host, now).await?;
        let password = self.rules.accept(place.name, password, &email).await?;
        Ok(self.local.hash(password).await?)
    }
}

/// What is no token is as unknown as one that was never made.
fn presented(purpose: LinkPurpose, token: &str) -> Result<PresentedLink, AccountLinkError> {
    PresentedLink::parse(purpose, token).ok_or(AccountLinkError::Refused(LinkReason::Unknown))
}
