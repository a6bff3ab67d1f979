//! What programs show: a prefix that says what it is, an id, 256 random bits, and a check that needs no store.
//!
//! Scanners of repositories and logs find it by its prefix and length and can tell it from an accident by its check. Whoever types
//! one wrongly is told apart from whoever guesses, and neither costs the store a question.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::random::{EntropyError, random_bytes};
use crate::token::TokenHash;

/// 256 bits cannot be guessed, so neither salt nor stretching is needed.
pub(crate) const SECRET_BYTES: usize = 32;
const ID_BYTES: usize = 16;
/// A slip of the pen passes once in 16 million. With three octets the whole has no spare bits in base64.
const CHECK_BYTES: usize = 3;
const BYTES: usize = ID_BYTES + SECRET_BYTES + CHECK_BYTES;

/// What a secret is for. Each has a prefix of its own, which its hash covers: none is ever taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretKind {
    /// A service account's key.
    ApiKey,
    /// What a program gets its next access token with.
    RefreshToken,
    /// What an identity provider tells about its people with.
    ScimToken,
}

impl SecretKind {
    /// What it begins with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::ApiKey => "cgk_",
            Self::RefreshToken => "cgr_",
            Self::ScimToken => "cgs_",
        }
    }
}

/// A secret that was just made, on its way to whoever it belongs to. `Debug` hides it; memory is wiped on drop.
pub struct ProgramSecret {
    kind: SecretKind,
    id: Uuid,
    octets: Zeroizing<[u8; SECRET_BYTES]>,
}

impl ProgramSecret {
    /// Draws a secret for an id from the operating system's randomness.
    pub(crate) fn draw(kind: SecretKind, id: Uuid) -> Result<Self, EntropyError> {
        Ok(Self { kind, id, octets: Zeroizing::new(random_bytes()?) })
    }

    /// A secret whose octets were drawn by the caller.
    pub(crate) fn of(kind: SecretKind, id: Uuid, octets: Zeroizing<[u8; SECRET_BYTES]>) -> Self {
        Self { kind, id, octets }
    }

    /// The text to hand over: the prefix and 68 characters of base64url.
    ///
    /// # Security
    /// Only for whoever just made it: it exists nowhere else.
    pub fn expose(&self) -> Zeroizing<String> {
        let digest = digest(self.kind, self.id, &self.octets);
        let mut octets = Zeroizing::new([0; BYTES]);
        let parts = self.id.as_bytes().iter().chain(&*self.octets).chain(digest.iter().take(CHECK_BYTES));
        octets.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
        // In memory of its own size: a text that grows leaves what it was behind.
        let mut text = Zeroizing::new(String::with_capacity(self.kind.prefix().len() + BYTES.div_ceil(3) * 4));
        text.push_str(self.kind.prefix());
        URL_SAFE_NO_PAD.encode_string(*octets, &mut text);
        text
    }

    pub(crate) fn hash(&self) -> TokenHash {
        TokenHash::from(digest(self.kind, self.id, &self.octets))
    }
}

impl fmt::Debug for ProgramSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgramSecret").field("kind", &self.kind).field("id", &self.id).finish_non_exhaustive()
    }
}

/// A secret that a program showed: well formed, and otherwise unverified. Only its hash is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentedSecret {
    id: Uuid,
    hash: TokenHash,
}

/// Why a text is no secret of this kind. The text is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Another prefix, length or alphabet.
    #[error("it has not the form of such a secret")]
    Malformed,
    /// The form is right and the check is not: mistyped, or cut out of something else.
    #[error("its check does not fit: it was mistyped")]
    Mistyped,
}

impl PresentedSecret {
    /// Reads a secret.
    ///
    /// # Errors
    /// [`SecretError`] for what cannot be one, whatever the store holds.
    pub fn parse(kind: SecretKind, text: &str) -> Result<Self, SecretError> {
        Self::parse_whole(kind, text).map(|(presented, _)| presented)
    }

