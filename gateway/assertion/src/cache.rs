//! Assertions kept until half their life, so that signing (about 20 microseconds) is rare.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use cedargate_model::{Caller, Credential, Micros, PrincipalId, SessionId, TenantId, TenantName};
use moka::Equivalent;
use moka::sync::Cache;

use crate::{IssueError, Issued, Issuer, KeyId, LIFETIME, TenantScope};

/// Issued assertions by exactly what they say and what signed them.
///
/// A hit equals what a fresh issue would say, apart from its times; it allocates nothing. Bounded in entries; an
/// assertion leaves when its life is over, whatever the clock of the caller says.
#[derive(Clone, Debug)]
pub struct IssuedCache {
    entries: Cache<Key, Issued>,
}

impl IssuedCache {
    /// A cache of at most `entries_max` assertions. One takes about 1 KiB.
    pub fn new(entries_max: u64) -> Self {
        Self { entries: Cache::builder().max_capacity(entries_max).time_to_live(LIFETIME).build() }
    }

    /// The cached assertion, or a fresh one that is then cached.
    ///
    /// # Errors
    /// As [`Issuer::issue`]; errors are not cached.
    pub fn get_or_issue(
        &self,
        issuer: &Issuer,
        caller: &Caller,
        tenant: &TenantScope,
        audience: &str,
        now: Micros,
    ) -> Result<Issued, IssueError> {
        if let Some(issued) = self.get(issuer, caller, tenant, audience, now) {
            return Ok(issued);
        }
        let issued = issuer.issue(caller, tenant, audience, now)?;
        self.entries.insert(KeyRef::of(issuer, caller, tenant, audience).to_owned(), issued.clone());
        Ok(issued)
    }

    /// Does the evictions that are due now instead of with later calls: for tests and for measuring.
    pub fn settle(&self) {
        self.entries.run_pending_tasks();
    }

    /// The cached assertion, if there is one that need not be renewed.
    pub fn get(
        &self,
        issuer: &Issuer,
        caller: &Caller,
        tenant: &TenantScope,
        audience: &str,
        now: Micros,
    ) -> Option<Issued> {
        let issued = self.entries.get(&KeyRef::of(issuer, caller, tenant, audience))?;
        // A clock that was set back would make the cached one lie in the future, where services refuse it.
        (issued.issued_at <= now && now < issued.renew_at).then_some(issued)
    }
}

/// The parts of a key that are small and plain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ids {
    kid: KeyId,
    tenant: TenantId,
    who: Who,
}

/// Everything of a caller that an assertion depends on: `version` names the account's state (its roles), the session's
/// last sign-in names its strength. What a key or token is narrowed to follows from which it is, that is, from the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Anonymous,
    Principal {
        id: PrincipalId,
        tenant: TenantId,
        version: i64,
        session: SessionId,
        authenticated_at: Micros,
        level: u8,
        credential: Credential,
    },
}

impl Who {
    fn of(caller: &Caller) -> Self {
        match caller {
            Caller::Anonymous => Self::Anonymous,
            Caller::Principal(principal) => Self::Principal {
                id: principal.id,
                tenant: principal.tenant,
                version: principal.version,
                session: principal.session,
                authenticated_at: principal.authenticated_at,
                level: principal.strength.level,
                credential: principal.credential,
            },
        }
    }
}

#[derive(Debug)]
struct Key {
    ids: Ids,
    issuer: Arc<str>,
    tenant_name: TenantName,
    audience: Arc<str>,
}

/// A key that borrows its texts, to look up without allocating.
struct KeyRef<'a> {
    ids: Ids,
    issuer: &'a str,
    tenant_name: &'a TenantName,
    audience: &'a str,
}

impl<'a> KeyRef<'a> {
    fn of(issuer: &'a Issuer, caller: &Caller, tenant: &'a TenantScope, audience: &'a str) -> Self {
        let ids = Ids { kid: issuer.keys().kid(), tenant: tenant.id, who: Who::of(caller) };
        Self { ids, issuer: issuer.url(), tenant_name: &tenant.name, audience }
    }

    fn to_owned(&self) -> Key {
        Key {
            ids: self.ids,
            issuer: self.issuer.into(),
            tenant_name: self.tenant_name.clone(),
            audience: self.audience.into(),
        }
    }
}

impl Key {
    fn borrowed(&self) -> KeyRef<'_> {
        KeyRef { ids: self.ids, issuer: &self.issuer, tenant_name: &self.tenant_name, audience: &self.audience }
    }
}

// INVARIANT (one hash): a key and its borrowed form hash and compare by the one implementation on `KeyRef`.
impl Hash for KeyRef<'_> {
    /// Over what tells most of them apart; equality does the rest.
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.ids.who {
            Who::Anonymous => self.ids.tenant.hash(state),
            Who::Principal { session, version, .. } => (session, version).hash(state),
        }
        self.audience.hash(state);
    }
}

impl PartialEq for KeyRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.ids == other.ids
            && self.issuer == other.issuer
            && self.tenant_name == other.tenant_name
            && self.audience == other.audience
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.borrowed().hash(state);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.borrowed() == other.borrowed()
    }
}

impl Eq for Key {}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        *self == key.borrowed()
    }
}
