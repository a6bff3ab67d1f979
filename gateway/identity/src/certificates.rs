//! The certificates of clients by which service accounts are known: added, listed and revoked. [`crate::Sessions`] looks them up.
//!
//! A name in a certificate is worth what whoever issued it is worth: any authority that a host accepts could put another machine's name
//! into one. So a name is kept with the key of its issuer. A certificate's own key needs no issuer: nobody else has it.

use std::fmt;

use cedargate_migrations::StoreError;
use cedargate_model::{AccountAct, Micros, PrincipalId, SessionId, TenantId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::random::uuid_at;
use crate::{AccountState, EntropyError, OperatorError, ServiceAccounts, operator_events};

/// How many certificates one service account may be known by.
pub const CERTIFICATES_MAX: usize = 50;

/// The longest name that is kept, in octets.
const NAME_BYTES_MAX: usize = 1_000;

/// A public key: SHA-256 of its `SubjectPublicKeyInfo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyDigest(pub [u8; 32]);

impl fmt::Display for KeyDigest {
    /// In lower-case hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// By what of a certificate a service account is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateRule {
    /// Its own key, whoever issued it.
    Key(KeyDigest),
    /// A URI among its alternative names, such as a SPIFFE id, from whoever has this key.
    Uri {
        /// The issuer's.
        issuer: KeyDigest,
        /// The URI, compared octet for octet.
        value: String,
    },
    /// A DNS name among its alternative names, from whoever has this key.
    Dns {
        /// The issuer's.
        issuer: KeyDigest,
        /// The name, in lower case.
        value: String,
    },
}

impl CertificateRule {
    /// What of it is compared, as the store and the record say it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::Uri { .. } => "uri",
            Self::Dns { .. } => "dns",
        }
    }

    /// What that is.
    pub fn value(&self) -> String {
        match self {
            Self::Key(key) => key.to_string(),
            Self::Uri { value, .. } | Self::Dns { value, .. } => value.clone(),
        }
    }

    /// Whose key must have signed the certificate; nothing where that does not matter.
    pub(crate) fn issuer(&self) -> String {
        match self {
            Self::Key(_) => String::new(),
            Self::Uri { issuer, .. } | Self::Dns { issuer, .. } => issuer.to_string(),
        }
    }

    fn is_within(&self) -> bool {
        let value = self.value();
        (1..=NAME_BYTES_MAX).contains(&value.len()) && value.bytes().all(|octet| octet.is_ascii_graphic())
    }
}

/// A certificate by which a service account is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountCertificate {
    /// Its id, which the record names as the session of whoever is known by it.
    pub id: SessionId,
    /// `key`, `uri` or `dns`.
    pub kind: String,
    /// What that must be.
    pub value: String,
    /// The key of whoever issued it, in hexadecimal; none where that does not matter.
    pub issuer: Option<String>,
    /// When it was added.
    pub created_at: Micros,
}

/// Why no certificate was added.
#[derive(Debug, thiserror::Error)]
pub enum AddCertificateError {
    /// The tenant has no such service account, or it is disabled.
    #[error("the service account `{0}` is not there, or is disabled")]
    AccountUnusable(PrincipalId),
    /// Empty, too long, or not of visible ASCII characters.
    #[error("a name has 1 to {NAME_BYTES_MAX} visible ASCII characters")]
    NameMalformed,
    /// Another service account is known by it, or this one.
    #[error("a service account of the tenant is known by this certificate already")]
    Taken,
    /// As many as there may be.
    #[error("the service account is known by {CERTIFICATES_MAX} certificates: revoke one first")]
    TooMany,
    /// No id could be drawn.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store failed.
    #[error("the certificate could not be stored")]
    Store(#[from] StoreError),
}

impl From<OperatorError> for AddCertificateError {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Entropy(error) => Self::Entropy(error),
            OperatorError::Store(error) => Self::Store(error),
        }
    }
}

