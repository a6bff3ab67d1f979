//! Whose certificate is it? The same memory as for keys. Most certificates are nobody's: policies know them, and nobody signs in by
//! one. That, too, is remembered, for a second.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedargate_migrations::TenantTx;
use cedargate_model::{Credential, Micros, Principal, PrincipalId, SessionId, TenantId};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::programs::ProgramRefused;
use super::{FindProgramError, Sessions, workloads};
use crate::certificates::{CertificateRule, KeyDigest};
use crate::session_cache::Key;
use crate::session_rows::Loaded;
use crate::token::TokenHash;

/// A certificate that a client showed, as far as service accounts are known by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownCertificate {
    /// SHA-256 of the whole.
    pub fingerprint: [u8; 32],
    /// Its own key.
    pub key: KeyDigest,
    /// The key that signed it, where that is known.
    pub issuer: Option<KeyDigest>,
    /// The URIs among its alternative names.
    pub uris: Vec<String>,
    /// The DNS names among them, in lower case.
    pub dns: Vec<String>,
    /// From when on it counts for nothing.
    pub not_after: Micros,
}

impl ShownCertificate {
    /// What an account would have to be known by.
    fn rules(&self) -> impl Iterator<Item = CertificateRule> + '_ {
        let names = self.issuer.into_iter().flat_map(move |issuer| {
            let uris = self.uris.iter().map(move |value| CertificateRule::Uri { issuer, value: value.clone() });
            uris.chain(self.dns.iter().map(move |value| CertificateRule::Dns { issuer, value: value.clone() }))
        });
        std::iter::once(CertificateRule::Key(self.key)).chain(names)
    }

    pub(super) fn cache_key(&self, tenant: TenantId) -> Key {
        let digest = Sha256::new().chain_update("client certificate ").chain_update(self.fingerprint).finalize();
        Key::new(tenant, TokenHash::from(<[u8; 32]>::from(digest)))
    }
}

impl Sessions {
    /// Whose certificate this is, if it is a service account's of this tenant.
    ///
    /// # Security
    /// Its chain must have been verified, and that the client has its key, in the handshake of this very connection.
    ///
    /// # Errors
    /// [`FindProgramError`] for one that is a service account's and does not count.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn find_certificate(
        &self,
        tenant: TenantId,
        shown: &ShownCertificate,
        now: Micros,
    ) -> Result<Option<Arc<Principal>>, FindProgramError> {
        let key = shown.cache_key(tenant);
        let found = match self.cache.fresh(&key, now, &self.settings) {
            Some(hot) => Arc::clone(&hot.principal),
            None if self.cache.is_nobodys(&key) => return Ok(None),
            None => {
                let reading = self.cache.begin_load();
                let mut tx = self.pool.tenant(tenant).read().await?;
                let loaded = find(&mut tx, shown, now).await;
                drop(tx);
                match loaded {
                    Ok(Some(loaded)) => Arc::clone(&self.cache.insert(key, loaded, now, reading).principal),
                    Ok(None) => {
                        self.cache.nobodys(key);
                        return Ok(None);
                    }
                    Err(error) => {
                        self.cache.remove(&key);
                        return Err(error);
                    }
                }
            }
        };
        // Looked at each time: a connection may last for longer than its certificate.
        if now >= shown.not_after { Err(ProgramRefused::Expired.into()) } else { Ok(Some(found)) }
    }
}

pub(super) async fn find(
    tx: &mut TenantTx,
    shown: &ShownCertificate,
    now: Micros,
) -> Result<Option<Loaded>, FindProgramError> {
    const FIND: &str = "
SELECT id, account_id, created_at
FROM service_account_certificates
WHERE tenant_id = $1
  AND kind = $2
  AND issuer_key = $3
  AND value = $4";
    let mut found: Vec<(Uuid, Uuid, i64)> = Vec::new();
    for rule in shown.rules() {
        let finding = tx.query(FIND).bind(rule.kind()).bind(rule.issuer()).bind(rule.value());
        found.extend(finding.fetch_optional::<(Uuid, Uuid, i64)>().await?);
    }
    let accounts: BTreeSet<_> = found.iter().map(|(_, account, _)| *account).collect();
    if accounts.len() > 1 {
        return Err(ProgramRefused::Ambiguous.into());
    }
    let Some((id, account, created_at)) = found.first().copied() else { return Ok(None) };
    let mut loaded = workloads::load(tx, PrincipalId(account), now).await?;
    let mut principal = Principal::clone(&loaded.principal);
    principal.session = SessionId(id);
    principal.credential = Credential::Certificate;
    // As of a key: showing it again proves nothing anew.
    principal.authenticated_at = Micros(created_at);
    loaded.principal = Arc::new(principal);
    loaded.expires_at = shown.not_after;
    Ok(Some(loaded))
}
