//! Service accounts that show an issuer's JWT at the door. Whether it vouches for them is judged by whoever asks here; what is read once
//! is then kept as sessions are, for a few minutes, after which it is judged again: an issuer may have taken its key back.

use std::sync::Arc;
use std::time::Duration;

use cedargate_migrations::TenantTx;
use cedargate_model::{Credential, Micros, Principal, SessionId, TenantId};
use uuid::Uuid;

use super::programs::ProgramRefused;
use super::{FindProgramError, Sessions, ShownToken, workloads};
use crate::session_cache::Key;
use crate::session_rows::Loaded;
use crate::{ServiceAccountName, ServiceAccounts};

/// How long a judgement is used.
const JUDGED_FOR: Duration = Duration::from_secs(5 * 60);

/// A JWT that vouches for a service account, after it was judged.
#[derive(Clone, Debug)]
pub struct ShownAssertion {
    /// Its text.
    pub shown: ShownToken,
    /// For whom.
    pub service_account: ServiceAccountName,
    /// When the issuer said so.
    pub issued_at: Micros,
    /// When its word ends.
    pub expires_at: Micros,
}

impl ShownAssertion {
    /// What the record names the session of whoever shows it: of each its own, since what services are told is kept by it.
    pub fn session(&self) -> SessionId {
        let octets = self.shown.hash();
        SessionId(Uuid::from_bytes(octets.as_bytes().first_chunk().copied().unwrap_or_default()))
    }
}

impl Sessions {
    /// Whom it lets in now. It is remembered by its text, unless it `counts_once`: then each showing is judged.
    ///
    /// # Security
    /// It must have been judged for this tenant, by this text.
    ///
    /// # Errors
    /// [`FindProgramError`].
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn find_assertion(
        &self,
        tenant: TenantId,
        assertion: &ShownAssertion,
        counts_once: bool,
        now: Micros,
    ) -> Result<Arc<Principal>, FindProgramError> {
        let key = Key::new(tenant, assertion.shown.hash());
        let reading = self.cache.begin_load();
        let mut tx = self.pool.tenant(tenant).read().await?;
        let loaded = load(&mut tx, assertion, now).await;
        drop(tx);
        match loaded {
            Ok(loaded) if counts_once => Ok(loaded.principal),
            Ok(mut loaded) => {
                loaded.expires_at = loaded.expires_at.min(now.after(JUDGED_FOR));
                Ok(Arc::clone(&self.cache.insert(key, loaded, now, reading).principal))
            }
            Err(error) => {
                self.cache.remove(&key);
                Err(error)
            }
        }
    }
}

/// The service account as it is today, for as long as the assertion counts.
pub(super) async fn load(
    tx: &mut TenantTx,
    assertion: &ShownAssertion,
    now: Micros,
) -> Result<Loaded, FindProgramError> {
    let found = ServiceAccounts::find_by_name_in(tx, &assertion.service_account).await?;
    let account = found.ok_or(ProgramRefused::Unknown)?;
    let mut loaded = workloads::load(tx, account.id, now).await?;
    let mut principal = Principal::clone(&loaded.principal);
    principal.session = assertion.session();
    principal.credential = Credential::IssuerToken;
    principal.authenticated_at = assertion.issued_at;
    loaded.principal = Arc::new(principal);
    loaded.expires_at = assertion.expires_at;
    Ok(loaded)
}