    /// The same, with the secret's octets.
    pub(crate) fn parse_whole(
        kind: SecretKind,
        text: &str,
    ) -> Result<(Self, Zeroizing<[u8; SECRET_BYTES]>), SecretError> {
        let encoded = text.strip_prefix(kind.prefix()).ok_or(SecretError::Malformed)?;
        let mut octets = Zeroizing::new([0; BYTES]);
        // The decoder refuses longer texts and padding; there are no trailing bits.
        let length = URL_SAFE_NO_PAD.decode_slice(encoded, octets.as_mut_slice());
        if length != Ok(BYTES) {
            return Err(SecretError::Malformed);
        }
        let (id, rest) = octets.split_first_chunk::<ID_BYTES>().ok_or(SecretError::Malformed)?;
        let (secret, check) = rest.split_first_chunk::<SECRET_BYTES>().ok_or(SecretError::Malformed)?;
        let id = Uuid::from_bytes(*id);
        let digest = digest(kind, id, secret);
        match digest.starts_with(check) {
            true => Ok((Self { id, hash: TokenHash::from(digest) }, Zeroizing::new(*secret))),
            false => Err(SecretError::Mistyped),
        }
    }

    /// Whose secret it says that it is. Unverified.
    pub fn unverified_id(&self) -> Uuid {
        self.id
    }

    pub(crate) fn hash(&self) -> TokenHash {
        self.hash
    }
}

/// Over everything, so that the id cannot be exchanged. The check is this digest's beginning: from what it tells of 256 random bits,
/// nobody gets any nearer to them.
fn digest(kind: SecretKind, id: Uuid, secret: &[u8; SECRET_BYTES]) -> [u8; 32] {
    Sha256::new().chain_update(kind.prefix()).chain_update(id.as_bytes()).chain_update(secret).finalize().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KIND: SecretKind = SecretKind::ApiKey;

    fn secret(id: u128, octets: [u8; 32]) -> ProgramSecret {
        ProgramSecret { kind: KIND, id: Uuid::from_u128(id), octets: Zeroizing::new(octets) }
    }

    #[test]
    fn only_the_canonical_spelling_is_a_secret() {
        let good = secret(7, [9; 32]).expose();
        assert_eq!(good.len(), 72);
        assert!(PresentedSecret::parse(KIND, &good).is_ok());
        for bad in [
            String::new(),
            "cgk_".to_owned(),
            format!("{}=", *good),
            format!(" {}", *good),
            format!("{}A", *good),
            good.replacen("cgk_", "CGK_", 1),
            good.replacen("cgk_", "cgr_", 1),
            good[4..].to_owned(),
            "A".repeat(72),
            "A".repeat(100_000),
        ] {
            assert_eq!(PresentedSecret::parse(KIND, &bad), Err(SecretError::Malformed), "{bad:.80}");
        }
    }

    #[test]
    fn no_kind_is_taken_for_another() {
        let other = ProgramSecret { kind: SecretKind::RefreshToken, ..secret(7, [9; 32]) }.expose();
        assert_eq!(PresentedSecret::parse(KIND, &other), Err(SecretError::Malformed));
        let renamed = other.replacen("cgr_", "cgk_", 1);
        assert_eq!(PresentedSecret::parse(KIND, &renamed), Err(SecretError::Mistyped));
    }

    #[test]
    fn nothing_shows_the_secret() {
        let made = ProgramSecret::draw(KIND, Uuid::nil()).unwrap();
        let text = made.expose();
        let presented = PresentedSecret::parse(KIND, &text).unwrap();
        let shown = format!("{made:?} {presented:?}");
        assert!(!shown.contains(&text[30..]) && shown.contains("TokenHash(..)"), "{shown}");
        assert_ne!(made.hash(), ProgramSecret::draw(KIND, Uuid::nil()).unwrap().hash());
    }

    proptest! {
        #[test]
        fn what_was_given_is_what_is_recognised(id: u128, octets: [u8; 32]) {
            let made = secret(id, octets);
            let presented = PresentedSecret::parse(KIND, &made.expose()).unwrap();
            prop_assert_eq!(presented.hash(), made.hash());
            prop_assert_eq!(presented.unverified_id(), Uuid::from_u128(id));
        }

        #[test]
        fn one_wrong_character_is_noticed(id: u128, octets: [u8; 32], at in 4..72_usize, other in "[A-Za-z0-9_-]") {
            let good = secret(id, octets).expose();
            let mut bad = good.to_string();
            bad.replace_range(at..=at, &other);
            prop_assume!(*bad != **good);
            prop_assert_eq!(PresentedSecret::parse(KIND, &bad), Err(SecretError::Mistyped));
        }

        #[test]
        fn no_text_is_more_than_refused(text in "\\PC{0,90}|cgk_[A-Za-z0-9_-]{60,76}") {
            let _ = PresentedSecret::parse(KIND, &text);
        }
    }
}
