//! Recovery codes: the way back in for whoever has lost their factors.

use std::fmt;

use cedargate_migrations::{StoreError, TenantTx};
use cedargate_model::{Micros, PrincipalId, TenantId};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::factors::{delete_codes, list};
use crate::random::{EntropyError, random_bytes};
use crate::{Factors, Holder, HolderError, Ready};

/// How many codes an account is given at a time.
pub const RECOVERY_CODES: usize = 10;

/// Letters and digits that are not taken for each other: 32, so that one carries five bits.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz234567890";

/// 120 bits. From 112 bits on, NIST SP 800-63B-4 §3.1.2.2 asks for a hash without salt or stretching: such a code cannot be
/// found by trying. A shorter one would need a password's hash.
const CODE_CHARS: usize = 24;

/// How many characters stand together.
const GROUP_CHARS: usize = 4;

/// A recovery code, on its way to its person or back from them. `Debug` hides it; memory is wiped on drop.
pub struct RecoveryCode(Zeroizing<[u8; CODE_CHARS]>);

impl RecoveryCode {
    fn draw() -> Result<Self, EntropyError> {
        let random = Zeroizing::new(random_bytes::<CODE_CHARS>()?);
        let mut code = Zeroizing::new([b'a'; CODE_CHARS]);
        for (letter, octet) in code.iter_mut().zip(random.iter()) {
            // 256 is a multiple of 32, so every letter is as likely as any other.
            *letter = ALPHABET.get(usize::from(octet % 32)).copied().unwrap_or(b'a');
        }
        Ok(Self(code))
    }

    /// Reads a code as somebody typed it: in any case, with blanks and hyphens anywhere. `None` where no code is like that.
    pub fn parse(text: &str) -> Option<Self> {
        let mut code = Zeroizing::new([0; CODE_CHARS]);
        let mut typed =
            text.bytes().filter(|octet| !matches!(octet, b' ' | b'-')).map(|octet| octet.to_ascii_lowercase());
        for letter in code.iter_mut() {
            *letter = typed.next().filter(|octet| ALPHABET.contains(octet))?;
        }
        typed.next().is_none().then_some(Self(code))
    }

    /// The code as people read it: six groups of four.
    ///
    /// # Security
    /// Only to show it to its person, once.
    pub fn expose(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(CODE_CHARS + CODE_CHARS / GROUP_CHARS));
        for (position, letter) in self.0.iter().enumerate() {
            if position > 0 && position % GROUP_CHARS == 0 {
                text.push('-');
            }
            text.push(char::from(*letter));
        }
        text
    }

    /// For one account alone: the same code of two people, were it ever drawn, would not look the same in the store.
    fn hash(&self, tenant: TenantId, account: PrincipalId) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(tenant.0.as_bytes());
        hash.update(account.0.as_bytes());
        hash.update(self.0.as_slice());
        hash.finalize().into()
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(..)")
    }
}

/// Why no recovery codes were drawn.
#[derive(Debug, thiserror::Error)]
pub enum DrawCodesError {
    /// The session may not.
    #[error(transparent)]
    Holder(#[from] HolderError),
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store failed.
    #[error("the recovery codes could not be stored")]
    Store(#[from] StoreError),
}

impl Factors {
    /// Draws new recovery codes in place of those that are left, to be shown this once. None where the account has no factor: codes
    /// recover factors, and must not become the only one.
    ///
    /// # Errors
    /// [`DrawCodesError`].
    pub async fn draw_recovery_codes(
        &self,
        holder: Holder,
        now: Micros,
    ) -> Result<Option<Ready<Vec<RecoveryCode>>>, DrawCodesError> {
        let mut tx = self.pool.tenant(holder.tenant).begin().await?;
        if holder.check(&mut tx, now).await?.factors.is_empty() {
            return Ok(None);
        }
        let codes = draw_in(&mut tx, holder.account, now).await?;
        Ok(Some(Ready::new(tx, codes)))
    }

    /// Spends a recovery code, once that is committed. None where it does not count: it does once, at whichever gateway it is shown first.
    ///
    /// Looking its hash up leaks nothing useful through time: an attacker does not choose hashes.
    ///
    /// # Errors
    /// [`StoreError`]; then it was not spent.
    pub async fn spend_recovery_code(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        code: &RecoveryCode,
    ) -> Result<Option<Ready<()>>, StoreError> {
        const SPEND: &str = "
DELETE FROM recovery_codes
WHERE tenant_id = $1
  AND account_id = $2
  AND code_hash = $3";
        let hash = code.hash(tenant, account);
        let mut tx = self.pool.tenant(tenant).begin().await?;
        // A code stands in for a factor, so it counts while there is one.
        if list(&mut tx, account).await?.is_empty() {
            return Ok(None);
        }
        let spent = tx.query(SPEND).bind(account.0).bind(hash.as_slice()).execute().await?;
        Ok((spent == 1).then(|| Ready::new(tx, ())))
    }

    /// How many recovery codes are left.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn recovery_codes_left(&self, tenant: TenantId, account: PrincipalId) -> Result<usize, StoreError> {
        let mut tx = self.pool.tenant(tenant).read().await?;
        count(&mut tx, account).await
    }
}

pub(crate) async fn count(tx: &mut TenantTx, account: PrincipalId) -> Result<usize, StoreError> {
    const COUNT: &str = "
SELECT COUNT(*)
FROM recovery_codes
WHERE tenant_id = $1
  AND account_id = $2";
    let (count,): (i64,) = tx.query(COUNT).bind(account.0).fetch_one().await?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// Draws codes in place of those that are left, in the middle of a unit of work.
pub(crate) async fn draw_in(
    tx: &mut TenantTx,
    account: PrincipalId,
    now: Micros,
) -> Result<Vec<RecoveryCode>, DrawCodesError> {
    const INSERT: &str = "
INSERT INTO recovery_codes (tenant_id, account_id, code_hash, created_at)
VALUES ($1, $2, $3, $4)";
    let codes = (0..RECOVERY_CODES).map(|_| RecoveryCode::draw()).collect::<Result<Vec<_>, _>>()?;
    delete_codes(tx, account).await?;
    for code in &codes {
        let hash = code.hash(tx.tenant(), account);
        tx.query(INSERT).bind(account.0).bind(hash.as_slice()).bind(now.0).execute().await?;
    }
    Ok(codes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_code_is_recognised_however_it_is_typed() {
        let (tenant, account) = (TenantId(Uuid::nil()), PrincipalId(Uuid::nil()));
        let drawn = RecoveryCode::draw().unwrap();
        let shown = drawn.expose();
        assert_eq!(shown.split('-').map(str::len).collect::<Vec<_>>(), [4; 6]);
        for typed in [shown.to_string(), shown.to_uppercase(), shown.replace('-', " "), shown.replace('-', "")] {
            assert_eq!(RecoveryCode::parse(&typed).unwrap().hash(tenant, account), drawn.hash(tenant, account));
        }
        assert_ne!(drawn.hash(tenant, account), drawn.hash(tenant, PrincipalId(Uuid::from_u128(1))));
        assert_eq!(format!("{drawn:?}"), "RecoveryCode(..)");
    }

    proptest! {
        #[test]
        fn what_is_read_is_a_code_and_nothing_else(text in "[a-z0-9 -]{20,34}|\\PC{0,40}") {
            let letters: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect::<String>().to_ascii_lowercase();
            let is_code = letters.len() == CODE_CHARS && letters.bytes().all(|octet| ALPHABET.contains(&octet));
            prop_assert_eq!(RecoveryCode::parse(&text).is_some(), is_code);
        }
    }
}
