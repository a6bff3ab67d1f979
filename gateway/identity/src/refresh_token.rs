//! The refresh tokens of a family: each counts once, and all of them are known by what they share.
//!
//! The first half of a refresh token's secret is its family's and stays, the second is its own. So one row holds a family whatever
//! becomes of it, a token that was spent long ago is told from one that somebody made up, and refreshing for as long as a session lasts
//! fills nothing. Each half has 128 random bits: whoever has seen a spent one knows a family's half, and ends the family with the first
//! wrong guess at the other.

use std::fmt;

use cedargate_model::GrantId;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::program_secret::SECRET_BYTES;
use crate::random::{EntropyError, random_bytes};
use crate::token::TokenHash;
use crate::{PresentedSecret, ProgramSecret, SecretError, SecretKind};

/// How much of the secret is the family's.
const FAMILY_BYTES: usize = SECRET_BYTES / 2;

/// A refresh token that was just made, on its way to the program that it belongs to. `Debug` hides it; memory is wiped on drop.
#[derive(Debug)]
pub struct RefreshToken {
    secret: ProgramSecret,
    family: TokenHash,
}

impl RefreshToken {
    /// The first of a new family.
    pub(crate) fn first(grant: GrantId) -> Result<Self, EntropyError> {
        Self::of(grant, &Zeroizing::new(random_bytes()?))
    }

    /// The one after this, which is of the same family.
    pub(crate) fn after(shown: &PresentedRefresh) -> Result<Self, EntropyError> {
        Self::of(shown.unverified_grant(), &shown.family)
    }

    fn of(grant: GrantId, family: &Zeroizing<[u8; FAMILY_BYTES]>) -> Result<Self, EntropyError> {
        let own = Zeroizing::new(random_bytes::<FAMILY_BYTES>()?);
        let mut octets = Zeroizing::new([0; SECRET_BYTES]);
        octets.iter_mut().zip(family.iter().chain(own.iter())).for_each(|(to, from)| *to = *from);
        let secret = ProgramSecret::of(SecretKind::RefreshToken, grant.0, octets);
        Ok(Self { secret, family: family_hash(grant, family) })
    }

    /// The text to hand over.
    ///
    /// # Security
    /// Only for the program whose family it is: it exists nowhere else.
    pub fn expose(&self) -> Zeroizing<String> {
        self.secret.expose()
    }

    pub(crate) fn hash(&self) -> TokenHash {
        self.secret.hash()
    }

    pub(crate) fn family_hash(&self) -> TokenHash {
        self.family
    }
}

/// A refresh token that a program showed: well formed, and otherwise unverified.
#[derive(Clone)]
pub struct PresentedRefresh {
    shown: PresentedSecret,
    /// Kept, because the next one has it, too.
    family: Zeroizing<[u8; FAMILY_BYTES]>,
}

impl PresentedRefresh {
    /// Reads a refresh token.
    ///
    /// # Errors
    /// [`SecretError`] for what cannot be one, whatever the store holds.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let (shown, octets) = PresentedSecret::parse_whole(SecretKind::RefreshToken, text)?;
        let (family, _) = octets.split_first_chunk::<FAMILY_BYTES>().ok_or(SecretError::Malformed)?;
        Ok(Self { shown, family: Zeroizing::new(*family) })
    }

    pub(crate) fn unverified_grant(&self) -> GrantId {
        GrantId(self.shown.unverified_id())
    }

    pub(crate) fn hash(&self) -> TokenHash {
        self.shown.hash()
    }

    pub(crate) fn family_hash(&self) -> TokenHash {
        family_hash(self.unverified_grant(), &self.family)
    }
}

impl fmt::Debug for PresentedRefresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresentedRefresh").field("shown", &self.shown).finish_non_exhaustive()
    }
}

fn family_hash(grant: GrantId, family: &[u8; FAMILY_BYTES]) -> TokenHash {
    let digest = Sha256::new().chain_update("refresh family ").chain_update(grant.0.as_bytes()).chain_update(family);
    TokenHash::from(<[u8; 32]>::from(digest.finalize()))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_next_token_is_another_one_of_the_same_family() {
        let first = RefreshToken::first(GrantId(Uuid::from_u128(7))).unwrap();
        let shown = PresentedRefresh::parse(&first.expose()).unwrap();
        assert_eq!((shown.hash(), shown.family_hash()), (first.hash(), first.family_hash()));
        let next = RefreshToken::after(&shown).unwrap();
        assert_ne!(next.hash(), first.hash());
        assert_eq!(next.family_hash(), first.family_hash());
        let stranger = RefreshToken::first(GrantId(Uuid::from_u128(7))).unwrap();
        assert_ne!(stranger.family_hash(), first.family_hash());
    }

    #[test]
    fn nothing_shows_the_secret() {
        let made = RefreshToken::first(GrantId(Uuid::from_u128(7))).unwrap();
        let text = made.expose();
        let presented = PresentedRefresh::parse(&text).unwrap();
        let shown = format!("{made:?} {presented:?}");
        assert!(!shown.contains(&text[30..50]) && shown.contains("TokenHash(..)"), "{shown}");
    }
}
