//! Whose certificate is it? The same memory as for keys. Most certificates are nobody's: policies know them, and nobody signs in by
//! one. That, too, is remembered, for a second.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedargate_migrations::TenantTx;
use cedargate_model::{ClientCertificate, Credential, Micros, Principal, PrincipalId, SessionId, TenantId};
use sha2::{Digest, Sha256};
use sqlx::FromRow;
use uuid::Uuid;

use super::programs::ProgramRefused;
use super::{FindProgramError, Sessions, workloads};
use crate::certificates::{CertificateRule, KeyDigest};
use crate::session_cache::Key;
use crate::session_rows::Loaded;
use crate::token::TokenHash;

/// How many names of a certificate are looked for.
const NAMES_MAX: usize = ClientCertificate::NAMES_MAX;

/// A certificate that a client showed, as far as service accounts are known by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownCertificate {
    /// SHA-256 of the whole.
    pub fingerprint: [u8; 32],
    /// Its own key.
    pub key: KeyDigest,
    /// The key that signed it, where that is known.
    pub issuer: Option<KeyDigest>,
    /// The URIs among its alternative names: with the DNS names, no more than [`ClientCertificate::NAMES_MAX`].
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

/// A rule by which a service account is known.
#[derive(Clone, FromRow)]
struct FoundRow {
    id: Uuid,
    account_id: Uuid,
    kind: String,
    issuer_key: String,
    value: String,
    created_at: i64,
}

impl FoundRow {
    fn is_of(&self, rule: &CertificateRule) -> bool {
        self.kind == rule.kind() && self.issuer_key == rule.issuer() && self.value == rule.value()
    }
}

pub(super) async fn find(
    tx: &mut TenantTx,
    shown: &ShownCertificate,
    now: Micros,
) -> Result<Option<Loaded>, FindProgramError> {
    // One text for as many names as a certificate may have: whoever shows one with many must not cost more.
    const FIND: &str = "
SELECT id, account_id, kind, issuer_key, value, created_at
FROM service_account_certificates
WHERE tenant_id = $1
  AND kind = 'key'
  AND issuer_key = ''
  AND value = $2
UNION ALL
SELECT id, account_id, kind, issuer_key, value, created_at
FROM service_account_certificates
WHERE tenant_id = $1
  AND kind IN ('uri', 'dns')
  AND issuer_key = $3
  AND value IN (
      $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
      $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35
  )";
    let rules: Vec<_> = shown.rules().take(1 + NAMES_MAX).collect();
    let issuer = shown.issuer.map(|issuer| issuer.to_string()).unwrap_or_default();
    let named = rules.iter().skip(1).map(CertificateRule::value).chain(std::iter::repeat(String::new()));
    let finding = tx.query(FIND).bind(shown.key.to_string()).bind(issuer);
    let finding = named.take(NAMES_MAX).fold(finding, |finding, name| finding.bind(name));
    let mut found: Vec<FoundRow> = finding.fetch_all().await?;
    // A URI is no DNS name, though they be written alike.
    found.retain(|row| rules.iter().any(|rule| row.is_of(rule)));
    let accounts: BTreeSet<_> = found.iter().map(|row| row.account_id).collect();
    if accounts.len() > 1 {
        return Err(ProgramRefused::Ambiguous.into());
    }
    // Of several rules the first: its key, and then by name.
    let first = rules.iter().find_map(|rule| found.iter().find(|row| row.is_of(rule)));
    let Some(FoundRow { id, account_id: account, created_at, .. }) = first.cloned() else { return Ok(None) };
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