impl ServiceAccounts {
    /// Has a service account known by a certificate from now on, and leaves word of it for the record.
    ///
    /// # Errors
    /// [`AddCertificateError`].
    pub async fn add_certificate(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        rule: &CertificateRule,
        now: Micros,
    ) -> Result<SessionId, AddCertificateError> {
        const COUNT: &str = "
SELECT COUNT(*)
FROM service_account_certificates
WHERE tenant_id = $1
  AND account_id = $2";
        const INSERT: &str = "
INSERT INTO service_account_certificates (tenant_id, id, account_id, kind, issuer_key, value, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)";
        if !rule.is_within() {
            return Err(AddCertificateError::NameMalformed);
        }
        let id = SessionId(uuid_at(now)?);
        let mut tx = self.pool().tenant(tenant).begin().await?;
        let found = Self::find_in(&mut tx, account).await?;
        found
            .filter(|found| found.state == AccountState::Active)
            .ok_or(AddCertificateError::AccountUnusable(account))?;
        let (known,): (i64,) = tx.query(COUNT).bind(account.0).fetch_one().await?;
        if usize::try_from(known).is_ok_and(|known| known >= CERTIFICATES_MAX) {
            return Err(AddCertificateError::TooMany);
        }
        let inserting = tx.query(INSERT).bind(id.0).bind(account.0).bind(rule.kind()).bind(rule.issuer());
        match inserting.bind(rule.value()).bind(now.0).execute().await {
            Ok(_) => {}
            Err(StoreError::Conflict(_)) => return Err(AddCertificateError::Taken),
            Err(error) => return Err(error.into()),
        }
        let act = AccountAct::CertificateAdded { certificate: id, kind: rule.kind().to_owned(), value: rule.value() };
        operator_events::leave(&mut tx, account, None, act, now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// By which certificates a service account is known, the newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn certificates(
        &self,
        tenant: TenantId,
        account: PrincipalId,
    ) -> Result<Vec<AccountCertificate>, StoreError> {
        const LIST: &str = "
SELECT id, kind, issuer_key, value, created_at
FROM service_account_certificates
WHERE tenant_id = $1
  AND account_id = $2
ORDER BY id DESC
LIMIT 500";
        let mut tx = self.pool().tenant(tenant).read().await?;
        let rows: Vec<CertificateRow> = tx.query(LIST).bind(account.0).fetch_all().await?;
        Ok(rows.into_iter().map(CertificateRow::into_certificate).collect())
    }

    /// Has nobody known by a certificate any more: within about a second at every gateway. False where the tenant has none of this id.
    ///
    /// # Errors
    /// [`OperatorError`]; it then counts on.
    pub async fn revoke_certificate(
        &self,
        tenant: TenantId,
        certificate: SessionId,
        now: Micros,
    ) -> Result<bool, OperatorError> {
        const REVOKE: &str = "
DELETE FROM service_account_certificates
WHERE tenant_id = $1
  AND id = $2
RETURNING account_id";
        let mut tx = self.pool().tenant(tenant).begin().await?;
        let revoked: Option<(Uuid,)> = tx.query(REVOKE).bind(certificate.0).fetch_optional().await?;
        let Some((account,)) = revoked else { return Ok(false) };
        let act = AccountAct::CertificateRevoked { certificate };
        operator_events::leave(&mut tx, PrincipalId(account), None, act, now).await?;
        tx.commit().await?;
        Ok(true)
    }
}

#[derive(FromRow)]
struct CertificateRow {
    id: Uuid,
    kind: String,
    issuer_key: String,
    value: String,
    created_at: i64,
}

impl CertificateRow {
    fn into_certificate(self) -> AccountCertificate {
        let Self { id, kind, issuer_key, value, created_at } = self;
        let issuer = Some(issuer_key).filter(|issuer| !issuer.is_empty());
        AccountCertificate { id: SessionId(id), kind, value, issuer, created_at: Micros(created_at) }
    }
}
