//! What people agreed to.

use std::net::IpAddr;

use cedargate_migrations::{Pool, StoreError};
use cedargate_model::{ConsentDocument, Micros, PrincipalId, TenantId};

use crate::Ready;

/// A version of a document, as a tenant names it: 1 to 64 printable ASCII characters without blanks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentVersion(String);

/// A text is no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a version has 1 to 64 printable characters without blanks, such as `2026-11`")]
pub struct DocumentVersionError;

impl DocumentVersion {
    /// Accepts a version.
    ///
    /// # Errors
    /// [`DocumentVersionError`].
    pub fn parse(text: &str) -> Result<Self, DocumentVersionError> {
        let well_formed = (1..=64).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_graphic());
        if well_formed { Ok(Self(text.to_owned())) } else { Err(DocumentVersionError) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The consents of a store.
#[derive(Clone, Debug)]
pub struct Consents {
    pool: Pool,
}

impl Consents {
    /// The consents in this store.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Which of these documents the account has not agreed to in these versions.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn missing(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        asked: &[(ConsentDocument, DocumentVersion)],
    ) -> Result<Vec<ConsentDocument>, StoreError> {
        const GIVEN: &str = "
SELECT COUNT(*)
FROM consents
WHERE tenant_id = $1
  AND account_id = $2
  AND document = $3
  AND version = $4";
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.pool.tenant(tenant).read().await?;
        let mut missing = Vec::new();
        for (document, version) in asked {
            let given = tx.query(GIVEN).bind(account.0).bind(document.as_str()).bind(version.as_str());
            if given.fetch_one::<(i64,)>().await?.0 == 0 {
                missing.push(*document);
            }
        }
        Ok(missing)
    }

    /// Notes that the account's person agreed, ready to be made known once it is recorded. Agreeing twice keeps the first time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn give(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        given: &[(ConsentDocument, DocumentVersion)],
        address: IpAddr,
        now: Micros,
    ) -> Result<Ready<()>, StoreError> {
        const GIVE: &str = "
INSERT INTO consents (tenant_id, account_id, document, version, address, given_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, account_id, document, version) DO NOTHING";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        for (document, version) in given {
            tx.query(GIVE)
                .bind(account.0)
                .bind(document.as_str())
                .bind(version.as_str())
                .bind(address.to_string())
                .bind(now.0)
                .execute()
                .await?;
        }
        Ok(Ready::new(tx, ()))
    }
}
